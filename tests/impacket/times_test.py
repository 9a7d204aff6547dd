#!/usr/bin/env python3
"""When the four times of a file move, and when they stay: [MS-FSA] 2.1.4.17 and 2.1.5.15.2."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from file_control import SET_ZERO_DATA, FileControlCase  # noqa: E402
from suite import braid_only  # noqa: E402

BASIC, FULL_EA, ALLOCATION, END_OF_FILE = 4, 15, 19, 20
OPEN_IF = 3
KEPT, MOVES = -1, -2
TIMES = ("creation", "access", "write", "change")
INT64_MAX = (1 << 63) - 1
UNIX_EPOCH = 11_644_473_600  # seconds since 1601
LONG_AGO = 130_000_000_000_000_000  # 2012


class Times(FileControlCase):
    def times(self, file):
        blob = self.smb.queryInfo(self.tree, file, infoType=1, fileInfoClass=BASIC)
        return dict(zip(TIMES, struct.unpack_from("<qqqq", blob)))

    def set_times(self, file, attributes=0, **times):
        blob = struct.pack("<qqqqII", *(times.get(name, 0) for name in TIMES), attributes, 0)
        self.smb.setInfo(self.tree, file, blob, 1, BASIC)

    def resize(self, file, size, what=END_OF_FILE):
        self.smb.setInfo(self.tree, file, struct.pack("<Q", size), 1, what)

    def write(self, file, data=b"x"):
        self.smb.write(self.tree, file, data, 0, len(data))

    def await_tick(self):
        """Returns when what changes now has a later time than what has changed before."""
        path = self.scratch.file("tick")
        def touched():
            with open(path, "wb") as file:
                file.write(b"x")
            return os.stat(path).st_mtime_ns
        first = touched()
        while touched() == first:
            pass

    def moved(self, file, what, seen_by=None):
        """The times that `what` moves."""
        seen_by = seen_by or file
        before = self.times(seen_by)
        self.await_tick()
        what()
        after = self.times(seen_by)
        return {name for name in TIMES if before[name] != after[name]}

    @braid_only
    def test_every_change_shows_at_once(self):
        file, other = self.open("file"), self.open("file", access=0x80)
        both = {"write", "change"}
        for count in range(3):
            self.assertEqual(self.moved(file, lambda: self.write(file), seen_by=other), both, count)
        size = os.path.getsize(os.path.join(self.root, "file"))
        self.assertEqual(self.moved(file, lambda: self.resize(file, size), seen_by=other), both)
        self.assertEqual(self.moved(file, lambda: self.resize(file, size + 1), seen_by=other), both)
        zeros = struct.pack("<qq", 0, 4096)
        self.assertEqual(self.moved(file, lambda: self.control(file, SET_ZERO_DATA, zeros)), both)
        # A closed file keeps the time of its last write, and a FLUSH is none.
        self.assertEqual(self.moved(file, lambda: self.smb.flush(self.tree, file)), set())
        self.assertEqual(self.moved(other, lambda: self.smb.close(self.tree, file)), set())

    @braid_only
    def test_room_moves_the_write_time_with_the_size_only(self):
        file = self.open("room", disposition=OPEN_IF)
        for size in (0, 65536, 8192):
            self.assertEqual(self.moved(file, lambda: self.resize(file, size, ALLOCATION)),
                             {"change"}, size)
        self.write(file)
        self.assertEqual(self.moved(file, lambda: self.resize(file, 0, ALLOCATION)),
                         {"write", "change"})

    @braid_only
    def test_who_set_the_write_time_keeps_it_and_others_move_it(self):
        setter, other = self.open("file"), self.open("file")
        self.set_times(setter, write=LONG_AGO)
        for change in (lambda: self.write(setter), lambda: self.resize(setter, 4),
                       lambda: self.resize(setter, 4)):
            self.assertEqual(self.moved(setter, change, seen_by=other), {"change"})
        self.assertEqual(self.times(other)["write"], LONG_AGO)
        self.assertIn("write", self.moved(other, lambda: self.write(other)))
        self.assertNotIn("write", self.moved(setter, lambda: self.write(setter)))

    @braid_only
    def test_minus_one_keeps_and_minus_two_moves(self):
        full_ea = struct.pack("<IBBH", 0, 0, 1, 1) + b"E\0v"
        for kept in ("access", "write", "change"):
            with self.subTest(kept):
                name = f"kept {kept}"
                file = self.open(name, disposition=OPEN_IF)
                self.set_times(file, **{kept: KEPT})
                for what in (lambda: self.write(file, b"y" * 5000), lambda: self.resize(file, 9),
                             lambda: self.smb.setInfo(self.tree, file, full_ea, 1, FULL_EA),
                             lambda: self.smb.read(self.tree, file, 0, 5),
                             lambda: self.set_times(file, attributes=2)):
                    self.assertNotIn(kept, self.moved(file, what))
                self.assertNotIn(kept, self.moved(file, lambda: self.set_times(file,
                                                                               **{kept: MOVES})))
                self.assertIn(kept, self.moved(file, lambda: self.write(file)))
                self.smb.close(self.tree, file)

    @braid_only
    def test_minus_one_keeps_what_others_have_changed(self):
        keeper, other = self.open("file"), self.open("file")
        self.set_times(keeper, change=KEPT, write=KEPT)
        for _ in range(20):
            self.write(keeper)
            self.assertEqual(self.moved(other, lambda: self.write(other)), {"write", "change"})
            self.assertEqual(self.moved(keeper, lambda: self.write(keeper), seen_by=other), set())

    @braid_only
    def test_times_of_a_stream_are_those_of_its_file(self):
        whole = self.open("file", access=0x80)
        stream = self.open("file:s", disposition=OPEN_IF)
        both = {"write", "change"}
        self.assertEqual(self.moved(stream, lambda: self.write(stream), seen_by=whole), both)
        large = b"z" * 60_000  # more than an attribute holds
        self.assertEqual(self.moved(stream, lambda: self.write(stream, large), seen_by=whole), both)
        self.set_times(stream, write=KEPT, change=KEPT)
        self.assertEqual(self.moved(stream, lambda: self.write(stream), seen_by=whole), set())
        self.set_times(stream, write=MOVES, change=MOVES)
        self.assertEqual(self.moved(stream, lambda: self.write(stream), seen_by=whole), both)

    @braid_only
    def test_a_creation_time_never_moves_by_itself(self):
        file = self.open("file")
        for value in (KEPT, MOVES):
            self.set_times(file, creation=value)
            self.assertNotIn("creation", self.moved(file, lambda: self.write(file)))
        self.refused("INVALID_PARAMETER", self.set_times, file, creation=-3)

    @braid_only
    def test_a_time_that_the_file_system_cannot_keep_changes_nothing(self):
        file = self.open("file")
        path = os.path.join(self.root, "file")
        for value in (10_000_000, 90_000_000_000_000_000, 200_000_000_000_000_000,
                      INT64_MAX // 10_000_000 * 10_000_000):
            seconds = value // 10_000_000 - UNIX_EPOCH
            for name in ("write", "access"):
                with self.subTest(name, seconds=seconds):
                    os.utime(path, (0, 0))
                    os.utime(path, (seconds, seconds))
                    is_kept = int(os.stat(path).st_mtime) == seconds
                    os.utime(path, (0, 0))
                    before = self.times(file)
                    if is_kept:
                        self.set_times(file, **{name: value})
                        self.assertEqual(self.times(file)[name], value)
                        continue
                    self.refused("INVALID_PARAMETER", self.set_times, file, attributes=2,
                                 creation=LONG_AGO, **{name: value})
                    self.assertEqual(self.times(file), before)
                    blob = self.smb.queryInfo(self.tree, file, infoType=1, fileInfoClass=BASIC)
                    self.assertFalse(struct.unpack_from("<I", blob, 32)[0] & 2)


if __name__ == "__main__":
    suite.main()
