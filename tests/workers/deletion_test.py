#!/usr/bin/env python3
"""What a deletion removes and with whose rights, in one worker and in several."""
import os
import signal
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402
from suite import ServerCase  # noqa: E402
from workers_test import (AT_ONCE, DELETE_ACCESS, DELETE_ON_CLOSE, EXCLUSIVE, LIMIT_S,  # noqa: E402
                          OPEN, OPEN_IF, READ, SHARE_ALL, WRITE, Client, WorkersCase, status_of)

ALICE, BOB = test_users()
SHARE_READ_WRITE = 3
OVERWRITE_IF = 5
DIRECTORY_FILE = 0x00000001
DISPOSITION, RENAME, LINK = 13, 10, 11
FULL = READ | WRITE | DELETE_ACCESS


class Base:
    WORKERS = 1

    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", owner=ids_of(ALICE))
        held = scratch.directory("share", "held", owner=ids_of(ALICE))
        frozen = scratch.directory("frozen")
        # The folder once more, where nothing can be changed.
        for options in (["--bind", held, frozen], ["-o", "remount,bind,ro", frozen]):
            subprocess.run(["mount", *options], check=True, timeout=60)
        cls.addClassCleanup(subprocess.run, ["umount", "-l", frozen], check=True, timeout=60)
        return Options([Share("share", cls.root), Share("frozen", frozen)], [ALICE, BOB],
                       workers=cls.WORKERS)

    def client(self, user=ALICE):
        made = Client(self.server, user)
        self.addCleanup(made.end)
        return made

    def two(self, other=ALICE):
        """alice and `other`, in two workers if there are."""
        first = self.client()
        for _ in range(64):
            second = self.client(other)
            if self.WORKERS == 1 or second.worker != first.worker:
                return first, second
        raise AssertionError("all clients are in one worker")

    def put(self, client, name, content):
        file_id = client.open(name, FULL, SHARE_ALL)
        if content:
            self.write(client, file_id, content)
        client.close(file_id)

    def write(self, client, file_id, content):
        client.low.write(client.tree, file_id, content, 0, len(content))

    def content(self, client, name):
        file_id = client.open(name, READ, SHARE_ALL, OPEN)
        try:
            return client.low.read(client.tree, file_id, 0, 100)
        finally:
            client.close(file_id)

    def rename(self, client, file_id, name, replace=0, info_class=RENAME):
        name = name.encode("utf-16-le")
        request = struct.pack("<B7xQI", replace, 0, len(name)) + name
        # [MS-SMB2] 2.2.39: no less than the structure with its padding.
        return status_of(client.low.setInfo, client.tree, file_id, request.ljust(24, b"\0"), 1,
                         info_class)

    def dispose(self, client, file_id):
        return status_of(client.low.setInfo, client.tree, file_id, b"\1", 1, DISPOSITION)

    def assert_goes(self, name):
        end = time.monotonic() + LIMIT_S
        while os.path.exists(os.path.join(self.root, name)):
            self.assertLess(time.monotonic(), end, f"{name} is still there")
            time.sleep(0.02)


class Cases(Base):
    # A stream has one identity, whatever it is called.

    def test_stream_of_the_old_name_is_another_and_goes_alone(self):
        a, b = self.two()
        self.put(a, "f:s", b"renamed")
        renamed = a.open("f:s", FULL, SHARE_ALL)
        self.assertEqual(self.rename(a, renamed, ":t"), "SUCCESS")
        other = b.open("f:s", FULL, SHARE_ALL)
        self.write(b, other, b"other")
        self.assertEqual(self.dispose(b, other), "SUCCESS")
        b.close(other)
        self.assertEqual(status_of(a.open, "f:s", READ, SHARE_ALL, OPEN), "OBJECT_NAME_NOT_FOUND")
        self.write(a, renamed, b"written")
        a.close(renamed)
        self.assertEqual(self.content(a, "f:t"), b"written")

    def test_overwrite_of_the_file_keeps_a_renamed_stream_that_is_open(self):
        a, b = self.two()
        self.put(a, "o:s", b"content")
        renamed = a.open("o:s", FULL, SHARE_ALL)
        self.assertEqual(self.rename(a, renamed, ":t"), "SUCCESS")
        b.close(b.open("o", FULL, SHARE_ALL, OVERWRITE_IF))
        self.write(a, renamed, b"written")
        a.close(renamed)
        self.assertEqual(self.content(b, "o:t"), b"written")

    def test_share_modes_and_locks_go_with_a_renamed_stream(self):
        a, b = self.two()
        self.put(a, "k:s", b"content")
        renamed = a.open("k:s", FULL, SHARE_READ_WRITE)
        a.lock(renamed, 0, 10, EXCLUSIVE | AT_ONCE)
        self.assertEqual(self.rename(a, renamed, ":t"), "SUCCESS")
        self.assertEqual(status_of(b.open, "k:t", FULL, SHARE_ALL, OPEN), "SHARING_VIOLATION")
        other = b.open("k:t", READ | WRITE, SHARE_ALL, OPEN)
        self.assertEqual(status_of(self.write, b, other, b"x"), "FILE_LOCK_CONFLICT")

    def test_stream_is_not_renamed_onto_a_renamed_one_that_is_open(self):
        a, b = self.two()
        self.put(a, "u:s", b"")
        self.put(a, "u:u", b"content")
        renamed = a.open("u:s", FULL, SHARE_ALL)
        self.assertEqual(self.rename(a, renamed, ":t"), "SUCCESS")
        onto = b.open("u:u", FULL, SHARE_ALL)
        self.assertEqual(self.rename(b, onto, ":t", replace=1), "INVALID_PARAMETER")
        self.write(a, renamed, b"written")
        b.close(onto)
        self.assertEqual(self.content(b, "u:u"), b"content")

    def test_rename_of_a_stream_in_case_only(self):
        a = self.client()
        self.put(a, "c:name", b"content")
        named = a.open("c:name", FULL, SHARE_ALL)
        self.assertEqual(self.rename(a, named, ":NAME"), "SUCCESS")
        self.assertEqual([name for name in os.listxattr(os.path.join(self.root, "c"))
                          if "DosStream" in name], ["user.DosStream.NAME:$DATA"])
        self.assertEqual(self.content(a, "c:nAmE"), b"content")

    def test_what_is_to_be_deleted_gets_no_other_name(self):
        a = self.client()
        for name, new, info_class in (("p:s", ":t", RENAME), ("p", "q", RENAME), ("p", "q", LINK)):
            file_id = a.open(name, FULL, SHARE_ALL)
            self.assertEqual(self.dispose(a, file_id), "SUCCESS")
            self.assertEqual(self.rename(a, file_id, new, info_class=info_class), "ACCESS_DENIED")
            a.close(file_id)
            self.assertEqual(status_of(a.open, name, READ, SHARE_ALL, OPEN),
                             "OBJECT_NAME_NOT_FOUND")

    # The right to delete was looked at when it was asked for: [MS-FSA] 2.1.5.15.3.

    def delete_with_bob_last(self, name, options, how):
        a, b = self.two(BOB)
        a.close(a.open(name, FULL, SHARE_ALL, OPEN_IF, options))
        by_disposition = how != "on close"
        mine = a.open(name, FULL, SHARE_ALL, OPEN,
                      options | (0 if by_disposition else DELETE_ON_CLOSE))
        his = b.open(name, READ, SHARE_ALL, OPEN, options)
        if by_disposition:
            self.assertEqual(self.dispose(a, mine), "SUCCESS")
        a.close(mine)
        self.assertEqual(status_of(a.open, name, READ, SHARE_ALL, OPEN, options), "DELETE_PENDING")
        if how == "lost":
            b.low._NetBIOSSession.get_socket().close()
            self.assert_goes(name)
        else:
            self.assertEqual(status_of(b.close, his), "SUCCESS")
        self.assertEqual(status_of(a.open, name, READ, SHARE_ALL, OPEN, options),
                         "OBJECT_NAME_NOT_FOUND")

    def test_file_goes_with_the_last_handle_of_a_reader(self):
        for how in ("disposition", "on close", "lost"):
            with self.subTest(how):
                self.delete_with_bob_last("file", 0, how)

    def test_stream_goes_with_the_last_handle_of_a_reader(self):
        for how in ("disposition", "on close"):
            with self.subTest(how):
                self.delete_with_bob_last("base:stream", 0, how)
        self.assertTrue(os.path.exists(os.path.join(self.root, "base")))

    def test_directory_goes_with_the_last_handle_of_a_reader(self):
        for how in ("disposition", "on close", "lost"):
            with self.subTest(how):
                self.delete_with_bob_last("folder", DIRECTORY_FILE, how)


    def test_name_goes_through_the_share_of_who_asked(self):
        for name in ("file", "file:stream"):
            with self.subTest(name):
                a, b = self.two(BOB)
                b.tree = b.smb.connectTree("frozen")
                self.put(a, f"held\\{name}", b"content")
                mine = a.open(f"held\\{name}", FULL, SHARE_ALL, OPEN)
                his = b.open(name, READ, SHARE_ALL, OPEN)
                self.assertEqual(self.dispose(a, mine), "SUCCESS")
                a.close(mine)
                self.assertEqual(status_of(b.close, his), "SUCCESS")
                self.assertEqual(status_of(a.open, f"held\\{name}", READ, SHARE_ALL, OPEN),
                                 "OBJECT_NAME_NOT_FOUND")

    def two_that_ask(self, folder):
        """alice and bob have opened a file to delete it, and she, whose folder it is, has asked."""
        a, b = self.two(BOB)
        path = os.path.join(self.root, folder)
        a.close(a.open(folder, READ, SHARE_ALL, OPEN_IF, DIRECTORY_FILE))
        os.chmod(path, 0o777)
        self.put(a, f"{folder}\\file", b"content")
        hers, his = (client.open(f"{folder}\\file", DELETE_ACCESS, SHARE_ALL, OPEN)
                     for client in (a, b))
        self.assertEqual(self.dispose(a, hers), "SUCCESS")
        return a, b, hers, his, path

    def test_each_who_asked_counts(self):
        for last in ("alice", "bob"):
            with self.subTest(last):
                a, b, hers, his, path = self.two_that_ask(f"asked {last}")
                os.chmod(path, 0o577)  # she may remove nothing any more, and others may
                self.assertEqual(self.dispose(b, his), "SUCCESS")
                closes = [(a, hers), (b, his)] if last == "bob" else [(b, his), (a, hers)]
                for client, file_id in closes:
                    self.assertEqual(status_of(client.close, file_id), "SUCCESS")
                self.assertEqual(os.listdir(path), [])

    def test_who_may_not_any_more_is_told_at_the_last_close(self):
        a, b, hers, his, path = self.two_that_ask("lost")
        os.chmod(path, 0o555)
        self.assertEqual(status_of(a.close, hers), "SUCCESS")
        self.assertEqual(status_of(b.close, his), "ACCESS_DENIED")
        self.assertEqual(os.listdir(path), ["file"])


class OneWorker(Cases, ServerCase):
    pass


class SeveralWorkers(Cases, ServerCase):
    WORKERS = 4

    @classmethod
    def setUpClass(cls):
        if suite.arguments.smbd:
            raise unittest.SkipTest("smbd has a process for each client")
        super().setUpClass()


class Killed(Base, WorkersCase):
    """The worker with the last handle of what is to be deleted is killed."""
    WORKERS = 4

    def setUp(self):
        self.server.expects_deaths = True

    def test_what_was_to_be_deleted_goes_all_the_same(self):
        for name in ("file", "base:stream"):
            with self.subTest(name):
                a, b = self.two(BOB)
                self.put(a, name, b"content")
                mine = a.open(name, FULL, SHARE_ALL, OPEN)
                b.open(name, READ, SHARE_ALL, OPEN)
                self.assertEqual(self.dispose(a, mine), "SUCCESS")
                a.close(mine)
                os.kill(self.workers()[b.worker], signal.SIGKILL)
                end = time.monotonic() + LIMIT_S
                status = "DELETE_PENDING"
                while status == "DELETE_PENDING" and time.monotonic() < end:
                    status = status_of(a.open, name, READ, SHARE_ALL, OPEN)
                self.assertEqual(status, "OBJECT_NAME_NOT_FOUND")


if __name__ == "__main__":
    suite.main()
