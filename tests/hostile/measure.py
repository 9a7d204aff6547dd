#!/usr/bin/env python3
"""What one user notices of another who attacks the server: the figures of `make hostile`.

  measure.py --braidd build/release/braidd --victim build/release/hostile_victim \\
             --bench build/release/braid-bench
  measure.py ... --only listings,patterns --seconds 3

Under each attack another user's CREATE (of a file, of the share's root), READ of 4 KiB, ECHO and
logons are timed, beside the same without attack: the median may be three times as long, and none
longer than half a second. Then all attacks on memory at once, from 50 addresses, while a user copies
1 GiB: the worker stays inside its budget, and the copy gets at least half its rate.

Exit status: 0 all held, 1 otherwise. The attacks are attack.py's. Client, attacker and server share
the machine, so the server's processor time stands in the table too. An attacker is another machine in
truth: with --attackers-nice 19 it takes what processor time the others leave.
"""
import argparse
import dataclasses
import json
import os
import re
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import attacks_work as work  # noqa: E402
import meters  # noqa: E402
import server as servers  # noqa: E402
from frozen import FrozenDisk  # noqa: E402
from scratch import Scratch, stop  # noqa: E402

RATIO_MAX = 3.0
SLOWEST_MS_MAX = 500.0
KINDS = ("create", "root", "read", "echo", "logon")
DEMANDED = ("create", "root", "read", "echo")
MANY, CROWD, FOLDERS = 60_000, 1_050_000, 60_000
SWARM_ADDRESSES = 50
SWARM_USERS = 10
COPY_MIB = 1024
COPY_RATE_MIN = 0.5
MIB = 1 << 20

# Name, parameters, the victim's share, workers.
TIMED = (
    ("listings", {}, "share", 1),
    ("patterns", {}, "share", 1),
    ("zero_data", {}, "share", 1),
    ("crowded_creates", {}, "other", 1),
    ("lock_ranges", {}, "share", 1),
    ("echo_flood", {}, "share", 1),
    ("read_flood", {}, "share", 1),
    ("frozen_writes", {}, "other", 1),
    ("half_logons", {}, "share", 1),
    # Last of its server, since it is the victim's account that is guessed at.
    ("passwords", {"seconds": 2}, "share", 1),
    ("root_opens", {}, "share", 4),
    ("tree_watches", {}, "share", 4),
    ("watches", {}, "share", 4),
)
# Name, parameters; each from every address.
SWARM = (
    ("netbios_flood", {"size": 2 * MIB}),
    ("unread_reads", {"connections": 1, "count": 20}),
    ("half_pipes", {"count": 30}),
    ("waiting_locks", {"connections": 1, "each": 4}),
    ("half_logons", {"connections": 20}),
    ("early_echoes", {}),
    ("parallel_passwords", {"seconds": 5}),
)


class Attacker:
    """attack.py in a process of its own; what it prints."""

    def __init__(self, args, scratch, server, users, folder, name, parameters, addresses=1):
        host, port = server.host, server.port
        self.lines = []
        self._first = threading.Event()
        with open(scratch.file(f"attack-{name}.err"), "ab") as errors:
            self.process = subprocess.Popen(
                ["nice", "-n", str(args.attackers_nice),
                 sys.executable, os.path.join(HERE, "attack.py"), "--server", f"{host}:{port}",
                 "--user", ",".join(user.name for user in users), "--folder", folder, "--addresses", str(addresses), name,
                 *[f"{key}={value}" for key, value in parameters.items()]],
                stdout=subprocess.PIPE, stderr=errors, text=True,
                env=os.environ | {"BRAID_ATTACK_PASSWORD": users[0].password})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))
            self._first.set()
        self._first.set()

    def wait_until_begun(self, limit):
        return self._first.wait(limit) and bool(self.lines)

    def stop(self):
        stop(self.process)
        self._reader.join()
        return self.lines[-1] if self.lines else {}


def measure_victim(args, server, user, share, seconds):
    """{kind: (count, median ms, slowest ms)}, and whether every request went well."""
    done = subprocess.run(
        [args.victim, "--server", f"{server.host}:{server.port}", "--share", share, "--user",
         user.name, "--seconds", str(seconds)],
        env=os.environ | {"BRAID_VICTIM_PASSWORD": user.password}, capture_output=True, text=True,
        check=False, timeout=seconds + 300)
    found = {}
    for kind, count, median, slowest in re.findall(
            r"^(\w+) count=(\d+) median_us=(\d+) slowest_us=(\d+)$", done.stdout, re.M):
        found[kind] = (int(count), int(median) / 1000, int(slowest) / 1000)
    return found, done.stderr.strip() if done.returncode else ""


class Report:
    """The table, and what did not hold."""

    def __init__(self):
        self.complaints = []
        print(f"{'attack':20}" + "".join(f"{kind + ' ms':>18}" for kind in KINDS) +
              f"{'cpu s':>8}{'rss MiB':>9}{'after s':>9}", flush=True)

    def row(self, name, found, none, meter, after, failed):
        cells = ""
        for kind in KINDS:
            count, median, slowest = found.get(kind, (0, 0.0, 0.0))
            cells += f"{median:>9.2f} {slowest:>8.1f}" if count else f"{'-':>18}"
            if none is None or kind not in DEMANDED:
                continue
            if not count:
                self.complaints.append(f"{name}: no {kind} was answered")
            elif median > RATIO_MAX * none[kind][1]:
                self.complaints.append(f"{name}: {kind} takes {median:.2f} ms in the median, "
                                       f"{median / none[kind][1]:.1f} times none")
            if count and slowest > SLOWEST_MS_MAX:
                self.complaints.append(f"{name}: the slowest {kind} took {slowest:.0f} ms")
        if failed:
            self.complaints.append(f"{name}: {failed.splitlines()[0]}")
        print(f"{name:20}{cells}{meter.cpu_s:>8.1f}{meter.resident_max / MIB:>9.0f}{after:>9.1f}",
              flush=True)


class Bench:
    """One server with everything the attacks want on its disk."""

    def __init__(self, args, scratch, tag, workers, names):
        self.args, self.scratch = args, scratch
        self.alice, self.bob = servers.test_users()
        self.attackers = [dataclasses.replace(self.alice, name=f"mallory{number}")
                          for number in range(SWARM_USERS)]
        self.folder = scratch.directory(f"{tag}-share", mode=0o777)
        shares = [servers.Share("share", self.folder),
                  servers.Share("other", scratch.directory(f"{tag}-other", mode=0o777))]
        self.frozen = None
        if "frozen_writes" in names:
            self.frozen = FrozenDisk.make(scratch)
        if self.frozen:
            shares.append(servers.Share("frozen", self.frozen.folder))
        self._prepare(names)
        # Attackers are on the wire as they are: without signatures.
        self.server = servers.start(args, scratch, servers.Options(
            shares, [self.alice, self.bob, *self.attackers], signing="enabled", workers=workers),
            name=tag)

    def _prepare(self, names):
        if "listings" in names:
            work.make_names(os.path.join(self.folder, "many"), MANY)
        if "patterns" in names:
            work.make_names(os.path.join(self.folder, "long"), 300, "x" * 200)
        if "crowded_creates" in names:
            work.make_names(os.path.join(self.folder, "crowd"), self.args.crowd)
            os.chmod(os.path.join(self.folder, "crowd"), 0o777)
        if names & {"watches", "tree_watches"}:
            work.make_folders(os.path.join(self.folder, "folders"), FOLDERS)

    def run(self, report, name, parameters, share, none):
        user = self.bob if name == "passwords" else self.alice
        attacker = Attacker(self.args, self.scratch, self.server, [user], self.folder, name, parameters)
        try:
            if not attacker.wait_until_begun(240):
                report.complaints.append(f"{name}: the attack did not begin")
                return
            if name == "frozen_writes":
                self.frozen.freeze()
            meter = meters.Meter(self.server)
            found, failed = measure_victim(self.args, self.server, self.bob, share,
                                           self.args.seconds)
            meter.finish()
        finally:
            if name == "frozen_writes" and self.frozen:
                self.frozen.thaw()
            last = attacker.stop()
        report.row(name, found, none, meter, meters.wait_until_idle(self.server), failed)
        if "ended" in last:
            print(f"    {last}", flush=True)

    def stop(self):
        return self.server.stop()


def timed(args, scratch, report):
    for workers in (1, 4):
        chosen = [row for row in TIMED if row[3] == workers and wanted(args, row[0])]
        if not chosen:
            continue
        bench = Bench(args, scratch, f"w{workers}", workers, {row[0] for row in chosen})
        try:
            meter = meters.Meter(bench.server)
            none, failed = measure_victim(args, bench.server, bench.bob, "share", args.seconds)
            report.row(f"none, {workers} worker{'s' if workers > 1 else ''}", none, None,
                       meter.finish(), 0, failed)
            for name, parameters, share, _ in chosen:
                if name == "frozen_writes" and not bench.frozen:
                    print(f"{name:20} skipped: no loop devices", flush=True)
                    continue
                bench.run(report, name, parameters, share, none)
        finally:
            report.complaints += bench.stop()
            if bench.frozen:
                bench.frozen.unmount()


def timed_copy(args, server, user):
    """MiB/s of writing a GiB and reading it back, logging on included; and what went wrong."""
    start = time.monotonic()
    done = subprocess.run(
        [args.bench, "--server", f"{server.host}:{server.port}", "--share", "other", "--user",
         user.name, "throughput", "--mib", str(args.copy_mib)],
        env=os.environ | {"BRAID_BENCH_PASSWORD": user.password}, capture_output=True, text=True,
        check=False, timeout=900)
    return args.copy_mib / (time.monotonic() - start), done.stderr.strip()


def swarm(args, scratch, report):
    """Every attack on memory at once."""
    bench = Bench(args, scratch, "swarm", 1, set())
    try:
        none, _ = timed_copy(args, bench.server, bench.bob)
        budget = meters.metric(bench.server, "braid_memory_limit_bytes")
        attackers = [Attacker(args, scratch, bench.server, bench.attackers, bench.folder, name, parameters,
                              SWARM_ADDRESSES) for name, parameters in SWARM]
        meter = meters.Meter(bench.server)
        for attacker in attackers:
            attacker.wait_until_begun(60)
        rate, trouble = timed_copy(args, bench.server, bench.bob)
        time.sleep(args.seconds)
        meter.finish()
        for attacker in attackers:
            attacker.stop()
        print(f"\nall attacks on memory from {SWARM_ADDRESSES} addresses: at most "
              f"{meter.resident_max / MIB:.0f} MiB resident, budget "
              f"{'unknown' if budget is None else f'{budget / MIB:.0f} MiB'}; copy {rate:.0f} MiB/s, "
              f"{none:.0f} without; {meter.cpu_s:.1f} s of processor time", flush=True)
        if trouble:
            report.complaints.append(f"the copy under attack: {trouble.splitlines()[-1]}")
        if rate < COPY_RATE_MIN * none:
            report.complaints.append(f"the copy got {rate / none:.2f} of its rate")
        if budget is None or meter.resident_max > budget:
            report.complaints.append("the worker went beyond its budget")
        meters.wait_until_idle(bench.server)
    finally:
        report.complaints += bench.stop()


def wanted(args, name):
    return not args.only or name in args.only.split(",")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_arguments(parser)
    parser.add_argument("--victim", required=True, help="hostile_victim")
    parser.add_argument("--bench", required=True, help="braid-bench")
    parser.add_argument("--only", help="names of attacks, with commas; \"swarm\" for the last part")
    parser.add_argument("--seconds", type=float, default=8, help="for each attack")
    parser.add_argument("--crowd", type=int, default=CROWD, help="names in the crowded folder")
    parser.add_argument("--attackers-nice", type=int, default=0, metavar="N",
                        help="their priority, as of nice(1)")
    parser.add_argument("--copy-mib", type=int, default=COPY_MIB)
    args = parser.parse_args()
    args.victim, args.bench = os.path.abspath(args.victim), os.path.abspath(args.bench)
    with Scratch(args.scratch) as scratch:
        report = Report()
        timed(args, scratch, report)
        if wanted(args, "swarm"):
            swarm(args, scratch, report)
    for complaint in report.complaints:
        print(complaint)
    print("all held" if not report.complaints else f"{len(report.complaints)} did not hold")
    return 1 if report.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
