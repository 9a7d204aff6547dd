#!/usr/bin/env python3
"""The Linux kernel's SMB client on four channels over two network cards, one of which loses its link.

  multichannel_test.py --braidd build/release/braidd
  multichannel_test.py --smbd /usr/sbin/smbd                   for comparison

Mounts with multichannel,max_channels=4; DebugData has to show four channels and both cards have to
carry data; while a file is copied the second card's link goes, the copy goes on, and the channels come
back with the link. Kernel and initramfs are those of vm_test.py. Needs root, for a network namespace.

Exit status: 0 all went well, 1 otherwise, 2 the machine could not be made, 77 not root.
"""
import argparse
import os
import socket
import subprocess
import sys

import vm_test

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import networks as nets  # noqa: E402
import server as servers  # noqa: E402
from scratch import Scratch  # noqa: E402

CHANNELS = 4
SKIPPED = 77


def cards(networks, monitor):
    """QEMU's arguments for a card on each network, and for the socket that commands it."""
    arguments = ["-monitor", f"unix:{monitor},server,nowait"]
    for link in networks.links:
        arguments += ["-netdev", f"tap,id=net{link},ifname=s{link},script=no,downscript=no",
                      "-device", f"virtio-net-pci,netdev=net{link},id=card{link},romfile=,"
                                 f"mac=52:54:00:99:00:0{link + 1}"]
    return arguments


def set_link(monitor, card, state):
    """The cable of a card: "on" or "off"."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(monitor)
        with connection.makefile("rw", encoding="utf-8", newline="\n") as stream:
            for command in (f"set_link {card} {state}", ""):
                read = ""
                while not read.endswith("(qemu) "):
                    read += stream.read(1)
                stream.write(f"{command}\n")
                stream.flush()


def run(args, vmlinuz, initramfs):
    alice = servers.test_users()[0]
    with Scratch(args.scratch) as scratch, nets.MachineNetworks(2) as networks:
        share = scratch.directory("share", owner=servers.ids_of(alice))
        server = servers.start(args, scratch, servers.Options(
            [servers.Share("share", share)], [alice], networks=networks, rss=True))
        job = vm_test.pack_job(scratch, "multichannel.sh", {
            "HOST": networks.address(0), "HOST2": networks.address(1),
            "OWN": "10.99.0.2", "OWN2": "10.99.1.2", "PORT": server.port, "NAME": alice.name,
            "PASSWORD": alice.password, "MIB": args.mib, "CHANNELS": CHANNELS})
        monitor = scratch.file("monitor")

        def hear(line):
            if line.startswith("ask: link "):
                set_link(monitor, "card1", "on" if line.endswith("up") else "off")

        text, ended = vm_test.boot(scratch, vmlinuz, initramfs, job, args.limit,
                                   network=cards(networks, monitor),
                                   prefix=networks.command(networks.server), hear=hear)
        trouble = server.stop() + vm_test.judge(text, ended, args.limit)
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
    parser.add_argument("--mib", type=int, default=64, help="size of the file that is copied")
    parser.add_argument("--limit", type=int, default=400, help="seconds for the machine")
    args = parser.parse_args()
    reason = nets.missing()
    if reason:
        print(f"skipped: {reason}")
        return SKIPPED
    try:
        vmlinuz, initramfs = vm_test.prepare(os.path.abspath(args.cache))
    except subprocess.CalledProcessError as error:
        print(f"multichannel_test: {error}", file=sys.stderr)
        return 2
    return run(args, vmlinuz, initramfs)


if __name__ == "__main__":
    sys.exit(main())
