"""Watches a server while others abuse it: another client's work, descriptors, memory, processes."""
import contextlib
import os
import threading
import time
from collections import Counter

from server import descriptors, is_sanitized
from smbclient import SmbClient

LEAK_LIMIT_KIB = 64 << 10  # far over caches and arenas, far under a leak of one buffer a message
SETTLE_S = 20  # until the server has closed what dead clients left


class Innocent(threading.Thread):
    """Another client, on a share of its own; collects what it should not have seen."""

    def __init__(self, scratch, server, user, share):
        super().__init__()
        self._local = scratch.directory("innocent")
        self._client = SmbClient(scratch, server, user, share=share, local_dir=self._local)
        self._enough = threading.Event()
        self.rounds = 0
        self.complaints = []

    def run(self):
        while not self._enough.is_set() and not self.complaints:
            data = os.urandom(200_000)
            with open(os.path.join(self._local, "mine"), "wb") as out:
                out.write(data)
            answer = self._client.run("put mine; get mine back; ls; del mine")
            if not answer.ok:
                self.complaints.append(f"the other client saw: {answer.text.strip()}")
                return
            with open(os.path.join(self._local, "back"), "rb") as got:
                if got.read() != data:
                    self.complaints.append("the other client got other bytes than it put")
            self.rounds += 1

    def finish(self):
        self._enough.set()
        self.join()
        if not self.rounds:
            self.complaints.append("the other client did not get through one round")
        return self.complaints


class Watch:
    """What the server has at one moment; made after it has warmed up."""

    def __init__(self, server):
        self._server = server
        self._processes = self._family()
        self._descriptors, self._kib = self._resources()
        self._targets_before = Counter(self._targets())

    def complaints(self):
        if self._server.kind != "braidd":
            return []  # smbd has a process for each connection
        found = []
        if self._family() != self._processes:
            found.append("a process of the server was replaced")
        end = time.monotonic() + SETTLE_S
        descriptors, kib = self._resources()
        while descriptors > self._descriptors and time.monotonic() < end:
            time.sleep(0.2)
            descriptors, kib = self._resources()
        if descriptors > self._descriptors:
            new = Counter(self._targets()) - self._targets_before
            found.append(f"{self._descriptors} descriptors have become {descriptors}; not there "
                         f"before: {', '.join(new.elements())}")
        # A sanitizer keeps what was freed, and finds leaks itself.
        if kib - self._kib > LEAK_LIMIT_KIB and not is_sanitized(self._server.program):
            found.append(f"the server has grown by {kib - self._kib} KiB")
        return found

    def _family(self):
        return [self._server.process.pid, *sorted(self._server.worker_pids())]

    def _targets(self):
        """What the descriptors are, for the complaint."""
        for pid in self._family():
            with contextlib.suppress(OSError):
                yield from descriptors(pid).values()

    def _resources(self):
        """(descriptors, resident KiB) of all processes of the server."""
        descriptors = kib = 0
        for pid in self._family():
            try:
                descriptors += len(os.listdir(f"/proc/{pid}/fd"))
                with open(f"/proc/{pid}/status", encoding="ascii") as status:
                    kib += int(next(line for line in status
                                    if line.startswith("VmRSS")).split()[1])
            except (OSError, StopIteration):
                pass  # ended meanwhile
        return descriptors, kib
