"""PosixClient: a session of SMB 3.1.1 with the POSIX extensions, request by request.

impacket has no negotiate contexts to choose; from it come NTLM and the keys. [MS-SMB2] 3.1.4.1,
3.1.4.2 and 3.2.5.2.
"""
import hashlib
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from impacket import crypto, ntlm  # noqa: E402
from impacket.spnego import SPNEGO_NegTokenInit, SPNEGO_NegTokenResp, TypesMech  # noqa: E402

import smb2_raw as raw  # noqa: E402

POSIX_ID = bytes.fromhex("93AD25509CB411E7B42383DE968BCD7C")
POSIX_CONTEXT = 0x0100
FILE, FS, SECURITY = 1, 2, 3
POSIX_INFO = 100

READ, WRITE, DELETE, READ_CONTROL, WRITE_DAC, WRITE_OWNER = 1, 2, 0x10000, 0x20000, 0x40000, 0x80000
ALL_ACCESS = 0x001F01FF
OPEN, CREATE, OPEN_IF, OVERWRITE_IF = 1, 2, 3, 5
DIRECTORY, DELETE_ON_CLOSE, OPEN_REPARSE_POINT = 1, 0x1000, 0x00200000

SIGNED, RESPONSE = 8, 1
PENDING = 0x103


def posix_mode(mode):
    """The create context."""
    data = mode if isinstance(mode, bytes) else struct.pack("<I", mode)
    return raw.create_context(POSIX_ID, data, data_offset=32)


def chosen_contexts(answer):
    """{type: data} of a NEGOTIATE response."""
    count, = struct.unpack_from("<H", answer, 64 + 6)
    offset, = struct.unpack_from("<I", answer, 64 + 60)
    found = {}
    for _ in range(count):
        kind, length = struct.unpack_from("<HH", answer, offset)
        found[kind] = answer[offset + 8:offset + 8 + length]
        offset += 8 + length + -length % 8
    return found


def parse_sid(data, at):
    """("S-...", behind it)"""
    _, count = struct.unpack_from("<BB", data, at)
    authority = int.from_bytes(data[at + 2:at + 8], "big")
    subs = struct.unpack_from(f"<{count}I", data, at + 8)
    return "-".join(map(str, ("S-1", authority, *subs))), at + 8 + 4 * count


def make_sid(text):
    _, _, authority, *subs = text.split("-")
    return struct.pack("<BB6s", 1, len(subs), int(authority).to_bytes(6, "big")) + b"".join(
        struct.pack("<I", int(sub)) for sub in subs)


class PosixInfo:
    """FILE_POSIX_INFORMATION, and what is behind it."""

    def __init__(self, data):
        (self.created, self.accessed, self.written, self.changed, self.size, self.allocated,
         self.attributes, self.inode, self.device, _, self.links, self.tag,
         self.mode) = struct.unpack_from("<QQQQQQIQIIIII", data)
        self.owner, at = parse_sid(data, 80)
        self.group, at = parse_sid(data, at)
        self.rest = data[at:]


class PosixAnswer:
    """The response's create context."""

    def __init__(self, data):
        self.links, self.tag, self.mode = struct.unpack_from("<III", data)
        self.owner, at = parse_sid(data, 12)
        self.group, at = parse_sid(data, at)
        assert at == len(data)


def answered_contexts(body):
    """{name: data} of a CREATE response."""
    offset, length = struct.unpack_from("<II", body, 80)
    found, at = {}, offset - 64
    while length:
        following, name_at, name_length, _, data_at, data_length = struct.unpack_from("<IHHHHI",
                                                                                     body, at)
        name = body[at + name_at:at + name_at + name_length]
        found[name] = body[at + data_at:at + data_at + data_length]
        if not following:
            break
        at += following
    return found


class Refused(Exception):
    def __init__(self, status):
        super().__init__(status)
        self.status = status


class PosixClient:
    def __init__(self, server, user, share="share", posix=(raw.context(POSIX_CONTEXT, POSIX_ID),)):
        self.link = raw.RawConnection(server)
        self.message_id = 0
        self.session = self.tree = 0
        self.key = None
        self.hash = bytes(64)
        status, answer = self._exchange(raw.NEGOTIATE, raw.negotiate(
            dialects=(0x0311,), contexts=(raw.PREAUTH, *posix)))
        if status:
            raise Refused(raw.status_name(status))
        self.contexts = chosen_contexts(answer)
        self._log_in(user)
        self.tree = self.connect(share)

    def close(self):
        self.link.__exit__()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _log_in(self, user):
        first = SPNEGO_NegTokenInit()
        first["MechTypes"] = [TypesMech["NTLMSSP - Microsoft NTLM Security Support Provider"]]
        hello = ntlm.getNTLMSSPType1("", "", True)
        first["MechToken"] = hello.getData()
        status, answer = self._exchange(raw.SESSION_SETUP, raw.session_setup(first.getData()))
        assert raw.status_name(status) == "MORE_PROCESSING_REQUIRED", hex(status)
        self.session, = struct.unpack_from("<Q", answer, 40)
        offset, length = struct.unpack_from("<HH", answer, 64 + 4)
        challenge = SPNEGO_NegTokenResp(answer[offset:offset + length])["ResponseToken"]
        proof, key = ntlm.getNTLMSSPType3(hello, challenge, user.name, user.password, "")
        second = SPNEGO_NegTokenResp()
        second["ResponseToken"] = proof.getData()
        body = raw.session_setup(second.getData())
        status, _ = self._exchange(raw.SESSION_SETUP, body, last=True)
        assert status == 0, hex(status)
        self.key = crypto.KDF_CounterMode(key, b"SMBSigningKey\0", self.hash, 128)

    def _exchange(self, command, body, tree=0, last=False):
        message = bytearray(raw.header(command, self.message_id, self.session, tree,
                                       SIGNED if self.key else 0) + body)
        self.message_id += 1
        if self.key:
            message[48:64] = crypto.AES_CMAC(self.key, bytes(message), len(message))
        else:
            self.hash = hashlib.sha512(self.hash + message).digest()
        self.link.send(raw.frame(bytes(message)))
        while True:
            answer = self.link.receive()
            if len(answer) < 64:
                raise Refused(raw.DISCONNECTED)
            status, = struct.unpack_from("<I", answer, 8)
            if status != PENDING:
                break
        if not self.key and not last:
            self.hash = hashlib.sha512(self.hash + answer).digest()
        return status, answer

    def ask(self, command, body, tree=None):
        """(status name, body of the answer)"""
        status, answer = self._exchange(command, body, self.tree if tree is None else tree)
        return raw.status_name(status), answer[64:]

    def connect(self, share):
        status, answer = self._exchange(raw.TREE_CONNECT, raw.tree_connect("\\\\h\\" + share))
        if status:
            raise Refused(raw.status_name(status))
        return struct.unpack_from("<I", answer, 36)[0]

    def create(self, name, mode=0o644, **fields):
        """(status name, FileId, PosixAnswer); mode None: no POSIX open."""
        contexts = b"" if mode is None else posix_mode(mode)
        status, body = self.ask(raw.CREATE, raw.create(name, contexts=contexts, **fields))
        if status != "SUCCESS":
            return status, None, None
        answered = answered_contexts(body).get(POSIX_ID)
        return status, body[64:80], answered and PosixAnswer(answered)

    def open(self, name, mode=0o644, **fields):
        status, file, _ = self.create(name, mode, **fields)
        if status != "SUCCESS":
            raise Refused(status)
        return file

    def close_file(self, file):
        return self.ask(raw.CLOSE, raw.close(file))[0]

    def make(self, name, mode=0o644, **fields):
        self.close_file(self.open(name, mode, access=ALL_ACCESS, disposition=CREATE, **fields))

    def query(self, file, kind=POSIX_INFO, info_type=FILE, **fields):
        status, body = self.ask(raw.QUERY_INFO, raw.query_info(file, info_type, kind, **fields))
        if status != "SUCCESS":
            raise Refused(status)
        length, = struct.unpack_from("<I", body, 4)
        return body[8:8 + length]

    def info(self, file):
        return PosixInfo(self.query(file))

    def set(self, file, data, kind, info_type=FILE, additional=0):
        body = bytearray(raw.set_info(file, data, info_type, kind))
        struct.pack_into("<I", body, 12, additional)
        return self.ask(raw.SET_INFO, bytes(body))[0]

    def rename(self, file, name, replace=True, kind=10):
        text = name.encode("utf-16-le")
        return self.set(file, struct.pack("<B7xQI", replace, 0, len(text)) + text, kind)

    def unlink(self, name, **fields):
        status, file, _ = self.create(name, access=DELETE, options=DELETE_ON_CLOSE |
                                      OPEN_REPARSE_POINT, **fields)
        return self.close_file(file) if file else status

    def list(self, file, pattern="*", kind=POSIX_INFO):
        """{name: PosixInfo}"""
        found = {}
        while True:
            status, body = self.ask(raw.QUERY_DIRECTORY, raw.query_directory(file, pattern, kind))
            if status in ("NO_MORE_FILES", "NO_SUCH_FILE"):
                return found
            if status != "SUCCESS":
                raise Refused(status)
            length, = struct.unpack_from("<I", body, 4)
            data = body[8:8 + length]
            while data:
                following, = struct.unpack_from("<I", data)
                info = PosixInfo(data[8:])
                size, = struct.unpack_from("<I", info.rest)
                found[info.rest[4:4 + size].decode("utf-16-le", "surrogatepass")] = info
                data = data[following:] if following else b""
