#!/usr/bin/env python3
"""Shares whose folders go, come back and are replaced while the server runs."""
import glob
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from case import ALICE, ControlCase  # noqa: E402
from control_test import Interactive  # noqa: E402
from server import Share, ids_of  # noqa: E402
from smbclient import SmbClient  # noqa: E402


class AbsentShares(ControlCase):
    def setUp(self):
        super().setUp()
        self.folder = self.scratch.file("disk")
        with open(self.server.config, "a", encoding="utf-8") as config:
            config.write(f'\n[[share]]\nname = "disk"\npath = "{self.folder}"\n')
        self.assertEqual(self.ctl("reload").returncode, 0)
        self.wait_for(lambda: self.log_lines("took the new configuration"), "the configuration")

    def log_lines(self, word):
        return [line for line in self.server.log_text().splitlines() if word in line]

    def make(self, *files):
        self.scratch.directory("disk", owner=ids_of(ALICE))
        for name in files:
            pathlib.Path(self.folder, name).touch()

    def client(self, share="disk"):
        return SmbClient(self.scratch, self.server, ALICE, share=share)

    def state(self):
        return {row["share"]: (row["state"], row["in_use"]) for row in self.ask("shares")}

    def held(self):
        """What workers hold of the folder, by descriptor."""
        found = []
        for link in glob.glob("/proc/[0-9]*/fd/*"):
            try:
                if os.readlink(link).startswith(self.folder):
                    found.append(link)
            except OSError:
                pass
        return found

    def test_missing_folder_makes_its_share_absent(self):
        self.assertIn("report.txt", self.client("share").run("ls").text)
        for _ in range(2):
            self.assertEqual(self.client().run("ls").nt_status, "NT_STATUS_BAD_NETWORK_NAME")
        lines = self.log_lines("is absent")
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(f"share 'disk' is absent: {self.folder}: No such file or directory", lines[0])
        row = next(row for row in self.ask("shares") if row["share"] == "disk")
        self.assertEqual((row["state"], row["why"]), ("absent", "No such file or directory"))
        self.assertRegex(self.ctl("shares").stdout, r"disk +absent +no .*No such file")
        self.make("inside")
        self.assertIn("inside", self.client().run("ls").text)
        self.assertEqual(len(self.log_lines("share 'disk' is there again")), 1)
        self.assertEqual(self.state()["disk"][0], "present")

    def test_start_with_a_missing_folder(self):
        self.assertEqual(self.server.stop(), [])
        self.options.shares.append(Share("disk", self.folder))
        again = self.server.__class__(self.server.program)
        again.start(self.scratch, self.options, "again")
        self.server = again
        self.wait_for(lambda: self.log_lines("share 'disk' is absent"), "one line")
        self.assertIn("report.txt", self.client("share").run("ls").text)
        self.assertEqual(self.client().run("ls").nt_status, "NT_STATUS_BAD_NETWORK_NAME")
        self.make("inside")
        self.assertIn("inside", self.client().run("ls").text)

    def test_replaced_folder_is_found_again(self):
        self.make("old")
        connected = Interactive(self, ALICE, share="disk")
        self.assertIn("old", connected.run("ls"))
        os.rename(self.folder, self.folder + ".away")
        self.make("new")
        text = self.client().run("ls").text
        self.assertIn("new", text)
        self.assertNotIn("old", text)
        self.assertIn("old", connected.run("ls"))
        self.assertEqual(len(self.log_lines("another folder is at")), 1)

    def test_nothing_is_held_of_an_idle_share(self):
        self.make("Inside")
        connected = Interactive(self, ALICE, share="disk")
        self.assertIn("Inside", connected.run("ls INSIDE"))
        self.assertEqual(self.state()["disk"], ("present", True))
        self.assertNotEqual(self.held(), [])
        connected.run("exit")
        self.wait_for(lambda: self.state()["disk"] == ("present", False), "nobody uses it")
        self.wait_for(lambda: not self.held(), "nothing is held")

    @unittest.skipUnless(os.geteuid() == 0, "mounts")
    def test_idle_share_is_unmounted_and_found_again(self):
        self.make()
        def mount():
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=777", "none", self.folder],
                           check=True, timeout=60)
        mount()
        self.addCleanup(subprocess.run, ["umount", "-l", self.folder], check=False,
                        capture_output=True)
        pathlib.Path(self.folder, "First").touch()
        self.assertIn("First", self.client().run(["ls FIRST", "mkdir made", "ls"]).text)
        self.wait_for(lambda: not self.state()["disk"][1], "nobody uses it")
        self.wait_for(lambda: subprocess.run(["umount", self.folder], capture_output=True,
                                             check=False).returncode == 0, "umount")
        mount()
        pathlib.Path(self.folder, "Second").touch()
        text = self.client().run("ls").text
        self.assertIn("Second", text)
        self.assertNotIn("First", text)


if __name__ == "__main__":
    suite.main()
