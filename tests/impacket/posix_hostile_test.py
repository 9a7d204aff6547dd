#!/usr/bin/env python3
"""The POSIX extensions against who wants more than is his: rights that a mode has, names that lead
elsewhere, requests that are nonsense. What Linux keeps from a local program is kept from a client.
"""
import os
import random
import stat
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import posix_client as posix  # noqa: E402
import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from posix_client import Refused  # noqa: E402
from posix_test import ALICE, BOB, PosixCase, descriptor, mode_ace  # noqa: E402
from server import ids_of  # noqa: E402
from suite import braid_only  # noqa: E402

raw.STATUS |= {0xC0000278: "IO_REPARSE_DATA_INVALID"}
SET_REPARSE_POINT = 0x000900A4
NFS_TAG = 0x80000014
FIFO, CHARACTER, BLOCK = 0x4F464946, 0x524843, 0x4B4C42
RENAME, LINK, END_OF_FILE = 10, 11, 20


def two_users():
    return ids_of(ALICE) != ids_of(BOB)


@braid_only
class Privileges(PosixCase):
    """setuid and setgid end as they do locally: a write by who is not root takes them away."""

    def mode(self, name):
        return stat.S_IMODE(os.stat(self.path(name)).st_mode)

    def make_privileged(self, name, mode=0o6777):
        with open(self.path(name), "wb") as out:
            out.write(b"#!/bin/sh\n" * 100)
        if os.geteuid() == 0:
            os.chown(self.path(name), *ids_of(ALICE))
        os.chmod(self.path(name), mode)

    def test_whoever_changes_the_contents_ends_them(self):
        ways = {
            "write": lambda client, file: client.ask(raw.WRITE, raw.write(file, b"x" * 10))[0],
            "long write": lambda client, file: client.ask(
                raw.WRITE, raw.write(file, b"x" * 60000))[0],
            "shorten": lambda client, file: client.set(file, struct.pack("<Q", 5), END_OF_FILE),
            "lengthen": lambda client, file: client.set(file, struct.pack("<Q", 5000),
                                                        END_OF_FILE),
        }
        for user in (BOB, ALICE):
            client = self.log_in(user)
            for posix_mode in (0o644, None):
                for how, change in ways.items():
                    with self.subTest(user=user.name, how=how, posix=posix_mode):
                        self.make_privileged("tool")
                        file = client.open("tool", posix_mode, access=posix.READ | posix.WRITE)
                        self.assertEqual(change(client, file), "SUCCESS")
                        client.close_file(file)
                        self.assertEqual(self.mode("tool"), 0o777)
                with self.subTest(user=user.name, how="overwrite", posix=posix_mode):
                    self.make_privileged("tool")
                    status, file, _ = client.create("tool", posix_mode, access=posix.WRITE,
                                                    disposition=posix.OVERWRITE_IF)
                    if status == "SUCCESS":
                        client.close_file(file)
                        self.assertEqual(self.mode("tool") & 0o6000, 0)
                    else:
                        self.assertEqual(status, "ACCESS_DENIED")
                        self.assertEqual(os.stat(self.path("tool")).st_size, 1000)

    def test_a_group_that_is_not_ones_own_gets_no_setgid(self):
        if os.geteuid() != 0:
            self.skipTest("a second group takes root")
        self.client.make("group", 0o755)
        os.chown(self.path("group"), ids_of(ALICE)[0], 4711)
        file = self.client.open("group", access=posix.ALL_ACCESS)
        self.assertEqual(self.client.set(file, descriptor(aces=[mode_ace(0o2755)]), 0, posix.SECURITY, 4),
                         "SUCCESS")
        self.assertEqual(self.mode("group"), 0o755)
        os.mkdir(self.path("theirs"))
        os.chown(self.path("theirs"), 0, 4711)
        os.chmod(self.path("theirs"), 0o2777)
        self.client.make("theirs/tool", 0o2755)
        there = os.stat(self.path("theirs/tool"))
        self.assertEqual((there.st_gid, stat.S_IMODE(there.st_mode)), (4711, 0o755))

    def test_others_files_get_no_second_name(self):
        if not two_users():
            self.skipTest("one user for both without root")
        bob = self.log_in(BOB)
        self.client.make("open to all", 0o777, options=posix.DIRECTORY)
        os.chmod(self.path("open to all"), 0o777)
        self.client.make("alices", 0o644)
        file = bob.open("alices", access=posix.READ)
        self.assertEqual(bob.rename(file, "open to all/bobs", kind=LINK, replace=False),
                         "ACCESS_DENIED")
        self.assertEqual(os.listdir(self.path("open to all")), [])


@braid_only
class Elsewhere(PosixCase):
    def setUp(self):
        super().setUp()
        self.outside = os.path.join(os.path.dirname(self.root), "outside")
        os.makedirs(self.outside, exist_ok=True)
        os.chmod(self.outside, 0o777)
        with open(os.path.join(self.outside, "secret"), "w", encoding="ascii") as out:
            out.write("secret")
        os.chmod(os.path.join(self.outside, "secret"), 0o666)

    def test_a_folder_that_is_a_link_now_and_then_leads_nowhere(self):
        """A local program makes a folder a link to outside and back while clients go through it."""
        way, aside = self.path("way"), self.path("aside")
        os.mkdir(way)
        if os.geteuid() == 0:
            os.chown(way, *ids_of(ALICE))
        os.symlink(self.outside, aside)
        stop = threading.Event()

        def swap():
            other = self.path("other")
            while not stop.is_set():
                os.rename(way, other)
                os.rename(aside, way)
                os.rename(way, aside)
                os.rename(other, way)

        swapper = threading.Thread(target=swap, daemon=True)
        swapper.start()
        seen = set()
        try:
            for turn in range(400):
                for slash, mode in (("/", 0o644), ("\\", None)):
                    status, file, _ = self.client.create(
                        f"way{slash}made {turn}", mode, access=posix.ALL_ACCESS,
                        disposition=posix.OPEN_IF)
                    seen.add(status)
                    if file:
                        self.client.rename(file, f"way{slash}moved {turn}")
                        self.client.rename(file, f"way{slash}linked {turn}", kind=LINK)
                        self.client.close_file(file)
                    status, file, _ = self.client.create(f"way{slash}secret", mode,
                                                         access=posix.READ)
                    self.assertNotEqual(status, "SUCCESS")
        finally:
            stop.set()
            swapper.join()
        self.assertIn("SUCCESS", seen)
        self.assertEqual(os.listdir(self.outside), ["secret"])

    def test_characters_that_stand_for_others_are_no_way_up(self):
        dot, byte = "\uf029", 0xF100
        names = [dot, "." + dot, f"{dot}{dot}", f"a/{dot}", f"a/.{dot}/secret", f".{dot}/outside",
                 f".{dot}\\outside", "a\uf12fb", chr(byte + 0x2F), chr(byte + 0x2E) * 2,
                 "a" + chr(byte + 0xC0) + chr(byte + 0xAF) + "b", "\uf000", "a\uf100b"]
        self.client.make("a", 0o755, options=posix.DIRECTORY)
        inode = os.stat(self.root).st_ino, os.stat(os.path.dirname(self.root)).st_ino
        for name in names:
            with self.subTest(name):
                for client, mode in ((self.client, 0o644), (self.log_in(posix=()), None)):
                    status, file, _ = client.create(name, mode, disposition=posix.OPEN_IF)
                    if status != "SUCCESS":
                        continue
                    if mode is not None:
                        self.assertNotIn(client.info(file).inode, inode)
                    client.close_file(file)
        self.assertEqual(os.listdir(self.outside), ["secret"])


@braid_only
class Devices(PosixCase):
    def special(self, kind, data=b"", tag=NFS_TAG, length=None):
        body = struct.pack("<Q", kind) + data
        return struct.pack("<IHH", tag, len(body) if length is None else length, 0) + body

    def test_what_is_no_pipe_is_refused_and_the_file_stays(self):
        device = struct.pack("<II", 1, 5)
        bad = {
            "no head": b"\x14\0\0\x80",
            "length beyond the end": self.special(FIFO, length=9),
            "length before the end": self.special(FIFO, length=7),
            "kind of nothing": self.special(0),
            "half a kind": struct.pack("<IHH", NFS_TAG, 4, 0) + b"FIFO",
            "half a number": self.special(CHARACTER, device[:4]),
            "no number": self.special(BLOCK),
            "number too long": self.special(BLOCK, device + bytes(4)),
            "major of 13 bits": self.special(BLOCK, struct.pack("<II", 1 << 12, 0)),
            "minor of 21 bits": self.special(CHARACTER, struct.pack("<II", 1, 1 << 20)),
        }
        # The last one Linux lets everybody make: overlayfs takes it for a name that is gone.
        not_theirs = {
            "the memory": self.special(CHARACTER, struct.pack("<II", 1, 1)),
            "a disk": self.special(BLOCK, struct.pack("<II", 8, 0)),
            "the zeros": self.special(CHARACTER, device),
            "a hole": self.special(CHARACTER, bytes(8)),
        }
        os.chmod(self.root, 0o777)
        self.addCleanup(os.chmod, self.root, 0o755)
        for client in (self.client, self.log_in(BOB)):
            for name, data in (bad | not_theirs).items():
                with self.subTest(name):
                    file = client.open(name, access=posix.ALL_ACCESS, disposition=posix.CREATE,
                                       options=posix.OPEN_REPARSE_POINT)
                    status = client.ask(raw.IOCTL, raw.ioctl(SET_REPARSE_POINT, file, data))[0]
                    client.close_file(file)
                    self.assertTrue(stat.S_ISREG(os.lstat(self.path(name)).st_mode))
                    os.unlink(self.path(name))
                    self.assertEqual(status, "ACCESS_DENIED" if name in not_theirs
                                     else "IO_REPARSE_DATA_INVALID")

    def test_a_device_that_is_there_is_shown_and_not_opened(self):
        if os.geteuid() != 0:
            self.skipTest("a device takes root")
        try:
            os.mknod(self.path("zero"), stat.S_IFCHR | 0o666, os.makedev(1, 5))
        except PermissionError:
            self.skipTest("no devices here")
        os.chmod(self.path("zero"), 0o666)
        for mode, client in ((0o644, self.client), (None, self.log_in(posix=()))):
            for options in (0, posix.OPEN_REPARSE_POINT):
                for access in (posix.READ, posix.WRITE):
                    status, _, _ = client.create("zero", mode, access=access, options=options)
                    self.assertNotEqual(status, "SUCCESS", (mode, options, access))
        file = self.client.open("zero", access=0x80, options=posix.OPEN_REPARSE_POINT)
        self.assertEqual(self.client.info(file).mode, 0o30666)


@braid_only
class Nonsense(PosixCase):
    """Whatever comes is answered, and the server is the same afterwards."""

    def name(self, dice):
        parts = ["a", "A", "..", ".", "", "b:c", "\0", "\uf029", "x" * 255, "x" * 256, "\\", "link",
                 "\ud800", "way", ".braid", "*", "\uf022"]
        return dice.choice(("/", "\\")).join(dice.choices(parts, k=dice.randint(1, 4)))

    def test_a_storm_of_creates(self):
        dice = random.Random(4711)
        os.makedirs(self.path("way"), exist_ok=True)
        os.symlink("way", self.path("link"))
        if os.geteuid() == 0:
            os.chown(self.path("way"), *ids_of(ALICE))
        before = sorted(os.listdir(os.path.dirname(self.root)))
        clients = [self.client, self.log_in(BOB), self.log_in(posix=())]
        for _ in range(1500):
            client = dice.choice(clients)
            mode = dice.choice((0, 0o644, 0o7777, 0o100644, 0o60600, 0xFFFF, 0xFFFFFFFF,
                                dice.getrandbits(32), bytes(dice.randint(0, 9)), None))
            text = self.name(dice).encode("utf-16-le", "surrogatepass")
            status, file, _ = client.create(
                text, mode, access=dice.choice((posix.ALL_ACCESS, 0x80, posix.READ, 1 << 25)),
                disposition=dice.randint(0, 6),
                options=dice.choice((0, 1, 0x40, 0x1000, 0x200000, 0x201001)),
                share=dice.choice((0, 7)))
            self.assertNotEqual(status, raw.DISCONNECTED)
            if not file:
                continue
            other = self.name(dice)
            try:
                text = other.encode("utf-16-le", "surrogatepass")
                client.set(file, struct.pack("<B7xQI", dice.randint(0, 1), 0, len(text)) + text,
                           dice.choice((LINK, RENAME)))
                if dice.random() < 0.3:
                    client.set(file, descriptor(aces=[mode_ace(dice.getrandbits(32))]), 0,
                               posix.SECURITY, 4)
                client.query(file)
            except Refused as refusal:
                self.assertNotEqual(refusal.status, raw.DISCONNECTED)
            client.close_file(file)
        self.assertEqual(sorted(os.listdir(os.path.dirname(self.root))), before)
        self.client.make("afterwards")


if __name__ == "__main__":
    suite.main()
