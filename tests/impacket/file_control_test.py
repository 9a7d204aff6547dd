#!/usr/bin/env python3
"""Extended attributes and file control requests, as impacket sends them."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from file_control import (ALICE, ALL_ACCESS, COPYCHUNK, COPYCHUNK_WRITE,  # noqa: E402
                          CREATE_OR_GET_OBJECT_ID, DELETE_REPARSE_POINT, DUPLICATE_EXTENTS,
                          FILE_LEVEL_TRIM, FULL_EA, GET_INTEGRITY, GET_NTFS_VOLUME_DATA,
                          OFFLOAD_WRITE, QUERY_ALLOCATED_RANGES, QUERY_FILE_REGIONS,
                          READ_FILE_USN_DATA, REFS_STREAM_SNAPSHOT, RESUME_KEY, SET_COMPRESSION,
                          SET_INTEGRITY, SET_REPARSE_POINT, SET_SPARSE, SET_ZERO_DATA,
                          FileControlCase, create_context, full_eas, parse_eas)
from server import ids_of  # noqa: E402
from suite import braid_only  # noqa: E402


class ExtendedAttributes(FileControlCase):
    def set(self, file, blob):
        self.smb.setInfo(self.tree, file, blob, 1, FULL_EA)

    def query(self, file, **named):
        return parse_eas(self.smb.queryInfo(self.tree, file, infoType=1, fileInfoClass=FULL_EA,
                                            **named))

    def test_what_is_set_is_read_back(self):
        file = self.open("file")
        self.refused("NO_EAS_ON_FILE", self.query, file)
        self.set(file, full_eas((b"Author", b"me"), (b"Note", b"x" * 300)))
        self.assertEqual(os.getxattr(os.path.join(self.root, "file"), "user.Author"), b"me")
        self.assertEqual(self.query(file, flags=1), [(b"Author", b"me"), (b"Note", b"x" * 300)])
        # One after the other, then by position.
        self.assertEqual(self.query(file, flags=3), [(b"Author", b"me")])
        self.assertEqual(self.query(file, flags=2), [(b"Note", b"x" * 300)])
        self.assertEqual(self.query(file, flags=6, additionalInformation=2)[0][0], b"Note")
        # By name, in another case, with one that is not there.
        names = struct.pack("<IB", 12, 6) + b"AUTHOR\0" + struct.pack("<IB", 0, 4) + b"none\0"
        self.assertEqual(self.query(file, inputBlob=names), [(b"Author", b"me"), (b"none", b"")])
        self.set(file, full_eas((b"AUTHOR", b""), (b"note", b"")))
        self.refused("NO_EAS_ON_FILE", self.query, file)

    def test_bad_lists_change_nothing(self):
        file = self.open("file")
        good = full_eas((b"good", b"1"))
        for status, blob in (("EA_LIST_INCONSISTENT", good[:6]),
                             ("EA_LIST_INCONSISTENT", struct.pack("<I", 0xFFFFFFF0) + good[4:]),
                             ("EA_LIST_INCONSISTENT", struct.pack("<I", 3) + good[4:]),
                             ("INVALID_EA_NAME", full_eas((b"good", b"1"), (b"b*d", b"1"))),
                             ("INVALID_EA_NAME", full_eas((b"", b"1"))),
                             ("ACCESS_DENIED", full_eas((b"dosattrib", b"0x20"))),
                             ("ACCESS_DENIED", full_eas((b"NTACL", b"x")))):
            with self.subTest(status + str(blob[:12])):
                self.refused(status, self.set, file, blob)
        self.refused("NO_EAS_ON_FILE", self.query, file)

class FileControl(FileControlCase):
    def test_object_ids_stay(self):
        ids = set()
        for _ in range(2):
            file = self.open("file")
            status, first = self.control(file, CREATE_OR_GET_OBJECT_ID)
            self.assertEqual((status, len(first)), ("SUCCESS", 64))
            ids.add(first)
            self.smb.close(self.tree, file)
        self.assertEqual(len(ids), 1)
        other = self.control(self.open("other", disposition=3), CREATE_OR_GET_OBJECT_ID)[1]
        self.assertNotIn(other[:16], {found[:16] for found in ids})

    @braid_only
    def test_what_is_not_there_is_said_not_to_be_there(self):
        file = self.open("file")
        # Checksums are btrfs's: filesystems_test.py.
        self.assertEqual(self.control(file, GET_INTEGRITY)[0], "INVALID_DEVICE_REQUEST")
        self.assertEqual(self.control(file, SET_INTEGRITY, bytes(8))[0], "INVALID_DEVICE_REQUEST")
        self.assertEqual(self.control(file, REFS_STREAM_SNAPSHOT, bytes(32))[0], "NOT_SUPPORTED")
        for status, info_class in (("NOT_SUPPORTED", 9), ("NOT_SUPPORTED", 29),
                                   ("INVALID_PARAMETER", 32), ("NOT_SUPPORTED", 33),
                                   ("NOT_SUPPORTED", 44), ("NOT_SUPPORTED", 46)):
            with self.subTest(query=info_class):
                self.refused(status, self.smb.queryInfo, self.tree, file, infoType=1,
                             fileInfoClass=info_class)
        for info_class in (2, 9):
            with self.subTest(volume=info_class):
                self.refused("NOT_SUPPORTED", self.smb.queryInfo, self.tree, file, infoType=2,
                             fileInfoClass=info_class)
        for info_class in (29, 32, 44):
            with self.subTest(set=info_class):
                self.refused("NOT_SUPPORTED", self.smb.setInfo, self.tree, file, bytes(64), 1,
                             info_class)

    @braid_only
    def test_values_that_cannot_be_are_refused(self):
        folder = os.path.join(self.root, "folder")
        os.makedirs(folder, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(folder, *ids_of(ALICE))
        file, directory = self.open("file"), self.open("folder", options=1)
        unbuffered = self.open("file", options=8)
        number = struct.Struct("<Q").pack
        for what, handle, info_class, blob in (
                ("negative position", file, 14, number(1 << 63)),
                ("position within a sector", unbuffered, 14, number(100)),
                ("mode of a synchronous open", file, 16, struct.pack("<I", 0x20)),
                ("unbuffered from now on", file, 16, struct.pack("<I", 8)),
                ("negative size", file, 20, number(1 << 63)),
                ("negative allocation", file, 19, number(1 << 63)),
                ("valid length beyond the end", file, 39, number(1 << 40)),
                ("valid length of a folder", directory, 39, number(0)),
                ("temporary folder", directory, 4, bytes(32) + struct.pack("<II", 0x100, 0))):
            with self.subTest(what):
                self.refused("INVALID_PARAMETER", self.smb.setInfo, self.tree, handle, blob, 1,
                             info_class)
        self.smb.setInfo(self.tree, unbuffered, number(1024), 1, 14)
        trim = struct.Struct("<IIQQ").pack
        for what, blob in (("key", trim(1, 1, 0, 4096)), ("offset", trim(0, 1, 1 << 63, 1)),
                           ("length", trim(0, 1, 4096, (1 << 63) - 1))):
            with self.subTest(trim=what):
                self.assertEqual(self.control(file, FILE_LEVEL_TRIM, blob)[0], "INVALID_PARAMETER")
        self.refused("INVALID_PARAMETER", self.smb.create, self.tree, "temporary", ALL_ACCESS, 7, 1,
                     2, 0x110)
        # Without buffering nothing can be appended: the right to is taken away before it is judged.
        self.refused("ACCESS_DENIED", self.open, "file", access=4, options=8)

    def test_the_previous_version_of_time_0_is_the_file(self):
        file = self.smb.create(self.tree, "file", ALL_ACCESS, 7, 0, 1, 0x80,
                               createContexts=[create_context(b"TWrp", bytes(8))])
        self.smb.write(self.tree, file, b"now", 0, 3)
        self.smb.close(self.tree, file)
        with open(os.path.join(self.root, "file"), "rb") as written:
            self.assertEqual(written.read(3), b"now")

    @braid_only
    def test_a_file_mode_that_is_set_is_told_and_unset(self):
        file = self.open("file", options=2)  # FILE_WRITE_THROUGH
        for mode in (2, 4, 6, 0):
            self.smb.setInfo(self.tree, file, struct.pack("<I", mode), 1, 16)
            blob = self.smb.queryInfo(self.tree, file, infoType=1, fileInfoClass=16)
            self.assertEqual(struct.unpack("<I", blob)[0], mode)

    @braid_only
    def test_what_ntfs_tells_of_a_volume_and_a_record(self):
        file = self.open("file")
        status, blob = self.control(file, GET_NTFS_VOLUME_DATA)
        self.assertEqual((status, len(blob)), ("SUCCESS", 96))
        _, sectors, clusters, free, _, sector, cluster = struct.unpack_from("<QQQQQII", blob)
        now = os.statvfs(self.root)
        self.assertEqual((clusters, sector, cluster), (now.f_blocks, 512, now.f_frsize))
        self.assertEqual(sectors * sector, clusters * cluster)
        self.assertLess(abs(free - now.f_bfree), now.f_blocks // 10 + 1000)
        self.assertEqual(self.control(file, GET_NTFS_VOLUME_DATA, room=95)[0], "BUFFER_TOO_SMALL")

        inode = os.stat(os.path.join(self.root, "file")).st_ino
        root = os.stat(self.root).st_ino
        status, blob = self.control(file, READ_FILE_USN_DATA)
        self.assertEqual(status, "SUCCESS")
        length, major, minor, this, parent, usn = struct.unpack_from("<IHHQQQ", blob)
        self.assertEqual((length, major, minor, this, parent, usn),
                         (len(blob), 2, 0, inode, root, 0))
        size, offset = struct.unpack_from("<HH", blob, 56)
        self.assertEqual(blob[offset:offset + size].decode("utf-16-le"), "file")
        status, blob = self.control(file, READ_FILE_USN_DATA, struct.pack("<HH", 2, 3))
        self.assertEqual((status, struct.unpack_from("<IHHQQQQ", blob)[1:]),
                         ("SUCCESS", (3, 0, inode, 0, root, 0)))
        for versions in ((3, 2), (4, 4), (0, 1)):
            self.assertEqual(self.control(file, READ_FILE_USN_DATA,
                                          struct.pack("<HH", *versions))[0], "INVALID_PARAMETER")
        self.assertEqual(self.control(file, READ_FILE_USN_DATA, room=60)[0], "BUFFER_TOO_SMALL")

    @braid_only
    def test_regions_of_a_file(self):
        file = self.open("file")
        size = 16384
        self.assertEqual(self.control(file, QUERY_FILE_REGIONS),
                         ("SUCCESS", struct.pack("<IIIIQQII", 0, 1, 1, 0, 0, size, 1, 0)))
        ask = struct.Struct("<QQII").pack
        self.assertEqual(self.control(file, QUERY_FILE_REGIONS, ask(4096, 100, 1, 0))[1][16:32],
                         struct.pack("<QQ", 4096, 100))
        self.assertEqual(self.control(file, QUERY_FILE_REGIONS, ask(size, 100, 1, 0)),
                         ("SUCCESS", b""))
        for status, blob in (("BUFFER_TOO_SMALL", bytes(23)),
                             ("INVALID_PARAMETER", ask(0, 0, 1, 0)),
                             ("INVALID_PARAMETER", ask(1, (1 << 63) - 1, 1, 0)),
                             ("INVALID_PARAMETER", ask(0, 1, 4, 0))):
            self.assertEqual(self.control(file, QUERY_FILE_REGIONS, blob)[0], status)
        self.assertEqual(self.control(file, QUERY_FILE_REGIONS, room=39)[0], "BUFFER_TOO_SMALL")

    def test_a_directory_is_renamed_whatever_another_share_has_open(self):
        for root in (self.root, self.fixed):
            os.makedirs(os.path.join(root, "papers"), exist_ok=True)
            with open(os.path.join(root, "papers", "one"), "wb"):
                pass
            if os.geteuid() == 0:
                os.chown(os.path.join(root, "papers"), *ids_of(ALICE))
        elsewhere = self.open("papers\\one", access=0x00120089,
                              tree=self.smb.connectTree("fixed"))
        directory = self.open("papers", options=1)
        name = "letters".encode("utf-16-le")
        rename = struct.pack("<B7xQI", 0, 0, len(name)) + name
        here = self.open("papers\\one", access=0x00120089)
        self.refused("ACCESS_DENIED", self.smb.setInfo, self.tree, directory, rename, 1, 10)
        self.smb.close(self.tree, here)
        self.smb.setInfo(self.tree, directory, rename, 1, 10)
        self.assertTrue(os.path.exists(os.path.join(self.root, "letters", "one")))
        self.assertTrue(elsewhere)

    def test_bad_input_has_no_effect(self):
        file = self.open("file")
        key = self.control(file, RESUME_KEY)[1][:24]
        self.assertEqual(len(key), 24)
        chunk = struct.pack("<QQII", 0, 0, 16, 0)
        for what, code, blob in (
                ("offset after the end", SET_ZERO_DATA, struct.pack("<qq", 8, 4)),
                ("negative offset", SET_ZERO_DATA, struct.pack("<qq", -8, 4)),
                ("half a structure", SET_ZERO_DATA, bytes(12)),
                ("negative length", QUERY_ALLOCATED_RANGES, struct.pack("<qq", 0, -1)),
                ("more chunks than sent", COPYCHUNK_WRITE,
                 key + struct.pack("<II", 200, 0) + chunk),
                ("a chunk beyond 64 bits", COPYCHUNK_WRITE, key + struct.pack("<II", 1, 0) +
                 struct.pack("<QQII", 1 << 63, 0, 16, 0)),
                ("a chunk of nothing", COPYCHUNK_WRITE, key + struct.pack("<II", 1, 0) +
                 struct.pack("<QQII", 0, 0, 0, 0))):
            with self.subTest(what):
                self.assertEqual(self.control(file, code, blob)[0], "INVALID_PARAMETER")
        strange = bytes(16) + b"\xff" * 8 + struct.pack("<II", 1, 0) + chunk
        self.assertEqual(self.control(file, COPYCHUNK, strange)[0], "OBJECT_NAME_NOT_FOUND")
        with open(os.path.join(self.root, "file"), "rb") as left:
            self.assertEqual(left.read(), b"0123456789abcdef" * 1024)

    @braid_only
    def test_ranges_are_all_judged_before_any_is_trimmed(self):
        file, other = self.open("file"), self.open("file")
        packet = self.smb.SMB_PACKET()
        packet["Command"], packet["TreeID"] = raw.LOCK, self.tree
        packet["Data"] = raw.lock(other, ((8192, 1, 0x12),))
        self.assertEqual(self.smb.recvSMB(self.smb.sendSMB(packet))["Status"], 0)
        for status, second in (("INVALID_PARAMETER", (1 << 63, 5)),
                               ("FILE_LOCK_CONFLICT", (8192, 4096))):
            trim = struct.pack("<IIQQQQ", 0, 2, 0, 4096, *second)
            self.assertEqual(self.control(file, FILE_LEVEL_TRIM, trim)[0], status)
            with open(os.path.join(self.root, "file"), "rb") as left:
                self.assertEqual(left.read(), b"0123456789abcdef" * 1024)

    @braid_only
    def test_a_read_only_share_is_not_changed(self):
        tree = self.smb.connectTree("fixed")
        file = self.open("file", access=0x00120089, tree=tree)
        for code in (SET_SPARSE, SET_ZERO_DATA, FILE_LEVEL_TRIM, SET_COMPRESSION, COPYCHUNK,
                     COPYCHUNK_WRITE, DUPLICATE_EXTENTS, SET_REPARSE_POINT, DELETE_REPARSE_POINT, OFFLOAD_WRITE,
                     SET_INTEGRITY):
            with self.subTest(hex(code)):
                self.assertEqual(self.control(file, code, bytes(64), tree=tree)[0],
                                 "MEDIA_WRITE_PROTECTED")


if __name__ == "__main__":
    suite.main()
