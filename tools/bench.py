#!/usr/bin/env python3
"""braid beside Samba: every load of docs/benchmarks.md, on ext4 and on tmpfs. `make bench` calls it.

  bench.py --braidd build/release/braidd --program build/release/braid-bench
  bench.py ... --short                    everything for a moment, into build/bench: whether it runs
  bench.py ... --rows 'READ 1 MiB'        only rows whose name has this (a regular expression); idle, crowd
                                          and channels are names, too
  bench.py --render build/bench/results.json --page docs/benchmarks.md    only write the page again

braidd and smbd each have a folder on the file system that is measured, and take turns under the same load. A folder
of the working directory's file system is used where that is ext4, and an image with one otherwise, which needs
root; /dev/shm where that is tmpfs. The machine should have nothing else to do. Exit status 1 if a row could not be
measured.
"""
import argparse
import datetime
import json
import os
import re
import resource
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))

import bench_report  # noqa: E402
import bench_rows  # noqa: E402
import networks as nets  # noqa: E402
import server as servers  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402

FILE_SYSTEMS = ("ext4", "tmpfs")
RESULTS = os.path.join("build", "bench", "results.json")
ALICE = test_users()[0]
RUN_LIMIT_S = 1800


class Failed(Exception):
    """A line."""


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout.splitlines() or ["unknown"])[0]


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown"


def about(args):
    return {"braid": first_line(args.braidd, "--version").removeprefix("braid "),
            "samba": first_line(args.smbd, "-V").removeprefix("Version "),
            "kernel": os.uname().release, "processors": os.cpu_count(), "processor": processor(),
            "date": datetime.date.today().isoformat(), "rounds": args.rounds, "seconds": args.seconds,
            "is_short": args.short}


def run_program(*command):
    """What it says, as JSON."""
    done = subprocess.run(command, env=os.environ | {"BRAID_BENCH_PASSWORD": ALICE.password},
                          capture_output=True, text=True, timeout=RUN_LIMIT_S)
    if done.returncode:
        raise Failed((done.stderr.strip().splitlines() or [f"braid-bench ended with {done.returncode}"])[-1])
    return json.loads(done.stdout)


def run_bench(args, server, target, load, address=None, within=()):
    return run_program(*within, args.program, "--server", f"{address or server.host}:{server.port}",
                       "--user", ALICE.name, "--server-pid", str(server.process.pid), *target, *load, "--json")


def start_braidd(args, scratch, name, **options):
    share = Share("share", scratch.directory(f"{name}.share", owner=ids_of(ALICE)))
    return servers.start(argparse.Namespace(braidd=args.braidd, smbd=None), scratch,
                         Options([share], [ALICE], signing="enabled", **options), name)


def ended_well(server):
    if trouble := server.stop():
        raise Failed("; ".join(trouble))


class Pair:
    """braidd and smbd on folders of one file system."""

    def __init__(self, args, scratch):
        self.args = args
        self.servers = {}
        for kind in ("braidd", "smbd"):
            share = Share("share", scratch.directory(f"{kind}.share", owner=ids_of(ALICE)))
            chosen = argparse.Namespace(braidd=args.braidd if kind == "braidd" else None, smbd=args.smbd)
            self.servers[kind] = servers.start(chosen, scratch, Options([share], [ALICE], signing="enabled"), kind)

    def run(self, target, load):
        """What braid-bench says, as JSON."""
        braidd, smbd = self.servers["braidd"], self.servers["smbd"]
        return run_bench(self.args, braidd, target, (*load, "--versus", f"{smbd.port}:{smbd.process.pid}"))

    def stop(self):
        return [line for server in self.servers.values() for line in server.stop()]


def measure_row(args, pair, row):
    kind = row.protection.split(",")[0]
    return pair.run(("--protection", kind, *row.target),
                    (*row.load, "--rounds", str(args.rounds), "--seconds", str(args.seconds),
                     "--warm-up", str(args.warm_up)))


def measure_crowd(args, scratch):
    """Many idle connections of one braidd, some of which then work."""
    connections, busy = args.crowd
    # A worker has an eighth of its descriptors for connections, at least; a service has a million.
    workers = 1 if resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 8 * connections else 4
    server = start_braidd(args, scratch, "crowd", workers=workers)
    result = run_bench(args, server, (), ("idle", "--connections", str(connections), "--busy", str(busy),
                                          "--seconds", str(args.seconds)))
    ended_well(server)
    return result | {"workers": workers}


def measure_channels(args, scratch):
    """Each load over 1, 2, 4, 8 links, in turn."""
    if reason := nets.missing():
        raise Failed(reason)
    loads = []
    with nets.Networks(max(bench_rows.CHANNELS)) as networks:
        server = start_braidd(args, scratch, "channels", networks=networks)
        for label, protection, load in bench_rows.CHANNEL_LOADS:
            cpu = {str(count): [] for count in bench_rows.CHANNELS}
            for _ in range(args.rounds):
                costs = {count: channels_cost(args, networks, server, count, protection, load)
                         for count in bench_rows.CHANNELS}
                for count, cost in costs.items():
                    cpu[str(count)].append(cost / costs[1])
            loads.append({"label": label, "protection": protection,
                          "cpu": {count: bench_report.spread(ratios) for count, ratios in cpu.items()}})
        ended_well(server)
    return {"loads": loads}


def channels_cost(args, networks, server, count, protection, load):
    channels = [word for link in range(1, count)
                for word in ("--channel", f"{networks.address(link)}:{server.port}")]
    result = run_bench(args, server, ("--protection", protection, *channels),
                       (*load, "--clients", "1", "--in-flight", "16", "--seconds", str(args.seconds),
                        "--warm-up", str(args.warm_up)),
                       address=networks.address(0), within=networks.command(networks.client))
    return result["servers"][0]["server_cpu_us"]["median"]


def save(args, measured):
    with open(args.results, "w", encoding="utf-8") as file:
        json.dump(measured, file, indent=1)


def attempt(args, measured, name, results, call):
    """One measurement into the results, or the line that says why not. What was measured so far is kept: an hour
    is long."""
    try:
        results[name] = call()
        line = bench_report.summary(results[name])
    except (Failed, subprocess.TimeoutExpired, ValueError) as why:
        results[name] = {"error": str(why)}
        measured["errors"].append(f"{name}: {why}")
        line = str(why)
    print(f"  {name:<60} {line}", flush=True)
    save(args, measured)


def measure_on(args, measured, file_system, folder):
    """All rows on a folder."""
    results = measured["file_systems"].setdefault(file_system, {})
    print(file_system, flush=True)
    with Scratch(folder) as scratch:
        pair = Pair(args, scratch)
        for group in chosen_groups(args):
            for row in group.rows:
                attempt(args, measured, row.name, results, lambda row=row: measure_row(args, pair, row))
        # Of the sockets and the heap, not of files: once is enough.
        if file_system == FILE_SYSTEMS[0] and re.search(args.rows, "idle"):
            attempt(args, measured, "idle", results,
                    lambda: pair.run((), ("idle", "--connections", str(args.connections))))
        measured["errors"] += pair.stop()
        if any(name in results for name in bench_rows.LIMITS):
            attempt(args, measured, "limits", results,
                    lambda: run_program(args.program, "limits", "--folder", scratch.path, "--seconds",
                                        str(args.seconds), "--json"))
        if file_system == FILE_SYSTEMS[0]:
            for name, measure_it in (("crowd", measure_crowd), ("channels", measure_channels)):
                if re.search(args.rows, name):
                    attempt(args, measured, name, results, lambda call=measure_it: call(args, scratch))


def chosen_groups(args):
    groups = bench_rows.groups(names=args.names, listed=args.listed)
    found = [bench_rows.Group(group.key, group.title,
                              tuple(row for row in group.rows if re.search(args.rows, row.name)))
             for group in groups]
    return [group for group in found if group.rows]


def kind_of(folder):
    return {"ext2/ext3": "ext4"}.get(kind := first_line("stat", "-f", "-c", "%T", folder), kind)


def measure(args, measured, file_system):
    """The same on a folder that is found or made here."""
    if args.scratch:
        measure_on(args, measured, file_system, args.scratch)
        return
    folder = {"ext4": os.path.join(ROOT, "build"), "tmpfs": "/dev/shm"}[file_system]
    os.makedirs(folder, exist_ok=True)
    if kind_of(folder) == file_system:
        # Test users have to get through to it.
        if file_system == "ext4" and not reachable(folder):
            folder = "/var/tmp" if kind_of("/var/tmp") == "ext4" else None
        if folder:
            measure_on(args, measured, file_system, folder)
            return
    if file_system == "tmpfs":
        measured["errors"].append(f"tmpfs: {folder} is none")
    else:
        measure_on_image(args, measured, file_system)


def reachable(folder):
    """Whether users of the machine get to it."""
    while folder != "/":
        if not os.stat(folder).st_mode & 0o001:
            return False
        folder = os.path.dirname(folder)
    return True


def measure_on_image(args, measured, file_system):
    """A process of its own, in a file system of its own."""
    part = os.path.abspath(f"{args.results}.{file_system}")
    done = subprocess.run([os.path.join(ROOT, "tests", "lib", "on_image.sh"), file_system, sys.executable,
                           os.path.abspath(__file__), *sys.argv[1:], "--only", file_system, "--results", part])
    if not os.path.exists(part):
        measured["errors"].append(f"{file_system}: no image can be mounted (status {done.returncode})")
        return
    with open(part, encoding="utf-8") as file:
        found = json.load(file)
    os.remove(part)
    measured["file_systems"] |= found["file_systems"]
    measured["errors"] += found["errors"]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--braidd")
    parser.add_argument("--program", help="the built braid-bench")
    parser.add_argument("--smbd", default=shutil.which("smbd", path="/usr/sbin:/usr/local/sbin"))
    parser.add_argument("--short", action="store_true", help="everything for a moment")
    parser.add_argument("--rows", default="", help="only rows whose name has this (a regular expression)")
    parser.add_argument("--only", choices=FILE_SYSTEMS, help="only this file system")
    parser.add_argument("--rounds", type=int, help="pairs of each row (5)")
    parser.add_argument("--seconds", type=float, help="of each round (2)")
    parser.add_argument("--warm-up", type=float, help="seconds before each round (0.5)")
    parser.add_argument("--names", type=int, help="in the directory that is opened from (100,000)")
    parser.add_argument("--listed", type=int, help="in the directory that is listed (10,000)")
    parser.add_argument("--connections", type=int, help="idle ones (500)")
    parser.add_argument("--crowd", type=int, nargs=2, metavar=("IDLE", "BUSY"),
                        help="connections of braidd alone (10,000 1,000)")
    parser.add_argument("--results", default=RESULTS, help="the measured numbers, as JSON")
    parser.add_argument("--page", help="what is written (docs/benchmarks.md; of a short run or of some rows "
                                       "build/bench/benchmarks.md)")
    parser.add_argument("--render", metavar="RESULTS", help="measure nothing, write the page of these")
    parser.add_argument("--scratch", help="measure on this folder's file system, with --only its name")
    args = parser.parse_args()
    if not args.render and not (args.braidd and args.program):
        parser.error("--braidd and --program are needed")
    if not args.render and not args.smbd:
        parser.error("there is no smbd; make deps installs it")
    for key, whole, short in (("rounds", 5, 2), ("seconds", 2.0, 0.2), ("warm_up", 0.5, 0.05),
                              ("names", 100_000, 500), ("listed", 10_000, 500), ("connections", 500, 50),
                              ("crowd", bench_rows.CROWD, (100, 20))):
        if getattr(args, key) is None:
            setattr(args, key, short if args.short else whole)
    if args.page is None:
        partly = args.short or args.rows or args.only
        args.page = os.path.join("build/bench" if partly else "docs", "benchmarks.md")
    return args


def main():
    args = parse()
    if args.render:
        with open(args.render, encoding="utf-8") as file:
            measured = json.load(file)
        bench_report.write(bench_rows.groups(**measured["sizes"]), measured, args.page)
        return 0
    os.makedirs(os.path.dirname(args.results) or ".", exist_ok=True)
    measured = {"about": about(args), "sizes": {"names": args.names, "listed": args.listed},
                "file_systems": {}, "errors": []}
    for file_system in [args.only] if args.only else FILE_SYSTEMS:
        measure(args, measured, file_system)
    save(args, measured)
    if not args.scratch:
        bench_report.write(bench_rows.groups(args.names, args.listed), measured, args.page)
        print(f"{args.page} is written")
    for error in measured["errors"]:
        print(f"bench: {error}", file=sys.stderr)
    return 1 if measured["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
