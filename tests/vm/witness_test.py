#!/usr/bin/env python3
"""The Linux kernel's SMB client with the mount option `witness`, moved between two addresses of the server.

  witness_test.py --braidd build/release/braidd

The kernel says over netlink what it wants to be told of and leaves the talk with the witness to a program. Half of
that program is in the guest (guest/witness.c: netlink), half of it here (Daemon: RPC, by impacket). While one file
is written, `braidctl witness move` sends the client to the second address; then the second address is taken down,
of which the witness at the first one tells. Each time the copy has to go on over the other address; the time from
the command to the first request there is printed. The first run builds a kernel (build_kernel.sh), some ten
minutes. Needs root, for a network namespace.

Exit status: 0 all went well, 1 otherwise, 2 the machine could not be made, 77 not root.
"""
import argparse
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time

import vm_test
from multichannel_test import SKIPPED, cards

sys.path.insert(0, os.path.join(vm_test.HERE, "..", "lib"))
sys.path.insert(0, os.path.join(vm_test.HERE, "..", "witness"))

from impacket.dcerpc.v5 import epm  # noqa: E402

import networks as nets  # noqa: E402
import server as servers  # noqa: E402
import witness_client as wc  # noqa: E402
from scratch import Scratch  # noqa: E402

FIRST, SECOND, CONTROL = range(3)  # links
PIECE = 1 << 20
GUEST = "guest"  # what the client calls itself to the witness
STEP_LIMIT_S = 120
ETH_P_IP = 0x0800


class Daemon:
    """Registers for the guest's kernel what it asks for, and hands it the notices."""

    def __init__(self, networks, user):
        self.networks, self.user = networks, user
        self.changed = threading.Condition()
        self.registrations = {}  # id: (address, number)
        self.complaints = []
        self.told_at = 0  # when the last notice came
        self.guest = None
        self.number = 0
        with wc.inside(networks.server):
            self.listener = socket.create_server((networks.address(CONTROL), 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        self.guest, _ = self.listener.accept()
        with self.guest.makefile("r", encoding="utf-8") as lines:
            for line in lines:
                print(f"kernel: {line}", end="", flush=True)
                with self.changed:
                    self.take(*line.split())
                    self.changed.notify_all()

    def take(self, word, number="", *more):
        if word == "ready":
            self.send("create /tmp/ready")
        elif word == "unregister":
            self.registrations.pop(int(number), None)
        elif word == "register":
            server, share, address = more
            # The kernel repeats what it wants with each ECHO.
            if self.registrations.get(int(number), ("", 0))[0] == address:
                return
            self.number += 1
            self.registrations[int(number)] = (address, self.number)
            threading.Thread(target=self.watch, daemon=True,
                             args=(int(number), self.number, server, share, address)).start()
        elif word.startswith("failed"):
            self.complaints.append(" ".join((word, number, *more)))

    def send(self, line):
        self.guest.sendall(f"{line}\n".encode())

    def is_wanted(self, registration, number):
        with self.changed:
            return self.registrations.get(registration, ("", 0))[1] == number

    def witness(self, address):
        with wc.inside(self.networks.server):
            found = epm.hept_map(address, wc.WITNESS, protocol="ncacn_ip_tcp")
        port = re.fullmatch(r"ncacn_ip_tcp:[\d.]+\[(\d+)\]", found).group(1)
        return wc.Witness(address, int(port), self.user, namespace=self.networks.server, timeout=60)

    def witness_of(self, address):
        """An address of the server, besides this one and the one of the talk with the guest."""
        client = self.witness(address)
        result, stub = client.call(wc.GET_INTERFACE_LIST)
        client.close()
        assert result == wc.SUCCESS, f"GetInterfaceList: {result:#x}"
        return next((each.address for each in wc.interfaces_of(stub)
                     if each.is_witness and each.state == wc.AVAILABLE
                     and each.address not in (address, self.networks.address(CONTROL))), None)

    def watch(self, registration, number, server, share, address):
        """[MS-SWN] 3.2: another machine, or here another address, watches over the one that is used."""
        try:
            other = self.witness_of(address)
            # While there is no other, nobody could be sent there.
            while not other and self.is_wanted(registration, number):
                time.sleep(0.2)
                other = self.witness_of(address)
            if not other:
                return
            client = self.witness(other)
            result, handle = client.register(server, address, GUEST, share, keep_alive=30)
            assert result == wc.SUCCESS, f"RegisterEx: {result:#x}"
            while self.is_wanted(registration, number):
                client.ask(handle)
                result, notice = client.notice()
                if result == wc.TIMEOUT or not self.is_wanted(registration, number):
                    continue
                assert result == wc.SUCCESS, f"AsyncNotify: {result:#x}"
                self.told_at = time.monotonic()
                print(f"witness at {other}: {notice}", flush=True)
                if notice.kind == wc.CLIENT_MOVE:
                    self.send(f"move {registration} {notice.changes[0][0]}")
                elif notice.kind == wc.RESOURCE_CHANGE:
                    for name, state in notice.changes:
                        if state == wc.UNAVAILABLE:
                            self.send(f"move {registration} {other}")
                        else:
                            self.send(f"state {registration} {name} up")
            client.close()
        except Exception as error:  # of a thread: nobody else would hear of it
            with self.changed:
                if self.registrations.get(registration, ("", 0))[1] == number:
                    self.complaints.append(f"watching {address}: {error!r}")

    def await_state(self, is_there, what):
        with self.changed:
            if not self.changed.wait_for(lambda: self.complaints or is_there(), STEP_LIMIT_S):
                raise TimeoutError(what)
            if self.complaints:
                raise RuntimeError(self.complaints[0])

    def await_address(self, address):
        self.await_state(lambda: address in [each for each, _ in self.registrations.values()],
                         f"the kernel did not register for {address}")


class FirstRequest:
    """When the first data came to an address of the server after this was made."""

    def __init__(self, networks, address, port):
        self.wanted, self.port = socket.inet_aton(address), port
        with wc.inside(networks.server):
            self.packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
        self.packets.settimeout(STEP_LIMIT_S)
        self.begun = time.monotonic()

    def wait(self):
        """Seconds."""
        with self.packets:
            while True:
                packet = self.packets.recv(65536)
                header = (packet[0] & 15) * 4
                if packet[9] != socket.IPPROTO_TCP or packet[16:20] != self.wanted:
                    continue
                tcp = packet[header:]
                whole = int.from_bytes(packet[2:4], "big")
                is_data = whole > header + (tcp[12] >> 4) * 4
                if int.from_bytes(tcp[2:4], "big") == self.port and is_data:
                    return time.monotonic() - self.begun


class Exercise:
    def __init__(self, server, networks, daemon, share):
        self.server, self.networks, self.daemon, self.share = server, networks, daemon, share

    def braidctl(self, *command):
        return subprocess.run(
            self.server.options.command(self.server.braidctl, "--config", self.server.config, *command),
            capture_output=True, text=True, check=True, timeout=60).stdout

    def registered(self):
        """What the guest's kernel watches, and whether it waits to be told."""
        return [(row["address"], row["state"]) for row in json.loads(self.braidctl("--json", "witness", "list"))
                if row["client"] == GUEST]

    @staticmethod
    def wait_until(condition, what):
        end = time.monotonic() + STEP_LIMIT_S
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(what)
            time.sleep(0.05)

    def copied(self):
        return os.stat(os.path.join(self.share, "copy")).st_size

    def moves_to(self, link, act, what):
        """Does it while the copy is under way, which has to go on over the link."""
        address = self.networks.address(link)
        other = self.networks.address(SECOND if link == FIRST else FIRST)
        self.daemon.await_address(other)
        self.wait_until(lambda: (other, "waiting") in self.registered(), f"nobody watches {other}")
        before = self.copied()
        self.wait_until(lambda: self.copied() > before, "nothing is copied")
        first = FirstRequest(self.networks, address, self.server.port)
        act(address, other)
        took = first.wait()
        print(f"{what}: told after {self.daemon.told_at - first.begun:.2f} s, first request at {address} "
              f"after {took:.2f} s", flush=True)
        before = self.copied()
        self.wait_until(lambda: self.copied() > before + 4 * PIECE, f"the copy does not go on at {address}")
        print(f"{what}: 4 MiB more after {time.monotonic() - first.begun:.2f} s", flush=True)

    def run(self):
        self.moves_to(SECOND, lambda there, _: self.braidctl("witness", "move", GUEST, there), "moved")
        self.moves_to(FIRST, lambda _, gone: nets.run("ip", "-n", self.networks.server, "addr", "del",
                                                      f"{gone}/24", "dev", f"s{SECOND}"), "address taken down")
        self.daemon.await_address(self.networks.address(FIRST))
        nets.run("ip", "-n", self.networks.server, "addr", "add",
                 f"{self.networks.address(SECOND)}/24", "dev", f"s{SECOND}")


def run(args, vmlinuz, initramfs):
    alice = servers.test_users()[0]
    trouble = []
    with Scratch(args.scratch) as scratch, nets.MachineNetworks(3) as networks:
        share = scratch.directory("share", owner=servers.ids_of(alice))
        server = servers.start(args, scratch, servers.Options(
            [servers.Share("share", share)], [alice], networks=networks,
            server_lines=("witness = true", 'name = "fs"')))
        daemon = Daemon(networks, alice)
        job = scratch.directory("job", "job")
        subprocess.run(["clang-19", "-O1", "-static", "-Wall", "-Werror", "-o", os.path.join(job, "witness"),
                        os.path.join(vm_test.HERE, "guest", "witness.c")], check=True)
        with open(os.path.join(job, "piece"), "wb") as out:
            out.write(random.Random(7).randbytes(PIECE))
        archive = vm_test.pack_job(scratch, "witness.sh", {
            "HOST": networks.address(FIRST), "HOST_AFTER": networks.address(FIRST),
            "CONTROL": networks.address(CONTROL), "CONTROL_PORT": daemon.port, "PORT": server.port,
            "NAME": alice.name, "PASSWORD": alice.password, "OPTIONS": args.options})
        exercise = Exercise(server, networks, daemon, share)
        steps = []

        def hear(line):
            if line == "copying":
                try:
                    exercise.run()
                    steps.append("moved")
                except Exception as error:
                    trouble.append(f"the exercise: {error}")
                daemon.send("create /tmp/enough")
            elif line == "over":
                try:
                    daemon.await_state(lambda: not daemon.registrations, "the kernel did not unregister")
                    steps.append("unregistered")
                except Exception as error:
                    trouble.append(f"the end: {error}")

        said, ended = vm_test.boot(scratch, vmlinuz, initramfs, archive, args.limit,
                                   network=cards(networks, scratch.file("monitor")),
                                   prefix=networks.command(networks.server), hear=hear)
        trouble += vm_test.judge(said, ended, args.limit)
        if steps != ["moved", "unregistered"]:
            trouble.append(f"only this was done: {steps}")
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
    parser.add_argument("--options", default="vers=3.1.1", help="of the mount, besides witness")
    parser.add_argument("--limit", type=int, default=600, help="seconds for the machine")
    args = parser.parse_args()
    reason = nets.missing()
    if reason:
        print(f"skipped: {reason}")
        return SKIPPED
    try:
        vmlinuz, initramfs = vm_test.prepare(os.path.abspath(args.cache), own=True)
    except subprocess.CalledProcessError as error:
        print(f"witness_test: {error}", file=sys.stderr)
        return 2
    return run(args, vmlinuz, initramfs)


if __name__ == "__main__":
    sys.exit(main())
