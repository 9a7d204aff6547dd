#!/usr/bin/env python3
"""A cluster as its administrators and clients see it: two nodes, with addresses that move between them.

With real ctdbds. Nothing depends on how long anything takes, but for limits that say it hangs.
"""
import json
import os
import socket
import struct
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, os.path.join(HERE, "..", "witness"))

import ctdb_nodes  # noqa: E402
import suite  # noqa: E402
import witness_client as wc  # noqa: E402
from ctdb_nodes import Cluster  # noqa: E402
from impacket import smb3  # noqa: E402
from scratch import Scratch  # noqa: E402
from served import SHARE_ALL, USER, Client, ServingNode, enter_network, status, wait  # noqa: E402

ADDRESSES = ["10.98.0.101", "10.98.0.102"]
SHARING_VIOLATION = 0xC0000043
REQUEST_NOT_ACCEPTED = 0xC00000D0
QUERY_NETWORK_INTERFACE_INFO = 0x001401FC
LEVEL_II, BATCH = 1, 9
BINDING = 1
WITNESS_PORT = 5135
PACKAGING = os.path.join(HERE, "..", "..", "packaging", "ctdb")
MORE = f"""witness = true
witness_port = {WITNESS_PORT}

"""
# The same folder, for programs that know Windows only.
WIDE = """[[share]]
name = "windows"
path = {path}
file_system = 7
local_access = "none"
compat = "windows"
"""


# A message to who waits for addresses that go, as ctdbd sends it.
SAY_RELEASED = """
import socket, struct, sys
text = sys.argv[1].encode() + b"\\0"
packet = struct.pack("<QI", 0xF300000000000000, len(text)) + text
ctdbd = socket.socket(socket.AF_UNIX)
ctdbd.connect("/run/ctdb/ctdbd.socket")
ctdbd.sendall(struct.pack("<8I", 32 + len(packet), 0x43544442, 1, 0, 5, 0xF0000001, 0, 0) + packet)
"""


def offered(client):
    """The addresses that the server tells of."""
    tree = client.smb.connectTree("IPC$")
    answer = client.smb.ioctl(tree, None, QUERY_NETWORK_INTERFACE_INFO, 1, b"", 0, 65536)
    found, at = [], 0
    while True:
        following, = struct.unpack_from("<I", answer, at)
        if struct.unpack_from("<H", answer, at + 24)[0] == 2:
            found.append(socket.inet_ntoa(answer[at + 28:at + 32]))
        if following == 0:
            return sorted(set(found))
        at += following


class Operating(unittest.TestCase):
    # In the order of their names.

    @classmethod
    def setUpClass(cls):
        scratch = cls.enterClassContext(Scratch(suite.arguments.scratch))
        folder = scratch.directory("shared")
        os.chmod(folder, 0o777)
        cls.cluster = cls.enterClassContext(
            Cluster(scratch.directory("nodes"), count=2, addresses=ADDRESSES,
                    tunables={"NoIPFailback": 1}))
        cls.nodes = [ServingNode(scratch, node, suite.arguments.braidd, folder, MORE,
                                 WIDE.format(path=json.dumps(folder)))
                     for node in cls.cluster.nodes]
        for node in cls.nodes:
            node.start()
        for node in cls.nodes:
            wait(lambda node=node: node.lives() == 1 or node.process.poll() is not None,
                 f"{node.address} to serve")
        enter_network(cls.cluster.hub)
        wait(lambda: sorted(cls.holders()) == ADDRESSES, "the addresses to be somewhere")

    def tearDown(self):
        for node in self.nodes:
            self.assertIsNone(node.process.poll(), node.log_text())
            self.assertNotIn("refused system call", node.log_text())

    @classmethod
    def status(cls, node=0):
        return json.loads(cls.nodes[node].ctl("--json", "cluster", "status"))

    @classmethod
    def holders(cls, node=0):
        """Which node has which address."""
        return {address: each["node"] for each in cls.status(node)["nodes"]
                for address in each["addresses"]}

    def move(self, address, to):
        self.nodes[to].node.run("ctdb", "moveip", address, str(to))
        wait(lambda: self.holders(to).get(address) == to, f"{address} to be at {to}")

    def all_to(self, to):
        """Without moveip, after which CTDB moves nothing by itself for a while."""
        other = str(1 - to)
        self.nodes[to].node.run("ctdb", "disable", "-n", other)
        wait(lambda: self.holders(to) == dict.fromkeys(ADDRESSES, to), f"all to be at {to}")
        self.nodes[to].node.run("ctdb", "enable", "-n", other)
        wait(lambda: self.state(1 - to) == "ok", "the other to be back")

    def test_1_status(self):
        said = self.status(1)
        self.assertEqual(said["node"], 1)
        self.assertIn(said["leader"], (0, 1))
        self.assertEqual(said["leader"], int(self.nodes[1].node.run("ctdb", "leader")))
        self.assertFalse(said["recovering"])
        self.assertEqual(said["addresses_of_nobody"], [])
        self.assertEqual([(each["node"], each["address"], each["server"]) for each in said["nodes"]],
                         [(0, "10.99.0.1", "serves"), (1, "10.99.0.2", "serves")])
        wait(lambda: all(each["state"] == "ok" for each in self.status()["nodes"]), "all to be well")
        # A file that is open has a record here.
        client = Client(self.nodes[1])
        file = client.open("counted")
        wait(lambda: self.status(1)["records"] > 0, "a record to be counted")
        metrics = self.nodes[1].ctl("metrics")
        self.assertIn('braid_cluster_nodes_serving{worker="0"} 2\n', metrics)
        self.assertNotIn('braid_cluster_records{worker="0"} 0\n', metrics)
        client.close(file)
        text = self.nodes[0].ctl("cluster", "status")
        self.assertIn("This is node 0; node", text)
        self.assertIn("MOVABLE ADDRESSES", text)
        self.assertEqual(self.nodes[0].ctl("cluster", "ready"), "node 0 serves\n")

    def test_2_clients_are_told_of_addresses_that_stay(self):
        self.move(ADDRESSES[0], 0)
        self.move(ADDRESSES[1], 1)
        static = ["10.98.0.1", "10.99.0.1"]
        wait(lambda: offered(Client(self.nodes[0])) == static, "the static addresses to be known")
        # And of the one that they use.
        self.assertEqual(offered(Client(self.nodes[0], address=ADDRESSES[0])),
                         ["10.98.0.1", ADDRESSES[0], "10.99.0.1"])

    def test_2_shares_are_of_all_nodes(self):
        client = Client(self.nodes[0])
        self.assertTrue(client.smb._Session["TreeConnectTable"][client.tree]["IsScaleoutShare"])

    def test_2_more_than_reading_may_be_cached_unless_as_windows(self):
        client = Client(self.nodes[0])
        for share, level in (("data", BATCH), ("windows", LEVEL_II)):
            tree = client.smb.connectTree(share)
            create = smb3.SMB2Create()
            create["RequestedOplockLevel"] = BATCH
            create["DesiredAccess"], create["ShareAccess"] = 3, SHARE_ALL
            create["CreateDisposition"], create["CreateOptions"] = 3, 0x40
            create["ImpersonationLevel"], create["FileAttributes"] = 2, 0x80
            name = f"cached-{share}".encode("utf-16le")
            create["NameLength"], create["Buffer"] = len(name), name
            packet = client.smb.SMB_PACKET()
            packet["Command"], packet["TreeID"], packet["Data"] = smb3.SMB2_CREATE, tree, create
            answer = client.smb.recvSMB(client.smb.sendSMB(packet))
            self.assertTrue(answer.isValidAnswer(0))
            self.assertEqual(smb3.SMB2Create_Response(answer["Data"])["OplockLevel"], level, share)

    def bind(self, node, session):
        """What a new connection to that node is told that is to be a channel of the session."""
        other = smb3.SMB3(node.address, node.address, timeout=60)
        setup = smb3.SMB2SessionSetup()
        setup["Flags"] = BINDING
        setup["SecurityMode"] = 1
        setup["SecurityBufferLength"] = 4
        setup["Buffer"] = b"none"
        packet = other.SMB_PACKET()
        packet["Command"], packet["Data"] = smb3.SMB2_SESSION_SETUP, setup
        other._Session["SessionID"] = session
        return other.recvSMB(other.sendSMB(packet))["Status"]

    def test_3_channel_on_another_node_is_refused_and_the_session_stays(self):
        client = Client(self.nodes[0])
        session = client.smb._Session["SessionID"]
        self.assertEqual(self.bind(self.nodes[1], session), REQUEST_NOT_ACCEPTED)
        client.close(client.open("still"))

    def tickles(self, address, node):
        return self.nodes[node].node.run("ctdb", "-X", "gettickles", address)

    def test_4_address_that_moves_takes_its_clients_along(self):
        address = ADDRESSES[0]
        self.move(address, 0)
        # The other node knows whom to reset.
        client = Client(self.nodes[0], address=address)
        port = client.smb._NetBIOSSession.get_socket().getsockname()[1]
        wait(lambda: f"|{port}|" in self.tickles(address, 0), "the connection to be registered")
        file = client.open("taken along", share=0)
        stays = Client(self.nodes[0])
        self.move(address, 1)
        # At once, and without a time-out of TCP: it is reset.
        with self.assertRaises(Exception):
            for _ in range(1_000_000):
                client.smb.write(client.tree, file, b"x", 0, 1)
        # What it had is nobody's, and whoever came to another address goes on.
        again = Client(self.nodes[1], address=address)
        wait(lambda: status(lambda: again.close(again.open("taken along", share=0))) == 0,
             "the file to be free")
        stays.close(stays.open("stays"))
        # One that ends is forgotten.
        port = again.smb._NetBIOSSession.get_socket().getsockname()[1]
        wait(lambda: f"|{port}|" in self.tickles(address, 1), "the connection to be registered")
        again.smb.close_session()
        wait(lambda: f"|{port}|" not in self.tickles(address, 1), "the connection to be forgotten")

    def test_4_connections_to_an_address_that_has_gone_end(self):
        # CTDB has reset them before it says so; here it only says so.
        holder = self.holders()[ADDRESSES[0]]
        goes = Client(self.nodes[holder], address=ADDRESSES[0])
        stays = Client(self.nodes[holder])
        file = goes.open("let go", share=0)
        self.assertEqual(status(lambda: stays.open("let go")), SHARING_VIOLATION)
        self.nodes[holder].node.run(sys.executable, "-c", SAY_RELEASED, ADDRESSES[0])
        wait(lambda: f"1 connections to {ADDRESSES[0]} ended" in self.nodes[holder].log_text(),
             "the connection to be ended")
        with self.assertRaises(Exception):
            goes.smb.write(goes.tree, file, b"x", 0, 1)
        wait(lambda: status(lambda: stays.close(stays.open("let go", share=0))) == 0,
             "the file to be free")

    def witness(self, node):
        watch = wc.Witness(self.nodes[node].address, WITNESS_PORT, USER)
        self.addCleanup(watch.close)
        return watch

    def registered(self, node, address):
        """With that node's witness, for the address; asks what there is to tell."""
        watch = self.witness(node)
        result, handle = watch.register(address, address, "a client")
        self.assertEqual(result, wc.SUCCESS)
        watch.ask(handle[:20])
        return watch, handle[:20]

    def known_to_witness(self, node):
        result, stub = self.witness(node).call(wc.GET_INTERFACE_LIST)
        self.assertEqual(result, wc.SUCCESS)
        return sorted((each.group, each.state, each.address) for each in wc.interfaces_of(stub))

    def test_5_witness_tells_of_addresses_that_move(self):
        self.move(ADDRESSES[0], 0)
        self.move(ADDRESSES[1], 1)
        wait(lambda: self.known_to_witness(1) == [
            ("node0", wc.AVAILABLE, ADDRESSES[0]), ("node1", wc.AVAILABLE, ADDRESSES[1]),
            ("node1", wc.AVAILABLE, "10.98.0.2"), ("node1", wc.AVAILABLE, "10.99.0.2")],
             "the addresses to be known")
        watch, handle = self.registered(1, ADDRESSES[0])
        self.move(ADDRESSES[0], 1)
        told = []
        while not told or told[-1][1] != wc.AVAILABLE:
            result, notice = watch.notice()
            self.assertEqual((result, notice.kind), (wc.SUCCESS, wc.RESOURCE_CHANGE))
            told += notice.changes
            watch.ask(handle)
        self.assertEqual(told, [("node0", wc.UNAVAILABLE), ("node1", wc.AVAILABLE)])

    def state(self, node):
        return self.status(1 - node)["nodes"][node]["state"]

    def test_6_node_is_drained(self):
        self.all_to(0)
        goes = Client(self.nodes[0], address=ADDRESSES[0])
        stays = Client(self.nodes[0])
        wait(lambda: ("node0", wc.AVAILABLE, ADDRESSES[0]) in self.known_to_witness(1),
             "the address to be known")
        watch, _ = self.registered(1, ADDRESSES[0])
        said = []
        draining = threading.Thread(
            target=lambda: said.append(self.nodes[0].ctl("node", "drain", "--wait", "30", code=2)))
        draining.start()
        self.addCleanup(draining.join)
        result, notice = watch.notice()
        self.assertEqual((result, notice.kind), (wc.SUCCESS, wc.CLIENT_MOVE))
        self.assertEqual(sorted(address for address, _ in notice.changes),
                         ["10.98.0.2", "10.99.0.2"])
        draining.join()
        # Those of tests before may be among them.
        self.assertRegex(said[0], r"node 0 has no movable address any more, and \d connections?: alice from "
                         r".* at 10\.98\.0\.1:445; have them end, or give --end")
        self.assertEqual(self.state(0), "disabled")
        self.assertEqual(self.holders(1)[ADDRESSES[0]], 1)
        with self.assertRaises(Exception):
            goes.open("gone")
        stays.close(stays.open("stays"))
        # The other would be the last.
        self.assertIn("no other node of the cluster serves",
                      self.nodes[1].ctl("node", "drain", code=2))
        said = self.nodes[0].ctl("node", "drain", "--wait", "0", "--end")
        self.assertRegex(said, r"node 0 is empty, [1-9] connections ended")
        with self.assertRaises(Exception):
            stays.open("gone")
        self.nodes[0].ctl("node", "undrain")
        wait(lambda: self.state(0) == "ok", "the node to be back")

    def test_7_settings_that_do_not_fit_are_named(self):
        said = self.nodes[0].ctl("config", "check")
        self.assertIn("KeepaliveInterval = 5 and KeepaliveLimit = 5 of ctdbd: a machine that is lost", said)
        self.assertNotIn("NoIPFailback", said)
        with open(os.path.join(PACKAGING, "ctdb.tunables"), encoding="ascii") as file:
            for line in file:
                if line.strip() and not line.startswith("#"):
                    self.nodes[0].node.run("ctdb", "setvar", *line.strip().split("="))
        self.assertEqual(json.loads(self.nodes[0].ctl("--json", "config", "check"))["unfit"], [])

    def enable_script(self, node):
        """50.braidd, with this braidctl and its configuration."""
        wrapper = os.path.join(node.node.folder, "braidctl")
        with open(wrapper, "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\nexec {node.ctl_command()} "$@"\n')
        os.chmod(wrapper, 0o755)
        with open(os.path.join(PACKAGING, "50.braidd.script"), encoding="ascii") as file:
            text = file.read().replace("#!/bin/sh\n", f"#!/bin/sh\nBRAIDCTL={wrapper}\n", 1)
        script = os.path.join(node.node.folder, "etc", "events", "legacy", "50.braidd.script")
        with open(script, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(script, 0o755)
        node.node.run("ctdb", "setvar", "MonitorInterval", "1")

    def test_8_node_that_does_not_serve_has_no_addresses(self):
        for node in self.nodes:
            self.enable_script(node)
        self.all_to(1)
        self.assertEqual(self.nodes[1].stop(), 0)
        wait(lambda: self.state(1) == "unhealthy", "CTDB to know")
        wait(lambda: self.holders() == dict.fromkeys(ADDRESSES, 0), "the addresses to have gone")
        self.assertEqual(self.status()["nodes"][1]["server"], "absent")
        self.assertEqual(self.status(1)["nodes"][1]["server"], "unknown")
        self.assertIn("no server of a node runs here", self.nodes[1].ctl("cluster", "ready", code=2))
        self.nodes[1].start()
        wait(lambda: self.nodes[1].lives() == 2, "it to serve again")
        wait(lambda: self.state(1) == "ok", "CTDB to know that, too")


if __name__ == "__main__":
    why = ctdb_nodes.missing()
    if why:
        print(f"skipped: {why}")
        sys.exit(77)
    suite.main()
