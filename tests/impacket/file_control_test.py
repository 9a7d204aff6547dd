#!/usr/bin/env python3
"""Extended attributes and file control requests, as impacket sends them."""
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from impacket.smb3 import SessionError  # noqa: E402
from impacket.smb3structs import SMB2CreateContext  # noqa: E402
from impacket.smbconnection import SMBConnection  # noqa: E402

import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402
from suite import ServerCase, braid_only  # noqa: E402

ALICE, BOB = test_users()

STATUSES = {0x80000013: "INVALID_EA_NAME", 0x80000014: "EA_LIST_INCONSISTENT",
            0xC0000052: "NO_EAS_ON_FILE", 0xC0000275: "NOT_A_REPARSE_POINT",
            0xC0000276: "IO_REPARSE_TAG_INVALID", 0xC0000277: "IO_REPARSE_TAG_MISMATCH",
            0xC0000024: "OBJECT_TYPE_MISMATCH",
            0xC0000278: "IO_REPARSE_DATA_INVALID", 0xC0000465: "INVALID_TOKEN",
            0xC000A2A3: "OFFLOAD_READ_FILE_NOT_SUPPORTED",
            0xC000A2A4: "OFFLOAD_WRITE_FILE_NOT_SUPPORTED", 0xC0000011: "END_OF_FILE"}
ALL_ACCESS = 0x001F01FF
OPEN_REPARSE_POINT = 0x00200000
FULL_EA = 15
OPEN_IF = 3
CREATE_OR_GET_OBJECT_ID = 0x000900C0
SET_REPARSE_POINT = 0x000900A4
GET_REPARSE_POINT = 0x000900A8
SET_SPARSE = 0x000900C4
SET_ZERO_DATA = 0x000980C8
QUERY_ALLOCATED_RANGES = 0x000940CF
FILE_LEVEL_TRIM = 0x00098208
SET_COMPRESSION = 0x0009C040
DUPLICATE_EXTENTS = 0x00098344
DELETE_REPARSE_POINT = 0x000900AC
OFFLOAD_READ = 0x00094264
OFFLOAD_WRITE = 0x00098268
REFS_STREAM_SNAPSHOT = 0x00090440
GET_NTFS_VOLUME_DATA = 0x00090064
READ_FILE_USN_DATA = 0x000900EB
QUERY_FILE_REGIONS = 0x00090284
GET_INTEGRITY = 0x0009027C
SET_INTEGRITY = 0x0009C280
RESUME_KEY = 0x00140078
COPYCHUNK = 0x001440F2
COPYCHUNK_WRITE = 0x001480F2


def full_eas(*pairs):
    out = b""
    for position, (name, value) in enumerate(pairs):
        entry = struct.pack("<BBH", 0, len(name), len(value)) + name + b"\0" + value
        last = position + 1 == len(pairs)
        padding = 0 if last else -(4 + len(entry)) % 4
        out += struct.pack("<I", 0 if last else 4 + len(entry) + padding) + entry + bytes(padding)
    return out


def parse_eas(blob):
    found, at = [], 0
    while blob:
        following, _, name_length, value_length = struct.unpack_from("<IBBH", blob, at)
        name = blob[at + 8:at + 8 + name_length]
        value_at = at + 9 + name_length
        found.append((name, blob[value_at:value_at + value_length]))
        if not following:
            break
        at += following
    return found


def status_of(error):
    code = error.get_error_code()
    return STATUSES.get(code) or raw.status_name(code)


def create_context(name, data):
    context = SMB2CreateContext()
    context["NameOffset"], context["NameLength"] = 16, 4
    context["DataOffset"], context["DataLength"] = 24, len(data)
    context["Buffer"] = name + bytes(4) + data
    return context


def symlink_reparse(target):
    name = target.encode("utf-16-le")
    body = struct.pack("<HHHHI", 0, len(name), len(name), len(name), 1) + name + name
    return struct.pack("<IHH", 0xA000000C, len(body), 0) + body


class FileControlCase(ServerCase):
    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", owner=ids_of(ALICE))
        cls.fixed = scratch.directory("fixed", owner=ids_of(ALICE))
        return Options([Share("share", cls.root), Share("fixed", cls.fixed, read_only=True)],
                       [ALICE, BOB], min_dialect="2.0.2")

    def setUp(self):
        for root in (self.root, self.fixed):
            with open(os.path.join(root, "file"), "wb") as out:
                out.write(b"0123456789abcdef" * 1024)
            if os.geteuid() == 0:
                os.chown(os.path.join(root, "file"), *ids_of(ALICE))
        connection = SMBConnection(self.server.host, self.server.host, sess_port=self.server.port,
                                   preferredDialect=0x0210, timeout=20)
        self.addCleanup(connection.close)
        connection.login(ALICE.name, ALICE.password)
        self.smb = connection.getSMBServer()
        self.tree = self.smb.connectTree("share")

    def open(self, name, disposition=1, access=ALL_ACCESS, options=0, tree=None):
        return self.smb.create(tree or self.tree, name, access, 7, options, disposition, 0x80)

    def control(self, file, code, blob=b"", room=65536, tree=None):
        """(status name, output)"""
        try:
            return "SUCCESS", self.smb.ioctl(tree or self.tree, file, code, 1, blob,
                                             maxOutputResponse=room)
        except SessionError as error:
            return status_of(error), b""

    def refused(self, status, call, *arguments, **named):
        with self.assertRaises(SessionError) as refusal:
            call(*arguments, **named)
        self.assertEqual(status_of(refusal.exception), status)


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
    def test_an_empty_file_becomes_a_link(self):
        file = self.open("link", disposition=2)
        status, _ = self.control(file, SET_REPARSE_POINT, symlink_reparse("dir\\file"))
        self.assertEqual(status, "SUCCESS")
        self.smb.close(self.tree, file)
        self.assertEqual(os.readlink(os.path.join(self.root, "link")), "dir/file")
        link = self.open("link", access=0x80, options=OPEN_REPARSE_POINT)
        status, blob = self.control(link, GET_REPARSE_POINT)
        self.assertEqual(status, "SUCCESS")
        self.assertIn("dir\\file".encode("utf-16-le"), blob)

    @braid_only
    def test_what_would_lose_something_does_not_become_a_link(self):
        def becomes(file):
            return self.control(file, SET_REPARSE_POINT, symlink_reparse("x"))[0]

        self.smb.close(self.tree, self.open("streams:s", disposition=2))
        self.assertEqual(becomes(self.open("streams")), "IO_REPARSE_DATA_INVALID")
        file = self.open("open twice", disposition=2)
        self.open("open twice", access=0x80)
        self.assertEqual(becomes(file), "SHARING_VIOLATION")
        file = self.open("pending", disposition=2)
        self.smb.setInfo(self.tree, file, b"\x01", 1, 13)  # FileDispositionInformation
        self.assertEqual(becomes(file), "DELETE_PENDING")
        self.smb.close(self.tree, file)
        self.assertFalse(os.path.lexists(os.path.join(self.root, "pending")))
        self.assertEqual(becomes(self.open("on close", disposition=2, options=0x1000)),
                         "ACCESS_DENIED")

    @braid_only
    def test_what_is_no_link_or_not_empty_stays_a_file(self):
        file = self.open("file")
        for status, blob in (("IO_REPARSE_DATA_INVALID", symlink_reparse("x")),
                             ("IO_REPARSE_DATA_INVALID", b"\x0c\0\0\xa0"),
                             ("NOT_A_REPARSE_POINT", None)):
            code = GET_REPARSE_POINT if blob is None else SET_REPARSE_POINT
            self.assertEqual(self.control(file, code, blob or b"")[0], status)
        self.assertEqual(os.path.getsize(os.path.join(self.root, "file")), 16384)

    @braid_only
    def test_a_link_becomes_an_empty_file(self):
        path = os.path.join(self.root, "back")
        os.symlink("file", path)
        if os.geteuid() == 0:
            os.chown(path, *ids_of(ALICE), follow_symlinks=False)
        link = self.open("back", options=OPEN_REPARSE_POINT)
        symlink = struct.pack("<IHH", 0xA000000C, 0, 0)
        for status, blob in (("IO_REPARSE_DATA_INVALID", symlink[:6]),
                             ("IO_REPARSE_DATA_INVALID", struct.pack("<IHH", 0xA000000C, 4, 0)),
                             ("IO_REPARSE_TAG_INVALID", bytes(8)),
                             ("IO_REPARSE_TAG_MISMATCH", struct.pack("<IHH", 0xA0000003, 0, 0)),
                             ("SUCCESS", symlink)):
            with self.subTest(status):
                self.assertEqual(self.control(link, DELETE_REPARSE_POINT, blob)[0], status)
                self.assertEqual(os.path.islink(path), status != "SUCCESS")
        self.assertEqual(os.path.getsize(path), 0)
        self.assertEqual([name for name in os.listdir(self.root) if name.startswith(".braid-")], [])
        file = self.open("file")
        self.assertEqual(self.control(file, DELETE_REPARSE_POINT, symlink)[0],
                         "NOT_A_REPARSE_POINT")

    @braid_only
    def test_a_link_that_becomes_a_file_inherits_as_a_new_file_does(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        folder = os.path.join(self.root, "inherits")
        os.mkdir(folder)
        os.chown(folder, *ids_of(ALICE))
        os.symlink("elsewhere", os.path.join(folder, "back"))
        os.chown(os.path.join(folder, "back"), *ids_of(ALICE), follow_symlinks=False)
        # The folder is everybody's, and what is made in it is for its owner alone.
        entries = [(0, 1), (0xB, 3)]  # flags, and the authority of S-1-1-0 and S-1-3-0
        acl = b"".join(struct.pack("<BBHIBB5xBI", 0, flags, 20, 0x001F01FF, 1, 1, authority, 0)
                       for flags, authority in entries)
        descriptor = (struct.pack("<BBHIIII", 1, 0, 0x8004, 0, 0, 0, 20) +
                      struct.pack("<BBHHH", 2, 0, 8 + len(acl), len(entries), 0) + acl)
        handle = self.open("inherits", access=0x001F01FF, disposition=1, options=1)
        self.smb.setInfo(self.tree, handle, descriptor, 3, 0, 4)
        self.smb.close(self.tree, self.open("inherits\\new", disposition=2))
        link = self.open("inherits\\back", options=OPEN_REPARSE_POINT)
        symlink = struct.pack("<IHH", 0xA000000C, 0, 0)
        self.assertEqual(self.control(link, DELETE_REPARSE_POINT, symlink)[0], "SUCCESS")
        new, back = (os.stat(os.path.join(folder, name)).st_mode for name in ("new", "back"))
        self.assertEqual(new & 0o007, 0)
        self.assertEqual(oct(back), oct(new))

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

    @braid_only
    def test_a_streams_handle_is_not_the_file(self):
        folder = os.path.join(self.root, "with stream")
        os.makedirs(folder, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(folder, *ids_of(ALICE))
        whole = self.open("streamed", disposition=OPEN_IF)
        self.smb.write(self.tree, whole, b"whole", 0, 5)
        self.smb.close(self.tree, whole)
        for name, unnamed in (("streamed", {"::$DATA": 5}), ("with stream", {})):
            stream = self.open(f"{name}:s", disposition=OPEN_IF)
            self.smb.write(self.tree, stream, b"abc", 0, 3)
            blob = self.smb.queryInfo(self.tree, stream, infoType=1, fileInfoClass=22)
            found, at = {}, 0
            while True:
                following, length, size = struct.unpack_from("<IIQ", blob, at)
                found[blob[at + 24:at + 24 + length].decode("utf-16-le")] = size
                if not following:
                    break
                at += following
            self.assertEqual(found, {":s:$DATA": 3} | unnamed)
            standard = self.smb.queryInfo(self.tree, stream, infoType=1, fileInfoClass=5)
            self.assertEqual(struct.unpack_from("<QQ", standard)[1], 3)
            self.smb.close(self.tree, stream)

    @braid_only
    def test_names_that_a_stream_may_get(self):
        def rename(handle, name, replace=0):
            name = name.encode("utf-16-le")
            self.smb.setInfo(self.tree, handle, struct.pack("<B7xQI", replace, 0, len(name)) + name,
                             1, 10)

        self.smb.close(self.tree, self.open("file:taken", disposition=OPEN_IF))
        stream = self.open("file:named", disposition=OPEN_IF)
        for status, name in (("INVALID_PARAMETER", "::"), ("INVALID_PARAMETER", ":new:"),
                             ("INVALID_PARAMETER", ":a:b:c:d"),
                             ("INVALID_PARAMETER", ":a/b"), ("INVALID_PARAMETER", "::$DATA"),
                             ("OBJECT_TYPE_MISMATCH", ":new:$INDEX_ALLOCATION"),
                             ("OBJECT_TYPE_MISMATCH", ":new:$NONE"),
                             ("OBJECT_TYPE_MISMATCH", "::$NONE"),
                             ("OBJECT_NAME_COLLISION", ":TAKEN:$DATA")):
            with self.subTest(name):
                self.refused(status, rename, stream, name)
        rename(stream, ":NAMED:$DATA")  # its own name
        rename(stream, ":new:$data")
        self.smb.write(self.tree, stream, b"abc", 0, 3)
        self.smb.close(self.tree, stream)
        self.smb.close(self.tree, self.open("file:NEW"))
        self.refused("OBJECT_NAME_NOT_FOUND", self.open, "file:named")
        self.refused("INVALID_PARAMETER", self.open, "file:s:$INDEX_ALLOCATION")

    @braid_only
    def test_a_stream_shares_with_who_may_delete_its_file(self):
        self.smb.close(self.tree, self.open("file:s", disposition=OPEN_IF))
        deleter = self.open("file", access=0x00010080)
        self.refused("SHARING_VIOLATION", self.smb.create, self.tree, "file:s", 1, 3, 0, 1, 0x80)
        self.smb.close(self.tree, self.smb.create(self.tree, "file:s", 1, 7, 0, 1, 0x80))
        self.smb.close(self.tree, self.smb.create(self.tree, "file:s", 0x80, 3, 0, 1, 0x80))
        self.smb.close(self.tree, deleter)

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

    @braid_only
    def test_a_stream_is_renamed_onto_an_empty_one_only(self):
        def rename(handle, name):
            name = name.encode("utf-16-le")
            self.smb.setInfo(self.tree, handle, struct.pack("<B7xQI", 1, 0, len(name)) + name, 1,
                             10)

        for name, data in (("one", b"first"), ("full", b"second"), ("empty", b"")):
            handle = self.open(f"file:{name}", disposition=5)
            if data:
                self.smb.write(self.tree, handle, data, 0, len(data))
            self.smb.close(self.tree, handle)
        one = self.open("file:one")
        self.refused("INVALID_PARAMETER", rename, one, ":full")
        held = self.open("file:empty")
        self.refused("INVALID_PARAMETER", rename, one, ":empty")
        self.smb.close(self.tree, held)
        rename(one, ":Empty")
        # The handle follows, whatever is done with it next.
        self.assertEqual(self.smb.read(self.tree, one, 0, 100), b"first")
        self.smb.queryInfo(self.tree, one, infoType=1, fileInfoClass=5)
        self.smb.setInfo(self.tree, one, b"\1", 1, 13)
        self.smb.close(self.tree, one)
        self.refused("OBJECT_NAME_NOT_FOUND", self.open, "file:empty")
        self.smb.close(self.tree, self.open("file:full"))
        whole = self.open("file")
        self.refused("OBJECT_NAME_INVALID", rename, whole, "other:stream")
        self.assertFalse(os.path.exists(os.path.join(self.root, "other")))

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
    def test_a_read_only_share_is_not_changed(self):
        tree = self.smb.connectTree("fixed")
        file = self.open("file", access=0x00120089, tree=tree)
        for code in (SET_SPARSE, SET_ZERO_DATA, FILE_LEVEL_TRIM, SET_COMPRESSION, COPYCHUNK,
                     COPYCHUNK_WRITE, DUPLICATE_EXTENTS, SET_REPARSE_POINT, DELETE_REPARSE_POINT, OFFLOAD_WRITE,
                     SET_INTEGRITY):
            with self.subTest(hex(code)):
                self.assertEqual(self.control(file, code, bytes(64), tree=tree)[0],
                                 "MEDIA_WRITE_PROTECTED")


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
        self.smb.write(self.tree, source, b"x", 100)
        self.assertEqual(self.write(copy, changed)[0], "INVALID_TOKEN")
        closed = self.token(source)[2]
        self.smb.close(self.tree, source)
        self.assertEqual(self.write(copy, closed)[0], "INVALID_TOKEN")
        source = self.open("file")
        late = self.token(source, life=1)[2]
        time.sleep(0.05)  # fifty lifetimes of the token
        self.assertEqual(self.write(copy, late)[0], "INVALID_TOKEN")
        self.assertEqual(self.content(path), before)

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
