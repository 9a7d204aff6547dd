#!/usr/bin/env python3
"""Runs every test of a build, then every fuzzer for some seconds, and adds them up.

With --sanitizers a part of the tests runs once more in builds with sanitizers, which are brought up to
date first: with address and undefined behaviour the unit tests and what sends damaged requests, with
threads what has several of them.

The last line is "N passed, N failed": cases of the unit tests and of the Python suites one by one,
every other test and every fuzzer as one. A test that was skipped is named and counted as neither.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

import fuzz

ROOT = pathlib.Path(__file__).resolve().parent.parent

# The tests that run with a sanitizer too, as one regular expression each, and the targets that they
# need; none: all there are.
SANITIZED = {
    "asan": (r"^(unit\..*|e2e|impacket|hostile\.(mutation|proxy))$", ()),
    "tsan": (r"^(unit\.(runtime|transport|store|filestate.*|vfs|smb2)|e2e|e2e\.workers|workers)$",
             ("runtime_test", "transport_test", "store_test", "filestate_test",
              "filestate_planted_test", "vfs_test", "smb2_test", "e2e_test", "programs")),
}


def count_cases(output, passed):
    """(passed, failed, skipped) of one ctest test, from what it printed."""
    gtest = re.search(r"\[=+\] (\d+) tests? from .* ran", output)
    if gtest:
        failed = len(re.findall(r"^\[  FAILED  \] [\w/]+\.[\w/]+.* \(\d+ ms\)", output, re.M))
        skipped = re.search(r"\[  SKIPPED \] (\d+) tests?", output)
        skipped = int(skipped.group(1)) if skipped else 0
        if passed:  # its suite knows of these, as what is not there yet
            return int(gtest.group(1)) - failed - skipped, 0, skipped + failed
        failed = max(failed, 1)
        return int(gtest.group(1)) - failed - skipped, failed, skipped
    suite = re.search(r"^Ran (\d+) tests? in", output, re.M)
    if suite:
        counts = {word: int(number) for word, number in
                  re.findall(r"(failures|errors|skipped|unexpected successes)=(\d+)", output)}
        skipped = counts.pop("skipped", 0)
        failed = max(sum(counts.values()), 0 if passed else 1)
        return max(int(suite.group(1)) - failed - skipped, 0), failed, skipped
    return (1, 0, 0) if passed else (0, 1, 0)


def trouble_in(output, lines=40):
    """What a failed test said of its failure, without the log around it."""
    said = output.splitlines()
    wanted = set()
    for i, line in enumerate(said):
        if re.search(r": Failure$|^\[  FAILED  \]|^(FAIL|ERROR): |WARNING: ThreadSanitizer|"
                     r"ERROR: \w*Sanitizer|runtime error: ", line):
            wanted.update(range(i, min(i + 8, len(said))))
    found = [said[i] for i in sorted(wanted)] or said[-10:]
    return found[:lines]


def run_ctest(build, jobs, extra, trouble):
    """(passed, failed, skipped) of all; prints what failed as it happens, and adds to `trouble`."""
    report = build / "test-report.xml"
    report.unlink(missing_ok=True)
    subprocess.run(["ctest", "--test-dir", str(build), f"-j{jobs}", "--output-on-failure",
                    "--no-tests=error", "--output-junit", str(report),
                    "--test-output-size-passed", "2000000",
                    "--test-output-size-failed", "2000000", *extra], check=False)
    if not report.exists():
        return 0, 1, 0
    totals = [0, 0, 0]
    for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
        output = case.findtext("system-out") or ""
        skipped = case.find("skipped")
        if case.get("status") == "disabled" or (skipped is not None and
                                                "SKIP_" in skipped.get("message", "")):
            counts = (0, 0, 1)
            print(f"skipped: {case.get('name')}")
        elif skipped is not None:  # its program is not there
            counts = (0, 1, 0)
        else:
            counts = count_cases(output, case.find("failure") is None)
            if counts[1]:
                trouble += [f"failed: {build.name} {case.get('name')}",
                            *("    " + line for line in trouble_in(output))]
        totals = [total + count for total, count in zip(totals, counts)]
    return totals


def run_sanitized(jobs, trouble):
    """(passed, failed, skipped) of the tests that run with sanitizers too."""
    totals = [0, 0, 0]
    for preset, (tests, targets) in SANITIZED.items():
        build = ROOT / "build" / preset
        print(f"with sanitizers: {preset}", flush=True)
        subprocess.run(["cmake", "--preset", preset], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run(["ninja", "-C", build, f"-j{jobs}", *targets], check=True)
        counts = run_ctest(build, jobs, ["-R", tests], trouble)
        totals = [total + count for total, count in zip(totals, counts)]
    return totals


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--fuzz-build", type=pathlib.Path, default=ROOT / "build" / "asan")
    parser.add_argument("--fuzz-seconds", type=int, default=6, help="0: no fuzzers")
    parser.add_argument("--sanitizers", action="store_true",
                        help="run the tests of concern with sanitizers too")
    parser.add_argument("ctest", nargs="*", help="further arguments of ctest, after --")
    args = parser.parse_args()
    trouble = []  # lines, for who reads the end only
    passed, failed, skipped = run_ctest(args.build.resolve(), args.jobs, args.ctest, trouble)
    if args.fuzz_seconds > 0:
        folder, wanted = args.fuzz_build.resolve(), fuzz.names()
        fuzz.build(folder, wanted, args.jobs)
        broken = fuzz.run_all(folder, wanted, args.fuzz_seconds, args.jobs)
        passed, failed = passed + len(wanted) - len(broken), failed + len(broken)
    if args.sanitizers:
        more = run_sanitized(args.jobs, trouble)
        passed, failed, skipped = (a + b for a, b in zip((passed, failed, skipped), more))
    for line in trouble:
        print(line)
    if skipped:
        print(f"{skipped} skipped")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
