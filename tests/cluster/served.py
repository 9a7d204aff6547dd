"""braidd on nodes of a cluster (ctdb_nodes), which serve one folder, and clients beside them."""
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import time

from impacket import smb3
from impacket.smb3structs import (FILE_OPEN_IF, FILE_READ_DATA, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
                                  FILE_WRITE_DATA)

import server as servers

CLONE_NEWNET = 0x40000000
USER = servers.User("alice", "Wonder-1", "games")
SHARE_ALL = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE
DELETE = 0x00010000


def enter_network(namespace):
    """Sockets of this thread are in that network from now on."""
    with open(f"/run/netns/{namespace}", encoding="ascii") as file:
        enter_network_of(file.fileno())


def enter_network_of(descriptor):
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def below(pid):
    """What it has started, and what that has."""
    found, todo = [], [pid]
    while todo:
        children = servers.children(todo.pop())
        todo += children
        found += children
    return found


def tell(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class ServingNode:
    """braidd on one node; the folder is the same on all."""

    def __init__(self, scratch, node, braidd, folder, more="", more_shares=""):
        self.node, self._scratch = node, scratch
        self.address = f"10.98.0.{node.number + 1}"
        name = f"braid{node.number}"
        self.log = scratch.file(f"{name}.log")
        self._program = os.path.abspath(braidd)
        self._braidctl = os.path.join(os.path.dirname(self._program), "braidctl")
        self._config = scratch.file(f"{name}.toml")
        state = scratch.directory(f"{name}.state", mode=0o700)
        with open(self._config, "w", encoding="utf-8") as config:
            config.write(f"""[server]
name = "NODE{node.number}"
listen = ["0.0.0.0:445"]
state_dir = {json.dumps(state)}
min_uid = 1
cluster = "/run/ctdb/ctdbd.socket"
{more}
[[share]]
name = "data"
path = {json.dumps(folder)}
file_system = 7
# The other nodes are processes of this machine, which its kernel tells of as of local programs.
local_access = "none"
{more_shares}""")
        subprocess.run([self._braidctl, "--config", self._config, "user", "add", USER.name, "--unix-user",
                        USER.unix_user], input=f"{USER.password}\n", text=True, check=True,
                       stdout=subprocess.DEVNULL, timeout=60)
        self.process = None

    def start(self):
        self.process = self._scratch.start(
            self.node.command(self._program, "--config", self._config), self.log)

    def ctl_command(self):
        return f"{self._braidctl} --config {self._config}"

    def ctl(self, *words, code=0):
        """What braidctl of this node prints, with its exit status."""
        ran = subprocess.run(self.node.command(self._braidctl, "--config", self._config, *words),
                             capture_output=True, text=True, timeout=180)
        if ran.returncode != code:
            raise AssertionError(f"{words}: {ran.returncode}: {ran.stdout}{ran.stderr}{self.log_text()}")
        return ran.stdout if code == 0 else ran.stderr

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def pids(self, name):
        """Of its processes of that name, as this process sees them."""
        return [pid for pid in below(self.process.pid) if servers.name_of(pid) == name]

    @contextlib.contextmanager
    def standing_still(self):
        """All of the node, its ctdbd as well, as a machine that is paused; its kernel goes on."""
        stopped = [*below(self.process.pid), *below(int(self.node.inside()))]
        tell(stopped, signal.SIGSTOP)
        try:
            yield
        finally:
            tell(stopped, signal.SIGCONT)

    def lives(self):
        """How often it has joined the cluster and begun to serve."""
        return self.log_text().count("of the cluster serves")

    def stop(self):
        """Its exit status, which nsenter passes on."""
        for pid in servers.children(self.process.pid):
            os.kill(pid, signal.SIGTERM)
        return self.process.wait(60)


class Client:
    """A connection to one node. Errors are smb3.SessionError."""

    def __init__(self, node, timeout=60, address=None):
        # A node that begins keeps who comes until it serves.
        at = address or node.address
        self.smb = smb3.SMB3(at, at, timeout=timeout)
        self.smb.login(USER.name, USER.password)
        self.tree = self.smb.connectTree("data")

    def open(self, name, share=SHARE_ALL, access=FILE_READ_DATA | FILE_WRITE_DATA,
             disposition=FILE_OPEN_IF, options=0x40, oplock=0):
        return self.smb.create(self.tree, name, access, share, options, disposition, 0x80,
                               oplockLevel=oplock)

    def ask(self, command, body):
        packet = self.smb.SMB_PACKET()
        packet["Command"], packet["TreeID"], packet["Data"] = command, self.tree, body
        self.smb.recvSMB(self.smb.sendSMB(packet)).isValidAnswer(0)

    def hear(self):
        """What the server says by itself."""
        told = self.smb.recvSMB()
        # impacket takes it for an answer, and its number for one that was used.
        self.smb._Connection["SequenceWindow"] += 1 - told["CreditCharge"]
        return told

    def close(self, file):
        self.smb.close(self.tree, file)


def outcome(work):
    """As status(), or what else it ends with."""
    try:
        return status(work)
    except Exception as error:  # a connection that is lost has many
        return repr(error)


def status(work):
    """What it ends with."""
    try:
        work()
    except smb3.SessionError as error:
        return error.get_error_code()
    return 0


def wait(is_so, what, limit=120):
    end = time.monotonic() + limit
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"not in {limit} s: {what}")
        time.sleep(0.05)
