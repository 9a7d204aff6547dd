#!/usr/bin/env python3
"""Whose room data takes: on a small ext4, which keeps some blocks for root (on_image.sh)."""
import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from impacket.smb3 import SessionError  # noqa: E402

import suite  # noqa: E402
from file_control import FileControlCase, create_context, status_of  # noqa: E402
from server import ids_of, test_users  # noqa: E402

ALICE, _ = test_users()
OPEN_IF = 3


class Room(FileControlCase):
    def room(self):
        """Blocks free to root, and to users."""
        now = os.statvfs(self.root)
        return now.f_bfree, now.f_bavail

    def fill(self, name):
        """Writes until the answer is an error; that, and what was taken."""
        file = self.open(name, disposition=OPEN_IF)
        self.addCleanup(self.smb.close, self.tree, file)
        size = 0
        for piece in (65536, 1024):
            while True:
                try:
                    self.smb.writeFile(self.tree, file, b"x" * piece, size)
                except SessionError as error:
                    status = status_of(error)
                    break
                size += piece
        return status, size

    def side_files(self):
        found = []
        for folder, _, names in os.walk(os.path.join(self.root, ".braid")):
            found += [os.path.join(folder, name) for name in names]
        return found

    def test_a_refused_reservation_takes_nothing(self):
        """FileAllocationInformation and SMB2_CREATE_ALLOCATION_SIZE: all or nothing."""
        free = self.room()
        file = self.open("asked", disposition=OPEN_IF)
        self.smb.writeFile(self.tree, file, b"k" * 4096, 0)
        subprocess.run(["sync", "-f", self.root], check=True, timeout=60)
        before = self.room()
        for size in (1 << 30, (free[0] - 8) * 4096, 1 << 62):
            with self.subTest(size):
                self.refused("DISK_FULL", self.smb.setInfo, self.tree, file,
                             struct.pack("<Q", size), 1, 19)
                self.assertEqual(self.room(), before)
        self.smb.setInfo(self.tree, file, struct.pack("<Q", 1 << 20), 1, 19)
        self.assertLessEqual(self.room()[0], before[0] - 255)
        # What was reserved before stays.
        self.refused("DISK_FULL", self.smb.setInfo, self.tree, file, struct.pack("<Q", 1 << 30), 1,
                     19)
        self.assertLessEqual(self.room()[0], before[0] - 255)
        self.smb.close(self.tree, file)
        before = self.room()
        for disposition, name in ((2, "new"), (5, "asked")):
            with self.subTest(name):
                with self.assertRaises(SessionError) as refusal:
                    self.smb.create(self.tree, name, 0x001F01FF, 7, 0, disposition, 0x80,
                                    createContexts=[create_context(
                                        b"AlSi", struct.pack("<Q", 1 << 30))])
                self.assertEqual(status_of(refusal.exception), "DISK_FULL")
                self.assertEqual(self.room(), before)
        self.assertFalse(os.path.exists(os.path.join(self.root, "new")))
        with open(os.path.join(self.root, "asked"), "rb") as kept:
            self.assertEqual(kept.read(), b"k" * 4096)
        os.unlink(os.path.join(self.root, "asked"))

    def test_room_kept_for_root(self):
        """A large stream ends where the file does, and counts for the file's owner."""
        small = self.open("early:s", disposition=OPEN_IF)
        for at in (0, 65536):
            self.smb.writeFile(self.tree, small, b"s" * 65536, at)
        self.assertEqual([os.stat(path).st_uid for path in self.side_files()], [ids_of(ALICE)[0]])
        status, size = self.fill("filled")
        self.assertEqual(status, "DISK_FULL")
        self.assertGreater(size, 1 << 20)
        subprocess.run(["sync", "-f", self.root], check=True, timeout=60)
        free, available = self.room()
        self.assertGreater(free, 100)
        self.assertLess(available, 256)
        with self.assertRaises(SessionError) as refusal:
            for at in range(131072, 2 << 20, 65536):
                self.smb.writeFile(self.tree, small, b"y" * 65536, at)
        self.assertEqual(status_of(refusal.exception), "DISK_FULL")
        # A new stream is an attribute first, and that takes a block as well.
        self.refused("DISK_FULL", self.fill, "filled:s")
        subprocess.run(["sync", "-f", self.root], check=True, timeout=60)
        # Metadata may take a few.
        self.assertGreater(self.room()[0], free - 48)


if __name__ == "__main__":
    suite.main()
