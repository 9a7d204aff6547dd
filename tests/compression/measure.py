#!/usr/bin/env python3
"""What compression brings and costs: `make compression-bench`.

  measure.py --braidd build/release/braidd --bench build/release/braid-bench [--mib 32]

braid-bench writes and reads text, a disk image and random bytes over a link without a limit, of 1 Gbit/s and of
100 Mbit/s (namespaces of its own, so it needs root), signed and sealed, without compression and with each
algorithm. Prints MiB/s of data and the server's processor time per MiB, both ways. Client and server share the
machine: without a limit and at 1 Gbit/s the client's own codec takes part of the processors.
"""
import argparse
import glob
import os
import random
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import networks  # noqa: E402
import server as servers  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402

ALICE = test_users()[0]
PIECE = 16 << 20
LINE = re.compile(r"^(write|read) +(\d+) MiB/s(?: +(\d+) us)?", re.M)  # no time: none was counted
OFFERS = (("off", ()), ("lz4", ("lz4", "pattern_v1")), ("lz77", ("lz77", "pattern_v1")),
          ("lz77+huffman", ("lz77+huffman", "pattern_v1")))


def repeated(data):
    return (data * (PIECE // len(data) + 1))[:PIECE]


def text():
    """The sources of this tree."""
    root = os.path.join(HERE, "..", "..")
    names = sorted(glob.glob(os.path.join(root, "src", "**", "*.cc"), recursive=True))
    return repeated(b"".join(open(name, "rb").read() for name in names))


def disk_image(program):
    """Programs and text with free space between them, as a young ext4 has it."""
    rng = random.Random(1)
    binary, prose = open(program, "rb").read(), text()
    out = bytearray()
    while len(out) < PIECE:
        kind = rng.randrange(4)
        size = rng.randrange(4096, 1 << 20)
        source = (bytes(size), bytes(size), binary, prose)[kind]
        at = rng.randrange(max(1, len(source) - size))
        out += source[at:at + size]
        out += bytes(-len(out) % 4096)
    return bytes(out[:PIECE])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--braidd", required=True)
    parser.add_argument("--bench", required=True, help="the built braid-bench")
    parser.add_argument("--mib", type=int, default=32)
    parser.add_argument("--rates", default="none,1gbit,100mbit")
    parser.add_argument("--data", default="text,image,random")
    args = parser.parse_args()
    args.smbd = args.scratch = None
    if why := networks.missing():
        sys.exit(why)
    kinds = {"text": text, "image": lambda: disk_image(args.braidd),
             "random": lambda: os.urandom(PIECE)}
    print(f"{'link':8} {'data':7} {'':7} {'':13} {'write MiB/s':>11} {'us/MiB':>7} {'read MiB/s':>11} "
          f"{'us/MiB':>7}")
    with Scratch(None) as scratch, networks.Networks(1) as link:
        options = Options([Share("share", scratch.directory("share", owner=ids_of(ALICE)))], [ALICE],
                          networks=link, single_process=True)
        server = servers.start(args, scratch, options)
        for rate in args.rates.split(","):
            if rate != "none":
                link.limit(0, rate)
            for kind in args.data.split(","):
                path = scratch.file(kind)
                with open(path, "wb") as file:
                    file.write(kinds[kind]())
                for sealed in (False, True):
                    for name, offer in OFFERS:
                        row = measured(args, server, link, path, sealed, offer)
                        print(f"{rate:8} {kind:7} {'sealed' if sealed else 'signed':7} {name:13} " +
                              " ".join(row), flush=True)
        trouble = server.stop()
    sys.exit("\n".join(trouble))


def measured(args, server, link, path, sealed, offer):
    command = [args.bench, "--server", f"{link.address(0)}:{server.port}", "--user", ALICE.name,
               "--server-pid", str(server.process.pid), *(["--encrypt"] if sealed else [])]
    for each in offer:
        command += ["--compression", each]
    command += ["throughput", "--mib", str(args.mib), "--in-flight", "8", "--data", path]
    done = subprocess.run(link.command(link.client, *command), capture_output=True, text=True,
                          env=os.environ | {"BRAID_BENCH_PASSWORD": ALICE.password}, check=True)
    found = {what: (rate, cost or "0") for what, rate, cost in LINE.findall(done.stdout)}
    return [f"{found[what][column]:>{11 if column == 0 else 7}}" for what in ("write", "read")
            for column in (0, 1)]


if __name__ == "__main__":
    main()
