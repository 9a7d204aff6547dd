#!/usr/bin/env python3
"""Runs `braid-bench opens` against a braidd of its own with two shares; further arguments go to braid-bench.

CREATE and CLOSE on a share with persistent handles beside an ordinary one, in turn, with 1, 8 and 64 in flight.
"""
import argparse
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "lib"))

import server as servers  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--braidd", required=True, help="the server")
    parser.add_argument("--scratch", help="where the temporary directory goes (default: $TMPDIR)")
    parser.add_argument("--program", required=True, help="the built braid-bench")
    args, for_program = parser.parse_known_args()
    args.smbd = None
    with Scratch(args.scratch) as scratch:
        alice = test_users()[0]
        shares = [Share(name, scratch.directory(name, owner=ids_of(alice)), lines=lines)
                  for name, lines in (("share", ()), ("kept", ("continuous_availability = true",)))]
        server = servers.start(args, scratch, Options(shares, [alice], signing="enabled"))
        status = subprocess.run(
            [args.program, "--server", f"{server.host}:{server.port}", "--user", alice.name, "opens",
             "--persistent-share", "kept", *for_program],
            env=os.environ | {"BRAID_BENCH_PASSWORD": alice.password}, check=False).returncode
        trouble = server.stop()
        print("\n".join(trouble), file=sys.stderr, end="\n" if trouble else "")
    return 1 if status or trouble else 0


if __name__ == "__main__":
    sys.exit(main())
