"""A client with persistent handles, and a server whose processes are killed."""
import contextlib
import os
import signal
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, os.path.join(HERE, "..", "hostile"))

import smb2_raw as raw  # noqa: E402
from peer import Peer, Refused  # noqa: E402
from server import name_of  # noqa: E402

PERSISTENT = 2  # SMB2_DHANDLE_FLAG_PERSISTENT
READ, HANDLE, WRITE = 1, 2, 4
RWH = READ | HANDLE | WRITE
LEASE = 0xFF  # as an oplock level
EXCLUSIVE, UNLOCK, AT_ONCE = 2, 4, 16
REPLAY = 0x20000000  # SMB2_FLAGS_REPLAY_OPERATION


def chain(contexts):
    """Create contexts one after the other, as [MS-SMB2] 2.2.13.2 links them."""
    out = b""
    for number, (name, data) in enumerate(contexts):
        size = 24 + len(data)
        padding = b"" if number == len(contexts) - 1 else b"\0" * (-size % 8)
        following = len(padding) + size if number < len(contexts) - 1 else 0
        out += raw.create_context(name, data, following=following) + padding
    return out


def lease_v2(key, state, epoch=0):
    return b"RqLs", struct.pack("<16sIIQ16sHH", key, state, 0, 0, b"", epoch, 0)


class Opened:
    """What a CREATE was answered."""

    def __init__(self, answer):
        self.status = answer.status if answer else raw.DISCONNECTED
        self.file = self.lease = None
        self.flags = None  # of the promise to outlive the connection; None: there is none
        if self.status != "SUCCESS":
            return
        body = answer.body
        self.oplock = body[2]
        self.action = struct.unpack_from("<I", body, 4)[0]
        self.file = body[64:80]
        offset, length = struct.unpack_from("<II", body, 80)
        at = offset - 64
        while length:
            following, name_at, name_length, _, data_at, _ = struct.unpack_from("<IHHHHI", body, at)
            name, data = body[at + name_at:at + name_at + name_length], at + data_at
            if name == b"RqLs":
                self.lease = struct.unpack_from("<I", body, data + 16)[0]
                self.epoch = struct.unpack_from("<H", body, data + 48)[0]
            elif name == b"DH2Q":
                self.timeout, self.flags = struct.unpack_from("<II", body, data)
            if not following:
                break
            at += following

    @property
    def persistent_id(self):
        return self.file[:8]


class Client(Peer):
    """One ClientGuid, whichever connection."""

    def __init__(self, server, user, guid, share="share"):
        super().__init__(server.host, server.port, guid=guid)
        status = self.log_on(user.name, user.password)
        if status != "SUCCESS":
            raise Refused(f"SESSION_SETUP: {status}")
        self.tree_answer = self.tree(share)

    def open(self, name, guid, lease=None, state=RWH, flags=PERSISTENT, timeout=0, header_flags=0,
             disposition=3, access=0x001F01FF, share=7, options=0, more=()):
        contexts = [(b"DH2Q", struct.pack("<IIQ16s", timeout, flags, 0, guid)), *more]
        if lease:
            contexts.append(lease_v2(lease, state))
        return Opened(self.call(raw.CREATE, raw.create(
            name, access=access, share=share, disposition=disposition, options=options,
            oplock=LEASE if lease else 0, contexts=chain(contexts)), flags=header_flags))

    def reconnect(self, name, before, guid, lease=None, state=RWH, flags=PERSISTENT):
        contexts = [(b"DH2C", struct.pack("<16s16sI", before.file, guid, flags))]
        if lease:
            contexts.append(lease_v2(lease, state))
        return Opened(self.call(raw.CREATE, raw.create(
            name, access=0x001F01FF, disposition=1, oplock=LEASE if lease else 0,
            contexts=chain(contexts))))

    def next_break(self):
        """The body of a break that comes."""
        return self.wait_for(0xFFFFFFFFFFFFFFFF).body

    def open_pipe(self):
        """In IPC$; whatever is asked through it."""
        opened = Opened(self.call(raw.CREATE, raw.create("srvsvc", access=0x0012019F, share=7,
                                                         disposition=1, options=0)))
        assert opened.status == "SUCCESS", opened.status
        return opened.file

    def plain_open(self, name, access=0x001F01FF, share=7, disposition=3, options=0):
        return Opened(self.call(raw.CREATE, raw.create(
            name, access=access, share=share, disposition=disposition, options=options)))

    def status(self, command, body, **fields):
        answer = self.call(command, body, **fields)
        return answer.status if answer else raw.DISCONNECTED

    def lock(self, file, offset, length=1, flags=EXCLUSIVE | AT_ONCE):
        return self.status(raw.LOCK, raw.lock(file, ((offset, length, flags),)))

    def close_file(self, file):
        return self.status(raw.CLOSE, raw.close(file))


def worker_of(server):
    """The one process that serves clients."""
    worker, = [pid for pid in server.worker_pids() if name_of(pid) == "braidd-worker"]
    return worker


def kill_worker(server, limit=30):
    """Returns when there is another one."""
    before = worker_of(server)
    os.kill(before, signal.SIGKILL)
    end = time.monotonic() + limit
    while True:
        now = [pid for pid in server.worker_pids() if name_of(pid) == "braidd-worker"]
        if now and before not in now:
            return
        assert time.monotonic() < end, "no new worker"
        time.sleep(0.01)


def workers_of(server):
    return [pid for pid in server.worker_pids() if name_of(pid) == "braidd-worker"]


def worker_with(server, client):
    """The one of several that serves this client: it has the other end of its connection."""
    port = client.socket.getsockname()[1]
    inode = None
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in table:
            words = line.split()
            if words[1].endswith(f":{server.port:04X}") and words[2].endswith(f":{port:04X}"):
                inode = words[9]
    assert inode, "no connection"
    for pid in workers_of(server):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{descriptor}") == f"socket:[{inode}]":
                    return pid
    raise AssertionError("no worker has the connection")


def await_worker(server, killed, workers, limit=60):
    """Returns when it is gone and there is another one in its place."""
    end = time.monotonic() + limit
    while True:
        now = workers_of(server)
        if killed not in now and len(now) == workers:
            return
        assert time.monotonic() < end, "no new worker"
        time.sleep(0.01)


def kill_worker_with(server, client):
    """Returns when there is another one in its place."""
    workers = len(workers_of(server))
    killed = worker_with(server, client)
    os.kill(killed, signal.SIGKILL)
    await_worker(server, killed, workers)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def kill_all(server):
    """As if the machine had gone, but for its kernel. Returns when none of them is left."""
    pids = [server.process.pid, *server.worker_pids()]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.process.wait()
    while any(is_running(pid) for pid in pids):
        time.sleep(0.001)


def start_again(server, scratch):
    """The same configuration, accounts and files; another port."""
    first, _, count = server.log.rpartition(".log")
    server.log = f"{first}.log{int(count or 0) + 1}"
    server.process = scratch.start([server.program, "--config", server.config], server.log,
                                   env=os.environ | server.options.env)
    server.port = server._wait_for_port()  # pylint: disable=protected-access
