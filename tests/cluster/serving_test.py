#!/usr/bin/env python3
"""Two nodes serve one folder: what clients of one have open, clients of the other meet as on one node.

With real ctdbds. Nothing depends on how long anything takes, but for limits that say it hangs.
"""
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import ctdb_nodes  # noqa: E402
import suite  # noqa: E402
from ctdb_nodes import Cluster  # noqa: E402
from impacket import smb3  # noqa: E402
from impacket.smb3structs import FILE_OPEN  # noqa: E402
from scratch import Scratch  # noqa: E402
from served import (DELETE, SHARE_ALL, USER, Client, ServingNode, enter_network, enter_network_of,  # noqa: E402
                    outcome, status, wait)

SHARING_VIOLATION = 0xC0000043
LOCK_NOT_GRANTED = 0xC0000055
FILE_LOCK_CONFLICT = 0xC0000054
DELETE_PENDING = 0xC0000056
OBJECT_NAME_NOT_FOUND = 0xC0000034
PENDING = 0x00000103
LEVEL_II, BATCH = 1, 9
DELETE_ON_CLOSE = 0x1000
EXCLUSIVE, AT_ONCE, UNLOCK = 2, 0x10, 4
OPLOCK_BREAK = 0x12
# With two connections of two clients; those of one client that comes to two nodes are another matter.
TORTURE = ["smb2.oplock.exclusive2", "smb2.oplock.batch7", "smb2.lock.unlock", "smb2.lock.contend",
           "smb2.notify.dir", "smb2.sharemode.sharemode-access"]
LIMIT_S = 60


def lock(client, file, offset, length, flags):
    client.ask(smb3.SMB2_LOCK, struct.pack("<HHI16sQQII", 48, 1, 0, file, offset, length, flags, 0))


class Serving(unittest.TestCase):
    # In the order of their names: the last ones end nodes.

    @classmethod
    def setUpClass(cls):
        scratch = cls.enterClassContext(Scratch(suite.arguments.scratch))
        cls.folder = scratch.directory("shared")
        os.chmod(cls.folder, 0o777)
        cls.cluster = cls.enterClassContext(Cluster(scratch.directory("nodes"), count=2))
        cls.targets = scratch.file("targets")
        cls.nodes = [ServingNode(scratch, node, suite.arguments.braidd, cls.folder)
                     for node in cls.cluster.nodes]
        for node in cls.nodes:
            node.start()
        for node in cls.nodes:
            wait(lambda node=node: node.lives() == 1 or node.process.poll() is not None,
                 f"{node.address} to serve")
        enter_network(cls.cluster.hub)

    def setUp(self):
        self.one, self.other = (Client(node) for node in self.nodes)

    def tearDown(self):
        for node in self.nodes:
            self.assertIsNone(node.process.poll(), node.log_text())
            self.assertNotIn("refused system call", node.log_text())

    def test_1_share_modes(self):
        for first, second in ((self.one, self.other), (self.other, self.one)):
            file = first.open("modes", share=0)
            self.assertEqual(status(lambda second=second: second.open("modes")), SHARING_VIOLATION)
            first.close(file)
            again = second.open("modes", share=0)
            self.assertEqual(status(lambda first=first: first.open("modes")), SHARING_VIOLATION)
            second.close(again)

    def test_1_many_files_by_turns(self):
        for i in range(50):
            first, second = (self.one, self.other) if i % 2 else (self.other, self.one)
            file = first.open(f"turns{i % 7}", share=0)
            self.assertEqual(status(lambda: second.open(f"turns{i % 7}")), SHARING_VIOLATION)
            first.close(file)

    def test_2_byte_range_locks(self):
        mine = self.one.open("locks")
        theirs = self.other.open("locks")
        lock(self.one, mine, 10, 10, EXCLUSIVE | AT_ONCE)
        self.assertEqual(status(lambda: lock(self.other, theirs, 15, 1, EXCLUSIVE | AT_ONCE)),
                         LOCK_NOT_GRANTED)
        lock(self.other, theirs, 30, 1, EXCLUSIVE | AT_ONCE)
        self.assertEqual(status(lambda: lock(self.one, mine, 30, 1, EXCLUSIVE | AT_ONCE)),
                         LOCK_NOT_GRANTED)
        self.assertEqual(
            status(lambda: self.other.smb.write(self.other.tree, theirs, b"x", 12, 1)),
            FILE_LOCK_CONFLICT)
        self.other.smb.write(self.other.tree, theirs, b"x", 30, 1)
        # One that waits has it when the other node's client gives it up.
        got = []
        waiting = threading.Thread(
            target=lambda: got.append(status(lambda: lock(self.other, theirs, 10, 1, EXCLUSIVE))))
        waiting.start()
        waiting.join(0.5)
        self.assertEqual(got, [])
        lock(self.one, mine, 10, 10, UNLOCK)
        waiting.join(LIMIT_S)
        self.assertEqual(got, [0])
        self.assertEqual(status(lambda: lock(self.one, mine, 10, 1, EXCLUSIVE | AT_ONCE)),
                         LOCK_NOT_GRANTED)
        self.one.close(mine)
        self.other.close(theirs)

    def test_3_oplock_is_broken_for_a_client_of_the_other_node(self):
        for holder, newcomer in ((self.one, self.other), (self.other, self.one)):
            file = holder.open("oplock", oplock=BATCH)
            opened = []
            opening = threading.Thread(target=lambda: opened.append(newcomer.open("oplock")))  # noqa: B023
            opening.start()
            told = holder.hear()
            self.assertEqual(told["Command"], OPLOCK_BREAK)
            self.assertEqual(told["Data"][2], LEVEL_II)
            self.assertEqual(opened, [])
            holder.ask(OPLOCK_BREAK, struct.pack("<HBBI16s", 24, LEVEL_II, 0, 0, file))
            opening.join(LIMIT_S)
            self.assertEqual(len(opened), 1)
            newcomer.close(opened[0])
            holder.close(file)

    def test_4_what_is_to_be_deleted_goes_with_the_last_open(self):
        path = os.path.join(self.folder, "doomed")
        mine = self.one.open("doomed", access=DELETE | 1, options=0x40 | DELETE_ON_CLOSE)
        theirs = self.other.open("doomed")
        self.one.close(mine)
        self.assertTrue(os.path.exists(path))
        for client in (self.one, self.other):
            self.assertEqual(status(lambda client=client: client.open("doomed")), DELETE_PENDING)
        self.other.close(theirs)
        self.assertFalse(os.path.exists(path))
        self.assertEqual(status(lambda: self.one.open("doomed", disposition=FILE_OPEN)),
                         OBJECT_NAME_NOT_FOUND)

    def test_4_smbtorture_with_its_second_connection_on_the_other_node(self):
        if not shutil.which("smbtorture"):
            self.skipTest("needs smbtorture")
        with open(self.targets, "w", encoding="ascii") as targets:
            targets.writelines(f"//{node.address}/data\n" for node in self.nodes)
        for name in TORTURE:
            ran = subprocess.run(
                ["ip", "netns", "exec", self.cluster.hub, "smbtorture", f"//{self.nodes[0].address}/data",
                 "-U", f"{USER.name}%{USER.password}", f"--unclist={self.targets}",
                 "--option=torture:progress=no", name],
                capture_output=True, text=True, timeout=120)
            self.assertEqual(ran.returncode, 0, f"{name}: {ran.stdout[-2000:]}{ran.stderr[-500:]}")

    def test_5_worker_that_dies_takes_its_own_and_nothing_else(self):
        mine = self.one.open("left", share=0)
        theirs = self.other.open("kept", share=0)
        # The node of the worker that dies has that record.
        self.assertEqual(status(lambda: self.one.open("kept")), SHARING_VIOLATION)
        worker, = self.nodes[0].pids("braidd-worker")
        os.kill(worker, 9)
        wait(lambda: self.nodes[0].pids("braidd-worker") not in ([], [worker]), "another worker")
        again = Client(self.nodes[0])
        self.assertEqual(status(lambda: again.open("kept")), SHARING_VIOLATION)
        file = self.other.open("left", share=0)
        self.other.close(file)
        self.other.smb.write(self.other.tree, theirs, b"x", 0, 1)
        self.other.close(theirs)
        again.close(again.open("kept", share=0))
        del mine

    def test_6_node_that_stops_leaves_what_others_have(self):
        theirs = self.other.open("stays", share=0)
        self.assertEqual(status(lambda: self.one.open("stays")), SHARING_VIOLATION)
        self.assertEqual(self.nodes[0].stop(), 0, self.nodes[0].log_text())
        self.other.smb.write(self.other.tree, theirs, b"x", 0, 1)
        self.assertEqual(status(lambda: self.other.open("stays")), SHARING_VIOLATION)
        self.nodes[0].start()
        wait(lambda: self.nodes[0].lives() == 2, "the node to serve again")
        again = Client(self.nodes[0])
        self.assertEqual(status(lambda: again.open("stays")), SHARING_VIOLATION)
        self.other.close(theirs)
        again.close(again.open("stays", share=0))
        self.assertEqual(self.nodes[1].lives(), 1)

    def test_7_keeper_that_dies_ends_what_clients_had_everywhere(self):
        mine = self.one.open("gone", share=0)
        lives = [node.lives() for node in self.nodes]
        keeper, = self.nodes[1].pids("braidd-keeper")
        os.kill(keeper, 9)
        for node, before in zip(self.nodes, lives):
            wait(lambda node=node, before=before: node.lives() > before, "to begin anew")
        # Nothing of before is acknowledged.
        with self.assertRaises(Exception):
            self.one.smb.write(self.one.tree, mine, b"x", 0, 1)
        first, second = (Client(node) for node in self.nodes)
        file = first.open("gone", share=0)
        self.assertEqual(status(lambda: second.open("gone", share=SHARE_ALL)), SHARING_VIOLATION)
        first.close(file)

    def test_8_node_that_loses_its_ctdbd_serves_nobody(self):
        mine = self.one.open("lost", share=0)
        lives = [node.lives() for node in self.nodes]
        self.cluster.nodes[0].kill_ctdbd()
        with self.assertRaises(Exception):
            for _ in range(1_000_000):
                self.one.smb.write(self.one.tree, mine, b"x", 0, 1)
        wait(lambda: self.nodes[1].lives() > lives[1], "the other to begin anew")
        other = Client(self.nodes[1])
        file = other.open("lost", share=0)
        self.assertEqual(self.nodes[0].lives(), lives[0])
        # It comes back, and meets what there is by then.
        self.cluster.nodes[0].restart()
        wait(lambda: self.nodes[0].lives() > lives[0], "it to be back")
        again = Client(self.nodes[0])
        self.assertEqual(status(lambda: again.open("lost")), SHARING_VIOLATION)
        other.close(file)


class StandingStill(unittest.TestCase):
    """What is stopped and goes on. Each test has a cluster of its own."""

    def setUp(self):
        scratch = self.enterContext(Scratch(suite.arguments.scratch))
        folder = scratch.directory("shared")
        os.chmod(folder, 0o777)
        network = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.addCleanup(os.close, network)
        # Taken for dead sooner than by ctdb's own settings.
        cluster = self.enterContext(Cluster(scratch.directory("nodes"), count=2,
                                            tunables={"KeepaliveInterval": 2, "KeepaliveLimit": 3}))
        self.nodes = [ServingNode(scratch, node, suite.arguments.braidd, folder)
                      for node in cluster.nodes]
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            wait(lambda node=node: node.lives() == 1 or node.process.poll() is not None,
                 f"{node.address} to serve")
        # A leader that stands still keeps the cluster's lock, and nobody else may lead then. So it is
        # the other one that does, the second here.
        wait(lambda: self.leader().isdigit(), "a leader")
        if self.leader() == "1":
            self.nodes.reverse()
        enter_network(cluster.hub)
        self.addCleanup(enter_network_of, network)

    def leader(self):
        return self.nodes[0].node.run("ctdb", "leader").strip()

    def test_node_that_goes_on_acknowledges_nothing_of_before(self):
        theirs = Client(self.nodes[1])
        old = theirs.open("still", share=0)
        theirs.smb.write(theirs.tree, old, b"one", 0, 3)
        lives = [node.lives() for node in self.nodes]
        acknowledged = []
        writing = threading.Thread(target=lambda: acknowledged.append(
            outcome(lambda: theirs.smb.write(theirs.tree, old, b"old", 0, 3))))
        with self.nodes[1].standing_still():
            wait(lambda: self.nodes[0].lives() > lives[0], "the other to begin anew")
            mine = Client(self.nodes[0])
            new = mine.open("still", share=0)
            mine.smb.write(mine.tree, new, b"two", 0, 3)
            writing.start()
        writing.join(LIMIT_S)
        self.assertEqual(len(acknowledged), 1)
        self.assertNotEqual(acknowledged[0], 0)
        wait(lambda: self.nodes[1].lives() > lives[1], "it to be back")
        self.assertEqual(mine.smb.read(mine.tree, new, 0, 3), b"two")
        # Its ctdbd has brought back what it knew before, which that takes for newer.
        again = Client(self.nodes[1])
        self.assertEqual(status(lambda: again.open("still", share=0)), SHARING_VIOLATION)

    def test_keeper_that_hangs_does_not_end_the_cluster(self):
        theirs = Client(self.nodes[1])
        old = theirs.open("hung", share=0)
        lives = [node.lives() for node in self.nodes]
        keeper, = self.nodes[1].pids("braidd-keeper")
        os.kill(keeper, signal.SIGSTOP)
        wait(lambda: self.nodes[0].lives() > lives[0], "the other to go on")
        mine = Client(self.nodes[0])
        new = mine.open("hung", share=0)
        # Its node ends by itself, and begins anew without it.
        self.assertNotEqual(outcome(lambda: theirs.smb.write(theirs.tree, old, b"x", 0, 1)), 0)
        wait(lambda: self.nodes[1].lives() > lives[1], "it to be back")
        self.assertNotIn(keeper, self.nodes[1].pids("braidd-keeper"))
        again = Client(self.nodes[1])
        self.assertEqual(status(lambda: again.open("hung")), SHARING_VIOLATION)
        mine.close(new)


if __name__ == "__main__":
    why = ctdb_nodes.missing()
    if why:
        print(f"skipped: {why}")
        sys.exit(77)
    suite.main()
