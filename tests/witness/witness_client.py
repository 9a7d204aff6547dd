"""The calls of [MS-SWN] over impacket's DCE/RPC, and what comes back taken apart."""
import contextlib
import ctypes
import dataclasses
import os
import socket
import struct

from impacket.dcerpc.v5 import transport
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, RPC_C_AUTHN_WINNT
from impacket.uuid import uuidtup_to_bin

WITNESS = uuidtup_to_bin(("ccd8c074-d0e5-4a40-92b4-d074faa6ba28", "1.1"))
GET_INTERFACE_LIST, REGISTER, UNREGISTER, ASYNC_NOTIFY, REGISTER_EX, UNREGISTER_EX = range(6)
VERSION_1, VERSION_2 = 0x00010001, 0x00020000
SUCCESS, ACCESS_DENIED, INVALID_PARAMETER, NO_MORE_ITEMS = 0, 5, 87, 0x103
NOT_FOUND, REVISION_MISMATCH, NO_SYSTEM_RESOURCES, NOT_AUTHENTICATED = 0x490, 0x51A, 0x5AA, 0x4DC
TIMEOUT = 0x5B4
RESOURCE_CHANGE, CLIENT_MOVE, SHARE_MOVE, IP_CHANGE = 1, 2, 3, 4
AVAILABLE, UNAVAILABLE = 1, 0xFF

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def inside(namespace):
    """Sockets made meanwhile are of the network namespace; None: of this process's own."""
    if namespace is None:
        yield
        return

    def enter(path):
        with open(path, encoding="ascii") as file:
            if _libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
    with open("/proc/self/ns/net", encoding="ascii") as own:
        enter(f"/run/netns/{namespace}")
        try:
            yield
        finally:
            enter(f"/proc/self/fd/{own.fileno()}")


@dataclasses.dataclass
class Notice:
    kind: int
    changes: list  # of a resource: (name, state); otherwise (address, flags)


@dataclasses.dataclass
class Interface:
    group: str
    state: int
    address: str
    is_witness: bool


def wide(text):
    """A [unique] string in place."""
    if text is None:
        return struct.pack("<I", 0)
    units = (text + "\0").encode("utf-16-le")
    count = len(units) // 2
    data = struct.pack("<IIII", 0x20000, count, 0, count) + units
    return data + b"\0" * (-len(data) % 4)


def addresses_of(entries, count):
    found = []
    for at in range(0, 24 * count, 24):
        flags, = struct.unpack_from("<I", entries, at)
        if flags & 1:
            found.append((socket.inet_ntop(socket.AF_INET, entries[at + 4:at + 8]), flags))
        else:
            found.append((socket.inet_ntop(socket.AF_INET6, entries[at + 8:at + 24]), flags))
    return found


def notice_of(stub):
    """Of the answer to WitnessrAsyncNotify, whose last number is its result."""
    present, kind, _length, count, _pointer, size = struct.unpack_from("<IIIIII", stub)
    assert present
    data = stub[24:24 + size]
    if kind != RESOURCE_CHANGE:
        _length, _reserved, count = struct.unpack_from("<III", data)
        return Notice(kind, addresses_of(data[12:], count))
    changes = []
    for _ in range(count):
        length, state = struct.unpack_from("<II", data)
        changes.append((data[8:length].decode("utf-16-le").rstrip("\0"), state))
        data = data[length:]
    return Notice(kind, changes)


def interfaces_of(stub):
    count, = struct.unpack_from("<I", stub, 4)
    found = []
    for at in range(16, 16 + count * 552, 552):
        group = stub[at:at + 520].decode("utf-16-le").split("\0")[0]
        _version, state = struct.unpack_from("<IH", stub, at + 520)
        flags, = struct.unpack_from("<I", stub, at + 548)
        address = socket.inet_ntop(socket.AF_INET, stub[at + 528:at + 532]) if flags & 1 else \
            socket.inet_ntop(socket.AF_INET6, stub[at + 532:at + 548])
        found.append(Interface(group, state, address, bool(flags & 4)))
    return found


class Calls:
    """One association that is bound. Calls give (result, what is in front of it)."""

    def __init__(self, dce):
        self.dce = dce

    def close(self):
        self.dce.disconnect()

    def send(self, opnum, stub=b""):
        self.dce.call(opnum, stub)

    def receive(self):
        stub = self.dce.recv()
        return struct.unpack("<I", stub[-4:])[0], stub[:-4]

    def call(self, opnum, stub=b""):
        self.send(opnum, stub)
        return self.receive()

    def register(self, net_name, address, client, share=None, flags=1, keep_alive=120,
                 version=VERSION_2):
        """(result, handle)"""
        return self.call(REGISTER_EX, struct.pack("<I", version) + wide(net_name) + wide(share) +
                         wide(address) + wide(client) + struct.pack("<II", flags, keep_alive))

    def ask(self, handle):
        """The call that is answered when there is something to tell."""
        self.send(ASYNC_NOTIFY, handle)

    def notice(self):
        result, stub = self.receive()
        return result, notice_of(stub) if result == SUCCESS else None

    def is_over(self):
        """Whether the server has ended the connection; waits for that."""
        connection = self.dce.get_rpc_transport().get_socket()
        try:
            return connection.recv(1) == b""
        except ConnectionResetError:
            return True


class Witness(Calls):
    """The same with a connection of its own, on which `user` has logged on with NTLM."""

    def __init__(self, host, port, user=None, level=RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, namespace=None,
                 timeout=20):
        wire = transport.DCERPCTransportFactory(f"ncacn_ip_tcp:{host}[{port}]")
        wire.set_connect_timeout(timeout)
        super().__init__(wire.get_dce_rpc())
        if user:
            self.dce.set_credentials(user.name, user.password)
            self.dce.set_auth_type(RPC_C_AUTHN_WINNT)
            self.dce.set_auth_level(level)
        with inside(namespace):
            self.dce.connect()
        self.dce.bind(WITNESS)
