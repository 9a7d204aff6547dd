"""FileControlCase: a server, and file control requests as impacket sends them."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from impacket.smb3 import SessionError  # noqa: E402
from impacket.smb3structs import SMB2CreateContext  # noqa: E402
from impacket.smbconnection import SMBConnection  # noqa: E402

import smb2_raw as raw  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402
from suite import ServerCase  # noqa: E402

ALICE, BOB = test_users()

STATUSES = {0x80000013: "INVALID_EA_NAME", 0x80000014: "EA_LIST_INCONSISTENT",
            0xC0000052: "NO_EAS_ON_FILE", 0xC0000275: "NOT_A_REPARSE_POINT",
            0xC0000276: "IO_REPARSE_TAG_INVALID", 0xC0000277: "IO_REPARSE_TAG_MISMATCH",
            0xC0000024: "OBJECT_TYPE_MISMATCH", 0xC0000054: "FILE_LOCK_CONFLICT",
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
DUPLICATE_EXTENTS_EX = 0x000983E8
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


def symlink_reparse(target, relative=1):
    name = target.encode("utf-16-le")
    body = struct.pack("<HHHHI", 0, len(name), len(name), len(name), relative) + name + name
    return struct.pack("<IHH", 0xA000000C, len(body), 0) + body


class FileControlCase(ServerCase):
    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", owner=ids_of(ALICE))
        cls.fixed = scratch.directory("fixed", owner=ids_of(ALICE))
        cls.inner = os.path.join(cls.root, "inner")
        os.mkdir(cls.inner)
        if os.geteuid() == 0:
            os.chown(cls.inner, *ids_of(ALICE))
        return Options([Share("share", cls.root), Share("fixed", cls.fixed, read_only=True),
                        Share("inner", cls.inner)],
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
