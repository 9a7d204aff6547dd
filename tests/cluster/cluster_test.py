#!/usr/bin/env python3
"""braid's client of ctdbd against three real ones: records, messages, events, and a node that dies.

Nothing of it depends on how long CTDB takes, but for a limit that says it hangs. --full waits until
the nodes serve addresses, too, and moves one.
"""
import contextlib
import os
import queue
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
from scratch import Scratch  # noqa: E402

LIMIT_S = 60
ADDRESSES = ["10.98.0.101", "10.98.0.102", "10.98.0.103"]


class Probe:
    """ctdb_probe in a node."""

    def __init__(self, node):
        self.node = node
        program = os.path.abspath(suite.arguments.program)
        self._process = subprocess.Popen(
            node.command(program, str(node.number)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            bufsize=1)
        self._answers, self._heard, self._past = queue.Queue(), queue.Queue(), []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            line = line.rstrip("\n")
            (self._heard if line.startswith("! ") else self._answers).put(line.removeprefix("! "))
        self._answers.put("error the probe has ended")

    def begin(self, *words):
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()

    def end(self):
        return self._answers.get(timeout=LIMIT_S)

    def ask(self, *words):
        self.begin(*words)
        return self.end()

    def ok(self, *words):
        answer = self.ask(*words)
        if not answer.startswith("ok"):
            raise AssertionError(f"node {self.node.number}, {' '.join(map(str, words))}: {answer}")
        return answer[3:]

    def hears(self, line):
        """Waits until it does, or has."""
        while line not in self._past:
            try:
                self._past.append(self._heard.get(timeout=LIMIT_S))
            except queue.Empty:
                raise AssertionError(f"node {self.node.number} did not hear {line!r} but "
                                     f"{self._past}") from None
        self._past.remove(line)

    def forget(self):
        """What was heard so far."""
        self._past.clear()
        while not self._heard.empty():
            self._heard.get()

    def close(self):
        # It ends with its input; what hangs ends with its node.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)


def attached(probe, name):
    """Whether the database is; ctdbd has none attached before its first recovery."""
    return probe.ask("attach", name).startswith("ok")


class Nodes(unittest.TestCase):
    addresses = ()

    @classmethod
    def setUpClass(cls):
        scratch = cls.enterClassContext(Scratch(suite.arguments.scratch))
        cls.cluster = cls.enterClassContext(Cluster(scratch.directory("nodes"),
                                                    addresses=cls.addresses))
        cls.probes = [Probe(node) for node in cls.cluster.nodes]
        for probe in cls.probes:
            cls.addClassCleanup(probe.close)
            number = probe.node.number
            probe.hears(f"connected {number}")
            cls.cluster.wait(lambda probe=probe: attached(probe, "braid_test.tdb"),
                             f"node {number} to attach")


class Records(Nodes):
    # In the order of their names: the last one ends a node.

    def test_1_every_node_is_known(self):
        for probe in self.probes:
            self.cluster.wait(lambda probe=probe: all(int(each.split(":")[1], 16) & ~2 == 0
                                                      for each in probe.ok("nodes").split()),
                              "all nodes to be connected")
            self.assertEqual([each.split(":")[0] for each in probe.ok("nodes").split()],
                             ["0", "1", "2"])

    def test_2_a_record_comes_to_who_asks(self):
        one, two, three = self.probes
        one.ok("put", "moved", "first")
        self.assertEqual(three.ok("get", "moved"), "first")
        three.ok("put", "moved", "second")
        self.assertEqual(two.ok("get", "moved"), "second")
        two.ok("remove", "moved")
        self.assertEqual(one.ok("get", "moved"), "")
        one.ok("put", "moved", "third")
        self.assertEqual(two.ok("get", "moved"), "third")

    def test_3_no_addition_is_lost(self):
        times = suite.arguments.times
        for probe in self.probes:
            probe.begin("count", "contended", times, 100)
        answers = [probe.end() for probe in self.probes]
        for answer in answers:
            self.assertTrue(answer.startswith("ok"), answer)
        self.assertEqual(self.probes[1].ok("get", "contended"), str(3 * times))
        own = self.probes[0].ok("count", "own", 20 * times)
        # It came once, and stays; only ctdbd's own work on the database may move it.
        self.assertLess(int(own.split()[4]), 20)
        print(f"\ncontended: {answers}\nuncontended: {own}", file=sys.stderr)

    def test_4_messages_reach_every_node(self):
        one, two, three = self.probes
        one.ok("send", 2, "hello")
        three.hears("message hello")
        two.ok("send", "all", "everybody")
        for probe in self.probes:
            probe.hears("message everybody")

    def test_4_the_bus_of_workers(self):
        one, two, three = self.probes
        one.ok("bus", 2, "hello")
        three.hears("bus 0 hello")
        two.ok("bus", "all", "others")
        for probe in (one, three):
            probe.hears("bus 1 others")
        took = one.ok("ping", 2, 300)
        print(f"\nthere and back: {took}", file=sys.stderr)

    def test_5_a_node_that_dies_takes_only_what_was_there_alone(self):
        one, two, three = self.probes
        # Not the leader: without one it takes longer, and nothing else is different.
        leader = self.cluster.nodes[0].run("ctdb", "leader").strip()
        dying = next(p for p in self.probes if str(p.node.number) != leader)
        left = [p for p in self.probes if p is not dying]
        left[0].ok("put", "kept", "here")
        left[1].ok("put", "left", "before")
        dying.ok("put", "left", "gone")
        dying.ok("put", "alone", "gone")
        for probe in left:
            probe.forget()
        dying.node.kill_ctdbd()
        dying.hears("lost Connection reset by peer")
        self.assertEqual(dying.ask("get", "kept"), "error no database is attached")
        for probe in left:
            probe.hears("reconfigured")
            probe.hears("bus missed")
        self.assertEqual(left[1].ok("get", "kept"), "here")
        # What it was before it went there, and never anything else.
        self.assertEqual(left[0].ok("get", "left"), "before")
        self.assertEqual(left[1].ok("get", "alone"), "")
        # It comes back, and finds what the others have.
        left[0].ok("put", "left", "after")
        dying.node.restart()
        dying.hears(f"connected {dying.node.number}")
        self.cluster.wait(lambda: attached(dying, "braid_test.tdb"), "it to be back")
        self.cluster.wait(lambda: dying.ask("get", "left") == "ok after", "its record")
        left[0].ok("bus", dying.node.number, "again")
        dying.hears(f"bus {left[0].node.number} again")


class Addresses(Nodes):
    addresses = ADDRESSES

    def test_an_address_moves(self):
        if not suite.arguments.full:
            self.skipTest("takes half a minute; --full")
        cluster, probes = self.cluster, self.probes

        def where():
            return dict(each.rsplit(":", 1) for each in probes[0].ok("addresses").split())
        cluster.wait(lambda: sorted(where().values()) == ["0", "1", "2"], "addresses everywhere")
        address = next(a for a, pnn in where().items() if pnn == "0")
        tickle = ("10.98.0.254", 4001, address, 445)
        probes[0].ok("tickle", *tickle)
        shown = cluster.nodes[0].run("ctdb", "gettickles", address)
        self.assertIn("10.98.0.254:4001", shown)
        self.assertEqual(probes[1].ask("tickle", *tickle), "error Remote I/O error")
        probes[0].ok("untickle", *tickle)
        shown = cluster.nodes[0].run("ctdb", "gettickles", address)
        self.assertNotIn("10.98.0.254:4001", shown)
        cluster.nodes[0].run("ctdb", "moveip", address, "1")
        probes[0].hears(f"released {address}")
        probes[1].hears(f"taken {address}")
        cluster.wait(lambda: where()[address] == "1", "the address at node 1")


def options(parser):
    parser.add_argument("--program", required=True, help="ctdb_probe")
    parser.add_argument("--times", type=int, default=300, help="additions by each node")
    parser.add_argument("--full", action="store_true")


if __name__ == "__main__":
    why = ctdb_nodes.missing()
    if why:
        print(f"skipped: {why}")
        sys.exit(77)
    suite.main(options)
