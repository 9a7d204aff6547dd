"""What a file shows over SMB, by impacket: times, attributes, streams, descriptor."""
import struct

from impacket import smb3
from impacket.smb3structs import (FILE_ATTRIBUTE_NORMAL, FILE_DIRECTORY_FILE, FILE_OPEN,
                                  FILE_OPEN_IF)
from impacket.smbconnection import SMBConnection

FILE_INFO, SECURITY_INFO = 1, 3
BASIC, STREAMS = 4, 22  # FileBasicInformation, FileStreamInformation
OWNER, GROUP, DACL = 1, 2, 4
ALL = 0x10000000  # GENERIC_ALL
READ_ONLY = 0x80 | 0x20000 | 1  # attributes, descriptor and data may be read
_SHARE_ALL = 7
_SECOND = 10_000_000  # in the units of a FILETIME


class Mount:
    """One connection to one share."""

    def __init__(self, server, user, share="share"):
        connection = SMBConnection(server.host, server.host, sess_port=server.port,
                                   preferredDialect=0x0300, timeout=60)
        connection.login(user.name, user.password)
        self.tree = connection.connectTree(share)
        self.connection = connection
        self.smb = connection.getSMBServer()
        assert isinstance(self.smb, smb3.SMB3)

    def close(self):
        self.connection.close()

    def open(self, path, access, disposition=FILE_OPEN, directory=False):
        return self.smb.create(self.tree, path, access, _SHARE_ALL,
                               FILE_DIRECTORY_FILE if directory else 0, disposition,
                               FILE_ATTRIBUTE_NORMAL if not directory else 0)

    def make_directory(self, path):
        self.smb.close(self.tree, self.open(path, ALL, FILE_OPEN_IF, directory=True))

    def write(self, path, data):
        handle = self.open(path, 0x2 | 0x100, FILE_OPEN_IF)
        self.smb.writeFile(self.tree, handle, data)
        self.smb.close(self.tree, handle)

    def read(self, path):
        handle = self.open(path, READ_ONLY)
        _, size = struct.unpack_from("<QQ", self.smb.queryInfo(
            self.tree, handle, infoType=FILE_INFO, fileInfoClass=5))
        data = b""
        while len(data) < size:
            data += self.smb.read(self.tree, handle, len(data), min(size - len(data), 65536))
        self.smb.close(self.tree, handle)
        return data

    def set_basic(self, path, created, accessed, written, changed, attributes):
        handle = self.open(path, 0x100 | 0x80)
        self.smb.setInfo(self.tree, handle, struct.pack(
            "<QQQQII", created, accessed, written, changed, attributes, 0),
            infoType=FILE_INFO, fileInfoClass=BASIC)
        self.smb.close(self.tree, handle)

    def basic(self, path):
        """(creation time, write time, attributes)"""
        handle = self.open(path, READ_ONLY)
        created, _, written, _, attributes = struct.unpack_from("<QQQQI", self.smb.queryInfo(
            self.tree, handle, infoType=FILE_INFO, fileInfoClass=BASIC))
        self.smb.close(self.tree, handle)
        return created, written, attributes

    def streams(self, path):
        """{name as in ":name:$DATA": size}"""
        handle = self.open(path, READ_ONLY)
        data = self.smb.queryInfo(self.tree, handle, infoType=FILE_INFO, fileInfoClass=STREAMS)
        self.smb.close(self.tree, handle)
        found = {}
        at = 0
        while data:
            following, length, size, _ = struct.unpack_from("<IIQQ", data, at)
            found[data[at + 24:at + 24 + length].decode("utf-16-le")] = size
            if not following:
                break
            at += following
        return found

    def set_descriptor(self, path, descriptor, parts):
        handle = self.open(path, 0x60000)  # READ_CONTROL, WRITE_DAC
        self.smb.setInfo(self.tree, handle, descriptor, infoType=SECURITY_INFO, fileInfoClass=0,
                         additionalInformation=parts)
        self.smb.close(self.tree, handle)

    def dacl(self, path):
        """(control bits that matter to a DACL, [(type, flags, mask, SID as bytes)])"""
        handle = self.open(path, 0x20000)
        data = self.smb.queryInfo(self.tree, handle, infoType=SECURITY_INFO, fileInfoClass=0,
                                  additionalInformation=DACL)
        self.smb.close(self.tree, handle)
        control, _, _, _, at = struct.unpack_from("<HIIII", data, 2)
        return control & 0x1404, aces(data[at:])


def aces(acl):
    count, = struct.unpack_from("<H", acl, 4)
    found = []
    at = 8
    for _ in range(count):
        kind, flags, size, mask = struct.unpack_from("<BBHI", acl, at)
        found.append((kind, flags, mask, acl[at + 8:at + size]))
        at += size
    return found


def sid(text):
    """A SID as bytes, from S-1-..."""
    authority, *parts = [int(part) for part in text.split("-")[2:]]
    return struct.pack(">BBHI", 1, len(parts), 0, authority) + struct.pack(f"<{len(parts)}I",
                                                                          *parts)


def descriptor_of(entries, control=0x8004):
    """A self-relative descriptor with only a DACL."""
    body = b""
    for kind, flags, mask, who in entries:
        body += struct.pack("<BBHI", kind, flags, 8 + len(who), mask) + who
    acl = struct.pack("<BBHHH", 2, 0, 8 + len(body), len(entries), 0) + body
    return struct.pack("<BBHIIII", 1, 0, control, 0, 0, 0, 20) + acl


def filetime(unix_seconds, ticks=0):
    return (unix_seconds + 11_644_473_600) * _SECOND + ticks
