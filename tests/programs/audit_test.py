#!/usr/bin/env python3
"""The audit: what users do and are refused, as lines of JSON in a file or in the journal."""
import json
import os
import pathlib
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from case import ALICE, BOB, ControlCase  # noqa: E402
from scratch import stop  # noqa: E402
from server import User  # noqa: E402
from smbclient import SmbClient  # noqa: E402


class AuditCase(ControlCase):
    target = "audit.json"

    @property
    def more_options(self):
        return {"server_lines": (f"audit = {json.dumps(self.where())}",)}

    def where(self):
        return os.path.join(self.scratch.directory("audit"), self.target)

    def text(self):
        try:
            return pathlib.Path(self.scratch.path, "audit", self.target).read_text("ascii")
        except FileNotFoundError:
            return ""

    def lines(self):
        return [json.loads(line) for line in self.text().splitlines()]

    def of(self, operation, count=1):
        """The lines of an operation, once there are so many."""
        def found():
            lines = [line for line in self.lines() if line["op"] == operation]
            return lines if len(lines) >= count else None
        return self.wait_for(found, f"{count} of {operation}")

    def one(self, operation, **fields):
        """The line of an operation that has these, once it is there; None is what it has not."""
        def found():
            lines = [line for line in self.lines() if line["op"] == operation
                     and all(line.get(key) == value for key, value in fields.items())]
            return lines[0] if lines else None
        return self.wait_for(found, f"{operation} with {fields}")

    def run_as(self, user, commands, **options):
        return SmbClient(self.scratch, self.server, user, **options).run(commands)

    def configure(self, share):
        config = pathlib.Path(self.server.config)
        config.write_text(config.read_text("utf-8").replace("[[share]]", f"[[share]]\n{share}", 1),
                          "utf-8")
        self.ask("reload")


class File(AuditCase):
    def test_what_a_user_does(self):
        os.chmod(self.root, 0o777)
        local = os.path.join(self.scratch.path, "local")
        pathlib.Path(local).write_bytes(b"x" * 300_000)
        self.run_as(ALICE, ["mkdir folder", f"put {local} folder/new", "rename folder/new folder/next",
                            "get report.txt got", "rm folder/next", "rmdir folder"])
        self.of("logoff")
        self.of("connect")
        logon = self.of("logon")[0]
        self.assertEqual((logon["v"], logon["result"], logon["user"], logon["client"],
                          logon["method"]), (1, "STATUS_SUCCESS", "alice", "127.0.0.1", "NTLM"))
        self.assertRegex(logon["time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertTrue(logon["machine"])
        made = [(line["path"], line["made"]) for line in self.of("create")]
        self.assertEqual(made, [("folder", "directory"), (r"folder\new", "file")])
        # However many WRITEs it takes.
        self.assertEqual([line["path"] for line in self.of("write")], [r"folder\new"])
        renamed, = self.of("rename")
        self.assertEqual((renamed["path"], renamed["to"], renamed["share"]),
                         (r"folder\new", r"folder\next", "share"))
        self.assertIn("report.txt", [line["path"] for line in self.of("open")])
        self.assertEqual([line["path"] for line in self.of("delete", 2)], [r"folder\next", "folder"])
        for line in self.lines():
            self.assertEqual((line["user"], line["session"]), ("alice", logon["session"]))
        self.assertEqual(self.ask("status")["troubles"], [])
        self.assertEqual(os.stat(self.where()).st_mode & 0o777, 0o600)

    def test_refused_logon(self):
        self.run_as(User(ALICE.name, "wrong", ALICE.unix_user), "ls")
        line, = self.of("logon")
        self.assertEqual((line["user"], line["result"], line["check"], line["client"]),
                         ("alice", "STATUS_LOGON_FAILURE", "logon", "127.0.0.1"))

    @unittest.skipUnless(os.geteuid() == 0, "without root all act as one user")
    def test_denials_and_who_refuses(self):
        os.chmod(self.root, 0o755)
        self.assertIn("ACCESS_DENIED", self.run_as(BOB, "mkdir no").nt_status)
        line = self.one("open", result="STATUS_ACCESS_DENIED")
        self.assertEqual((line["user"], line["path"], line["result"], line["check"]),
                         ("bob", "no", "STATUS_ACCESS_DENIED", "permissions"))
        self.configure('allow = ["alice"]')
        self.run_as(BOB, "ls")
        line = self.one("connect", result="STATUS_ACCESS_DENIED")
        self.assertEqual((line["share"], line["check"]), ("share", "allow"))
        self.run_as(BOB, "ls", share="nowhere")
        line = self.one("connect", check="no_share")
        self.assertEqual((line["share"], line["result"]), ("nowhere", "STATUS_BAD_NETWORK_NAME"))

    def test_a_share_keeps_what_it_says(self):
        os.chmod(self.root, 0o777)
        self.configure('audit = ["delete"]')
        self.run_as(ALICE, ["mkdir folder", "rmdir folder"])
        self.of("logoff")
        self.assertEqual([line["op"] for line in self.lines() if "share" in line], ["delete"])

    def test_names_of_clients_stay_one_line_of_ascii(self):
        os.chmod(self.root, 0o777)
        self.run_as(ALICE, ['mkdir "a\u00e4\u202eb"'])
        line, = self.of("create")
        self.assertIn("\u00e4\u202eb", line["path"])
        self.assertNotIn("\x1b", self.text())

    def test_rotated_by_a_reload(self):
        self.run_as(ALICE, "ls")
        self.of("logoff")
        os.rename(self.where(), self.where() + ".1")
        self.ask("reload")
        self.run_as(BOB, "ls")
        self.of("logoff")
        self.assertEqual({line["user"] for line in self.lines()}, {"bob"})


class Workers(AuditCase):
    workers = 3

    def test_all_of_them_write_whole_lines(self):
        for _ in range(6):
            self.run_as(ALICE, "ls")
        self.assertEqual({line["user"] for line in self.of("logoff", 6)}, {"alice"})


IN_NAMESPACE = 'mount -t tmpfs -o size=16k audit "$0" && exec "$@"'


@unittest.skipUnless(os.geteuid() == 0, "mounts a disk")
class FullDisk(AuditCase):
    @property
    def more_options(self):
        folder = self.scratch.directory("audit")
        return super().more_options | {"prefix": (
            "unshare", "--mount", "--propagation", "private", "sh", "-c", IN_NAMESPACE, folder)}

    def text(self):
        path = f"/proc/{self.server.process.pid}/root{self.where()}"
        return pathlib.Path(path).read_text("ascii") if os.path.exists(path) else ""

    def where(self):
        return os.path.join(self.scratch.path, "audit", self.target)

    def test_nobody_waits_and_it_is_said_once(self):
        while "cannot write" not in self.server.log_text():
            self.assertIn("report.txt", self.run_as(ALICE, "ls").text)
        for _ in range(5):
            self.assertIn("report.txt", self.run_as(ALICE, "ls").text)
        self.assertEqual(self.server.log_text().count("audit: cannot write"), 1)
        self.assertRegex(self.server.log_text(), "audit: cannot write .*: No space left on device; ")
        done = self.ctl("status")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"\Atrouble: worker 0: the audit cannot be written to .*: No ")
        before = self.text()
        # Room again: what was cut short is ended, and what waited follows.
        os.truncate(f"/proc/{self.server.process.pid}/root{self.where()}", 0)
        self.wait_for(lambda: "is written again" in self.server.log_text(), "lines")
        self.assertTrue(before)
        self.assertEqual(self.ctl("status").returncode, 0)
        for line in self.text().splitlines():
            self.assertTrue(line == "" or line.endswith("}"), line)


JOURNAL = 'mount -t tmpfs run /run && mkdir -p /run/systemd && mount --bind "$0" /run/systemd && exec "$@"'


@unittest.skipUnless(os.geteuid() == 0, "mounts a folder")
class Journal(AuditCase):
    @property
    def more_options(self):
        folder = self.scratch.directory("systemd")
        os.mkdir(os.path.join(folder, "journal"))
        self.journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.journal.close)
        self.journal.settimeout(20)
        self.journal.bind(os.path.join(folder, "journal", "socket"))
        return super().more_options | {"prefix": (
            "unshare", "--mount", "--propagation", "private", "sh", "-c", JOURNAL, folder)}

    def where(self):
        return "journal"

    def test_lines_with_their_fields(self):
        self.run_as(ALICE, "ls")
        message = self.journal.recv(65_536).decode("ascii")
        fields = dict(line.split("=", 1) for line in message.splitlines())
        self.assertEqual((fields["PRIORITY"], fields["SYSLOG_IDENTIFIER"]), ("6", "braid-audit"))
        self.assertEqual(json.loads(fields["MESSAGE"])["op"], "logon")


class Wrong(ControlCase):
    def test_what_is_no_target(self):
        for target in ("audit.json", "/", "syslog"):
            config = pathlib.Path(self.server.config)
            text = config.read_text("utf-8")
            config.write_text(text.replace("[server]", f'[server]\naudit = "{target}"', 1), "utf-8")
            done = self.ctl("config", "check")
            config.write_text(text, "utf-8")
            self.assertEqual(done.returncode, 2, target)
            self.assertRegex(done.stderr, 'audit.*give "journal", or the absolute path of a file')

    def test_what_cannot_be_written_is_said_by_config_check(self):
        folder = self.scratch.directory("audit")
        pipe, link = os.path.join(folder, "pipe"), os.path.join(folder, "link")
        os.mkfifo(pipe)
        os.symlink("elsewhere", link)
        for target, said in (("/nowhere/at/all", "its folder /nowhere/at: No such file or directory"),
                             (folder, "is a directory; give a file in it"),
                             (pipe, "is no plain file"), (link, "is a symbolic link")):
            config = pathlib.Path(self.server.config)
            text = config.read_text("utf-8")
            config.write_text(text.replace("[server]", f'[server]\naudit = "{target}"', 1), "utf-8")
            done = self.ctl("config", "check")
            config.write_text(text, "utf-8")
            self.assertEqual(done.returncode, 0, target)
            self.assertIn(f"audit {target}: {said}", done.stdout)

    def test_folder_that_is_not_there_is_said_at_the_start(self):
        stop(self.server.process)
        config = pathlib.Path(self.server.config)
        config.write_text(config.read_text("utf-8").replace(
            "[server]", '[server]\naudit = "/nowhere/at/all"', 1), "utf-8")
        with subprocess.Popen([self.server.program, "--config", self.server.config],
                              stderr=subprocess.PIPE, text=True) as process:
            self.addCleanup(process.kill)
            for line in process.stderr:
                if "audit: cannot write /nowhere/at/all: No such file" in line:
                    break
            else:
                self.fail("nothing is said")
            process.terminate()


if __name__ == "__main__":
    suite.main()
