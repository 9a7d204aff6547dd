#!/usr/bin/env python3
"""Copies by token, as impacket asks for them."""
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from file_control import (ALICE, OFFLOAD_READ, OFFLOAD_WRITE, SET_SPARSE,  # noqa: E402
                          FileControlCase)
from server import ids_of  # noqa: E402
from suite import braid_only  # noqa: E402


@braid_only
class Offload(FileControlCase):
    """Copies by token."""

    def token(self, file, offset=0, length=16384, life=0):
        status, out = self.control(file, OFFLOAD_READ,
                                   struct.pack("<IIIIQQ", 32, 0, life, 0, offset, length))
        return status, out[:16], out[16:]

    def write(self, file, token, offset=0, length=16384, start=0, tree=None):
        blob = struct.pack("<IIQQQ", 544, 0, offset, length, start) + token
        status, out = self.control(file, OFFLOAD_WRITE, blob, tree=tree)
        return status, struct.unpack_from("<Q", out, 8)[0] if out else None

    def target(self, size, tree=None):
        path = os.path.join(self.root, "copy")
        if os.path.exists(path):
            os.unlink(path)  # with what a test before has made of it
        with open(path, "wb") as out:
            out.write(b"?" * size)
        if os.geteuid() == 0:
            os.chown(path, *ids_of(ALICE))
        return path, self.open("copy", tree=tree)

    def content(self, path):
        with open(path, "rb") as file:
            return file.read()

    def test_a_range_arrives_with_zeros_behind_the_end(self):
        with open(os.path.join(self.root, "file"), "ab") as more:
            more.write(b"end")
        status, head, token = self.token(self.open("file"), 8192, 1 << 20)
        self.assertEqual((status, struct.unpack("<IIQ", head)), ("SUCCESS", (528, 1, 8192 + 512)))
        self.assertEqual(len(token), 512)
        path, copy = self.target(20000)
        self.assertEqual(self.write(copy, token, 512, 1 << 20), ("SUCCESS", 8704))
        data = b"0123456789abcdef" * 512 + b"end" + bytes(509)
        self.assertEqual(self.content(path), b"?" * 512 + data + b"?" * (20000 - 512 - 8704))
        # From within the token, and never beyond the end of the target.
        self.assertEqual(self.write(copy, token, 19968, 8192, 8192), ("SUCCESS", 512))
        self.assertEqual(self.content(path)[19968:], (b"end" + bytes(509))[:32])

    def test_zeros_have_a_token_of_their_own(self):
        path, copy = self.target(8192)
        zeros = struct.pack(">IHH", 0xFFFF0001, 0, 0) + bytes(504)
        self.assertEqual(self.write(copy, zeros, 512, 1024), ("SUCCESS", 1024))
        self.assertEqual(self.content(path), b"?" * 512 + bytes(1024) + b"?" * 6656)
        status, _, nothing = self.token(self.open("file"), 0, 0)
        self.assertEqual((status, nothing), ("SUCCESS", zeros))

    def test_it_works_across_shares(self):
        tree = self.smb.connectTree("fixed")
        source = self.open("file", access=0x00120089, tree=tree)
        status, out = self.control(source, OFFLOAD_READ,
                                   struct.pack("<IIIIQQ", 32, 0, 0, 0, 0, 16384), tree=tree)
        self.assertEqual(status, "SUCCESS")
        path, copy = self.target(16384)
        self.assertEqual(self.write(copy, out[16:]), ("SUCCESS", 16384))
        self.assertEqual(self.content(path), b"0123456789abcdef" * 1024)

    def test_a_token_ends_with_its_data_its_handle_and_its_time(self):
        path, copy = self.target(16384)
        before = self.content(path)
        source = self.open("file")
        changed = self.token(source)[2]
        self.smb.write(self.tree, source, b"x", 100, 1)
        self.assertEqual(self.write(copy, changed)[0], "INVALID_TOKEN")
        closed = self.token(source)[2]
        self.smb.close(self.tree, source)
        self.assertEqual(self.write(copy, closed)[0], "INVALID_TOKEN")
        source = self.open("file")
        late = self.token(source, life=1)[2]
        end = time.time() + 0.001  # by the server's clock, too: what the token lives
        while time.time() <= end:
            pass
        self.assertEqual(self.write(copy, late)[0], "INVALID_TOKEN")
        self.assertEqual(self.content(path), before)

    def test_a_token_ends_with_its_data_whatever_times_are_shown(self):
        source, writer = self.open("file"), self.open("file")
        self.smb.setInfo(self.tree, writer, struct.pack("<qqqqII", 0, -1, -1, -1, 0, 0), 1, 4)
        path, copy = self.target(16384)
        token = self.token(source)[2]
        self.smb.write(self.tree, writer, b"other", 100, 5)
        self.assertEqual(self.write(copy, token)[0], "INVALID_TOKEN")
        self.assertEqual(self.content(path), b"?" * 16384)

    def test_between_the_streams_of_a_file(self):
        for name, byte in (("file:one", b"1"), ("file:two", b"2")):
            stream = self.open(name, disposition=5)
            self.smb.write(self.tree, stream, byte * 4096, 0, 4096)
            self.smb.close(self.tree, stream)
        for source, target, byte in (("file:one", "file:two", b"1"), ("file:two", "file", b"1"),
                                     ("file", "file:one", b"1")):
            with self.subTest(source=source, target=target):
                source, target = self.open(source), self.open(target)
                token = self.token(source, length=4096)[2]
                self.assertEqual(self.write(target, token, length=4096), ("SUCCESS", 4096))
                self.assertEqual(self.smb.read(self.tree, target, 0, 4096), byte * 4096)
                # The file has changed.
                self.assertEqual(self.write(target, token, length=4096)[0], "INVALID_TOKEN")
                self.smb.close(self.tree, source)
                self.smb.close(self.tree, target)

    def test_ranges_of_one_file_may_overlap(self):
        data = os.urandom(4 << 20)
        path = os.path.join(self.root, "copy")
        for start, to in ((0, 512), (0, 1 << 20), (1 << 20, 0), (2 << 20, 1 << 20)):
            with self.subTest(start=start, to=to):
                copy = self.target(0)[1]
                with open(path, "wb") as out:
                    out.write(data)
                token = self.token(copy, start, 2 << 20)[2]
                self.assertEqual(self.write(copy, token, to, 2 << 20), ("SUCCESS", 2 << 20))
                moved = data[:to] + data[start:start + (2 << 20)] + data[to + (2 << 20):]
                self.assertEqual(self.content(path), moved)
                # It is another file by now.
                self.assertEqual(self.write(copy, token, to, 512)[0], "INVALID_TOKEN")
                self.smb.close(self.tree, copy)

    def test_more_than_is_copied_within_a_file_at_once(self):
        most = 8 << 20
        path, copy = self.target(0)
        pattern = bytes(range(256)) * 4096
        with open(path, "wb") as out:
            for position in range(26):
                out.write(bytes([position]) + pattern[1:])
        before = self.content(path)
        token = self.token(copy, 0, 2 * most)[2]
        for to in (512, most):
            self.assertEqual(self.write(copy, token, to, 2 * most)[0], "INVALID_TOKEN")
        self.assertEqual(self.content(path), before)
        token = self.token(copy, 0, most + 512)[2]
        self.assertEqual(self.write(copy, token, 2 * most, most + 512), ("SUCCESS", most))
        self.assertEqual(self.content(path), before[:2 * most] + before[:most] + before[3 * most:])

    def test_bad_input_has_no_effect(self):
        path, copy = self.target(16384)
        before = self.content(path)
        source = self.open("file")
        for status, offset, length in (("INVALID_PARAMETER", 1, 512), ("INVALID_PARAMETER", 0, 100),
                                       ("INVALID_PARAMETER", (1 << 64) - 512, 1024),
                                       ("INVALID_PARAMETER", 512, (1 << 63) - 512),
                                       ("END_OF_FILE", 16384, 512)):
            self.assertEqual(self.token(source, offset, length)[0], status)
        head = struct.pack("<IIIIQQ", 32, 0, 0, 0, 0, 512)
        self.assertEqual(self.control(source, OFFLOAD_READ, head[:31])[0], "BUFFER_TOO_SMALL")
        self.assertEqual(self.control(source, OFFLOAD_READ, head, room=527)[0], "BUFFER_TOO_SMALL")
        self.assertEqual(self.control(source, OFFLOAD_READ, b"\x21" + head[1:])[0],
                         "INVALID_PARAMETER")
        good = self.token(source)[2]
        for status, token, offset, length, start in (
                ("INVALID_PARAMETER", good, 1, 512, 0), ("INVALID_PARAMETER", good, 0, 1, 0),
                ("INVALID_PARAMETER", good, 0, 512, 3), ("INVALID_PARAMETER", good, 0, 512, 1 << 20),
                ("INVALID_PARAMETER", good[:6] + b"\xff\xff" + good[8:], 0, 512, 0),
                ("INVALID_TOKEN", bytes(512), 0, 512, 0),
                ("INVALID_TOKEN", good[:8] + b"\xff" * 8 + good[16:], 0, 512, 0),
                ("INVALID_TOKEN", good[:32] + b"\xff" * 16 + good[48:], 0, 512, 0),
                ("END_OF_FILE", good, 16384, 512, 0)):
            with self.subTest(status, offset=offset, length=length, start=start):
                self.assertEqual(self.write(copy, token, offset, length, start)[0], status)
        self.assertEqual(self.content(path), before)
        reader = self.open("copy", access=0x00120089)
        self.assertEqual(self.write(reader, good)[0], "ACCESS_DENIED")
        self.assertEqual(self.control(copy, SET_SPARSE)[0], "SUCCESS")
        self.assertEqual(self.write(copy, good)[0], "OFFLOAD_WRITE_FILE_NOT_SUPPORTED")
        self.assertEqual(self.token(copy)[0], "OFFLOAD_READ_FILE_NOT_SUPPORTED")


if __name__ == "__main__":
    suite.main()
