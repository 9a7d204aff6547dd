#!/usr/bin/env python3
"""Plants single-line mutations and names those that no test finds.

Works in a copy of the tree with a build folder of its own (build/mutants); what was compiled there
serves the next run. --together compiles all of them once and takes a tenth of the time. A mutant
whose tests do not end within their time counts as found. What no test can find, since it changes
nothing, is listed in tools/mutants_equivalent.tsv and not planted.

Ends with 0 when at most --survivors-max percent of those that compiled survived, with 1 when more
did, and with 2 when the tests fail without a mutant.
"""
import argparse
import dataclasses
import fcntl
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import mutants_together
import mutations

ROOT = pathlib.Path(__file__).resolve().parent.parent
EQUIVALENT = "tools/mutants_equivalent.tsv"
GRACE_S = 10  # that a test may take whatever it took without a mutant
NEVER_COPIED = shutil.ignore_patterns("build", ".git", "__pycache__", ".cache")


@dataclasses.dataclass(frozen=True)
class Area:
    """Files, what has to be built for their tests, and the tests: the cheapest first."""
    patterns: tuple
    targets: tuple
    tests: tuple  # of commands, in which {build} is the build folder; NAME=VALUE before them


SKIPPED_CODE = 77  # of a suite that cannot run here
GTEST = ("--gtest_brief=1", "--gtest_fail_fast")


def suite(script, *args, before=()):
    """A suite of tests/ that starts braidd."""
    return (*before, "/usr/bin/python3", f"tests/{script}.py", "--braidd", "{build}/braidd", *args)


def on_image(file_system, *before):
    return (*before, "tests/lib/on_image.sh", file_system)


E2E = ("--program", "{build}/e2e_test", "--gtest_brief=1")
# What a handler answers is told by clients, too. By what they cost: only what survives those above
# comes to the next, and a survivor of all has cost about a minute.
OF_COMMANDS = (
    suite("impacket/impacket_test"), ("{build}/smb2_test", *GTEST),
    *(suite(f"impacket/{name}_test") for name in (
        "streams", "reparse_points", "file_control", "contents", "times", "offload", "posix",
        "connections", "test_switches", "names")),
    suite("impacket/filesystems_test", before=on_image("btrfs")),
    suite("impacket/filesystems_test", before=on_image("xfs")),
    suite("impacket/room_test", before=on_image("ext4", "BRAID_IMAGE_SIZE=24M")),
    suite("notify/local_access_test"), suite("programs/shares_test"), suite("programs/audit_test"),
    suite("workers/deletion_test"), suite("notify/notify_test"),
    suite("samba_compat/samba_compat_test"), suite("e2e/e2e_test", *E2E),
    suite("e2e/e2e_test", "--workers", "4", *E2E,
          "--gtest_filter=Multichannel.*:Admin.*:Durable*.*:Rw.*"),
    suite("smbclient/smbclient_test"), suite("workers/workers_test", "--seconds", "8"),
)
AREAS = {
    # Most headers of wire are read by everything there: they are planted through their .cc.
    "wire": Area(("src/wire/**/*.cc",), ("wire_test",), (("{build}/wire_test", *GTEST),)),
    "crypto": Area(("src/crypto/*.cc", "src/crypto/*.h"), ("crypto_test",),
                   (("{build}/crypto_test", *GTEST),)),
    # The rules hold over records as well.
    "filestate": Area(("src/filestate/*.cc", "src/filestate/*.h"), ("filestate_test",),
                      (("{build}/filestate_test", *GTEST),
                       ("BRAID_SHARED_FILES=1", "{build}/filestate_test", *GTEST))),
    "smb2/commands": Area(("src/smb2/commands/**/*.cc",),
                          ("smb2_test", "braidd", "braidctl", "e2e_test"), OF_COMMANDS),
}


def is_tested(path):
    return not any(part in path.name for part in ("_test.", "_fuzz.", "_testing.", "precompiled"))


def equivalents(root):
    """What changes nothing, as (path, before, after) with the reason in a fourth column."""
    path = root / EQUIVALENT
    if not path.exists():
        return set()
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()
            if line and not line.startswith("#")]
    return {tuple(row[:3]) for row in rows}


def candidates(root, area, only=""):
    known = equivalents(root)
    found = []
    for path in sorted({path for pattern in area.patterns for path in root.glob(pattern)}):
        name = str(path.relative_to(root))
        if is_tested(path) and only in name:
            found += [each for each in mutations.of_text(name, path.read_text(encoding="utf-8"))
                      if each.key() not in known]
    return found


def choose(found, count, seed):
    """`count` of them, at most one of a line; the same ones for the same seed and sources."""
    by_line = {}
    for each in found:
        by_line.setdefault((each.path, each.line), []).append(each)
    dice = random.Random(seed)
    lines = dice.sample(sorted(by_line), min(count, len(by_line)))
    return sorted((dice.choice(by_line[line]) for line in lines), key=lambda m: (m.path, m.line))


class Tree:
    """A copy of the sources in which one mutant at a time is planted."""

    def __init__(self, root, build, jobs):
        self.root, self.build = root, build
        self.command = ["ninja", "-C", str(build), f"-j{jobs}", "-k0", "--quiet"]
        self.journal = build / "mutant.json"  # what to put back; outlives a killed run
        build.mkdir(parents=True, exist_ok=True)
        self.lock = open(build / "mutant.lock", "w", encoding="utf-8")
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # one run in a tree

    def recover(self):
        if self.journal.exists():
            for path, text in json.loads(self.journal.read_text(encoding="utf-8")).items():
                if text is None:
                    (self.root / path).unlink(missing_ok=True)
                else:
                    (self.root / path).write_text(text, encoding="utf-8")
            self.journal.unlink()

    def replace(self, texts):
        """Writes these files, {path: text}, until recover()."""
        paths = {path: self.root / path for path in texts}
        self.journal.write_text(json.dumps({
            name: path.read_text(encoding="utf-8") if path.exists() else None
            for name, path in paths.items()}), encoding="utf-8")
        for name, path in paths.items():
            path.write_text(texts[name], encoding="utf-8")

    def plant(self, mutant):
        lines = (self.root / mutant.path).read_text(encoding="utf-8").split("\n")
        if lines[mutant.line - 1] != mutant.before:
            raise RuntimeError(f"{mutant.path} has changed during the run")
        lines[mutant.line - 1] = mutant.after
        self.replace({mutant.path: mutations.quiet("\n".join(lines))})

    def compile(self, targets):
        """What the compiler said, or None when it was content."""
        done = subprocess.run([*self.command, *targets], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        return done.stdout if done.returncode else None

    def passes(self, test, limit, variables=()):
        words = [word.replace("{build}", str(self.build)) for word in test]
        environment = {**os.environ, **dict(variables)}
        while "=" in words[0] and "/" not in words[0]:
            name, value = words.pop(0).split("=", 1)
            environment[name] = value
        with subprocess.Popen(words, cwd=self.root, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              start_new_session=True) as process:
            try:
                return process.wait(limit) in (0, SKIPPED_CODE)
            except subprocess.TimeoutExpired:
                return False
            finally:  # with all that it started
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass


def sync(source, copy):
    """Makes the copy what the source is; files that are the same keep their times."""
    wanted = set()
    for folder, folders, files in os.walk(source):
        ignored = NEVER_COPIED(folder, folders + files)
        folders[:] = [each for each in folders if each not in ignored]
        for each in set(files) - ignored:
            path = pathlib.Path(folder, each)
            target = copy / path.relative_to(source)
            wanted.add(target)
            if not target.exists() or target.read_bytes() != path.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                shutil.copymode(path, target)
    for folder in ("src", "tests"):
        for path in (copy / folder).rglob("*"):
            if path.is_file() and path not in wanted and "__pycache__" not in path.parts:
                path.unlink()


def prepare(args):
    if args.here:
        tree = Tree(ROOT, args.build.resolve(), args.jobs)
        tree.recover()
        return tree
    copy = args.copy.resolve()
    build = copy / "build" / "release"
    tree = Tree(copy, build, args.jobs)
    sync(ROOT, copy)  # puts back what a killed run left, too
    tree.journal.unlink(missing_ok=True)
    subprocess.run(["cmake", "--preset", "release"], cwd=copy, check=True,
                   stdout=subprocess.DEVNULL)
    return tree


def run_area(tree, area, chosen, time_factor, say):
    """{"found" | "survived" | "not compiled": mutants}, or None if its tests fail without one."""
    said = tree.compile(area.targets)
    if said is not None:
        say(said)
        return None
    limits = []
    for test in area.tests:
        start = time.monotonic()
        if not tree.passes(test, 600):
            say(f"fails without a mutant: {' '.join(test)}")
            return None
        limits.append(GRACE_S + time_factor * (time.monotonic() - start))
    results = {"found": [], "survived": [], "not compiled": []}
    for mutant in chosen:
        tree.plant(mutant)
        try:
            if tree.compile(area.targets) is not None:
                outcome = "not compiled"
            elif all(tree.passes(test, limit) for test, limit in zip(area.tests, limits)):
                outcome = "survived"
            else:
                outcome = "found"
        finally:
            tree.recover()
        results[outcome].append(mutant)
        say(f"{outcome}: {mutant}")
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="mutants in all (100)")
    parser.add_argument("--seed", type=int, default=None, help="else one of the clock's, shown")
    parser.add_argument("--survivors-max", type=float, default=5, metavar="PERCENT")
    parser.add_argument("--file", default="", help="only files whose path has this in it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--time-factor", type=float, default=5,
                        help="a test may take this many times what it takes without a mutant")
    parser.add_argument("--copy", type=pathlib.Path, default=ROOT / "build" / "mutants")
    parser.add_argument("--here", action="store_true",
                        help="plant in this very tree, which is a copy made for that")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release",
                        help="with --here")
    parser.add_argument("--together", action="store_true",
                        help="compile all mutants of an area once, each behind a switch, and run "
                             "only what comes to it; who cannot be planted so is planted alone")
    parser.add_argument("--at-once", type=int, default=3 * os.cpu_count(),
                        help="with --together: tests at a time, which mostly wait")
    parser.add_argument("--list", action="store_true", help="only say what would be planted")
    parser.add_argument("areas", nargs="*", choices=[*AREAS, []], help="all, if none is named")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = int(time.time()) if args.seed is None else args.seed
    names = args.areas or list(AREAS)
    print(f"seed {seed}", flush=True)
    tree = None if args.list else prepare(args)
    found = {name: candidates(tree.root if tree else ROOT, AREAS[name], args.file)
             for name in names}
    chosen = choose([each for every in found.values() for each in every], args.count, seed)
    if args.list:
        print(*chosen, sep="\n")
        return 0

    totals = {"found": [], "survived": [], "not compiled": []}
    def say(text):
        print(text, flush=True)

    judge = mutants_together.Judge(tree, args.at_once, GRACE_S, args.time_factor, say)
    for name in names:
        of_area = [each for each in chosen if each in set(found[name])]
        if args.together and of_area:
            judged = mutants_together.run_together(tree, AREAS[name], of_area, judge, say)
            if judged is None:
                return 2
            results, of_area = judged
            for outcome, mutants in results.items():
                totals[outcome] += mutants
        if not of_area:
            continue
        results = run_area(tree, AREAS[name], of_area, args.time_factor, say)
        if results is None:
            return 2
        for outcome, mutants in results.items():
            totals[outcome] += mutants
    print("\nsurvivors:")
    print(*totals["survived"], sep="\n")
    compiled = len(totals["found"]) + len(totals["survived"])
    percent = 100 * len(totals["survived"]) / max(compiled, 1)
    print(f"{compiled + len(totals['not compiled'])} planted with seed {seed}: "
          f"{len(totals['found'])} found, {len(totals['survived'])} survived ({percent:.0f} %), "
          f"{len(totals['not compiled'])} did not compile")
    return 0 if percent <= args.survivors_max else 1


if __name__ == "__main__":
    sys.exit(main())
