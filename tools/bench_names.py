#!/usr/bin/env python3
"""Runs `braid-bench names` against a braidd of its own; further arguments go to braid-bench."""
import argparse
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "lib"))

import server as servers  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    servers.add_arguments(parser)
    parser.add_argument("--program", required=True, help="the built braid-bench")
    args, for_program = parser.parse_known_args()
    with Scratch(args.scratch) as scratch:
        alice = test_users()[0]
        options = Options([Share("share", scratch.directory("share", owner=ids_of(alice)))],
                          [alice], single_process=True)
        server = servers.start(args, scratch, options)
        # smbd serves a connection in a process of its own, which does not exist yet: for it only
        # wall time is measured.
        pid = [f"--server-pid={server.process.pid}"] if server.kind == "braidd" else []
        status = subprocess.run(
            [args.program, "--server", f"{server.host}:{server.port}", "--user", alice.name, *pid,
             "names", *for_program],
            env=os.environ | {"BRAID_BENCH_PASSWORD": alice.password}).returncode
        trouble = server.stop()
        print("\n".join(trouble), file=sys.stderr, end="\n" if trouble else "")
    return 1 if status or trouble else 0


if __name__ == "__main__":
    sys.exit(main())
