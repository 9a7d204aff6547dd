#!/usr/bin/env python3
"""Upgrades in a row while clients write: every handle is had again, and no write is lost or done to another file.

Each client has a connection and some files, each opened with a durable handle, a lease with all caching and a lock.
It writes a number into them again and again. Its connection goes on; if it ended the client would connect, have its handles
again and write the last number anew, and the test fail. What a file holds at the end is what its client wrote last.
"""
import os
import pathlib
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from upgrade_test import (ALICE, LOCK_NOT_GRANTED, RWH, Client, Refused, Upgraded,  # noqa: E402
                          raw, suite)

PAUSE_MAX_MS = 500  # of a release build on a machine that does nothing else


class Worker(threading.Thread):
    """One client, until `stop` is set."""

    def __init__(self, server, number, files, stop):
        super().__init__()
        self.server, self.number, self.stop = server, number, stop
        self.guid = os.urandom(16)
        self.names = [f"{number}-{i}" for i in range(files)]
        self.guids = [os.urandom(16) for _ in range(files)]
        self.keys = [os.urandom(16) for _ in range(files)]
        self.written = [0] * files
        self.handles = []
        self.pauses, self.failures = [], []
        self.longest = 0  # that a write took
        self.doing = "connecting"
        self.client = self.connect()
        for name, guid, key in zip(self.names, self.guids, self.keys):
            opened = self.client.open(name, guid, flags=0, lease=key)
            assert (opened.status, opened.flags, opened.lease) == ("SUCCESS", 0, RWH), opened.status
            assert self.client.lock(opened.file, 1 << 40) == "SUCCESS"
            self.handles.append(opened)

    def connect(self):
        end = time.monotonic() + 60
        while True:
            try:
                return Client(self.server, ALICE, self.guid)
            except (OSError, Refused):
                if time.monotonic() > end:
                    raise
                time.sleep(0.005)

    def come_back(self):
        """All handles again; False: the connection has ended once more."""
        try:
            return self.have_all_again()
        except OSError:
            return False

    def have_all_again(self):
        began = time.monotonic()
        self.client.close()
        self.doing = "connecting"
        self.client = self.connect()
        self.doing = "having its handles again"
        for i, before in enumerate(self.handles):
            again = self.client.reconnect(self.names[i], before, self.guids[i], flags=0,
                                          lease=self.keys[i])
            if again.status == raw.DISCONNECTED:
                return False
            if again.status != "SUCCESS" or again.lease != RWH:
                self.failures.append(f"{self.names[i]}: {again.status}, lease {again.lease}")
                self.stop.set()
                return True
            self.handles[i] = again
            if self.client.lock(again.file, 1 << 40) not in (LOCK_NOT_GRANTED, raw.DISCONNECTED):
                self.failures.append(f"{self.names[i]}: its lock was free")
        self.pauses.append(time.monotonic() - began)
        return True

    def write(self, i, number):
        """None: the connection has ended."""
        self.doing = "writing"
        try:
            answer = self.client.call(raw.WRITE, raw.write(self.handles[i].file,
                                                           struct.pack("<Q", number), 0))
        except OSError:
            return None
        return answer and answer.status

    def run(self):
        try:
            self.work()
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.failures.append(f"client {self.number}, {self.doing}: {error!r}")
            self.stop.set()
        finally:
            self.client.close()

    def work(self):
        i = 0
        while not self.stop.is_set():
            number = self.written[i] + 1
            began = time.monotonic()
            while True:
                status = self.write(i, number)
                if status is not None:
                    break
                while not self.come_back():
                    pass
                if self.stop.is_set() and self.failures:
                    return
            if status != "SUCCESS":
                self.failures.append(f"{self.names[i]}: WRITE {status}")
                return
            self.longest = max(self.longest, time.monotonic() - began)
            self.written[i] = number
            i = (i + 1) % len(self.names)


class Load(Upgraded):
    def setUp(self):
        self.workers = suite.arguments.workers
        super().setUp()

    def test_upgrades_in_a_row(self):
        arguments = suite.arguments
        stop = threading.Event()
        clients = [Worker(self.server, number, arguments.files, stop)
                   for number in range(arguments.clients)]
        for each in clients:
            each.start()
        said = []
        try:
            for upgrade in range(arguments.upgrades):
                said.append(self.upgrade())
                if upgrade % 2 == 0 and upgrade + 1 < arguments.upgrades:
                    continue  # the next comes while clients are having their handles again
                before = [sum(each.written) for each in clients]
                # Each has gone on, so each has had its handles again.
                self.wait_for(lambda before=before: stop.is_set() or all(
                    sum(each.written) > was for each, was in zip(clients, before)),
                              "everybody writes", limit=120)
        finally:
            stop.set()
            for each in clients:
                each.join()
        self.assertEqual([failure for each in clients for failure in each.failures], [],
                         self.server.log_text())
        for each in clients:
            for name, number in zip(each.names, each.written):
                data = pathlib.Path(self.root, name).read_bytes()
                self.assertEqual(struct.unpack("<Q", data)[0], number, name)
        pauses = sorted(each["pause_ms"] for each in said)
        longest = sorted(1000 * each.longest for each in clients)
        seen = sorted(1000 * pause for each in clients for pause in each.pauses)
        print(f"{arguments.upgrades} upgrades, {arguments.clients} connections, "
              f"{arguments.clients * arguments.files} open files; handed over: "
              f"{sorted(each['opens'] for each in said)}; nobody was served for (ms): {pauses}; "
              f"the longest write of each client (ms): half {longest[len(longest) // 2]:.0f}, "
              f"longest {longest[-1]:.0f}; clients that connected anew: {len(seen)}"
              + (f", until one had all its handles again (ms): half {seen[len(seen) // 2]:.0f}, "
                 f"longest {seen[-1]:.0f}" if seen else ""), file=sys.stderr)
        self.assertEqual(seen, [])
        if arguments.measured:
            self.assertLess(pauses[-1], PAUSE_MAX_MS)


def add_arguments(parser):
    parser.add_argument("--upgrades", type=int, default=3)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--files", type=int, default=3, help="of each client")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--measured", action="store_true",
                        help=f"a pause of {PAUSE_MAX_MS} ms is too long")


if __name__ == "__main__":
    suite.main(add_arguments)
