#!/usr/bin/env python3
"""POSIX through the Linux kernel's client: the same questions to a mount and to ext4 beside it.

  posix_test.py --braidd build/release/braidd
  posix_test.py --braidd build/release/braidd --options vers=3.1.1,posix,seal
  posix_test.py --braidd build/release/braidd --options vers=3.1.1,actimeo=0,nolease

guest/posix.c asks in a folder of each and prints a line for each answer. Where the two differ the
difference is a line of posix_differences.tsv, with its reason; one that is not there fails the
test, and so does a line of the file that no longer holds. Then, with posix, rsync and tar carry a tree
of odd files there and back. Without posix the differences are others ("plain" in the file); asked of a client
that remembers nothing (actimeo=0,nolease), since what it remembers for a second hangs on how fast it is. The
machine is that of vm_test.py.

Exit status: 0 as expected, 1 otherwise, 2 the machine could not be made.
"""
import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import server as servers  # noqa: E402
import vm_test  # noqa: E402
from guest_files import find, put_program  # noqa: E402
from quota_test import make_disk  # noqa: E402
from scratch import Scratch  # noqa: E402

PROGRAMS = ("rsync", "tar")


def answers(text, place):
    """[(question, answer)] in order; a question may come again."""
    prefix = f"{place}| "
    lines = [line[len(prefix):] for line in text.splitlines() if line.startswith(prefix)]
    return [tuple(line.partition(": ")[::2]) for line in lines]


def differences(text):
    """{(number, question): (ext4's answer, the share's)}, or a sentence why there are none."""
    ours, theirs = answers(text, "mnt"), answers(text, "ext4")
    if not theirs or [each[0] for each in ours] != [each[0] for each in theirs]:
        return None
    seen, found = {}, {}
    for (question, right), (_, wrong) in zip(theirs, ours):
        seen[question] = seen.get(question, 0) + 1
        if right != wrong:
            found[f"{question} #{seen[question]}"] = (right, wrong)
    return found


def expected(mount):
    with open(os.path.join(HERE, "posix_differences.tsv"), encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines if not line.startswith("#")]
    return {row[1]: (row[2], row[3]) for row in rows if row[0] == mount}


def compare(text, mount):
    found = differences(text)
    if found is None:
        return ["the two were not asked the same; is the guest's output whole?"]
    known = expected(mount)
    trouble = [f"{question}: ext4 says {right}, the share {wrong}"
               for question, (right, wrong) in found.items() if known.get(question) != (right, wrong)]
    trouble += [f"{question}: no difference any more; take it out of posix_differences.tsv"
                for question in known if question not in found]
    print(f"{len(answers(text, 'ext4'))} answers, {len(found)} differences")
    return trouble


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_arguments(parser)
    parser.add_argument("--cache", default=os.path.join(HERE, "..", "..", "build", "vm"))
    parser.add_argument("--options", default="vers=3.1.1,posix", help="of the mount")
    parser.add_argument("--local-access", help="the key of the share")
    parser.add_argument("--limit", type=int, default=400, help="seconds for the machine")
    args = parser.parse_args()
    alice = servers.test_users()[0]
    with Scratch(args.scratch) as scratch:
        try:
            vmlinuz, initramfs = vm_test.prepare(os.path.abspath(args.cache))
            subprocess.run(["clang-19", "-O1", "-o", scratch.file("posix"),
                            os.path.join(HERE, "guest", "posix.c")], check=True)
            root = scratch.directory("job")
            os.makedirs(os.path.join(root, "job"))
            for program in [*map(find, PROGRAMS), scratch.file("posix")]:
                put_program(root, program)
            disk = make_disk(scratch, "ext4", 64 << 20, "mkfs.ext4", "-q")
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            print(f"posix_test: {error}", file=sys.stderr)
            return 2
        share = scratch.directory("share", owner=servers.ids_of(alice))
        lines = (f'local_access = "{args.local_access}"',) if args.local_access else ()
        server = servers.start(args, scratch, servers.Options(
            [servers.Share("share", share, lines=lines)], [alice]))
        job = vm_test.pack_job(scratch, "posix.sh", {
            "HOST": vm_test.HOST, "PORT": server.port, "SHARE": "share", "NAME": alice.name,
            "PASSWORD": alice.password, "OPTIONS": args.options})
        text, ended = vm_test.boot(scratch, vmlinuz, initramfs, job, args.limit,
                                   network=[*vm_test.USER_NETWORK, *disk])
        mount = "posix" if "posix" in args.options.split(",") else "plain"
        trouble = server.stop() + vm_test.judge(text, ended, args.limit) + compare(text, mount)
        trouble += [f"left in the share: {name}" for name in os.listdir(share)]
        for sentence in trouble:
            print(sentence)
        return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
