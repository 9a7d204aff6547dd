#!/usr/bin/env python3
"""Every run of rdma_test.py, one after the other, and what came of them.

  rdma_suite.py --build build/release                 all of it, an hour
  rdma_suite.py --build build/release --only card     the runs whose name has this word; may repeat

The output of each run goes to a file in --logs. A run that fails does not keep the next from beginning.
In the end a table says of each run how it ended, how long it took and what it measured.

Exit status: 0 all went well, 1 otherwise.
"""
import argparse
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))

PLAIN = ("--own", "--mount", "vers=3.1.1")
RUNS = (
    ("our client", ()),
    ("kernel, plain, signed, sealed", ("--own",)),
    ("kernel, MTU 9000", (*PLAIN, "--mtu", "9000")),
    ("kernel, braidd-rdma killed", (*PLAIN, "--workers", "2", "--kill", "braidd-rdma", "--mib", "100")),
    ("kernel, worker killed", (*PLAIN, "--kill", "braidd-worker", "--mib", "100")),
    ("kernel, two cards, one lost", ("--own", "--cards", "2", "--mount", "vers=3.1.1,multichannel,max_channels=2",
                                     "--mib", "100")),
    ("kernel, 1 GiB both ways", (*PLAIN, "--mib", "1024", "--memory", "4096", "--mtu", "9000", "--limit", "2400")),
    ("how fast", ("--bench", "300")),
    ("how fast, MTU 9000", ("--bench", "300", "--mtu", "9000")),
)
# What a run has measured, as it stands in its output.
FIGURES = (
    (re.compile(r"^\d+ bytes .*copied, .*?([\d.]+ ?[kMG]?i?B/s)$"), "{}"),
    (re.compile(r"^ *1048576 +\d+ +[\d.]+ +([\d.]+) "), "card alone {} MB/s"),
    (re.compile(r"^(bench .*)$"), "{}"),
    (re.compile(r"^(packets while .*)$"), "{}"),
    (re.compile(r"^\[  PASSED  \] (\d+ tests?)"), "{} passed"),
    (re.compile(r"^(FAIL: .*)$"), "{}"),
)


def figures(text):
    found = []
    for line in text.splitlines():
        for pattern, words in FIGURES:
            match = pattern.match(line.strip("\r"))
            if match:
                found.append(words.format(match.group(1)))
    return found


def run(name, arguments, args):
    path = os.path.join(args.logs, re.sub(r"\W+", "-", name) + ".log")
    began = time.monotonic()
    print(f"{name}: {path}", flush=True)
    with open(path, "wb") as log:
        status = subprocess.run([sys.executable, os.path.join(HERE, "rdma_test.py"), "--build", args.build,
                                 *arguments], stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    with open(path, encoding="utf-8", errors="replace") as log:
        return name, status, time.monotonic() - began, figures(log.read())


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="where braidd and the tests' programs are")
    parser.add_argument("--only", action="append", help="runs whose name has this in it; may repeat")
    parser.add_argument("--logs", default=os.path.join(HERE, "..", "..", "build", "vm", "rdma-logs"))
    args = parser.parse_args()
    args.logs = os.path.abspath(args.logs)
    os.makedirs(args.logs, exist_ok=True)
    chosen = [each for each in RUNS if not args.only or any(word in each[0] for word in args.only)]
    if not chosen:
        parser.error("no run has that in its name: " + "; ".join(each[0] for each in RUNS))
    results = [run(*each, args) for each in chosen]
    print()
    for name, status, seconds, measured in results:
        word = {0: "ok", 1: "FAILED"}.get(status, "no machine" if status == 2 else f"status {status}")
        print(f"{word:10}  {seconds:5.0f} s  {name}")
        for figure in measured:
            print(f"{'':21}{figure}")
    failed = sum(result[1] != 0 for result in results)
    print(f"{len(results)} runs, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
