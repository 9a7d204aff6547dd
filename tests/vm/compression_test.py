#!/usr/bin/env python3
"""The Linux kernel's SMB client with the mount option `compress`, which Debian's kernels do not have.

  compression_test.py --braidd build/release/braidd [--mib 256]

For mounts that are signed, on two channels, and sealed: zeros, numbered lines and random bytes are written to a
share with compress = "always" and read again with their checksums. The server must have got zeros and lines
compressed and the random bytes as they are; nothing where the mount is sealed, since this client seals or compresses.
`--plain` mounts without the option, for comparison. The first run builds a kernel (build_kernel.sh), some
ten minutes. Needs root, for a network namespace.

The data is such that a match goes on to the end of each message: where it ends a few bytes before, this client's
encoder takes one byte too many into it, and its WRITE does not fit its signature (docs/protocol.md, 216).

Exit status: 0 all went well, 1 otherwise, 2 the machine could not be made, 77 not root.
"""
import argparse
import os
import random
import re
import subprocess
import sys

import vm_test
from multichannel_test import SKIPPED, cards

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import networks as nets  # noqa: E402
import server as servers  # noqa: E402
from scratch import Scratch  # noqa: E402

MOUNTS = ["vers=3.1.1,sign", "vers=3.1.1,sign,wsize=65536", "vers=3.1.1,multichannel,max_channels=2,sign",
          "vers=3.1.1,seal"]
PIECE = 4 << 20  # of each kind; the guest puts them one behind the other


def lines():
    """All of one length, so that a message ends within a match wherever it is cut."""
    page = b"".join(b"line %03d of a page that comes again and again\n" % number for number in range(10))
    return (page * (PIECE // len(page) + 1))[:PIECE]


def metric(server, name):
    """Over all workers."""
    done = subprocess.run(server.options.command(server.braidctl, "--config", server.config, "metrics"),
                          capture_output=True, text=True, check=True, timeout=60)
    return sum(int(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\d+)$", done.stdout, re.M))


def counted(server):
    return [metric(server, f"braid_compressed_received_{what}_total")
            for what in ("messages", "bytes", "plain_bytes")]


def run(args, vmlinuz, initramfs):
    alice = servers.test_users()[0]
    heard = {}
    with Scratch(args.scratch) as scratch, nets.MachineNetworks(2) as networks:
        share = scratch.directory("share", owner=servers.ids_of(alice))
        server = servers.start(args, scratch, servers.Options(
            [servers.Share("share", share, lines=('compress = "always"',))], [alice],
            networks=networks, rss=True))
        job = scratch.directory("job", "job")
        for name, data in (("zeros", bytes(PIECE)), ("lines", lines()),
                           ("random", random.Random(7).randbytes(PIECE))):
            with open(os.path.join(job, name), "wb") as out:
                out.write(data)
        mounts = [options + ("" if args.plain else ",compress") for options in MOUNTS]
        archive = vm_test.pack_job(scratch, "compression.sh", {
            "HOST": networks.address(0), "OWN": "10.99.0.2", "OWN2": "10.99.1.2", "PORT": server.port,
            "NAME": alice.name, "PASSWORD": alice.password, "COPIES": max(1, args.mib * 2**20 // PIECE),
            "MOUNTS": " ".join(mounts)})
        before = counted(server)

        def hear(line):
            nonlocal before
            if line.startswith("written: "):  # KIND OPTIONS
                now = counted(server)
                heard[line] = [after - earlier for after, earlier in zip(now, before)]
                before = now
                looked = scratch.file("looked")
                with open(looked, "wb"):
                    os.chown(looked, *servers.ids_of(alice))
                os.rename(looked, os.path.join(share, "looked"))

        said, ended = vm_test.boot(scratch, vmlinuz, initramfs, archive, args.limit,
                                   network=cards(networks, scratch.file("monitor")),
                                   prefix=networks.command(networks.server), hear=hear)
        trouble = vm_test.judge(said, ended, args.limit)
        for line, (messages, wire, plain) in heard.items():
            print(f"{line[9:]}: {messages} messages compressed, {plain} bytes in {wire}")
            unpacked = args.plain or "seal" in line or line.startswith("written: random")
            if (messages == 0) != unpacked or (messages and wire >= plain):
                trouble.append(f"{line[9:]}: {messages} compressed messages, {plain} bytes in {wire}")
        if len(heard) != 3 * len(mounts):
            trouble.append(f"only these were written: {sorted(heard)}")
        trouble += server.stop()
        if os.listdir(share):
            trouble.append(f"left in the share: {os.listdir(share)}")
        for sentence in trouble:
            print(sentence)
        return 1 if trouble else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_arguments(parser)
    parser.add_argument("--cache", default=os.path.join(vm_test.HERE, "..", "..", "build", "vm"))
    parser.add_argument("--mib", type=int, default=16, help="of each kind of data")
    parser.add_argument("--plain", action="store_true", help="without the mount option")
    parser.add_argument("--limit", type=int, default=900, help="seconds for the machine")
    args = parser.parse_args()
    reason = nets.missing()
    if reason:
        print(f"skipped: {reason}")
        return SKIPPED
    try:
        vmlinuz, initramfs = vm_test.prepare(os.path.abspath(args.cache), own=True)
    except subprocess.CalledProcessError as error:
        print(f"compression_test: {error}", file=sys.stderr)
        return 2
    return run(args, vmlinuz, initramfs)


if __name__ == "__main__":
    sys.exit(main())
