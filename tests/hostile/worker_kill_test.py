#!/usr/bin/env python3
"""The worker dies: there is a new one within a second, clients reconnect, data stays."""
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402
from smbclient import SmbClient  # noqa: E402
from suite import ServerCase  # noqa: E402

ALICE, _ = test_users()
NEW_WORKER_S = 1.0


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
            return comm.read().strip()
    except OSError:
        return ""  # ended meanwhile


class WorkerKill(ServerCase):
    @classmethod
    def setUpClass(cls):
        if suite.arguments.smbd:
            raise unittest.SkipTest("smbd has no workers")
        super().setUpClass()
        cls.server.expects_deaths = True

    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", owner=ids_of(ALICE))
        return Options([Share("share", cls.root)], [ALICE])

    def setUp(self):
        self.local = self.scratch.directory("local")
        self.client = SmbClient(self.scratch, self.server, ALICE, local_dir=self.local)

    def workers(self):
        """The supervisor has other children too: the front."""
        return [pid for pid in self.server.worker_pids() if name_of(pid) == "braidd-worker"]

    def kill_worker(self):
        """Kills it; returns after a new one is there."""
        workers = self.workers()
        self.assertEqual(len(workers), 1, "one worker is configured")
        os.kill(workers[0], signal.SIGKILL)
        killed = time.monotonic()
        while True:
            now = self.workers()
            if now and now != workers:
                return
            self.assertLess(time.monotonic() - killed, NEW_WORKER_S, "no new worker")
            time.sleep(0.01)

    def put(self, name, data):
        with open(os.path.join(self.local, name), "wb") as out:
            out.write(data)
        answer = self.client.run(f"put {name}")
        self.assertTrue(answer.ok, answer.text)

    def assert_served(self, name, data):
        answer = self.client.run(f"get {name} back")
        self.assertTrue(answer.ok, answer.text)
        with open(os.path.join(self.local, "back"), "rb") as got:
            self.assertEqual(got.read(), data)

    def test_clients_come_back(self):
        data = os.urandom(300_000)
        self.put("before", data)
        self.kill_worker()
        # At once: a connection that finds no worker yet has to wait for it, not fail.
        self.assert_served("before", data)
        self.put("after", data)
        self.assert_served("after", data)

    def test_connected_client_is_cut_off_not_left_hanging(self):
        # smbclient reads commands from a pipe, so its connection is open while the worker dies.
        client = subprocess.Popen(self.client.command(), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(client.stdout.close)
        client.stdin.write("mkdir seen\n")
        client.stdin.flush()
        end = time.monotonic() + 10
        while not os.path.exists(os.path.join(self.root, "seen")):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        self.kill_worker()
        text, _ = client.communicate("ls\nexit\n", timeout=20)
        self.assertRegex(text, r"NT_STATUS_(CONNECTION|IO_TIMEOUT|INVALID_NETWORK|BROKEN)|"
                               r"connection|blocks available")

    def test_connections_made_while_there_is_no_worker(self):
        self.put("file", b"content")
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.client.run("ls")))
                   for _ in range(8)]
        os.kill(self.workers()[0], signal.SIGKILL)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([a.text for a in answers if not a.ok], [])


class Repeated(WorkerKill):
    """A server of its own, since each quick death makes the next restart wait longer."""

    test_clients_come_back = None
    test_connected_client_is_cut_off_not_left_hanging = None
    test_connections_made_while_there_is_no_worker = None

    def test_again_and_again(self):
        self.put("file", b"content")
        for _ in range(4):
            self.kill_worker()
            self.assert_served("file", b"content")


class FrontKill(WorkerKill):
    """The other way round: nothing stays behind without the supervisor."""

    test_clients_come_back = None
    test_connected_client_is_cut_off_not_left_hanging = None
    test_connections_made_while_there_is_no_worker = None

    @classmethod
    def _stop_server(cls):
        pass  # killed by the test

    def tearDown(self):
        pass

    def test_all_processes_end_with_the_supervisor(self):
        others = self.server.worker_pids()
        self.assertTrue(others)
        self.server.process.kill()  # the supervisor
        self.server.process.wait()
        end = time.monotonic() + 5
        while any(os.path.exists(f"/proc/{pid}") for pid in others):
            self.assertLess(time.monotonic(), end, "a process lives on")
            time.sleep(0.05)


if __name__ == "__main__":
    suite.main()
