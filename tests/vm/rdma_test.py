#!/usr/bin/env python3
"""SMB Direct over a network card with RDMA: a virtual machine whose kernel has soft-RoCE.

  rdma_test.py --build build/release           Debian's kernel, our client
  rdma_test.py --build build/release --own     a kernel built here, whose own client has SMB Direct
  rdma_test.py --build build/release --bench 300    how fast, beside TCP and beside the card alone

The card is a device of the kernel's above the machine's network card, so what is posted, registered
and completed goes through libibverbs and librdmacm as with any other. guest/rdma.sh has the steps: the queue
pair alone, the engine over it, and the server with its process for the cards: braidctl rdma check, our client
library (tests/direct), and with --own the kernel's client with files and checksums, plain, signed and sealed.
Needs what vm_test.py needs, and ibverbs-providers iproute2, with --bench perftest; --own builds a kernel at first (build_kernel.sh).

Exit status: 0 all steps went well, 1 otherwise, 2 the machine could not be made.
"""
import argparse
import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import vm_test  # noqa: E402
from guest_files import find, libraries_of, put, put_program  # noqa: E402
from scratch import Scratch  # noqa: E402


# This client may use its connection after it has given it up, when it unmounts: seen in one run of five.
CLIENT_DEFECT = "Workqueue: smbd_"
TRIES = 3
# What is sealed it asks for in pieces that it does not take, unless told otherwise.
OWN_MOUNTS = ["vers=3.1.1", "vers=3.1.1,sign", "vers=3.1.1,seal,rsize=131072,wsize=524288"]


def make_guest(scratch, build, own, bench):
    root = scratch.directory("job")
    for program in ("braidd", "braidctl") + (() if own else ("verbs_test", "rdma_test", "direct_test")):
        put_program(root, os.path.join(os.path.abspath(build), program))
    for program in ("rdma", "ip") + (("ib_read_bw", "ib_write_bw") if bench else ()):
        put_program(root, find(program))
    # Looked for by name at run time: one file says which library knows the card.
    put(root, "/etc/libibverbs.d/rxe.driver")
    providers = glob.glob("/usr/lib/*/libibverbs/librxe-*.so")
    if not providers:
        raise FileNotFoundError("ibverbs-providers is not installed")
    for provider in providers:
        put(root, provider)
        for library in libraries_of(provider):
            put(root, library)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="where braidd and the tests' programs are")
    parser.add_argument("--own", action="store_true", help="the kernel client's SMB Direct")
    parser.add_argument("--mount", action="append", help="mount options with --own; may repeat")
    parser.add_argument("--mib", type=int, default=24, help="size of the kernel client's file")
    parser.add_argument("--kill", action="append", default=[], choices=("braidd-rdma", "braidd-worker"),
                        help="with --own: these of the server's are killed while it copies; may repeat")
    parser.add_argument("--cards", type=int, default=1, choices=(1, 2),
                        help="with --own: 2, and the second one goes while it copies on both")
    parser.add_argument("--workers", type=int, default=1, help="of the server")
    parser.add_argument("--mtu", type=int, default=1500, help="of the network interface under the card")
    parser.add_argument("--bench", type=int, default=0, help="MiB each way to measure, in place of the tests")
    parser.add_argument("--filter", default="", help="only these of tests/direct")
    parser.add_argument("--memory", type=int, default=1024, help="MiB the machine has")
    parser.add_argument("--cache", default=os.path.join(HERE, "..", "..", "build", "vm"))
    parser.add_argument("--scratch", help="where the temporary directory goes (default: $TMPDIR)")
    parser.add_argument("--limit", type=int, default=600, help="seconds for the machine")
    args = parser.parse_args()
    with Scratch(args.scratch) as scratch:
        try:
            vmlinuz, initramfs = vm_test.prepare(os.path.abspath(args.cache), own=args.own)
            make_guest(scratch, args.build, args.own, args.bench)
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            print(f"rdma_test: {error}", file=sys.stderr)
            return 2
        job = vm_test.pack_job(scratch, "rdma.sh", {
            "MOUNTS": " ".join(args.mount or OWN_MOUNTS) if args.own else "", "MIB": args.mib,
            "KILL": " ".join(args.kill), "WORKERS": args.workers, "MTU": args.mtu, "CARDS": args.cards,
            "BENCH": args.bench, "FILTER": args.filter})
        for _ in range(TRIES if args.own else 1):
            text, ended = vm_test.boot(scratch, vmlinuz, initramfs, job, args.limit, memory=args.memory)
            if CLIENT_DEFECT not in text or "guest status" in text:
                break
            print("the kernel's client has ended the machine, once more")
            os.remove(scratch.file("console"))
        trouble = vm_test.judge(text, ended, args.limit)
        for sentence in trouble:
            print(sentence)
        return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
