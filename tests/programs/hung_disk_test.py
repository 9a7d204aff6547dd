#!/usr/bin/env python3
"""The disk of one share hangs: whatever does not need it goes on."""
import os
import signal
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from case import ALICE, ControlCase  # noqa: E402
from hung_disk import HungDisk  # noqa: E402
from scratch import stop  # noqa: E402
from server import Share, children, name_of  # noqa: E402
from smbclient import SmbClient  # noqa: E402


def keytab_entry(realm, *names):
    """A key of AES-256 for names@realm, as MIT's file format version 2 has it."""
    def text(value):
        return struct.pack(">H", len(value)) + value.encode()
    entry = (struct.pack(">H", len(names)) + text(realm) + b"".join(map(text, names)) +
             struct.pack(">IIBHH", 1, 0, 1, 18, 32) + bytes(range(32)))
    return struct.pack(">i", len(entry)) + entry


KEYTAB = b"\x05\x02" + keytab_entry("EXAMPLE.ORG", "cifs", "files.example.org")


@unittest.skipUnless(os.geteuid() == 0 and os.path.exists("/dev/fuse"), "mounts")
class Hung(ControlCase):
    def setUp(self):
        super().setUp()
        folder = self.scratch.directory("disk")
        try:
            self.disk = HungDisk(folder)
        except OSError as error:
            self.skipTest(str(error))
        self.addCleanup(self.disk.close)
        self.path = os.path.join(folder, "data")
        with open(self.server.config, "a", encoding="utf-8") as config:
            config.write(f'\n[[share]]\nname = "disk"\npath = "{self.path}"\n')
        self.reload()
        self.assertEqual(self.state(), ("present", None))

    def reload(self):
        count = self.server.log_text().count("took the new configuration")
        self.server.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: self.server.log_text().count("took the new configuration") > count,
                      "the new configuration")

    def state(self):
        row = next(row for row in self.ask("shares") if row["share"] == "disk")
        return row["state"], row.get("why")

    def assert_served(self):
        client = SmbClient(self.scratch, self.server, ALICE, limit=15)
        self.assertIn("report.txt", client.run("ls").text, self.server.log_text())

    def test_administrators_are_answered(self):
        self.disk.hang()
        for _ in range(2):
            self.assertEqual(self.state(), ("absent", "it does not answer"))
        self.assertEqual(self.ask("sessions"), [])

    def test_reload_and_its_check_come_to_an_end(self):
        self.disk.hang()
        self.reload()
        self.assert_served()
        for command in ([self.server.program, "--check"], [self.server.braidctl, "config", "check"]):
            done = subprocess.run([*command, "--config", self.server.config], timeout=30,
                                  capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(f"share 'disk' is absent: {self.path}: it does not answer", done.stdout)
        self.assertEqual(stop(self.server.process), 0)

    def test_next_worker_serves_the_others(self):
        self.disk.hang()
        old = [pid for pid in children(self.server.process.pid) if name_of(pid) == "braidd-worker"]
        os.kill(old[0], signal.SIGKILL)
        self.wait_for(lambda: set(children(self.server.process.pid)) - set(old), "a new worker")
        self.assert_served()

    def with_keytab_on_it(self):
        """A keytab that was there at the start, on a disk that hangs now."""
        folder = self.scratch.directory("keys")
        self.options.keytab = os.path.join(folder, "krb5.keytab")
        with open(self.options.keytab, "wb") as keytab:
            keytab.write(KEYTAB)
        self.assertEqual(self.server.stop(), [])
        again = self.server.__class__(self.server.program)
        again.start(self.scratch, self.options, "kerberos")
        self.server = again
        self.wait_for(lambda: "ready" in self.server.log_text(), "ready")
        disk = HungDisk(folder)
        self.addCleanup(disk.close)
        disk.hang()

    def test_next_worker_serves_although_its_keytab_hangs(self):
        self.with_keytab_on_it()
        self.server.expects_deaths = True
        old = [pid for pid in children(self.server.process.pid) if name_of(pid) == "braidd-worker"]
        os.kill(old[0], signal.SIGKILL)
        self.wait_for(lambda: set(children(self.server.process.pid)) - set(old), "a new worker")
        self.assert_served()
        self.assertIn("it does not answer; Kerberos logons fail until it does",
                      self.server.log_text())

    def test_start_and_reload_although_the_keytab_hangs(self):
        self.with_keytab_on_it()
        self.reload()
        self.assertEqual(stop(self.server.process), 0)
        self.server.process = self.scratch.start(
            [self.server.program, "--config", self.server.config], self.server.log)
        self.wait_for(lambda: self.server.log_text().count(" ready") == 2, "ready")
        self.server.port = self.server._wait_for_port()
        done = self.ctl("config", "check")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(f"keytab {self.options.keytab}: it does not answer; ", done.stdout)

    def test_start(self):
        self.assertEqual(self.server.stop(), [])
        self.disk.hang()
        self.options.shares.append(Share("disk", self.path))
        again = self.server.__class__(self.server.program)
        again.start(self.scratch, self.options, "again")
        self.server = again
        self.wait_for(lambda: "ready" in self.server.log_text(), "ready")
        self.assert_served()
        self.wait_for(lambda: "share 'disk' is absent" in self.server.log_text(), "a line")
        self.assertEqual(stop(self.server.process), 0)


if __name__ == "__main__":
    suite.main()
