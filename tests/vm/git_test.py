#!/usr/bin/env python3
"""git on the Linux kernel's client: what it finds out about names and links, and lives with.

  git_test.py --braidd build/release/braidd

guest/git.sh does what git's own tests of case and links do (t0050 and those of checkout), on
mounts with posix and on tmpfs beside them, where git has to say the same; and on mounts without,
where it has to find out what there is not. The machine is that of vm_test.py; git is this one's.

Exit status: 0 all steps went well, 1 otherwise, 2 the machine could not be made.
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
from scratch import Scratch  # noqa: E402


# nocase: else this client remembers for a second that a name was not there, though it is by then in another case.
MOUNTS = ["vers=3.1.1,posix", "vers=3.1.1,posix,nolease", "vers=3.1.1,nocase", "vers=3.0,seal,nocase"]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_arguments(parser)
    parser.add_argument("--cache", default=os.path.join(HERE, "..", "..", "build", "vm"))
    parser.add_argument("--mount", action="append", help="mount options; may repeat")
    parser.add_argument("--limit", type=int, default=1200, help="seconds for the machine")
    args = parser.parse_args()
    alice = servers.test_users()[0]
    with Scratch(args.scratch) as scratch:
        try:
            vmlinuz, initramfs = vm_test.prepare(os.path.abspath(args.cache))
            put_program(scratch.directory("job"), find("git"))
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            print(f"git_test: {error}", file=sys.stderr)
            return 2
        share = scratch.directory("share", owner=servers.ids_of(alice))
        server = servers.start(args, scratch, servers.Options(
            [servers.Share("share", share)], [alice]))
        job = vm_test.pack_job(scratch, "git.sh", {
            "HOST": vm_test.HOST, "PORT": server.port, "SHARE": "share", "NAME": alice.name,
            "PASSWORD": alice.password, "MOUNTS": " ".join(args.mount or MOUNTS)})
        text, ended = vm_test.boot(scratch, vmlinuz, initramfs, job, args.limit)
        trouble = server.stop() + vm_test.judge(text, ended, args.limit)
        trouble += [f"left in the share: {name}" for name in os.listdir(share)]
        for sentence in trouble:
            print(sentence)
        return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
