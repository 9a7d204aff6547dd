"""Nodes of a cluster on one machine: Debian's ctdbd, unmodified, in namespaces of its own for each.

A node is a network, a mount and a process namespace. It sees its own /etc/ctdb, /var/lib/ctdb and
/run, so the daemon, its tools and its event scripts run with the paths that they were packaged for,
and everything of it ends with the first process of its process namespace. Node N (from 0) has
10.99.0.<N+1> for the nodes and 10.98.0.<N+1> for clients, on a bridge in one more namespace, where
the test has .254 of both. Needs root.
"""
import ctypes
import itertools
import os
import shutil
import signal
import subprocess
import time

_serial = itertools.count()
PACKAGED = "/etc/ctdb"
SCRIPTS = "/usr/share/ctdb/events/legacy"
PATIENCE_S = 120


def missing():
    """Why there can be no nodes; empty if there can."""
    if os.geteuid() != 0:
        return "needs root for namespaces"
    for program in ("ip", "nsenter", "unshare", "ctdbd", "ctdb"):
        if not shutil.which(program):
            return f"needs {program}"
    tried = subprocess.run(["unshare", "-n", "-m", "-p", "--fork", "--mount-proc", "true"],
                           capture_output=True, text=True, timeout=30)
    return f"no namespaces here: {tried.stderr.strip()}" if tried.returncode else ""


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60,
                          **more).stdout


class Node:
    def __init__(self, cluster, number):
        self.number = number
        self.namespace = f"{cluster.name}-{number}"
        self.folder = os.path.join(cluster.folder, f"node{number}")
        self._cluster = cluster
        self._holder = None

    def make(self):
        hub = self._cluster.hub
        run("ip", "netns", "add", self.namespace)
        run("ip", "-n", self.namespace, "link", "set", "lo", "up")
        for link, net in ((0, 99), (1, 98)):
            end = f"n{self.number}l{link}"
            run("ip", "link", "add", end, "netns", hub, "type", "veth",
                "peer", "name", f"eth{link}", "netns", self.namespace)
            run("ip", "-n", hub, "link", "set", end, "master", "bridge", "up")
            run("ip", "-n", self.namespace, "addr", "add", f"10.{net}.0.{self.number + 1}/24",
                "dev", f"eth{link}")
            run("ip", "-n", self.namespace, "link", "set", f"eth{link}", "up")
        # Both links are on one bridge: each answers for its own addresses only.
        run("ip", "netns", "exec", self.namespace, "sysctl", "-q",
            "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2")
        self._write_settings()
        self._hold()

    def _write_settings(self):
        etc = os.path.join(self.folder, "etc")
        shutil.copytree(PACKAGED, etc, symlinks=True)
        for part in ("volatile", "persistent", "state", "scripts"):
            os.makedirs(os.path.join(self.folder, "var", part))
        legacy = os.path.join(etc, "events", "legacy")
        shutil.rmtree(legacy, ignore_errors=True)
        os.makedirs(legacy)
        for script in self._cluster.scripts:
            os.symlink(f"{SCRIPTS}/{script}.script", f"{legacy}/{script}.script")
        count = self._cluster.count
        files = {
            "nodes": "".join(f"10.99.0.{i + 1}\n" for i in range(count)),
            "public_addresses": "".join(f"{address}/24 eth1\n"
                                        for address in self._cluster.addresses),
            "ctdb.tunables": "".join(f"{name}={value}\n"
                                     for name, value in self._cluster.tunables.items()),
            "ctdb.conf": f"""[logging]
 location = file:{self.log_path()}
 log level = NOTICE
[cluster]
 cluster lock = {os.path.join(self._cluster.folder, "lock")}
 node address = 10.99.0.{self.number + 1}
 leader timeout = 5
[legacy]
 realtime scheduling = false
"""}
        for name, text in files.items():
            with open(os.path.join(etc, name), "w", encoding="ascii") as file:
                file.write(text)

    def _hold(self):
        """The process whose end is the node's. It waits for those whose parents have ended."""
        ready = os.path.join(self.folder, "ready")
        script = ("mount -t tmpfs none /run && mkdir /run/ctdb && "
                  f"mount --bind {self.folder}/etc /etc/ctdb && "
                  f"mount --bind {self.folder}/var /var/lib/ctdb && "
                  f"touch {ready} && sleep infinity & while :; do wait; done")
        self._holder = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, "unshare", "-m", "--propagation", "private",
             "-p", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script],
            stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)
        self._cluster.wait(lambda: os.path.exists(ready), f"node {self.number}")

    def inside(self):
        """The first process of its process namespace, as the test sees it."""
        path = f"/proc/{self._holder.pid}/task/{self._holder.pid}/children"
        with open(path, encoding="ascii") as file:
            return file.read().split()[0]

    def command(self, *command):
        return ["nsenter", "-t", self.inside(), "-m", "-n", "-p", *command]

    def run(self, *command):
        return run(*self.command(*command))

    def log_path(self):
        return os.path.join(self.folder, "log.ctdb")

    def start(self):
        self.run("ctdbd")

    def kill_ctdbd(self):
        self.run("sh", "-c", "kill -KILL $(cat /run/ctdb/ctdbd.pid)")

    def restart(self):
        """After its ctdbd was killed: what that had started ends by itself."""
        self._cluster.wait(lambda: "ctdb" not in self.run("ps", "-A", "-o", "comm=").replace(
            "ctdb_probe", ""), f"all of node {self.number} to end")
        self.run("rm", "-f", "/run/ctdb/ctdbd.pid")
        self.start()

    def remove(self):
        if self._holder:
            self._holder.kill()
            self._holder.wait()
        subprocess.run(["ip", "netns", "del", self.namespace], stderr=subprocess.DEVNULL)


class Cluster:
    """Use as `with Cluster(scratch_folder) as cluster:`."""

    def __init__(self, folder, count=3, addresses=(), tunables=None):
        self.name = f"braid-{os.getpid()}-{next(_serial)}c"
        self.hub = f"{self.name}-hub"
        self.folder, self.count, self.addresses = str(folder), count, list(addresses)
        self.tunables = tunables or {}
        self.scripts = ["00.ctdb", "10.interface"] if addresses else ["00.ctdb"]
        self.nodes = [Node(self, number) for number in range(count)]

    def __enter__(self):
        try:
            run("ip", "netns", "add", self.hub)
            run("ip", "-n", self.hub, "link", "add", "bridge", "type", "bridge")
            for net in (99, 98):
                run("ip", "-n", self.hub, "addr", "add", f"10.{net}.0.254/24", "dev", "bridge")
            run("ip", "-n", self.hub, "link", "set", "bridge", "up")
            for node in self.nodes:
                node.make()
            for node in self.nodes:
                node.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.remove()
        subprocess.run(["ip", "netns", "del", self.hub], stderr=subprocess.DEVNULL)

    def wait(self, is_so, for_what, patience=PATIENCE_S):
        until = time.monotonic() + patience
        while not is_so():
            if time.monotonic() > until:
                raise TimeoutError(f"not in {patience} s: {for_what}\n{self.logs()}")
            time.sleep(0.05)

    def logs(self):
        text = ""
        for node in self.nodes:
            if os.path.exists(node.log_path()):
                with open(node.log_path(), encoding="utf-8", errors="replace") as file:
                    text += f"node {node.number}:\n" + "".join(file.readlines()[-15:])
        return text
