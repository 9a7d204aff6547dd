#!/usr/bin/env python3
"""What depends on the file system below a share: run by ../lib/on_image.sh on btrfs and on XFS."""
import array
import fcntl
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from file_control import (ALL_ACCESS, DUPLICATE_EXTENTS, DUPLICATE_EXTENTS_EX,  # noqa: E402
                          FILE_LEVEL_TRIM, FULL_EA, GET_INTEGRITY, QUERY_ALLOCATED_RANGES,
                          SET_COMPRESSION, SET_INTEGRITY, SET_SPARSE, SET_ZERO_DATA,
                          FileControlCase, full_eas, parse_eas)
from server import Options, Share, ids_of, test_users  # noqa: E402

ALICE, BOB = test_users()
THEN = "@GMT-2024.02.29-12.00.00"
BLOCK = 64 * 1024  # a whole number of blocks of every file system
FIEMAP, SHARED_EXTENT = 0xC020660B, 0x2000
STANDARD, INTERNAL, STREAMS, COMPRESSION, NETWORK_OPEN = 5, 6, 22, 28, 34
COMPRESSED = 0x800


def is_shared(path, length=1 << 62):
    """Whether all extents of a file's first bytes are also another file's."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        request = array.array("B", struct.pack("=QQIIII", 0, length, 0, 0, 32, 0) + bytes(32 * 56))
        fcntl.ioctl(file, FIEMAP, request)
    count = struct.unpack_from("=I", request, 20)[0]
    flags = [struct.unpack_from("=I", request, 32 + 56 * n + 40)[0] for n in range(count)]
    return bool(flags) and all(flag & SHARED_EXTENT for flag in flags)


def owned(path, mode=0o755):
    os.chown(path, *ids_of(ALICE))
    os.chmod(path, mode)
    return path


class FileSystemCase(FileControlCase):
    @classmethod
    def options(cls, scratch):
        kind = subprocess.run(["stat", "-f", "-c", "%T", scratch.path], capture_output=True,
                              text=True, check=True).stdout.strip()
        cls.is_btrfs = kind == "btrfs"
        cls.root = scratch.file("share")
        cls.subvolume("share")
        cls.other = scratch.directory("other", owner=ids_of(ALICE))
        cls.fixed = scratch.directory("fixed", owner=ids_of(ALICE))
        cls.elsewhere = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.elsewhere)
        owned(cls.elsewhere)
        os.mkdir(os.path.join(cls.root, ".snapshots"))
        return Options([Share("share", cls.root, snapshots=".snapshots"),
                        Share("other", cls.other, hide_unreadable=True), Share("fixed", cls.fixed),
                        Share("elsewhere", cls.elsewhere)], [ALICE, BOB], min_dialect="2.0.2")

    @classmethod
    def subvolume(cls, *parts):
        """A directory of alice's; on btrfs with inode numbers of its own."""
        path = cls.scratch.file(*parts)
        if cls.is_btrfs:
            subprocess.run(["btrfs", "-q", "subvolume", "create", path], check=True, timeout=60)
        else:
            os.mkdir(path)
        return owned(path)

    def make(self, name, content, folder=None):
        path = os.path.join(folder or self.root, name)
        with open(path, "wb") as file:
            file.write(content)
        return owned(path, 0o644)

    def put(self, name, content, tree=None):
        """Written by a client; the handle."""
        file = self.open(name, disposition=5, tree=tree)
        for at in range(0, len(content), 65536):
            self.smb.writeFile(tree or self.tree, file, content[at:at + 65536], at)
        return file

    def content(self, path):
        with open(path, "rb") as file:
            return file.read()

    def info(self, file, info_class, tree=None):
        # From the first, where there are several.
        return self.smb.queryInfo(tree or self.tree, file, infoType=1, fileInfoClass=info_class,
                                  flags=1)

    def allocation(self, file):
        return struct.unpack_from("<Q", self.info(file, STANDARD))[0]


class Clones(FileSystemCase):
    def clone(self, target, source, length, tree):
        return self.control(target, DUPLICATE_EXTENTS,
                            source + struct.pack("<QQQ", 0, 0, length), tree=tree)[0]

    def test_within_a_share(self):
        data = os.urandom(2 * BLOCK)
        self.make("source", data)
        source = self.open("source", access=0x00120089)
        copy = self.make("copy", bytes(2 * BLOCK))
        self.assertEqual(self.clone(self.open("copy"), source, 2 * BLOCK, self.tree), "SUCCESS")
        self.assertEqual(self.content(copy), data)
        self.assertTrue(is_shared(copy))

    def test_between_two_shares_of_a_file_system(self):
        data = os.urandom(2 * BLOCK)
        self.make("source", data)
        copy = self.make("copy", bytes(2 * BLOCK), self.other)
        tree = self.smb.connectTree("other")
        source = self.open("source", access=0x00120089)
        target = self.open("copy", tree=tree)
        self.assertEqual(self.clone(target, source, 2 * BLOCK, tree), "SUCCESS")
        self.assertEqual(self.content(copy), data)
        self.assertTrue(is_shared(copy))

    def test_a_range_that_is_cut_at_the_end_of_the_target(self):
        data = os.urandom(3 * BLOCK)
        self.make("source", data)
        source = self.open("source", access=0x00120089)
        size = 2 * BLOCK + 100
        copy = self.make("copy", bytes(size))
        target = self.open("copy")
        atomic = struct.pack("<Q", 48) + source + struct.pack("<QQQII", 0, 0, 3 * BLOCK, 1, 0)
        self.assertEqual(self.control(target, DUPLICATE_EXTENTS_EX, atomic)[0], "NOT_SUPPORTED")
        self.assertEqual(self.content(copy), bytes(size))
        self.assertEqual(self.clone(target, source, 3 * BLOCK, self.tree), "SUCCESS")
        self.assertEqual(self.content(copy), data[:size])
        self.assertTrue(is_shared(copy, 2 * BLOCK))

    def test_not_between_two_file_systems(self):
        self.make("copy", b"?" * BLOCK)
        self.make("source", os.urandom(BLOCK), self.elsewhere)
        tree = self.smb.connectTree("elsewhere")
        source = self.open("source", access=0x00120089, tree=tree)
        self.assertEqual(self.clone(self.open("copy"), source, BLOCK, self.tree),
                         "INVALID_PARAMETER")
        self.assertEqual(self.content(os.path.join(self.root, "copy")), b"?" * BLOCK)


class Space(FileSystemCase):
    def test_allocation_sizes(self):
        for size, least, most in ((0, 0, 0), (1, 1, 4096), (5000, 5000, 8192),
                                  (BLOCK, BLOCK, BLOCK)):
            with self.subTest(size=size):
                file = self.put(f"sized{size}", os.urandom(size))
                self.smb.setInfo(self.tree, file, full_eas((b"Note", b"x" * 1000)), 1, FULL_EA)
                self.smb.close(self.tree, file)
                subprocess.run(["sync", "-f", self.root], check=True, timeout=60)
                allocated = self.allocation(self.open(f"sized{size}"))
                self.assertGreaterEqual(allocated, least)
                self.assertLessEqual(allocated, most)

    def test_reserved_space_shows(self):
        file = self.open("reserved", disposition=5)
        self.smb.setInfo(self.tree, file, struct.pack("<Q", 4 * BLOCK), 1, 19)
        self.assertEqual((self.allocation(file), os.path.getsize(os.path.join(
            self.root, "reserved"))), (4 * BLOCK, 0))

    def test_holes_and_trim_give_space_back(self):
        file = self.put("holes", os.urandom(16 * BLOCK))
        path = os.path.join(self.root, "holes")
        self.assertEqual(self.control(file, SET_SPARSE)[0], "SUCCESS")
        self.assertEqual(self.control(file, SET_ZERO_DATA,
                                      struct.pack("<QQ", 4 * BLOCK, 8 * BLOCK))[0], "SUCCESS")
        self.assertEqual(self.content(path)[4 * BLOCK:8 * BLOCK], bytes(4 * BLOCK))
        status, ranges = self.control(file, QUERY_ALLOCATED_RANGES,
                                      struct.pack("<QQ", 0, 16 * BLOCK))
        self.assertEqual(status, "SUCCESS")
        self.assertEqual([struct.unpack_from("<QQ", ranges, at) for at in
                          range(0, len(ranges), 16)], [(0, 4 * BLOCK), (8 * BLOCK, 8 * BLOCK)])
        trim = struct.pack("<IIQQ", 0, 1, 12 * BLOCK, 4 * BLOCK)
        self.assertEqual(self.control(file, FILE_LEVEL_TRIM, trim)[0], "SUCCESS")
        self.smb.close(self.tree, file)
        subprocess.run(["sync", "-f", self.root], check=True, timeout=60)
        self.assertLessEqual(os.stat(path).st_blocks * 512, 9 * BLOCK)

    def test_checksums_are_for_btrfs(self):
        file = self.put("summed", os.urandom(BLOCK))
        status, blob = self.control(file, GET_INTEGRITY)
        if not self.is_btrfs:
            self.assertEqual(status, "INVALID_DEVICE_REQUEST")
            self.assertEqual(self.control(file, SET_INTEGRITY, bytes(8))[0],
                             "INVALID_DEVICE_REQUEST")
            return
        cluster = os.statvfs(self.root).f_frsize
        self.assertEqual((status, blob), ("SUCCESS", struct.pack("<HHIII", 1, 0, 0, 4096, cluster)))
        self.assertEqual(self.control(file, GET_INTEGRITY, room=15)[0], "INVALID_PARAMETER")
        for status, algorithm, flags in (("SUCCESS", 1, 0), ("SUCCESS", 0xFFFF, 0),
                                         ("NOT_SUPPORTED", 0, 0), ("NOT_SUPPORTED", 2, 0),
                                         ("NOT_SUPPORTED", 0xFFFF, 1), ("INVALID_PARAMETER", 3, 0),
                                         ("INVALID_PARAMETER", 0, 1), ("INVALID_PARAMETER", 2, 2)):
            with self.subTest(algorithm=algorithm, flags=flags):
                blob = struct.pack("<HHI", algorithm, 0, flags)
                self.assertEqual(self.control(file, SET_INTEGRITY, blob)[0], status)
        # What is not copied on write has none.
        plain = self.make("plain", b"")
        subprocess.run(["chattr", "+C", plain], check=True, timeout=60)
        self.assertEqual(self.control(self.open("plain"), GET_INTEGRITY),
                         ("SUCCESS", struct.pack("<HHIII", 0, 0, 0, 0, cluster)))

    def test_space_below_a_mount_is_that_mounts(self):
        mounted = os.path.join(self.root, "mounted")
        os.mkdir(mounted)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M,mode=777", "none", mounted],
                       check=True, timeout=60)
        self.addCleanup(subprocess.run, ["umount", "-l", mounted], check=True, timeout=60)
        for name, folder in (("", self.root), ("mounted", mounted)):
            directory = self.open(name, options=1, access=0x81)
            for info_class, form in ((3, "<QQII"), (7, "<QQQII")):
                blob = self.smb.queryInfo(self.tree, directory, infoType=2,
                                          fileInfoClass=info_class)
                total, *_, per_unit, sector = struct.unpack(form, blob)
                now = os.statvfs(folder)
                self.assertEqual((total, per_unit * sector), (now.f_blocks, now.f_frsize), name)
            self.smb.close(self.tree, directory)

    def test_compression_is_for_btrfs(self):
        file = self.put("packed", bytes(BLOCK))
        status = self.control(file, SET_COMPRESSION, struct.pack("<H", 1))[0]
        if not self.is_btrfs:
            self.assertEqual(status, "NOT_SUPPORTED")
            return
        self.assertEqual(status, "SUCCESS")
        size, packing = struct.unpack_from("<QH", self.info(file, COMPRESSION))
        self.assertEqual((size, packing), (BLOCK, 2))
        attributes = struct.unpack_from("<I", self.info(file, NETWORK_OPEN), 48)[0]
        self.assertTrue(attributes & COMPRESSED)
        flags = subprocess.run(["lsattr", os.path.join(self.root, "packed")], capture_output=True,
                               text=True, check=True).stdout.split()[0]
        self.assertIn("c", flags)


class Metadata(FileSystemCase):
    def test_large_attributes(self):
        """As many as there is room for, and nothing of one too many."""
        file = self.put("named", b"x")
        for size, fits in ((1000, True), (12_000, True), (60_000, not self.is_btrfs)):
            with self.subTest(size=size):
                blob = full_eas((b"Large", os.urandom(size)))
                if fits:
                    self.smb.setInfo(self.tree, file, blob, 1, FULL_EA)
                    found = parse_eas(self.info(file, FULL_EA))
                    self.assertEqual([(name, len(value)) for name, value in found],
                                     [(b"Large", size)])
                else:
                    with self.assertRaises(Exception) as refusal:
                        self.smb.setInfo(self.tree, file, blob, 1, FULL_EA)
                    self.assertEqual(refusal.exception.get_error_code(), 0xC0000050)
                    found = parse_eas(self.info(file, FULL_EA))
                    self.assertEqual([len(value) for _, value in found], [12_000])

    def test_streams_of_any_size(self):
        self.put("streams", b"base")
        for size in (0, 10, 4_000, 20_000, 70_000, 300_000):
            with self.subTest(size=size):
                data = os.urandom(size)
                self.smb.close(self.tree, self.put(f"streams:s{size}", data))
                again = self.open(f"streams:s{size}", access=0x00120089)
                read = b"".join(self.smb.read(self.tree, again, at, 65536)
                                for at in range(0, size, 65536))
                self.assertEqual(read, data)

    def test_listings_leave_out_what_may_not_be_read(self):
        for name, mode in (("open", 0o644), ("closed", 0o600)):
            owned(self.make(name, b"x", self.other), mode)
        for user, hidden in ((ALICE, False), (BOB, True)):
            connection = self.connect(user)
            names = [entry.get_longname() for entry in connection.listPath("other", "*")]
            self.assertIn("open", names)
            self.assertEqual("closed" not in names, hidden)

    def connect(self, user):
        from impacket.smbconnection import SMBConnection
        connection = SMBConnection(self.server.host, self.server.host, sess_port=self.server.port,
                                   preferredDialect=0x0210, timeout=20)
        self.addCleanup(connection.close)
        connection.login(user.name, user.password)
        return connection


class ReadOnlyFileSystem(FileSystemCase):
    """A mount below the share that nothing can change: said when asked, and not at the close."""

    def setUp(self):
        super().setUp()
        self.folder = self.scratch.directory("share", "frozen", owner=ids_of(ALICE))
        self.make("kept", b"kept", self.folder)
        for options in (["--bind", self.folder, self.folder],
                        ["-o", "remount,bind,ro", self.folder]):
            subprocess.run(["mount", *options], check=True, timeout=60)
        self.addCleanup(subprocess.run, ["umount", "-l", self.folder], check=True, timeout=60)

    def test_deletion_is_refused_when_asked_for(self):
        self.refused("CANNOT_DELETE", self.open, "frozen\\kept", access=0x00010000,
                     options=0x1000)
        file = self.open("frozen\\kept", access=0x00010000)
        self.refused("MEDIA_WRITE_PROTECTED", self.smb.setInfo, self.tree, file, b"\1", 1, 13)
        self.smb.close(self.tree, file)
        self.assertEqual(self.content(os.path.join(self.folder, "kept")), b"kept")


class Subvolumes(FileSystemCase):
    def setUp(self):
        super().setUp()
        if not self.is_btrfs:
            self.skipTest("needs btrfs")

    def stream(self, name):
        file = self.open(name, access=0x00120089)
        size = struct.unpack_from("<Q", self.info(file, STANDARD), 8)[0]
        return b"".join(self.smb.read(self.tree, file, at, 65536)
                        for at in range(0, size, 65536))

    def test_files_of_two_have_different_numbers(self):
        names = ("one", "two")
        for name in names:
            folder = self.subvolume("share", name)
            self.make("same", b"x", folder)
        inodes = {os.stat(os.path.join(self.root, name, "same")).st_ino for name in names}
        self.assertEqual(len(inodes), 1)
        numbers = [struct.unpack("<Q", self.info(self.open(f"{name}\\same", access=0x00120089),
                                                 INTERNAL))[0] for name in names]
        self.assertEqual(len(set(numbers)), 2)
        # In listings they are the same; FileIdBothDirectoryInformation.
        for name, number in zip(names, numbers):
            folder = self.open(name, access=0x00120089, options=1)
            entry = self.smb.queryDirectory(self.tree, folder, "same", informationClass=37)
            self.assertEqual(struct.unpack_from("<Q", entry, 96)[0], number)

    def test_a_snapshot_shows_data_streams_and_attributes_as_they_were(self):
        large = os.urandom(200_000)
        file = self.put("kept", b"as it was")
        self.smb.setInfo(self.tree, file, full_eas((b"Note", b"old")), 1, FULL_EA)
        basic = struct.pack("<QQQQII", 0, 0, 0, 0, 0x2020, 0)  # archive, not indexed
        self.smb.setInfo(self.tree, file, basic, 1, 4)
        self.smb.close(self.tree, file)
        self.smb.close(self.tree, self.put("kept:small", b"little"))
        self.smb.close(self.tree, self.put("kept:large", large))
        subprocess.run(["btrfs", "-q", "subvolume", "snapshot", "-r", self.root,
                        os.path.join(self.root, ".snapshots", THEN)], check=True, timeout=60)
        file = self.put("kept", b"now")
        self.smb.setInfo(self.tree, file, full_eas((b"Note", b"new")), 1, FULL_EA)
        self.smb.close(self.tree, file)
        for stream in ("small", "large"):
            self.smb.close(self.tree, self.put(f"kept:{stream}", b"changed"))

        self.assertEqual(self.stream("kept:large"), b"changed")
        self.assertEqual(self.stream(f"{THEN}\\kept"), b"as it was")
        self.assertEqual(self.stream(f"{THEN}\\kept:small"), b"little")
        self.assertEqual(self.stream(f"{THEN}\\kept:large"), large)
        old = self.open(f"{THEN}\\kept", access=ALL_ACCESS)
        self.assertEqual(parse_eas(self.info(old, FULL_EA)), [(b"Note", b"old")])
        self.assertEqual(struct.unpack_from("<I", self.info(old, NETWORK_OPEN), 48)[0], 0x2020)
        sizes = self.info(old, STREAMS)
        self.assertIn(struct.pack("<Q", len(large)), sizes)
        self.refused("MEDIA_WRITE_PROTECTED", self.smb.writeFile, self.tree, old, b"x", 0)
        self.refused("MEDIA_WRITE_PROTECTED", self.open, f"{THEN}\\new", disposition=2)
        names = [entry.get_longname() for entry in self.smb.listPath("share", f"{THEN}\\*")]
        self.assertIn("kept", names)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: needs root")
        sys.exit(77)
    suite.main()
