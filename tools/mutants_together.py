"""Judges mutants that were compiled together, behind a switch (mutant_switch.py)."""
import concurrent.futures
import dataclasses
import os
import subprocess
import tempfile
import time

import mutant_switch

# Tests of GoogleTest that a mutant meets in one process, so that one that hangs is noticed soon.
TOGETHER_MAX = 25
TOGETHER_S = 10


@dataclasses.dataclass(frozen=True)
class Run:
    """A command, or some tests of one, as it went without a mutant."""
    command: tuple
    seconds: float
    reached: frozenset  # numbers of mutants


def pieces(runs):
    """Some at a time, the quickest first."""
    piece, seconds = [], 0
    for run in sorted(runs, key=lambda each: each.seconds):
        if piece and (len(piece) == TOGETHER_MAX or seconds + run.seconds > TOGETHER_S):
            yield piece
            piece, seconds = [], 0
        piece.append(run)
        seconds += run.seconds
    if piece:
        yield piece


def is_gtest(test):
    return any(word.startswith("--gtest_brief") for word in test) and "--program" not in test


def tests_of(tree, test):
    """Each test of a GoogleTest program as a command of its own."""
    words = [word.replace("{build}", str(tree.build)) for word in test]
    program = next(word for word in words if "/" in word)
    listed = subprocess.run([program, "--gtest_list_tests"], cwd=tree.root, check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    found, suite = [], ""
    for line in listed.splitlines():
        name = line.split("#")[0].strip()
        if line.startswith("  "):
            found.append(suite + name)
        elif name.endswith("."):
            suite = name
    return [(*test, f"--gtest_filter={name}") for name in found]


class Judge:
    """`grace_s` and `time_factor`: how long a test may take beyond what it took without a mutant."""

    def __init__(self, tree, at_once, grace_s, time_factor, say):
        self.tree, self.at_once, self.say = tree, at_once, say
        self.grace_s, self.time_factor = grace_s, time_factor

    def parallel(self, function, items):
        with concurrent.futures.ThreadPoolExecutor(self.at_once) as pool:
            return list(pool.map(function, items))

    def measure(self, command):
        """A Run, or None: it fails without a mutant. Once more, as others run beside it."""
        for _ in range(2):
            with tempfile.NamedTemporaryFile() as reached:
                reached.write(bytes(mutant_switch.NUMBERS_MAX))
                reached.flush()
                start = time.monotonic()
                if self.tree.passes(command, 600, {"BRAID_MUTANTS_REACHED": reached.name}):
                    with open(reached.name, "rb") as file:
                        marks = file.read()
                    return Run(command, time.monotonic() - start,
                               frozenset(at for at, mark in enumerate(marks) if mark))
        self.say(f"fails without a mutant: {' '.join(command)}")
        return None

    def finds(self, number, runs):
        """Whether these, of one program, fail with the mutant."""
        seconds = sum(run.seconds for run in runs)
        command = runs[0].command
        if len(runs) > 1:
            names = ":".join(run.command[-1].split("=", 1)[1] for run in runs)
            command = (*command[:-1], f"--gtest_filter={names}")
        return not self.tree.passes(command, self.grace_s + self.time_factor * seconds,
                                    {"BRAID_MUTANT": str(number)})

    def found_by(self, number, runs):
        """Whether any of those that come to the mutant finds it."""
        return any(self.finds(number, piece)
                   for piece in pieces(run for run in runs if number in run.reached))

    def judge(self, tests, numbers):
        """(found, survived, reached by some test): numbers; or None if a test fails without one."""
        found, reached = set(), set()
        for test in sorted(tests, key=lambda each: not is_gtest(each)):
            left = [number for number in numbers if number not in found]
            if not left:
                break
            runs = self.parallel(self.measure,
                                 tests_of(self.tree, test) if is_gtest(test) else [test])
            if None in runs:
                return None
            reached |= {number for run in runs for number in run.reached}
            outcomes = self.parallel(lambda number, runs=runs: self.found_by(number, runs), left)
            found |= {number for number, outcome in zip(left, outcomes) if outcome}
            self.say(f"{len(numbers) - len(found)} of {len(numbers)} left after "
                     f"{' '.join(os.path.basename(word) for word in test)}")
        return found, [number for number in numbers if number not in found], reached


def compile_all(tree, targets, sources, say):
    """Plants and compiles; whom the compiler does not take behind a switch goes, and is returned."""
    gone = set()
    while True:
        tree.recover()
        tree.replace({mutant_switch.HEADER: mutant_switch.HEADER_TEXT,
                      **{path: source.planted() for path, source in sources.items()}})
        said = tree.compile(targets)
        if said is None:
            return gone
        refused = mutant_switch.refused(sources, said)
        if not refused:
            say(said)
            return None
        for source in sources.values():
            for number in refused & source.edits.keys():
                del source.edits[number]
        gone |= refused


def run_together(tree, area, chosen, judge, say):
    """{"found" | "survived": mutants} and who is left to be planted alone; None as of run_area()."""
    sources, alone = mutant_switch.plant(
        lambda path: (tree.root / path).read_text(encoding="utf-8"), chosen)
    try:
        gone = compile_all(tree, area.targets, sources, say)
        if gone is None:
            return None
        numbers = sorted(number for source in sources.values() for number in source.edits)
        say(f"{len(numbers)} planted together, {len(chosen) - len(numbers)} left for alone")
        outcome = judge.judge(area.tests, numbers)
    finally:
        tree.recover()
    if outcome is None:
        return None
    found, survived, reached = outcome
    for number in survived:
        say(f"survived{'' if number in reached else ', reached by no test'}: {chosen[number]}")
    return ({"found": [chosen[number] for number in sorted(found)],
             "survived": [chosen[number] for number in survived]},
            [chosen[number] for number in sorted(set(alone) | gone)])
