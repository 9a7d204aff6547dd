"""What the server spends and holds while somebody does something to it."""
import os
import re
import subprocess
import threading
import time

from server import name_of

_TICK = os.sysconf("SC_CLK_TCK")
_SAMPLE_S = 0.05


def workers(server):
    """The process ids of its workers."""
    return sorted(pid for pid in server.worker_pids() if name_of(pid).startswith("braidd-worker"))


def wait_for_workers(server, limit=20):
    """The same when all of them are there: the port is, a little earlier."""
    end = time.monotonic() + limit
    while len(found := workers(server)) < server.options.workers:
        if time.monotonic() > end:
            raise RuntimeError("not all workers were started")
        time.sleep(0.01)
    return found


def processes(server):
    return [server.process.pid, *server.worker_pids()]


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
        except OSError:
            continue  # ended meanwhile
        total += int(fields[11]) + int(fields[12])
    return total / _TICK


def wait_until_idle(server, limit=120):
    """Returns when the server's processes take no processor time any more; how long that took."""
    start = time.monotonic()
    quiet = 0
    while quiet < 3 and time.monotonic() - start < limit:
        before = cpu_seconds(processes(server))
        time.sleep(0.2)
        quiet = quiet + 1 if cpu_seconds(processes(server)) - before < 0.03 else 0
    return time.monotonic() - start - 0.6


def resident_bytes(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status", encoding="ascii") as status:
                total += int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) << 10
        except (OSError, AttributeError):
            pass  # ended meanwhile
    return total


def inotify_watches(pids):
    total = 0
    for pid in pids:
        folder = f"/proc/{pid}/fdinfo"
        try:
            for name in os.listdir(folder):
                with open(os.path.join(folder, name), encoding="ascii") as info:
                    total += sum(line.startswith("inotify wd") for line in info)
        except OSError:
            pass  # ended, or closed, meanwhile
    return total


def metric(server, name):
    """A number of `braidctl metrics`, over all workers; None where there is no such line."""
    found = subprocess.run([server.braidctl, "--config", server.config, "metrics"], timeout=60,
                           capture_output=True, text=True, check=False).stdout
    values = re.findall(rf"^{re.escape(name)}(?:\{{[^}}]*\}})? ([\d.e+]+)$", found, re.M)
    return sum(float(value) for value in values) if values else None


class Meter(threading.Thread):
    """The most memory the workers have, and the processor time of all processes, until finish()."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self._server = server
        self._enough = threading.Event()
        self._pids = processes(server)
        self._before = cpu_seconds(self._pids)
        self.resident_max = 0
        self.cpu_s = 0.0
        self.start()

    def run(self):
        while True:
            self.resident_max = max(self.resident_max, resident_bytes(workers(self._server)))
            if self._enough.wait(_SAMPLE_S):
                return

    def finish(self):
        self._enough.set()
        self.join()
        self.cpu_s = cpu_seconds(self._pids) - self._before
        return self
