#!/usr/bin/env python3
"""Builds every fuzzer and runs each for some seconds, several at a time.

A fuzzer is a src/**/NAME_fuzz.cc. It starts from fuzz/corpus/NAME_fuzz, keeps what it finds on the
way in BUILD/found/NAME_fuzz, and leaves an input that breaks it in BUILD/broken/NAME_fuzz-*.
"""
import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def names():
    return sorted(path.stem for path in (ROOT / "src").rglob("*_fuzz.cc"))


def build(folder, wanted, jobs):
    subprocess.run(["cmake", "--preset", "asan", "-B", folder], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, f"-j{jobs}", "--quiet", *wanted], check=True)


def run(folder, name, seconds):
    """None when the fuzzer was quiet, else the end of what it said."""
    found, broken = folder / "found" / name, folder / "broken"
    for each in (found, broken):
        each.mkdir(parents=True, exist_ok=True)
    command = [str(folder / name), f"-max_total_time={seconds}", "-timeout=20",
               "-rss_limit_mb=2560", "-print_final_stats=0", f"-artifact_prefix={broken}/{name}-",
               str(found)]
    corpus = ROOT / "fuzz" / "corpus" / name
    if corpus.is_dir():
        command.append(str(corpus))
    limit = seconds + 120  # a fuzzer that hangs outside of an input
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=limit, check=False, text=True, errors="replace")
    except subprocess.TimeoutExpired:
        return f"did not end within {limit} s"
    return None if done.returncode == 0 else "\n".join(done.stdout.splitlines()[-40:])


def run_all(folder, wanted, seconds, jobs, say=print):
    """The names of those that were not quiet."""
    failed = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(run, folder, name, seconds): name for name in wanted}
        for future in concurrent.futures.as_completed(futures):
            name, trouble = futures[future], future.result()
            say(f"{'FAIL' if trouble else 'ok  '} fuzz.{name}")
            if trouble:
                say(trouble)
                failed.append(name)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="for each fuzzer")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "asan")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("names", nargs="*", help="only these")
    args = parser.parse_args()
    wanted = args.names or names()
    folder = args.build.resolve()
    build(folder, wanted, args.jobs)
    start = time.monotonic()
    failed = run_all(folder, wanted, args.seconds, args.jobs)
    print(f"fuzzers: {len(wanted) - len(failed)} passed, {len(failed)} failed, "
          f"{time.monotonic() - start:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
