#!/usr/bin/env python3
"""Where braidd's time goes: a flame graph of each mode, in build/perf. `make perf` calls it.

  perf.py --braidd build/release/braidd --program build/release/braid-bench
  perf.py ... --modes 'READ 1 MiB'        only modes whose name has this (a regular expression)
  perf.py ... --smbd /usr/sbin/smbd       of smbd instead, into build/perf/smbd

perf samples the server's processes, kernel and all, while braid-bench measures: neither beginning nor end is in the
graph. Beside the graphs summary.md has the functions in which most of the time goes. Needs Debian's linux-perf, and root
or a kernel.perf_event_paranoid of at most 1.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))

import bench_rows  # noqa: E402
import flame  # noqa: E402
import server as servers  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402

ALICE = test_users()[0]
HERTZ = 997  # no multiple of what anything else does so often
HOTTEST = 12
LIMIT_S = 600
# Of the groups' rows, those that differ in what the server does.
NOT_MODES = ("algorithms",)


class Failed(Exception):
    """A line."""


def modes(pattern):
    groups = bench_rows.groups(names=10_000, listed=10_000)
    return [row for group in groups if group.key not in NOT_MODES for row in group.rows
            if re.search(pattern, row.name)]


def file_name(name):
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def descendants(pid):
    return [pid, *[each for child in servers.children(pid) for each in descendants(child)]]


def wait_until_listening(recorder, log):
    """perf says on its log when it listens to its FIFO."""
    end = time.monotonic() + LIMIT_S
    while True:
        with open(log, encoding="utf-8", errors="replace") as file:
            text = file.read()
        if "Events disabled" in text:
            return
        if recorder.poll() is not None or time.monotonic() > end:
            raise Failed(" ".join(text.split())[-300:] or "perf ended")
        time.sleep(0.02)


def bench_command(args, server, mode, fifo):
    return [args.program, "--server", f"{server.host}:{server.port}", "--user", ALICE.name, "--protection",
            mode.protection.split(",")[0], *mode.target, *mode.load, "--seconds", str(args.seconds),
            "--perf-control", fifo, "--json"]


def record(args, scratch, server, mode):
    """The stacks of a mode."""
    data, fifo, log = (scratch.file(f"perf.{kind}") for kind in ("data", "fifo", "log"))
    for path in (data, fifo, log):
        if os.path.exists(path):
            os.remove(path)
    os.mkfifo(fifo)
    # Samba serves a connection in a process that does not exist yet: perf follows those that its parent starts.
    pids = ",".join(str(pid) for pid in descendants(server.process.pid))
    recorder = scratch.start(
        [args.perf, "record", "--event", "cpu-clock", "--freq", str(HERTZ), "--call-graph", "fp", "--inherit",
         "--delay=-1", f"--control=fifo:{fifo}", "--pid", pids, "--output", data], log)
    try:
        wait_until_listening(recorder, log)
        done = subprocess.run(bench_command(args, server, mode, fifo), capture_output=True, text=True,
                              env=os.environ | {"BRAID_BENCH_PASSWORD": ALICE.password}, timeout=LIMIT_S)
        if done.returncode:
            raise Failed(done.stderr.strip())
        if not json.loads(done.stdout)["servers"][0]["operations"]:
            raise Failed("no operation was done")
    finally:
        recorder.send_signal(2)
        recorder.wait(LIMIT_S)
    script = subprocess.run([args.perf, "script", "--input", data, "-F", "comm,ip,sym"], capture_output=True,
                            text=True, errors="replace", timeout=LIMIT_S)
    found = flame.stacks(script.stdout.splitlines())
    if not found:
        raise Failed(f"no samples: {' '.join(script.stderr.split())[-300:]}")
    return found


def section(mode, found):
    lines = [f"## {mode.name}", "", f"![{mode.name}]({file_name(mode.name)}.svg)", "",
             "| of all samples | in itself | | with what it calls | |", "|---|---|---|---|---|"]
    own = flame.hottest(found, HOTTEST)
    whole = flame.inclusive(found, HOTTEST, names=r"^braid::|^__x64_sys_|^__schedule$")
    for number in range(max(len(own), len(whole))):
        cells = [f"{part:.1%} | `{name}`" for part, name in own[number:number + 1]] or [" | "]
        cells += [f"{part:.1%} | `{name}`" for part, name in whole[number:number + 1]] or [" | "]
        lines.append(f"| {number + 1} | {' | '.join(cells)} |")
    return lines + [""]


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_arguments(parser)
    parser.add_argument("--program", required=True, help="the built braid-bench")
    parser.add_argument("--perf", default=shutil.which("perf"))
    parser.add_argument("--modes", default="", help="only these (a regular expression)")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--folder", help="where the graphs go (build/perf)")
    args = parser.parse_args()
    if not args.perf:
        print("perf: there is no perf; apt-get install linux-perf", file=sys.stderr)
        return 2
    folder = args.folder or os.path.join("build", "perf", *(["smbd"] if args.smbd else []))
    os.makedirs(folder, exist_ok=True)
    summary = ["# Where the time goes", "", "Of all samples of the server's processes, while the load was measured.", ""]
    errors = []
    with Scratch(args.scratch) as scratch:
        share = Share("share", scratch.directory("share", owner=ids_of(ALICE)))
        server = servers.start(args, scratch, Options([share], [ALICE], signing="enabled"))
        for mode in modes(args.modes):
            try:
                found = record(args, scratch, server, mode)
            except (Failed, subprocess.TimeoutExpired) as why:
                errors.append(f"{mode.name}: {why}")
                print(f"{mode.name:<58} {why}", flush=True)
                continue
            write(os.path.join(folder, f"{file_name(mode.name)}.svg"), flame.graph(mode.name, found))
            summary += section(mode, found)
            part, name = flame.hottest(found, 1)[0]
            print(f"{mode.name:<58} {sum(found.values()):>6} samples, {part:.0%} in {name}", flush=True)
        errors += server.stop()
    write(os.path.join(folder, "summary.md"), "\n".join(summary) + "\n")
    print(f"{folder}/summary.md is written")
    for error in errors:
        print(f"perf: {error}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
