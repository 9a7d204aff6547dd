#!/usr/bin/env python3
"""local_access = "notify": what clients cache of a file ends when a local program changes it.

The client asks for leases in bytes of its own; the local program is the test.
"""
import ctypes
import fcntl
import mmap
import os
import struct
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("lib", "persistent"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))

import persistent as p  # noqa: E402
import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402

ALICE = test_users()[0]
R, RH, RWH = 1, 3, 7
UNASKED = 0xFFFFFFFFFFFFFFFF
DIRECTORY = 1
FICLONE = 0x40049409


class Client(p.Client):
    """The breaks that came, in their order, beside the answers."""

    def __init__(self, server, guid=None, share="share"):
        self.breaks = []
        super().__init__(server, ALICE, guid or os.urandom(16), share)

    def _take(self, frame):
        if struct.unpack_from("<Q", frame, 24)[0] == UNASKED:
            self.breaks.append(frame[64:])
        else:
            super()._take(frame)

    def next_break(self):
        """(key, from, to) of a lease break. [MS-SMB2] 2.2.23.2"""
        while not self.breaks:
            if not self.read_frame():
                raise AssertionError("the server has hung up")
        return struct.unpack_from("<16sII", self.breaks.pop(0), 8)

    def acknowledge(self, key, state):
        return self.status(raw.OPLOCK_BREAK, struct.pack("<HHI16sIQ", 36, 0, 0, key, state, 0))

    def lease(self, name, key, state=RWH, **fields):
        opened = self.open(name, os.urandom(16), lease=key, state=state, flags=0, **fields)
        if (opened.status, opened.lease) != ("SUCCESS", state):
            raise AssertionError((name, opened.status, opened.lease))
        return opened


def key_of(text):
    """Of 16 bytes, as lease keys are."""
    return text.encode().ljust(16)[:16]


class LocalChanges(suite.ServerCase):
    @classmethod
    def setUpClass(cls):
        if suite.arguments.smbd:
            raise unittest.SkipTest("smbd has other rules")
        super().setUpClass()

    @classmethod
    def options(cls, scratch):
        owner = ids_of(ALICE)
        cls.root = scratch.directory("share", owner=owner)
        cls.unwatched = scratch.directory("unwatched", owner=owner)
        return Options([Share("share", cls.root),
                        Share("none", cls.unwatched, lines=('local_access = "none"',))],
                       [ALICE], signing="enabled")

    def setUp(self):
        self.client = self.connect()

    def connect(self, **fields):
        client = Client(self.server, **fields)
        self.addCleanup(client.close)
        return client

    def path(self, name):
        return os.path.join(self.root, name)

    def make(self, name, content=b"as it was", folder=None):
        path = os.path.join(folder or self.root, name)
        with open(path, "wb") as out:
            out.write(content)
        os.chmod(path, 0o666)
        if os.geteuid() == 0:
            os.chown(path, *ids_of(ALICE))
        return path

    def assert_breaks(self, key, state=RWH):
        self.assertEqual(self.client.next_break(), (key, state, 0))

    def change_each_way(self):
        """(what it is called, what a local program does with a path)"""
        def write(path):
            with open(path, "r+b") as out:
                out.write(b"changed")

        def write_mapped(path):
            with open(path, "r+b") as out, mmap.mmap(out.fileno(), 0) as memory:
                memory[0:3] = b"map"

        def clone(path):
            with open(self.make("source"), "rb") as source, open(path, "r+b") as target:
                try:
                    fcntl.ioctl(target, FICLONE, source.fileno())
                except OSError:  # not on this file system
                    os.copy_file_range(source.fileno(), target.fileno(), 9)

        def replace(path):
            os.rename(self.make("new"), path)

        def punch(path):
            libc = ctypes.CDLL(None, use_errno=True)
            with open(path, "r+b") as out:
                assert libc.fallocate64(out.fileno(), 3, ctypes.c_int64(0), ctypes.c_int64(4)) == 0

        return (("write", write), ("write mapped", write_mapped), ("clone", clone),
                ("replace", replace), ("punch", punch),
                ("truncate", lambda path: os.truncate(path, 3)),
                ("chmod", lambda path: os.chmod(path, 0o640)),
                ("utime", lambda path: os.utime(path, (1, 1))),
                ("xattr", lambda path: os.setxattr(path, "user.a", b"b")),
                ("rename", lambda path: os.rename(path, path + " moved")),
                ("remove", os.unlink),
                ("link", lambda path: os.link(path, path + " too")))

    def test_whatever_is_done_to_a_file(self):
        for what, change in self.change_each_way():
            with self.subTest(what):
                path, key = self.make(what), key_of(what)
                opened = self.client.lease(what, key)
                change(path)
                self.assert_breaks(key)
                self.assertEqual(self.client.acknowledge(key, 0), "SUCCESS")
                self.assertEqual(self.client.close_file(opened.file), "SUCCESS")

    def test_whoever_looks_again_has_a_lease_again(self):
        name, key = "again", key_of("again")
        path = self.make(name)
        for number in range(20):
            opened = self.client.lease(name, key)
            with open(path, "wb") as out:
                out.write(b"%d" % number)
            self.assert_breaks(key)
            self.client.acknowledge(key, 0)
            answer = self.client.call(raw.READ, raw.read(opened.file, 10))
            self.assertEqual(answer.body[16:], b"%d" % number)
            self.client.close_file(opened.file)

    def test_read_caching_and_oplocks_end_too(self):
        path = self.make("read")
        self.client.lease("read", key_of("read"), state=R)
        other = self.connect()
        other.lease("read", key_of("other"), state=RH)
        os.truncate(path, 1)
        self.assert_breaks(key_of("read"), R)
        self.assertEqual(other.next_break(), (key_of("other"), RH, 0))
        path = self.make("oplock")
        answer = self.client.call(raw.CREATE, raw.create("oplock", access=0x0012019F, oplock=9))
        self.assertEqual(answer.body[2], 9)
        os.truncate(path, 1)
        while not self.client.breaks:
            self.assertTrue(self.client.read_frame())
        self.assertEqual(self.client.breaks.pop()[2], 0)

    def test_own_changes_are_none(self):
        """What comes first is of the local change, which was made last."""
        self.make("own")
        last = self.make("last")
        opened = self.client.lease("own", key_of("own"))
        self.client.lease("last", key_of("last"))
        for offset in range(20):
            self.assertEqual(self.client.status(raw.WRITE, raw.write(opened.file, b"x", offset)),
                             "SUCCESS")
        size = struct.pack("<Q", 5)
        self.assertEqual(self.client.status(raw.SET_INFO, raw.set_info(opened.file, size, kind=20)),
                         "SUCCESS")
        os.truncate(last, 1)
        self.assert_breaks(key_of("last"))
        os.truncate(self.path("own"), 1)
        self.assert_breaks(key_of("own"))

    def test_a_lease_outlives_the_open_that_was_granted_it(self):
        path, key = self.make("outlives"), key_of("outlives")
        first = self.client.lease("outlives", key, state=R)
        second = self.client.lease("outlives", key)
        self.client.close_file(second.file)
        os.truncate(path, 2)
        self.assert_breaks(key)
        self.client.acknowledge(key, 0)
        self.client.close_file(first.file)

    def test_a_directory_in_which_something_is_done(self):
        os.mkdir(self.path("folder"), 0o777)
        os.chmod(self.path("folder"), 0o777)
        inside, outside = self.make("folder/inside"), self.make("outside")
        for what, change in (("make", lambda: self.make("folder/new")),
                             ("write", lambda: os.truncate(inside, 1)),
                             ("chmod", lambda: os.chmod(inside, 0o640)),
                             ("xattr", lambda: os.setxattr(inside, "user.a", b"b")),
                             ("link", lambda: os.link(outside, self.path("folder/linked"))),
                             ("move in", lambda: os.rename(outside, self.path("folder/moved"))),
                             ("move out", lambda: os.rename(self.path("folder/moved"), outside)),
                             ("rename", lambda: os.rename(inside, inside + "2")),
                             ("remove", lambda: os.unlink(inside + "2")),
                             ("mkdir", lambda: os.mkdir(self.path("folder/below"))),
                             ("move", lambda: os.rename(self.path("folder"), self.path("f2")))):
            with self.subTest(what):
                key = key_of(what)
                opened = self.client.lease("folder", key, state=RH, access=0x00120089,
                                           options=DIRECTORY)
                change()
                self.assert_breaks(key, RH)
                self.assertEqual(self.client.acknowledge(key, 0), "SUCCESS")
                self.client.close_file(opened.file)

    def test_a_program_that_writes_in_a_storm(self):
        """Clients go on, and what the last of them has after it is what is there."""
        path, stop = self.make("storm"), threading.Event()

        def storm():
            with open(path, "r+b", buffering=0) as out:
                while not stop.is_set():
                    out.seek(0)
                    out.write(b"x" * 9)

        local = threading.Thread(target=storm, daemon=True)
        local.start()
        try:
            for number in range(50):
                key = key_of(str(number))
                opened = self.client.open("storm", os.urandom(16), lease=key, flags=0)
                self.assertEqual(opened.status, "SUCCESS")
                if opened.lease:
                    self.assert_breaks(key)
                self.assertEqual(self.client.close_file(opened.file), "SUCCESS")
        finally:
            stop.set()
            local.join()

    def test_nobody_is_told_where_only_clients_are(self):
        silent = self.make("silent", folder=self.unwatched)
        other = self.connect(share="none")
        other.lease("silent", key_of("silent"))
        self.client.lease("told", key_of("told"), disposition=3)
        os.truncate(silent, 1)
        os.truncate(self.path("told"), 1)
        self.assert_breaks(key_of("told"))
        other.call(raw.ECHO, raw.plain())
        self.assertEqual(other.breaks, [])


if __name__ == "__main__":
    suite.main()
