#!/usr/bin/env python3
"""The end-to-end tests of our own client library: starts the server, then the program with them."""
import argparse
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import server as servers  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402

# What braid does not do yet. A test named here that passes is a failure too: take it off the list.
NOT_YET = set()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    servers.add_arguments(parser)
    parser.add_argument("--program", required=True, help="the built e2e_test")
    parser.add_argument("--workers", type=int, help="processes instead of a single one")
    args, for_program = parser.parse_known_args()
    with Scratch(args.scratch) as scratch:
        return run(args, scratch, for_program)


def run(args, scratch, for_program):
    alice, bob = test_users()
    shares = [Share("share", scratch.directory("share", owner=ids_of(alice))),
              Share("readonly", scratch.directory("readonly", owner=ids_of(alice)),
                    read_only=True),
              Share("encrypted", scratch.directory("encrypted", owner=ids_of(alice)),
                    encrypt=True),
              Share("compressed", scratch.directory("compressed", owner=ids_of(alice)),
                    lines=('compress = "always"',)),
              Share("uncompressed", scratch.directory("uncompressed", owner=ids_of(alice)),
                    lines=('compress = "off"',))]
    with open(os.path.join(shares[1].path, "hello.txt"), "wb") as hello:
        hello.write(b"hello")
    options = Options(shares, [alice, bob], min_dialect="2.0.2", signing="enabled",
                      single_process=not args.workers, workers=args.workers or 1)
    server = servers.start(args, scratch, options)
    environment = {
        "BRAID_E2E_SERVER": f"{server.host}:{server.port}", "BRAID_E2E_KIND": server.kind,
        "BRAID_E2E_USER": alice.name, "BRAID_E2E_PASSWORD": alice.password,
        "BRAID_E2E_USER2": bob.name, "BRAID_E2E_PASSWORD2": bob.password,
    }
    if server.kind == "braidd":
        environment["BRAID_E2E_STATE"] = scratch.file("server.state")
    report = scratch.file("report.json")
    status = subprocess.run([args.program, f"--gtest_output=json:{report}", *for_program],
                            env=os.environ | environment).returncode
    trouble = server.stop()
    if server.kind == "braidd" and os.path.exists(report):
        status, surprises = judge(report)
        trouble += surprises
    print("\n".join(trouble), file=sys.stderr, end="\n" if trouble else "")
    return 1 if status or trouble else 0


def judge(report):
    """Compares what failed with NOT_YET: (status, sentences about surprises)."""
    with open(report, encoding="utf-8") as file:
        suites = json.load(file)["testsuites"]
    ran = {f"{test['classname']}.{test['name']}": "failures" in test
           for suite in suites for test in suite["testsuite"] if test["status"] == "RUN"}
    failed = {name for name, has_failed in ran.items() if has_failed}
    late = NOT_YET & failed
    if late:
        print("failed as expected, not there yet: " + ", ".join(sorted(late)))
    passed = sorted(name for name in NOT_YET & ran.keys() if name not in failed)
    surprises = [f"{name} passes: take it off NOT_YET" for name in passed]
    return bool(failed - NOT_YET), surprises


if __name__ == "__main__":
    sys.exit(main())
