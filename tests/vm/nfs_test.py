#!/usr/bin/env python3
"""NFS by the kernel's own server and SMB on one folder, both in a virtual machine.

  nfs_test.py --braidd build/release/braidd
  nfs_test.py --braidd build/release/braidd --rounds 300 --turns 300 --locks 100

First the kernel's clients of both, in the machine: one writes numbered records, the other reads them
(guest/nfs.c). Then the tests of tests/nfs/records.py, whose clients are on this side. In the share
"strict" no record may be old; of "notify" it is said for how long they were. Needs what vm_test.py
needs, e2fsprogs and libnfs.
"""
import os
import socket
import subprocess
import sys
import threading
import types
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("lib", "nfs"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))

import records  # noqa: E402
import suite  # noqa: E402
import vm_test  # noqa: E402
from guest_files import put_program  # noqa: E402
from quota_test import make_disk  # noqa: E402
from scratch import Scratch  # noqa: E402

OWNER = (2001, 2001)
FILES = {"passwd": "root:x:0:0:root:/:/bin/sh\nalice:x:2001:2001:alice:/:/bin/sh\n",
         "group": "root:x:0:\nalice:x:2001:\n", "nsswitch.conf": "passwd: files\n",
         "hosts": "127.0.0.1 localhost nfs\n"}


def free_ports(count):
    with_ports = [socket.socket() for _ in range(count)]
    for each in with_ports:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in with_ports]
    for each in with_ports:
        each.close()
    return ports


class Guest:
    """The machine, from start to stop. Its servers answer on ports of this one."""

    def __init__(self, scratch):
        arguments = suite.arguments
        self.smb_port, self.nfs_port = free_ports(2)
        self.is_ready = threading.Event()
        self.text, self.ended = "", False
        try:
            vmlinuz, initramfs = vm_test.prepare(os.path.abspath(arguments.cache))
            disk = make_disk(scratch, "ext4", 128 << 20, "mkfs.ext4", "-q")
            root = scratch.directory("job")
            subprocess.run(["clang-19", "-O1", "-static", "-o",
                            os.path.join(scratch.directory("job", "job"), "nfs"),
                            os.path.join(HERE, "guest", "nfs.c")], check=True)
            for program in (arguments.braidd,
                            os.path.join(os.path.dirname(arguments.braidd), "braidctl")):
                put_program(root, os.path.abspath(program))
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            raise unittest.SkipTest(f"no machine: {error}") from error
        scratch.directory("job", "etc")
        for name, text in FILES.items():
            with open(scratch.file("job", "etc", name), "w", encoding="ascii") as out:
                out.write(text)
        job = vm_test.pack_job(scratch, "nfs.sh", {
            "NAME": records.ALICE.name, "PASSWORD": records.ALICE.password,
            "FILES": records.FILES, "ROUNDS": arguments.turns, "LOCK_ROUNDS": arguments.locks,
            "JOBS": arguments.jobs})
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{ours}-:{theirs}"
                           for ours, theirs in ((self.smb_port, 445), (self.nfs_port, 2049)))
        network = ["-netdev", f"user,id=net,ipv6=off{forwards}", *vm_test.USER_NETWORK[2:], *disk]
        self._thread = threading.Thread(target=self._run,
                                        args=(scratch, vmlinuz, initramfs, job, network))
        self._thread.start()

    def _run(self, scratch, vmlinuz, initramfs, job, network):
        try:
            self.text, self.ended = vm_test.boot(scratch, vmlinuz, initramfs, job,
                                                 suite.arguments.limit, network=network,
                                                 hear=self._hear)
        finally:
            self.is_ready.set()

    def _hear(self, line):
        if line == "ready":
            self.is_ready.set()

    def stop(self):
        """Sentences about what was wrong."""
        if self._thread.is_alive():
            control = records.NfsClient(types.SimpleNamespace(port=self.nfs_port), 0, 0, "/")
            control.write("control", b"done\n")
        self._thread.join()
        return vm_test.judge(self.text, self.ended, suite.arguments.limit)


class InGuest:
    guest = None
    owner = OWNER

    @classmethod
    def setUpClass(cls):
        InGuest.guest.is_ready.wait()
        if not InGuest.guest._thread.is_alive():  # pylint: disable=protected-access
            raise AssertionError("the machine has ended")
        cls.share, cls.nfs_folder = cls.mode, f"/{cls.mode}"
        cls.server = types.SimpleNamespace(host="127.0.0.1", port=InGuest.guest.smb_port,
                                           trouble=lambda: [])
        cls.nfs_server = types.SimpleNamespace(port=InGuest.guest.nfs_port)
        cls.nfs = cls.nfs_client()


class Strict(InGuest, records.Strict):
    pass


class Notify(InGuest, records.Notify):
    pass


def setUpModule():
    scratch = Scratch(suite.arguments.scratch)
    scratch.__enter__()
    unittest.addModuleCleanup(scratch.__exit__)
    InGuest.guest = Guest(scratch)
    unittest.addModuleCleanup(stop_guest)


def stop_guest():
    trouble = InGuest.guest.stop()
    if trouble:
        raise AssertionError("\n".join(trouble))


def extra(parser):
    records.extra(parser)
    parser.add_argument("--turns", type=int, default=10_000, help="rounds of the kernel's clients")
    parser.add_argument("--locks", type=int, default=10_000, help="theirs with locks")
    parser.add_argument("--jobs", type=int, default=8, help="processes that share these")
    parser.add_argument("--cache", default=os.path.join(HERE, "..", "..", "build", "vm"))
    parser.add_argument("--limit", type=int, default=3600, help="seconds for the machine")


if __name__ == "__main__":
    suite.main(extra)
