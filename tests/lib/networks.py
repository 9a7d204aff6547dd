"""A server and its clients in network namespaces of their own, with several links between them.

Link i is a veth pair: "s<i>" with 10.99.<i>.1 at the server, "c<i>" with 10.99.<i>.2 at the client.
Everything is made by the test and goes with it; nothing of the machine's own network is touched.
Needs root, ip, and for faults nft and ss, for limited speed tc.
"""
import itertools
import os
import shutil
import subprocess

_serial = itertools.count()


def missing():
    """Why there can be no namespaces; empty if there can."""
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    for program in ("ip", "nft", "ss", "tc"):
        if not shutil.which(program):
            return f"needs {program}"
    return ""


class Networks:
    """Use as `with Networks(4) as networks:`."""

    def __init__(self, links):
        name = f"braid-{os.getpid()}-{next(_serial)}"
        self.server, self.client = f"{name}-s", f"{name}-c"
        self.links = range(links)

    def __enter__(self):
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for namespace in (self.server, self.client):
            subprocess.run(["ip", "netns", "del", namespace], stderr=subprocess.DEVNULL)

    def _make(self):
        for namespace in (self.server, self.client):
            run("ip", "netns", "add", namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        for link in self.links:
            self.make_link(link)

    def make_link(self, link):
        run("ip", "link", "add", f"s{link}", "netns", self.server, "type", "veth",
            "peer", "name", f"c{link}", "netns", self.client)
        for namespace, side, host in ((self.server, "s", 1), (self.client, "c", 2)):
            run("ip", "-n", namespace, "addr", "add", f"10.99.{link}.{host}/24",
                "dev", f"{side}{link}")
            run("ip", "-n", namespace, "link", "set", f"{side}{link}", "up")

    @staticmethod
    def address(link):
        """The server's on the link."""
        return f"10.99.{link}.1"

    def addresses(self):
        return [self.address(link) for link in self.links]

    def command(self, namespace, *command):
        """The command as it runs in the namespace."""
        return ["ip", "netns", "exec", namespace, *command]

    def run(self, namespace, *command):
        return run(*self.command(namespace, *command))

    def set_link(self, namespace, link, state):
        """One end "up" or "down"; the other end sees it as a cable that is pulled."""
        side = "s" if namespace == self.server else "c"
        run("ip", "-n", namespace, "link", "set", f"{side}{link}", state)

    def limit(self, link, rate):
        """Both directions to `rate` ("500mbit"). The bucket is what a real card sends at once."""
        for namespace, side in ((self.server, "s"), (self.client, "c")):
            self.run(namespace, "tc", "qdisc", "replace", "dev", f"{side}{link}", "root", "tbf",
                     "rate", rate, "burst", "256kb", "latency", "50ms")

    def filter(self, rules):
        """What the server's side does to packets that come ("in") and go ("out"), as nft rules:
        [("in", 'iifname "s0" drop')]. Replaces those before."""
        text = ["table inet fault", "delete table inet fault", "table inet fault {"]
        for chain, hook in (("in", "input"), ("out", "output")):
            text.append(f"chain {chain} {{ type filter hook {hook} priority 0;")
            text += [rule for place, rule in rules if place == chain]
            text.append("}")
        text.append("}")
        subprocess.run(self.command(self.server, "nft", "-f", "-"), input="\n".join(text),
                       text=True, check=True, timeout=30)

    def reset_connections(self, link):
        """Ends the connections of a link as if the server had sent a reset."""
        subprocess.run(self.command(self.server, "ss", "-K", "src", self.address(link)),
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30)

    def is_listening(self, port):
        return bool(self.run(self.server, "ss", "-tlnH", f"sport = :{port}"))

    def connection_owners(self):
        """Processes in the server's namespace that hold an established connection."""
        shown = subprocess.run(self.command(self.server, "ss", "-tnpH", "state", "established"),
                               capture_output=True, text=True, check=True, timeout=30).stdout
        return {int(part.split(",")[0]) for part in shown.split("pid=")[1:]}


class ManyClients(Networks):
    """The same with a namespace for the client's end of each link: `clients` names them."""

    def __init__(self, links):
        super().__init__(links)
        self.clients = [f"{self.client}{link}" for link in self.links]

    def __exit__(self, *_):
        for namespace in (self.server, *self.clients):
            subprocess.run(["ip", "netns", "del", namespace], stderr=subprocess.DEVNULL)

    def _make(self):
        run("ip", "netns", "add", self.server)
        run("ip", "-n", self.server, "link", "set", "lo", "up")
        for link, client in zip(self.links, self.clients):
            run("ip", "netns", "add", client)
            run("ip", "-n", client, "link", "set", "lo", "up")
            run("ip", "link", "add", f"s{link}", "netns", self.server, "type", "veth",
                "peer", "name", f"c{link}", "netns", client)
            for namespace, side, host in ((self.server, "s", 1), (client, "c", 2)):
                run("ip", "-n", namespace, "addr", "add", f"10.99.{link}.{host}/24",
                    "dev", f"{side}{link}")
                run("ip", "-n", namespace, "link", "set", f"{side}{link}", "up")


class MachineNetworks(Networks):
    """The same for a virtual machine: link i is the tap "s<i>" in the server's namespace, where QEMU
    has to run too."""

    def _make(self):
        run("ip", "netns", "add", self.server)
        run("ip", "-n", self.server, "link", "set", "lo", "up")
        for link in self.links:
            run("ip", "-n", self.server, "tuntap", "add", f"s{link}", "mode", "tap")
            run("ip", "-n", self.server, "addr", "add", f"{self.address(link)}/24",
                "dev", f"s{link}")
            run("ip", "-n", self.server, "link", "set", f"s{link}", "up")


def run(*command):
    return subprocess.run(command, check=True, timeout=30, capture_output=True, text=True).stdout
