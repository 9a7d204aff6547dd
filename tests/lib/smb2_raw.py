"""SMB2 requests as bytes, field by field, for requests that no client library would send.

[MS-SMB2] 2.2: every builder makes a valid request from its defaults; a test overrides one field.
Bodies start behind the 64-byte header, so a buffer's offset is 64 plus its place in the body.
"""
import socket
import struct

NEGOTIATE, SESSION_SETUP, LOGOFF, TREE_CONNECT, TREE_DISCONNECT = 0, 1, 2, 3, 4
CREATE, CLOSE, FLUSH, READ, WRITE, LOCK, IOCTL, CANCEL, ECHO = 5, 6, 7, 8, 9, 10, 11, 12, 13
QUERY_DIRECTORY, CHANGE_NOTIFY, QUERY_INFO, SET_INFO, OPLOCK_BREAK = 14, 15, 16, 17, 18

STATUS = {
    0x00000000: "SUCCESS", 0x00000103: "PENDING", 0x80000005: "BUFFER_OVERFLOW",
    0x80000006: "NO_MORE_FILES", 0xC0000002: "NOT_IMPLEMENTED", 0xC0000003: "INVALID_INFO_CLASS",
    0xC0000004: "INFO_LENGTH_MISMATCH", 0xC0000008: "INVALID_HANDLE",
    0xC000007F: "DISK_FULL", 0xC000000D: "INVALID_PARAMETER", 0xC000000F: "NO_SUCH_FILE",
    0xC0000010: "INVALID_DEVICE_REQUEST", 0xC0000011: "END_OF_FILE",
    0xC0000016: "MORE_PROCESSING_REQUIRED", 0xC0000022: "ACCESS_DENIED",
    0xC0000023: "BUFFER_TOO_SMALL", 0xC0000033: "OBJECT_NAME_INVALID",
    0xC0000034: "OBJECT_NAME_NOT_FOUND", 0xC0000035: "OBJECT_NAME_COLLISION",
    0xC0000039: "OBJECT_PATH_INVALID", 0xC000003A: "OBJECT_PATH_NOT_FOUND",
    0xC000003B: "OBJECT_PATH_SYNTAX_BAD", 0xC0000043: "SHARING_VIOLATION",
    0xC0000056: "DELETE_PENDING", 0xC0000121: "CANNOT_DELETE",
    0xC000006D: "LOGON_FAILURE", 0xC000007E: "RANGE_NOT_LOCKED",
    0xC000009A: "INSUFFICIENT_RESOURCES",
    0xC00000A2: "MEDIA_WRITE_PROTECTED", 0xC00000BA: "FILE_IS_A_DIRECTORY",
    0xC00000BB: "NOT_SUPPORTED", 0xC00000C9: "NETWORK_NAME_DELETED",
    0xC00000CC: "BAD_NETWORK_NAME", 0xC00000D0: "REQUEST_NOT_ACCEPTED",
    0xC0000103: "NOT_A_DIRECTORY", 0xC0000120: "CANCELLED", 0xC0000128: "FILE_CLOSED",
    0xC0000161: "ILLEGAL_CHARACTER", 0xC00000D4: "NOT_SAME_DEVICE",
    0xC0000106: "NAME_TOO_LONG", 0xC000019C: "FS_DRIVER_REQUIRED",
    0xC0000203: "USER_SESSION_DELETED",
    0xC000035C: "NETWORK_SESSION_EXPIRED", 0xC05D0000: "SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP",
}

DISCONNECTED = "(disconnected)"

NO_FILE = b"\xff" * 16  # in a compound: the file of the request before; alone: no open has it


def status_name(status):
    return STATUS.get(status, f"0x{status:08X}")


def header(command, message_id=0, session=0, tree=0, flags=0, credit_charge=1, credits=31,
           next_command=0, size=64, protocol=b"\xfeSMB", status=0):
    return struct.pack("<4sHHIHHIIQIIQ16s", protocol, size, credit_charge, status, command, credits,
                       flags, next_command, message_id, 0xFEFF, tree, session, b"")


def frame(message, length=None):
    """The four bytes of direct TCP transport before a message; [MS-SMB2] 2.1."""
    return struct.pack(">I", len(message) if length is None else length) + message


def context(kind, data):
    return struct.pack("<HHI", kind, len(data), 0) + data


PREAUTH = context(1, struct.pack("<HHH", 1, 32, 1) + bytes(range(32)))
CIPHERS = context(2, struct.pack("<HHH", 2, 2, 1))


def negotiate(dialects=(0x0202, 0x0210, 0x0300, 0x0302, 0x0311), contexts=(PREAUTH, CIPHERS),
              structure_size=36, count=None, guid=b"braid-test-guid!", context_offset=None,
              context_count=None, capabilities=0x7F, security_mode=1):
    body = b"".join(struct.pack("<H", dialect) for dialect in dialects)
    tail = b""
    offset = 0
    if 0x0311 in dialects and contexts is not None:
        offset = (64 + 36 + len(body) + 7) & ~7
        # every context but the first starts at a multiple of 8 from the first
        tail = b"\0" * (offset - 64 - 36 - len(body)) + b"".join(
            entry + b"\0" * (-len(entry) % 8) for entry in contexts)
    return struct.pack("<HHHHI16sIHH", structure_size, len(dialects) if count is None else count,
                       security_mode, 0, capabilities, guid,
                       offset if context_offset is None else context_offset,
                       len(contexts or ()) if context_count is None else context_count,
                       0) + body + tail


def smb1_negotiate(dialects):
    """SMB_COM_NEGOTIATE, [MS-CIFS] 2.2.4.52: the header, no words, the names."""
    names = b"".join(b"\x02" + name.encode("ascii") + b"\0" for name in dialects)
    return (struct.pack("<4sBIBH12sHHHH", b"\xffSMB", 0x72, 0, 0x18, 0xC853, b"", 0xFFFF, 0xFEFF, 0,
                        0) + struct.pack("<BH", 0, len(names)) + names)


def session_setup(blob=b"", structure_size=25, offset=88, length=None, flags=0, previous=0):
    return struct.pack("<HBBIIHHQ", structure_size, flags, 1, 0, 0, offset,
                       len(blob) if length is None else length, previous) + blob


def tree_connect(path, structure_size=9, offset=72, length=None):
    name = path.encode("utf-16-le") if isinstance(path, str) else path
    return struct.pack("<HHHH", structure_size, 0, offset,
                       len(name) if length is None else length) + name


def create(name, structure_size=57, access=0x00120089, attributes=0, share=7, disposition=1,
           options=0, name_offset=120, name_length=None, contexts=b"", context_offset=None,
           context_length=None, oplock=0, impersonation=2):
    data = name.encode("utf-16-le", "surrogatepass") if isinstance(name, str) else name
    padded = (data or b"\0") + (b"\0" * (-len(data or b"\0") % 8) if contexts else b"")
    if context_offset is None:
        context_offset = 120 + len(padded) if contexts else 0
    return struct.pack("<HBBIQQIIIIIHHII", structure_size, 0, oplock, impersonation, 0, 0, access,
                       attributes, share, disposition, options, name_offset,
                       len(data) if name_length is None else name_length, context_offset,
                       len(contexts) if context_length is None else context_length
                       ) + padded + contexts


def create_context(name, data, following=0, name_offset=16, data_offset=24, data_length=None,
                   name_length=None):
    padded = name + b"\0" * (-len(name) % 8)
    return struct.pack("<IHHHHI", following, name_offset,
                       len(name) if name_length is None else name_length, 0, data_offset,
                       len(data) if data_length is None else data_length) + padded + data


def close(file, structure_size=24, flags=0):
    return struct.pack("<HHI16s", structure_size, flags, 0, file)


def flush(file, structure_size=24):
    return struct.pack("<HHI16s", structure_size, 0, 0, file)


def read(file, length=100, offset=0, structure_size=49, minimum=0, channel=0):
    return struct.pack("<HBBIQ16sIIIHH", structure_size, 0x50, 0, length, offset, file, minimum,
                       channel, 0, 0, 0) + b"\0"


def write(file, data=b"data", offset=0, structure_size=49, data_offset=112, length=None, channel=0):
    return struct.pack("<HHIQ16sIIHHI", structure_size, data_offset,
                       len(data) if length is None else length, offset, file, channel, 0, 0, 0,
                       0) + data


def lock(file, locks=((0, 1, 0x12),), structure_size=48, count=None):
    body = b"".join(struct.pack("<QQII", start, length, flags, 0) for start, length, flags in locks)
    return struct.pack("<HHI16s", structure_size, len(locks) if count is None else count, 0,
                       file) + body


def ioctl(code, file=NO_FILE, data=b"", flags=1, structure_size=57, offset=120, length=None,
          max_output=1024):
    return struct.pack("<HHI16sIIIIIIII", structure_size, 0, code, file, offset,
                       len(data) if length is None else length, 0, 0, 0, max_output, flags,
                       0) + data


def query_directory(file, pattern="*", kind=0x25, flags=0, structure_size=33, offset=96,
                    length=None, room=65536):
    name = pattern.encode("utf-16-le") if isinstance(pattern, str) else pattern
    return struct.pack("<HBBI16sHHI", structure_size, kind, flags, 0, file, offset,
                       len(name) if length is None else length, room) + name


def change_notify(file, flags=0, room=1024, events=0xFFF, structure_size=32):
    return struct.pack("<HHI16sII", structure_size, flags, room, file, events, 0)


def query_info(file, info_type=1, kind=5, room=1024, structure_size=41, offset=0, length=0,
               additional=0, data=b""):
    return struct.pack("<HBBIHHIII16s", structure_size, info_type, kind, room, offset, 0,
                       length or len(data), additional, 0, file) + data


def set_info(file, data, info_type=1, kind=4, structure_size=33, offset=96, length=None):
    return struct.pack("<HBBIHHI16s", structure_size, info_type, kind,
                       len(data) if length is None else length, offset, 0, 0, file) + data


def plain(structure_size=4):
    """ECHO, LOGOFF, TREE_DISCONNECT."""
    return struct.pack("<HH", structure_size, 0)


class RawConnection:
    """A TCP connection that sends and receives frames as they are."""

    def __init__(self, server, limit=10):
        self.socket = socket.create_connection((server.host, server.port), timeout=limit)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """One message, or b"" where the server closed the connection."""
        try:
            length = self._exactly(4)
            return self._exactly(struct.unpack(">I", length)[0]) if length else b""
        except (ConnectionResetError, BrokenPipeError):
            return b""

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                return b""
            data += more
        return data

    def ask(self, message):
        """Sends one message; the answer's status name, or DISCONNECTED."""
        try:
            self.send(frame(message))
        except (ConnectionResetError, BrokenPipeError):
            return DISCONNECTED
        return status_of(self.receive())


def status_of(message):
    if len(message) < 64:
        return DISCONNECTED
    return status_name(struct.unpack_from("<I", message, 8)[0])
