#!/usr/bin/env python3
"""The POSIX extensions of SMB 3.1.1: each rule, and bad input of each kind."""
import os
import stat
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import posix_client as posix  # noqa: E402
import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from posix_client import PosixClient, Refused  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402
from suite import ServerCase, braid_only  # noqa: E402

ALICE, BOB = test_users()
BAD = "INVALID_PARAMETER"
raw.STATUS |= {0xC0000101: "DIRECTORY_NOT_EMPTY", 0x8000002D: "STOPPED_ON_SYMLINK",
               0xC000005A: "INVALID_OWNER", 0xC0000054: "FILE_LOCK_CONFLICT",
               0xC0000055: "LOCK_NOT_GRANTED"}
SHARE_READ_WRITE = 3
OWNER_PART, GROUP_PART, DACL_PART = 1, 2, 4


def mode_ace(mode, kind=0):
    sid = posix.make_sid(f"S-1-5-88-3-{mode}")
    return struct.pack("<BBHI", kind, 0, 8 + len(sid), 0) + sid


def ace(sid, mask, kind=0):
    sid = posix.make_sid(sid)
    return struct.pack("<BBHI", kind, 0, 8 + len(sid), mask) + sid


def descriptor(owner=None, group=None, aces=None):
    """Self-relative, as Linux clients write it."""
    parts, at, offsets = b"", 20, []
    for sid in (owner, group):
        data = posix.make_sid(sid) if sid else b""
        offsets.append(at if sid else 0)
        parts += data
        at += len(data)
    dacl = b""
    if aces is not None:
        body = b"".join(aces)
        dacl = struct.pack("<BBHHH", 2, 0, 8 + len(body), len(aces), 0) + body
    return struct.pack("<BBHIIII", 1, 0, 0x8004 if aces is not None else 0x8000, *offsets, 0,
                       at if aces is not None else 0) + parts + dacl


class PosixCase(ServerCase):
    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", owner=ids_of(ALICE))
        cls.plain = scratch.directory("plain", owner=ids_of(ALICE))
        os.chmod(cls.root, 0o755)
        lasting = scratch.directory("lasting", owner=ids_of(ALICE))
        return Options([Share("share", cls.root),
                        Share("lasting", lasting, lines=("continuous_availability = true",)),
                        Share("plain", cls.plain, lines=("posix = false",))], [ALICE, BOB])

    def setUp(self):
        self.client = self.log_in()

    def log_in(self, user=ALICE, **how):
        client = PosixClient(self.server, user, **how)
        self.addCleanup(client.close)
        return client

    def path(self, name):
        return os.path.join(self.root, name)

    def refused(self, status, ask, *args, **fields):
        with self.assertRaises(Refused) as refusal:
            ask(*args, **fields)
        self.assertEqual(refusal.exception.status, status)


@braid_only
class Negotiate(PosixCase):
    def test_the_id_is_answered_to_who_sends_it(self):
        self.assertEqual(self.client.contexts[posix.POSIX_CONTEXT], posix.POSIX_ID)
        other = bytes(range(16))
        with self.log_in(posix=(raw.context(posix.POSIX_CONTEXT, other + posix.POSIX_ID),)) as among:
            self.assertEqual(among.contexts[posix.POSIX_CONTEXT], posix.POSIX_ID)
        for nothing in ((), (raw.context(posix.POSIX_CONTEXT, other),),
                        (raw.context(posix.POSIX_CONTEXT, b""),)):
            with self.log_in(posix=nothing) as without:
                self.assertNotIn(posix.POSIX_CONTEXT, without.contexts)

    def test_what_is_no_list_of_ids_is_refused(self):
        for data in (b"x", posix.POSIX_ID[:15], posix.POSIX_ID + b"x"):
            self.refused(BAD, PosixClient, self.server, ALICE,
                         posix=(raw.context(posix.POSIX_CONTEXT, data),))
        twice = raw.context(posix.POSIX_CONTEXT, posix.POSIX_ID)
        self.refused(BAD, PosixClient, self.server, ALICE, posix=(twice, twice))

    def test_without_it_the_context_of_a_create_means_nothing(self):
        with self.log_in(posix=()) as without:
            status, file, answer = without.create("Unasked", 0o600, disposition=posix.OPEN_IF)
            self.assertEqual((status, answer), ("SUCCESS", None))
            self.refused("INVALID_INFO_CLASS", without.info, file)
            self.refused("INVALID_INFO_CLASS", without.query, file, info_type=posix.FS)
            self.assertEqual(without.create("unasked")[0], "SUCCESS")

    def test_a_share_may_be_without(self):
        with self.log_in(share="plain") as plain:
            status, file, answer = plain.create("f", 0o600, disposition=posix.OPEN_IF)
            self.assertEqual((status, answer), ("SUCCESS", None))
            self.refused("INVALID_INFO_CLASS", plain.info, file)
            folder = plain.open("", options=posix.DIRECTORY)
            self.refused("INVALID_INFO_CLASS", plain.list, folder)


@braid_only
class Creating(PosixCase):
    def test_modes_are_as_the_client_sends_them(self):
        for mode in (0o644, 0o600, 0o777, 0o444, 0o200, 0o6755, 0o1777):
            for options in (0, posix.DIRECTORY):
                name = f"mode {mode:o} {options}"
                with self.subTest(name):
                    status, file, answer = self.client.create(
                        name, mode, access=posix.ALL_ACCESS, disposition=posix.CREATE,
                        options=options)
                    self.assertEqual(status, "SUCCESS")
                    # mkdir(2) takes the sticky bit and none of the other two.
                    expected = mode & 0o1777 if options else mode
                    self.assertEqual(stat.S_IMODE(os.stat(self.path(name)).st_mode), expected)
                    self.assertEqual(answer.mode, expected | (0o10000 if options else 0))
                    info = self.client.info(file)
                    self.assertEqual(info.mode, answer.mode)
                    self.client.close_file(file)

    def test_bits_of_the_type_are_not_the_modes(self):
        for mode in (0o100640, 0o7770640, 0x80000000 | 0o640):
            name = f"typed {mode:o}"
            self.client.make(name, mode)
            self.assertEqual(os.stat(self.path(name)).st_mode, stat.S_IFREG | 0o640)

    def test_no_mode_is_that_of_the_share(self):
        for mode in (0xFFFF, 0xFFFFFFFF):
            name = f"none {mode:x}"
            self.client.make(name, mode)
            self.assertEqual(stat.S_IMODE(os.stat(self.path(name)).st_mode), 0o644)

    def test_contexts_of_wrong_length(self):
        for length in (0, 1, 3, 5, 8):
            status, _, _ = self.client.create("bad", bytes(length), disposition=posix.CREATE)
            self.assertEqual(status, BAD, length)
        self.assertFalse(os.path.exists(self.path("bad")))

    def test_what_the_answer_says(self):
        self.client.make("answered", 0o640)
        os.link(self.path("answered"), self.path("answered too"))
        status, file, answer = self.client.create("answered")
        self.assertEqual(status, "SUCCESS")
        uid, gid = os.stat(self.path("answered")).st_uid, os.stat(self.path("answered")).st_gid
        self.assertEqual((answer.links, answer.tag, answer.mode), (2, 0, 0o640))
        self.assertEqual((answer.owner, answer.group), (f"S-1-22-1-{uid}", f"S-1-22-2-{gid}"))
        info = self.client.info(file)
        there = os.stat(self.path("answered"))
        self.assertEqual((info.inode, info.links, info.mode, info.size),
                         (there.st_ino, 2, 0o640, there.st_size))
        self.assertEqual((info.owner, info.group, info.rest), (answer.owner, answer.group, b""))

    def test_a_default_list_of_the_folder_is_the_kernels(self):
        folder = self.path("listed")
        os.mkdir(folder)
        os.chown(folder, *ids_of(ALICE)) if os.geteuid() == 0 else None
        # owner rwx, group r-x, mask r-x, other ---: acl(5)
        entries = [(1, 7), (4, 5), (16, 5), (32, 0)]
        os.setxattr(folder, "system.posix_acl_default", struct.pack("<I", 2) + b"".join(
            struct.pack("<HHI", tag, bits, 0xFFFFFFFF) for tag, bits in entries))
        self.client.make("listed/f", 0o666)
        local = os.open(os.path.join(folder, "local"), os.O_CREAT | os.O_WRONLY, 0o666)
        os.close(local)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(folder, "f")).st_mode),
                         stat.S_IMODE(os.stat(os.path.join(folder, "local")).st_mode))

    def test_a_folder_that_nobody_may_list(self):
        status, folder, answer = self.client.create("unlisted", 0o300, access=0x80,
                                                    disposition=posix.CREATE,
                                                    options=posix.DIRECTORY)
        self.assertEqual((status, answer.mode), ("SUCCESS", 0o10300))
        if os.geteuid() == 0:  # else the server may not look for a descriptor of the folder
            self.client.make("unlisted/f")
            self.assertTrue(os.path.exists(self.path("unlisted/f")))
        self.client.close_file(folder)


@braid_only
class Names(PosixCase):
    def test_each_case_is_another_name(self):
        folder = "cases"
        self.client.make(folder, 0o755, options=posix.DIRECTORY)
        for name in ("name", "NAME", "Name"):
            self.client.make(f"{folder}/{name}")
        self.assertEqual(sorted(os.listdir(self.path(folder))), ["NAME", "Name", "name"])
        self.assertEqual(self.client.create(f"{folder}/nAME")[0], "OBJECT_NAME_NOT_FOUND")
        self.assertEqual(self.client.create("CASES/name")[0], "OBJECT_PATH_NOT_FOUND")
        listing = self.client.open(folder, options=posix.DIRECTORY)
        self.assertEqual(set(self.client.list(listing)), {".", "..", "name", "NAME", "Name"})
        self.client.close_file(listing)
        for pattern, found in (("Name", {"Name"}), ("nAME", set()), ("N*", {"NAME", "Name"})):
            listing = self.client.open(folder, options=posix.DIRECTORY)
            self.assertEqual(set(self.client.list(listing, pattern)), found, pattern)
            self.client.close_file(listing)
        # The others have one of them, as long as one is there.
        self.assertEqual(self.client.create(f"{folder}\\nAmE", None)[0], "SUCCESS")
        self.assertEqual(self.client.unlink(f"{folder}/NAME"), "SUCCESS")
        self.assertEqual(sorted(os.listdir(self.path(folder))), ["Name", "name"])

    def test_a_rename_may_change_nothing_but_case(self):
        self.client.make("lower")
        file = self.client.open("lower", access=posix.ALL_ACCESS)
        self.assertEqual(self.client.rename(file, "LOWER", replace=False), "SUCCESS")
        self.client.make("lower")
        self.assertEqual(self.client.rename(file, "lower", replace=False), "OBJECT_NAME_COLLISION")
        self.assertEqual(self.client.rename(file, "Lower", replace=False), "SUCCESS")
        self.assertIn("lower", os.listdir(self.root))
        self.assertIn("Lower", os.listdir(self.root))
        self.assertNotIn("LOWER", os.listdir(self.root))
        self.assertEqual(self.client.rename(file, "lower", replace=True), "SUCCESS")
        self.assertNotIn("Lower", os.listdir(self.root))

    def test_characters_are_what_they_are(self):
        self.client.make("odd", 0o755, options=posix.DIRECTORY)
        names = ["a:b", "a*b", "what?", "a<b>c|d", 'quote"', "back\\slash", "dot.", "blank ", " x",
                 "a:b:$DATA", "ctrl\x01", "ünïcode", "$Extend"]
        for name in names:
            self.client.make(f"odd/{name}")
        self.assertEqual(sorted(os.listdir(self.path("odd"))), sorted(names))
        listing = self.client.open("odd", options=posix.DIRECTORY)
        self.assertEqual(set(self.client.list(listing)) - {".", ".."}, set(names))
        self.client.close_file(listing)
        for name in names:
            file = self.client.open(f"odd/{name}", access=posix.ALL_ACCESS)
            self.assertEqual(self.client.rename(file, f"odd/{name}~:"), "SUCCESS", name)
            self.client.close_file(file)
            self.assertEqual(self.client.unlink(f"odd/{name}~:"), "SUCCESS", name)
        self.assertEqual(os.listdir(self.path("odd")), [])

    def test_what_clients_call_a_colon_may_be_on_disk_itself(self):
        folder = "private"
        self.client.make(folder, 0o755, options=posix.DIRECTORY)
        names = {"a:": "a:", "a\uf022": "a\uf1ef\uf180\uf1a2"}  # on disk, as told
        for name in names:
            with open(self.path(f"{folder}/{name}"), "w", encoding="utf-8") as out:
                out.write(name)
        listing = self.client.open(folder, options=posix.DIRECTORY)
        self.assertEqual(set(self.client.list(listing)) - {".", ".."}, set(names.values()))
        self.client.close_file(listing)
        self.assertEqual(self.client.unlink(f"{folder}/a\uf022"), "SUCCESS")  # as with mapposix
        self.assertEqual(os.listdir(self.path(folder)), ["a\uf022"])
        self.assertEqual(self.client.create(f"{folder}/a:")[0], "OBJECT_NAME_NOT_FOUND")
        self.assertEqual(self.client.unlink(f"{folder}/{names['a' + chr(0xf022)]}"), "SUCCESS")
        self.assertEqual(os.listdir(self.path(folder)), [])

    def test_a_context_of_wrong_length_is_refused_wherever_it_comes(self):
        for client in (self.client, self.log_in(posix=())):
            for data in (b"", bytes(3), bytes(5), bytes(8)):
                context = posix.posix_mode(data)
                status, _ = client.ask(raw.CREATE, raw.create("length", disposition=posix.OPEN_IF,
                                                              contexts=context))
                self.assertEqual(status, BAD)
        self.assertNotIn("length", os.listdir(self.root))

    def test_names_that_are_none(self):
        for name in ("..", ".", "a/..", "../etc/passwd", "dir//f", "a/./b", "nul\0f", "a/nul\0"):
            with self.subTest(name):
                self.assertEqual(self.client.create(name, disposition=posix.OPEN_IF)[0],
                                 "OBJECT_NAME_INVALID")
        self.assertEqual(self.client.create("/f", disposition=posix.OPEN_IF)[0], BAD)
        self.assertEqual(self.client.create(b"\x61\x00\x62", disposition=posix.OPEN_IF)[0], BAD)
        self.client.make("source")
        file = self.client.open("source", access=posix.ALL_ACCESS)
        for name, status in (("..", "OBJECT_NAME_INVALID"), ("../f", "OBJECT_NAME_INVALID"),
                             ("a\0b", "OBJECT_NAME_INVALID"), ("/f", BAD)):
            self.assertEqual(self.client.rename(file, name), status, name)
            self.assertEqual(self.client.rename(file, name, kind=11), status, name)  # a link
        self.assertEqual(self.client.create("x" * 256, disposition=posix.OPEN_IF)[0],
                         "OBJECT_NAME_INVALID")
        self.assertIn("source", os.listdir(self.root))

    def test_the_servers_own_names_stay_its_own(self):
        for name in (".braid", ".braid/x", ".braid-new-1"):
            self.assertEqual(self.client.create(name, disposition=posix.OPEN_IF)[0],
                             "ACCESS_DENIED", name)

    def test_names_that_are_no_text_are_reached(self):
        os.close(os.open(os.fsencode(self.root) + b"/raw\xff:", os.O_CREAT | os.O_WRONLY))
        os.chown(os.fsencode(self.root) + b"/raw\xff:", *ids_of(ALICE))
        root = self.client.open("", options=posix.DIRECTORY)
        name, = (name for name in self.client.list(root) if name.startswith("raw"))
        self.assertEqual(self.client.create(name)[0], "SUCCESS")


@braid_only
class Deleting(PosixCase):
    def test_the_name_goes_though_others_have_the_file_open(self):
        for how in ("option", "disposition"):
            with self.subTest(how):
                self.client.make("goes")
                held = self.client.open("goes", access=0x80 | posix.READ | posix.WRITE)
                if how == "option":
                    self.assertEqual(self.client.unlink("goes"), "SUCCESS")
                else:
                    file = self.client.open("goes", access=posix.DELETE)
                    self.assertEqual(self.client.set(file, b"\x01", 13), "SUCCESS")
                    self.assertEqual(self.client.close_file(file), "SUCCESS")
                self.assertFalse(os.path.exists(self.path("goes")))
                # The name is free, and what was held is still there.
                self.client.make("goes")
                self.assertEqual(self.client.ask(raw.WRITE, raw.write(held, b"still"))[0],
                                 "SUCCESS")
                self.assertEqual(self.client.info(held).links, 0)
                self.assertEqual(os.stat(self.path("goes")).st_size, 0)
                self.client.close_file(held)
                self.assertEqual(self.client.unlink("goes"), "SUCCESS")

    def test_windows_share_modes_hold(self):
        self.client.make("held")
        windows = self.log_in(posix=())
        held = windows.open("held", None, access=posix.READ, share=SHARE_READ_WRITE)
        self.assertEqual(self.client.unlink("held"), "SHARING_VIOLATION")
        self.assertEqual(self.client.create("held", access=posix.DELETE)[0], "SHARING_VIOLATION")
        file = self.client.open("held", access=posix.READ)
        self.assertTrue(os.path.exists(self.path("held")))
        windows.close_file(held)
        self.client.close_file(file)
        # And the other way round.
        held = self.client.open("held", access=posix.READ, share=SHARE_READ_WRITE)
        self.assertEqual(windows.create("held", None, access=posix.DELETE)[0], "SHARING_VIOLATION")
        self.client.close_file(held)

    def test_a_windows_client_still_waits_for_the_last_close(self):
        self.client.make("waits")
        windows = self.log_in(posix=())
        held = self.client.open("waits", access=posix.READ)
        file = windows.open("waits", None, access=posix.DELETE, options=posix.DELETE_ON_CLOSE)
        windows.close_file(file)
        self.assertEqual(self.client.create("waits")[0], "DELETE_PENDING")
        self.client.close_file(held)
        self.assertEqual(self.client.create("waits")[0], "OBJECT_NAME_NOT_FOUND")

    def test_folders(self):
        self.client.make("full", 0o755, options=posix.DIRECTORY)
        self.client.make("full/f")
        file = self.client.open("full", access=posix.DELETE, options=posix.DIRECTORY)
        self.assertEqual(self.client.set(file, b"\x01", 13), "DIRECTORY_NOT_EMPTY")
        self.client.close_file(file)
        self.assertEqual(self.client.unlink("full/f"), "SUCCESS")
        held = self.client.open("full", options=posix.DIRECTORY)
        file = self.client.open("full", access=posix.DELETE, options=posix.DIRECTORY)
        self.assertEqual(self.client.set(file, b"\x01", 13), "SUCCESS")
        self.client.close_file(file)
        self.assertFalse(os.path.exists(self.path("full")))
        self.client.close_file(held)

    def test_a_sticky_folder_keeps_what_is_others(self):
        self.client.make("sticky", 0o1777, options=posix.DIRECTORY)
        os.chmod(self.path("sticky"), 0o1777)
        self.client.make("sticky/alices", 0o666)
        bob = self.log_in(BOB)
        if ids_of(ALICE) == ids_of(BOB):
            self.skipTest("one user for both without root")
        self.assertEqual(bob.unlink("sticky/alices"), "ACCESS_DENIED")
        os.chmod(self.path("sticky"), 0o777)
        self.assertEqual(bob.unlink("sticky/alices"), "SUCCESS")


@braid_only
class Renaming(PosixCase):
    def test_an_open_target_makes_way(self):
        for kind in (10, 65):
            with self.subTest(kind):
                self.client.make("old")
                self.client.make("new")
                held = self.client.open("new", access=posix.READ | posix.WRITE)
                file = self.client.open("old", access=posix.ALL_ACCESS)
                self.assertEqual(self.client.rename(file, "new", kind=kind), "SUCCESS")
                self.assertEqual(self.client.ask(raw.WRITE, raw.write(held, b"still"))[0],
                                 "SUCCESS")
                self.assertEqual(os.stat(self.path("new")).st_size, 0)
                self.client.close_file(file)
                self.client.close_file(held)
                self.assertEqual(self.client.unlink("new"), "SUCCESS")

    def test_a_target_that_windows_does_not_share_stays(self):
        self.client.make("old2")
        self.client.make("new2")
        windows = self.log_in(posix=())
        held = windows.open("new2", None, access=posix.READ, share=SHARE_READ_WRITE)
        file = self.client.open("old2", access=posix.ALL_ACCESS)
        self.assertEqual(self.client.rename(file, "new2"), "ACCESS_DENIED")
        windows.close_file(held)
        self.assertEqual(self.client.rename(file, "new2"), "SUCCESS")
        self.client.close_file(file)

    def test_a_folder_whose_opens_have_records_does_not_move(self):
        client = self.log_in(share="lasting")
        client.make("from", 0o755, options=posix.DIRECTORY)
        client.make("from/f")
        held = client.open("from/f", access=posix.READ)
        folder = client.open("from", access=posix.ALL_ACCESS)
        self.assertEqual(client.rename(folder, "to"), "ACCESS_DENIED")
        client.close_file(held)
        self.assertEqual(client.rename(folder, "to"), "SUCCESS")
        client.close_file(folder)

    def test_folders_as_rename_does_it(self):
        client = self.client
        for name in ("d1", "d2", "d3"):
            client.make(name, 0o755, options=posix.DIRECTORY)
        client.make("d3/f")
        client.make("plain")
        folder = client.open("d1", access=posix.ALL_ACCESS, options=posix.DIRECTORY)
        self.assertEqual(client.rename(folder, "d3"), "DIRECTORY_NOT_EMPTY")
        self.assertEqual(client.rename(folder, "plain"), "NOT_A_DIRECTORY")
        self.assertEqual(client.rename(folder, "d2"), "SUCCESS")
        self.assertFalse(os.path.exists(self.path("d1")))
        client.close_file(folder)
        file = client.open("plain", access=posix.ALL_ACCESS)
        self.assertEqual(client.rename(file, "d2"), "FILE_IS_A_DIRECTORY")
        client.close_file(file)

    def test_a_folder_moves_with_what_is_open_in_it(self):
        client = self.client
        client.make("from", 0o755, options=posix.DIRECTORY)
        client.make("from/f")
        held = client.open("from/f", access=posix.ALL_ACCESS)
        folder = client.open("from", access=posix.ALL_ACCESS, options=posix.DIRECTORY)
        self.assertEqual(client.rename(folder, "to"), "SUCCESS")
        client.close_file(folder)
        self.assertEqual(client.ask(raw.WRITE, raw.write(held, b"moved"))[0], "SUCCESS")
        self.assertEqual(client.rename(held, "to/g"), "SUCCESS")
        client.close_file(held)
        with open(self.path("to/g"), "rb") as moved:
            self.assertEqual(moved.read(), b"moved")
        self.assertEqual(client.unlink("to/g"), "SUCCESS")


@braid_only
class Modes(PosixCase):
    def chmod(self, client, file, *aces, **owners):
        parts = DACL_PART if aces else 0
        parts |= OWNER_PART if "owner" in owners else 0
        parts |= GROUP_PART if "group" in owners else 0
        return client.set(file, descriptor(aces=aces if aces else None, **owners), 0,
                          posix.SECURITY, parts)

    def test_a_mode_is_set_and_seen_at_once(self):
        self.client.make("chmod", 0o600)
        file = self.client.open("chmod", access=posix.ALL_ACCESS)
        seen = self.log_in().open("chmod", access=0x80)
        other = self.log_in()
        seen = other.open("chmod", access=0x80)
        for mode in (0o640, 0o4711, 0o1000, 0o755, 0o444):
            for kind in (0, 1):  # cifs.ko writes entries of either kind
                self.assertEqual(self.chmod(self.client, file, mode_ace(mode, kind)), "SUCCESS")
                self.assertEqual(stat.S_IMODE(os.stat(self.path("chmod")).st_mode), mode)
                self.assertEqual(other.info(seen).mode, mode)
        # The bits of a type are none of the mode.
        self.assertEqual(self.chmod(self.client, file, mode_ace(0o100640)), "SUCCESS")
        self.assertEqual(other.info(seen).mode, 0o640)

    def test_a_mask_is_what_the_group_bits_set(self):
        self.client.make("masked", 0o600)
        entries = [(1, 6, 0xFFFFFFFF), (2, 6, 12345), (4, 4, 0xFFFFFFFF), (16, 6, 0xFFFFFFFF),
                   (32, 0, 0xFFFFFFFF)]
        os.setxattr(self.path("masked"), "system.posix_acl_access", struct.pack("<I", 2) + b"".join(
            struct.pack("<HHI", *entry) for entry in entries))
        file = self.client.open("masked", access=posix.ALL_ACCESS)
        self.assertEqual(self.client.info(file).mode, 0o660)
        self.assertEqual(self.chmod(self.client, file, mode_ace(0o640)), "SUCCESS")
        now = os.getxattr(self.path("masked"), "system.posix_acl_access")
        found = [struct.unpack_from("<HHI", now, at) for at in range(4, len(now), 8)]
        self.assertIn((2, 6, 12345), found)
        self.assertIn((4, 4, 0xFFFFFFFF), found)
        self.assertIn((16, 4, 0xFFFFFFFF), found)
        self.assertEqual(self.client.info(file).mode, 0o640)

    def test_what_was_denied_is_not_widened_by_a_mode(self):
        """A descriptor says less than bits can: others may append, and not write over."""
        everyone, append = "S-1-1-0", 0x00120089 | 0x4
        plain = self.log_in(posix=())
        self.client.make("narrow", 0o600)
        file = plain.open("narrow", None, access=posix.ALL_ACCESS)
        owner = f"S-1-22-1-{os.stat(self.path('narrow')).st_uid}"
        aces = [ace(owner, 0x001F01FF), ace(everyone, append), ace("S-1-5-21-1-2-3-99", 2, kind=1)]
        self.assertEqual(plain.set(file, descriptor(aces=aces), 0, posix.SECURITY, DACL_PART),
                         "SUCCESS")
        self.assertEqual(stat.S_IMODE(os.stat(self.path("narrow")).st_mode) & 0o606, 0o606)

        def granted():
            return self.log_in(BOB, posix=()).create("narrow", None, access=2)[0]

        ours = self.client.open("narrow", access=posix.ALL_ACCESS)
        if ids_of(ALICE) != ids_of(BOB):
            self.assertEqual(granted(), "ACCESS_DENIED")
        for mode, of_others in ((0o766, "ACCESS_DENIED"),  # the owner's bit
                                (0o764, "ACCESS_DENIED"),  # less than before
                                (0o766, "SUCCESS")):  # asked for
            self.assertEqual(self.chmod(self.client, ours, mode_ace(mode)), "SUCCESS")
            self.assertEqual(stat.S_IMODE(os.stat(self.path("narrow")).st_mode) & 0o707,
                             mode & 0o707)
            if ids_of(ALICE) != ids_of(BOB):
                self.assertEqual(granted(), of_others, oct(mode))

    def test_only_the_owner_changes_it(self):
        if ids_of(ALICE) == ids_of(BOB):
            self.skipTest("one user for both without root")
        self.client.make("alices", 0o666)
        bob = self.log_in(BOB)
        status, _, _ = bob.create("alices", access=posix.WRITE_DAC)
        self.assertEqual(status, "ACCESS_DENIED")
        file = bob.open("alices", access=posix.READ | posix.WRITE)
        self.assertEqual(self.chmod(bob, file, mode_ace(0o777)), "ACCESS_DENIED")
        self.assertEqual(stat.S_IMODE(os.stat(self.path("alices")).st_mode), 0o666)

    def test_owners_are_given_as_the_kernel_lets(self):
        self.client.make("chown", 0o644)
        uid, gid = os.stat(self.path("chown")).st_uid, os.stat(self.path("chown")).st_gid
        file = self.client.open("chown", access=posix.ALL_ACCESS)
        for form in ("S-1-22-1-{}", "S-1-5-88-1-{}"):
            self.assertEqual(self.chmod(self.client, file, owner=form.format(uid)), "SUCCESS")
        for form in ("S-1-22-2-{}", "S-1-5-88-2-{}"):
            self.assertEqual(self.chmod(self.client, file, group=form.format(gid)), "SUCCESS")
        for form in ("S-1-22-1-{}", "S-1-5-88-1-{}"):
            self.assertEqual(self.chmod(self.client, file, owner=form.format(uid + 4711)),
                             "ACCESS_DENIED")
        for form in ("S-1-22-2-{}", "S-1-5-88-2-{}"):
            self.assertEqual(self.chmod(self.client, file, group=form.format(gid + 4711)),
                             "ACCESS_DENIED")
        there = os.stat(self.path("chown"))
        self.assertEqual((there.st_uid, there.st_gid), (uid, gid))

    def test_what_names_nobody_here_is_a_descriptor(self):
        """And no chmod(2): the mode beside it is not set."""
        stranger = "S-1-5-21-9-9-9-1000"
        for name, owners in (("owner", {"owner": stranger}), ("group", {"group": stranger})):
            self.client.make(name, 0o644)
            file = self.client.open(name, access=posix.ALL_ACCESS)
            self.assertEqual(self.chmod(self.client, file, mode_ace(0o600), **owners), "SUCCESS")
            self.assertNotEqual(stat.S_IMODE(os.stat(self.path(name)).st_mode), 0o600, name)

    def test_a_set_group_id_folder_passes_its_group_on(self):
        if os.geteuid() != 0:
            self.skipTest("a second group takes root")
        self.client.make("setgid", 0o755, options=posix.DIRECTORY)
        os.chown(self.path("setgid"), ids_of(ALICE)[0], 4711)
        os.chmod(self.path("setgid"), 0o2775)
        self.client.make("setgid/f", 0o644)
        self.client.make("setgid/d", 0o755, options=posix.DIRECTORY)
        self.assertEqual(os.stat(self.path("setgid/f")).st_gid, 4711)
        folder = os.stat(self.path("setgid/d"))
        self.assertEqual((folder.st_gid, stat.S_IMODE(folder.st_mode)), (4711, 0o2755))
        file = self.client.open("setgid/d", options=posix.DIRECTORY)
        self.assertEqual(self.client.info(file).mode, 0o12755)


@braid_only
class Links(PosixCase):
    GET, SET = 0x000900A8, 0x000900A4

    def symlink(self, target, relative):
        name = target.encode("utf-16-le")
        body = struct.pack("<HHHHI", 0, len(name), len(name), len(name), relative) + name + name
        return struct.pack("<IHH", 0xA000000C, len(body), 0) + body

    def target(self, client, name, mode=0o644):
        """(text, whether it is relative)"""
        file = client.open(name, mode, access=0x80, options=posix.OPEN_REPARSE_POINT)
        status, body = client.ask(raw.IOCTL, raw.ioctl(self.GET, file))
        self.assertEqual(status, "SUCCESS")
        offset, = struct.unpack_from("<I", body, 32)
        at, length, _, _, flags = struct.unpack_from("<HHHHI", body, offset - 64 + 8)
        at += offset - 64 + 20
        client.close_file(file)
        return body[at:at + length].decode("utf-16-le"), bool(flags & 1)

    def test_a_target_is_the_text_of_the_link(self):
        # Linux sends the path of an absolute link without its first slash.
        for name, sent, relative, text in (("rel", "../a/b", 1, "../a/b"),
                                           ("abs", "etc/some", 0, "/etc/some"),
                                           ("abs2", "/etc/some", 0, "/etc/some")):
            with self.subTest(name):
                file = self.client.open(name, access=posix.ALL_ACCESS, disposition=posix.CREATE,
                                        options=posix.OPEN_REPARSE_POINT)
                self.assertEqual(self.client.ask(raw.IOCTL, raw.ioctl(
                    self.SET, file, self.symlink(sent, relative)))[0], "SUCCESS")
                self.client.close_file(file)
                self.assertEqual(os.readlink(self.path(name)), text)
                self.assertEqual(self.target(self.client, name), (text, bool(relative)))
                windows = self.log_in(posix=())
                self.assertEqual(self.target(windows, name, None),
                                 (text.replace("/", "\\"), bool(relative)))

    def test_links_on_the_way_are_told_as_they_are(self):
        os.makedirs(self.path("real"), exist_ok=True)
        os.symlink("some/where", self.path("way"))
        for client, mode, slash in ((self.client, 0o644, "/"), (self.log_in(posix=()), None, "\\")):
            contexts = b"" if mode is None else posix.posix_mode(mode)
            status, body = client.ask(raw.CREATE, raw.create(f"way{slash}f", contexts=contexts))
            self.assertEqual(status, "STOPPED_ON_SYMLINK")
            self.assertIn(f"some{slash}where".encode("utf-16-le"), body)


@braid_only
class Locks(PosixCase):
    def test_a_lock_is_one_to_all_who_write(self):
        self.client.make("locked")
        file = self.client.open("locked", access=posix.READ | posix.WRITE)
        self.assertEqual(self.client.ask(raw.LOCK, raw.lock(file, ((0, 10, 0x12),)))[0], "SUCCESS")
        for client, mode in ((self.client, 0o644), (self.log_in(posix=()), None)):
            other = client.open("locked", mode, access=posix.READ | posix.WRITE)
            self.assertEqual(client.ask(raw.WRITE, raw.write(other, b"x", 9))[0],
                             "FILE_LOCK_CONFLICT")
            self.assertEqual(client.ask(raw.WRITE, raw.write(other, b"x", 10))[0], "SUCCESS")
            client.close_file(other)


@braid_only
class Together(PosixCase):
    """A POSIX open and one of Windows: either is in the other's way as one of its own kind."""
    EXCLUSIVE_NOW, SHARED_NOW = 0x12, 0x11

    def pairs(self):
        """(client, its mode) of the first and the other"""
        for ours, theirs in ((0o644, None), (None, 0o644)):
            with self.subTest("POSIX first" if theirs is None else "Windows first"):
                yield tuple((self.log_in() if mode else self.log_in(posix=()), mode)
                            for mode in (ours, theirs))

    def test_an_oplock_breaks(self):
        self.client.make("broken")
        for (ours, mode), (theirs, their_mode) in self.pairs():
            contexts = posix.posix_mode(mode) if mode else b""
            status, body = ours.ask(raw.CREATE, raw.create(
                "broken", access=posix.READ | posix.WRITE, oplock=9, contexts=contexts))
            self.assertEqual((status, body[2]), ("SUCCESS", 9))
            opened = []
            waiting = threading.Thread(target=lambda: opened.append(
                theirs.create("broken", their_mode, access=posix.READ | posix.WRITE)[0]))
            waiting.start()
            told = ours.link.receive()
            self.assertEqual(struct.unpack_from("<H", told, 12), (raw.OPLOCK_BREAK,))
            self.assertEqual((told[66], told[72:88]), (1, body[64:80]))  # to level II
            self.assertEqual(opened, [])
            answer = struct.pack("<HBBI16s", 24, 1, 0, 0, body[64:80])
            self.assertEqual(ours.ask(raw.OPLOCK_BREAK, answer)[0], "SUCCESS")
            waiting.join()
            self.assertEqual(opened, ["SUCCESS"])
            for each in (ours, theirs):
                each.close()

    def test_share_modes_and_locks_hold(self):
        self.client.make("shared")
        for (ours, mode), (theirs, their_mode) in self.pairs():
            file = ours.open("shared", mode, access=posix.READ | posix.WRITE, share=1)
            status, _, _ = theirs.create("shared", their_mode, access=posix.WRITE)
            self.assertEqual(status, "SHARING_VIOLATION")
            ours.close_file(file)
            file = ours.open("shared", mode, access=posix.READ | posix.WRITE)
            other = theirs.open("shared", their_mode, access=posix.READ | posix.WRITE)
            lock = raw.lock(file, ((0, 10, self.EXCLUSIVE_NOW),))
            self.assertEqual(ours.ask(raw.LOCK, lock)[0], "SUCCESS")
            for flags in (self.EXCLUSIVE_NOW, self.SHARED_NOW):
                status, _ = theirs.ask(raw.LOCK, raw.lock(other, ((9, 1, flags),)))
                self.assertEqual(status, "LOCK_NOT_GRANTED")
            self.assertEqual(theirs.ask(raw.WRITE, raw.write(other, b"x", 0))[0],
                             "FILE_LOCK_CONFLICT")
            for each in (ours, theirs):
                each.close()


@braid_only
class ComingBack(PosixCase):
    def test_a_durable_open_stays_what_it_was(self):
        guid = os.urandom(16)

        def chain(*contexts):
            whole = b""
            for number, (name, data, at) in enumerate(contexts):
                last = number + 1 == len(contexts)
                link = raw.create_context(name, data, data_offset=at)
                following = len(link) + -len(link) % 8
                whole += raw.create_context(name, data, data_offset=at,
                                            following=0 if last else following)
                whole += b"" if last else bytes(following - len(link))
            return whole

        mode = (posix.POSIX_ID, struct.pack("<I", 0o640), 32)
        wanted = chain(mode, (b"DH2Q", struct.pack("<IIQ16s", 60000, 0, 0, guid), 24))
        status, body = self.client.ask(raw.CREATE, raw.create(
            "Kept", access=posix.ALL_ACCESS, disposition=posix.CREATE, oplock=9, contexts=wanted))
        self.assertEqual(status, "SUCCESS")
        self.assertIn(b"DH2Q", posix.answered_contexts(body))
        file = body[64:80]
        self.client.close()
        again = self.log_in()
        back = chain(mode, (b"DH2C", file + guid + struct.pack("<I", 0), 24))
        # Nobody gets it who has not agreed on what it is.
        status, _ = self.log_in(posix=()).ask(raw.CREATE, raw.create("Kept", oplock=9,
                                                                     contexts=back))
        self.assertEqual(status, "OBJECT_NAME_NOT_FOUND")
        for _ in range(100):
            status, body = again.ask(raw.CREATE, raw.create("Kept", oplock=9, contexts=back))
            if status != "OBJECT_NAME_NOT_FOUND":
                break  # the server has noticed that the connection is gone
        self.assertEqual(status, "SUCCESS")
        self.assertEqual(posix.PosixAnswer(posix.answered_contexts(body)[posix.POSIX_ID]).mode,
                         0o640)
        file = body[64:80]
        self.assertEqual(again.rename(file, "kept:"), "SUCCESS")
        self.assertEqual(again.info(file).mode, 0o640)
        self.assertTrue(os.path.exists(self.path("kept:")))


@braid_only
class Told(PosixCase):
    def test_listings_say_what_a_query_says(self):
        client = self.client
        client.make("told", 0o750, options=posix.DIRECTORY)
        client.make("told/file", 0o640)
        client.make("told/dir", 0o755, options=posix.DIRECTORY)
        os.symlink("file", self.path("told/link"))
        os.mkfifo(self.path("told/fifo"), 0o600)
        if os.geteuid() == 0:
            for name in ("link", "fifo"):
                os.lchown(self.path("told/" + name), *ids_of(ALICE))
        types = {"file": 0, "dir": 0o10000, "link": 0o20000, "fifo": 0o50000}
        folder = client.open("told", options=posix.DIRECTORY)
        listed = client.list(folder)
        self.assertEqual(set(listed), {".", "..", *types})
        for name, kind in types.items():
            with self.subTest(name):
                file = client.open(f"told/{name}", access=0x80,
                                   options=posix.OPEN_REPARSE_POINT)
                info, entry = client.info(file), listed[name]
                for field in ("inode", "mode", "links", "owner", "group", "tag", "device", "size",
                              "attributes"):
                    self.assertEqual(getattr(entry, field), getattr(info, field), field)
                self.assertEqual(info.mode & ~0o7777, kind)
                there = os.lstat(self.path("told/" + name))
                self.assertEqual(info.mode & 0o7777, stat.S_IMODE(there.st_mode))
                self.assertEqual(info.size, 0 if name == "dir" else there.st_size)
                client.close_file(file)
        self.assertEqual(listed["link"].tag, 0xA000000C)
        self.assertEqual(listed["fifo"].tag, 0x80000014)

    def test_room_that_is_too_small(self):
        self.client.make("small")
        file = self.client.open("small", access=posix.ALL_ACCESS)
        self.refused("INFO_LENGTH_MISMATCH", self.client.query, file, room=111)
        self.assertEqual(len(self.client.query(file, room=112)), 112)
        self.refused("INFO_LENGTH_MISMATCH", self.client.query, file, info_type=posix.FS, room=55)
        folder = self.client.open("", options=posix.DIRECTORY)
        status, _ = self.client.ask(raw.QUERY_DIRECTORY,
                                    raw.query_directory(folder, "*", posix.POSIX_INFO, room=123))
        self.assertEqual(status, "INFO_LENGTH_MISMATCH")

    def test_handles_of_windows_are_told_nothing_of_it(self):
        self.client.make("windows")
        file = self.client.open("windows", None)
        self.refused("INVALID_INFO_CLASS", self.client.info, file)
        self.refused("INVALID_INFO_CLASS", self.client.query, file, info_type=posix.FS)

    def test_the_file_system(self):
        file = self.client.open("", options=posix.DIRECTORY)
        (transfer, block, total, free, available, nodes, free_nodes,
         _) = struct.unpack("<IIQQQQQQ", self.client.query(file, info_type=posix.FS))
        there = os.statvfs(self.root)
        self.assertEqual((transfer, block, total, nodes),
                         (there.f_bsize, there.f_frsize, there.f_blocks, there.f_files))
        self.assertLessEqual(available, free)
        self.assertLessEqual(free, total)
        self.assertLessEqual(free_nodes, nodes)

    def test_set_is_not_for_it(self):
        self.client.make("unset")
        file = self.client.open("unset", access=posix.ALL_ACCESS)
        self.assertEqual(self.client.set(file, bytes(112), posix.POSIX_INFO), "INVALID_INFO_CLASS")


if __name__ == "__main__":
    suite.main()
