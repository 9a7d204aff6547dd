#!/usr/bin/env python3
"""braidctl status; sessions, opens and locks as they are asked for; ending what a user or a share
has, and what becomes of the sessions of an account that is disabled or removed."""
import dataclasses
import json
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from case import ALICE, BOB, ControlCase  # noqa: E402
from impacket.smbconnection import SessionError, SMBConnection  # noqa: E402
from interactive import Interactive  # noqa: E402
from server import User, name_of  # noqa: E402
from smbclient import SmbClient  # noqa: E402

LOST = "NT_STATUS_|not connected|Server stopped responding"


class Status(ControlCase):
    def status(self, code=0):
        done = self.ctl("status")
        self.assertEqual((done.returncode, done.stderr), (code, ""), done.stdout)
        return done.stdout

    def test_well(self):
        self.assertRegex(self.status(), r"\Awell: 0 users, 0 sessions, 0 open files\n"
                                        r"braid [\d.]+, up 0:00:\d\d, process \d+, 1 worker\n\Z")
        client = Interactive(self, ALICE)
        client.run("open report.txt")
        self.assertRegex(self.status(), r"\Awell: 1 user, 1 session, [12] open files?\n")
        told = self.ask("status")
        self.assertEqual((told["well"], told["troubles"], told["notes"], told["waiting"]),
                         (True, [], [], []))
        self.assertEqual(told["process"], self.server.process.pid)
        worker, = told["workers"]
        self.assertEqual((worker["worker"], worker["restarts"]), (0, 0))
        self.assertEqual(name_of(worker["pid"]), "braidd-worker")
        self.assertGreater(worker["memory_limit"], worker["memory_used"])

    def test_absent_share(self):
        shutil.rmtree(self.root)
        self.assertRegex(self.status(code=1), r"\Atrouble: share share is absent: .*\nbraid ")
        os.mkdir(self.root)
        self.assertRegex(self.status(), r"\Awell: ")

    def test_file_that_is_ahead_of_what_runs(self):
        with open(self.server.config, encoding="utf-8") as config:
            text = config.read()
        self.assertIn("workers = 1", text)
        self.write_config(text.replace("workers = 1", "workers = 3"))
        told = self.status()
        self.assertRegex(told, r"(?m)^workers = 3 waits for a restart; 1 runs: braidctl restart$")
        self.assertRegex(told, r"(?m)^.*server.toml was changed since it was read: braidctl reload$")
        self.ask("reload")
        self.assertNotIn("was changed", self.status())
        self.assertEqual(self.ask("status")["waiting"],
                         [{"key": "workers", "file": "3", "runs": "1"}])
        self.write_config(text.replace("workers = 1", "workers = 3\nworkrs = 1"))
        done = self.ctl("status")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"\Atrouble: .* has mistakes, with which nothing would start: ")
        self.write_config(text)

    def write_config(self, text):
        with open(self.server.config, "w", encoding="utf-8") as config:
            config.write(text)

    def test_who_waits_to_log_on(self):
        guesser = User(ALICE.name, "wrong", ALICE.unix_user)
        for _ in range(4):
            self.assertIn("NT_STATUS_LOGON_FAILURE",
                          SmbClient(self.scratch, self.server, guesser).run("ls").text)
        told = self.status()
        self.assertRegex(told, r"(?m)^WAITS TO LOG ON +ACCOUNT +FAILURES +NEXT$")
        self.assertRegex(told, r"(?m)^127\.0\.0\.1 +ALICE +\d+ +\d\.\d s$")
        one, = self.ask("status")["penalties"]
        self.assertEqual((one["address"], one["account"]), ("127.0.0.1", "ALICE"))
        self.assertGreaterEqual(one["failures"], 4)

    def test_json_of_another_form_is_refused(self):
        self.assertEqual(self.ctl("--json=1", "status").returncode, 0)
        self.assert_one_line(self.ctl("--json=2", "status"), "JSON is printed in form 1 only")

    def test_nobody_answers(self):
        self.server.process.send_signal(signal.SIGTERM)
        self.server.process.wait()
        self.assert_one_line(self.ctl("status"), "no server runs on ")


class Events(ControlCase):
    def test_last_lines_with_their_reasons(self):
        self.assertFalse(SmbClient(self.scratch, self.server,
                                   dataclasses.replace(ALICE, password="wrong")).run("ls").ok)
        events = self.ask("events")
        one, = [each for each in events if "password" in each["text"]]
        self.assertEqual(one["text"], "'alice' is refused: the password is wrong")
        self.assertRegex(one["time"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")
        self.assertEqual(one["worker"], 0)
        self.assertEqual([each["time"] for each in events], sorted(each["time"] for each in events))
        self.assertIn(f"{one['time']} {one['level']} [worker 0] {one['text']}\n", self.ctl("events").stdout)

    def test_space_of_a_share(self):
        share, = self.ask("shares")
        there = os.statvfs(self.root)
        self.assertEqual(share["size_bytes"], there.f_blocks * there.f_frsize)
        self.assertLessEqual(share["free_bytes"], share["size_bytes"])
        os.rename(self.root, self.root + ".away")
        self.addCleanup(os.rename, self.root + ".away", self.root)
        share, = self.ask("shares")
        self.assertEqual((share["state"], "size_bytes" in share), ("absent", False))


class Restarted(ControlCase):
    workers = 2

    def test_worker_that_died(self):
        before = self.ask("status")
        os.kill(before["workers"][1]["pid"], signal.SIGKILL)

        def is_back():
            done = self.ctl("status")
            return done.stdout if "is not in this answer" not in done.stdout + done.stderr and \
                "was started again" in done.stdout else None
        told = self.wait_for(is_back, "another worker")
        self.assertRegex(told, r"\Atrouble: worker 1 was started again 1 time, the last time "
                               r"0:00:\d\d ago; the log says why\n")
        after = self.ask_trouble()
        self.assertEqual([each["restarts"] for each in after["workers"]], [0, 1])

    def ask_trouble(self):
        done = self.ctl("--json", "status")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        return json.loads(done.stdout)


class Sessions(ControlCase):
    def test_who_when_and_how(self):
        Interactive(self, ALICE)
        one, = self.ask("sessions")
        self.assertEqual(one["method"], "NTLM")
        self.assertRegex(one["logged_on"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertTrue(one["machine"])
        self.assertRegex(self.ctl("sessions").stdout,
                         r"(?m)^  logged on 20\S+Z by NTLM  from 127\.0\.0\.1 \(.+\)$")

    def test_machine_name_of_a_hostile_client_is_cut_and_printed_on_one_line(self):
        client = SMBConnection("127.0.0.1", "127.0.0.1", myName="x\n\x1b[31m" + "n" * 500,
                               sess_port=self.server.port)
        self.addCleanup(client.close)
        client.login(ALICE.name, ALICE.password)
        one, = self.ask("sessions")
        self.assertLessEqual(len(one["machine"]), 64)
        text = self.ctl("sessions").stdout
        self.assertNotIn("\x1b", text)
        self.assertEqual(len([line for line in text.splitlines() if "logged on" in line]), 1)

    def test_selected_and_sorted(self):
        # The one with a file open is the second to come.
        Interactive(self, ALICE)
        Interactive(self, BOB).run("open report.txt")
        self.assertEqual([each["user"] for each in self.ask("sessions", "--user", "BOB")], ["bob"])
        self.assertEqual(self.ask("sessions", "--share", "other"), [])
        self.assertEqual(len(self.ask("sessions", "--share", "SHARE")), 2)
        self.assertEqual([each["user"] for each in self.ask("sessions", "--sort", "opens")][0], "bob")
        self.assertEqual([each["user"] for each in self.ask("sessions", "--sort", "user")],
                         ["alice", "bob"])
        self.assertEqual({each["user"] for each in self.ask("opens", "--user", "bob")}, {"bob"})
        self.assert_one_line(self.ctl("opens", "--sort", "size"),
                             "rows have no size to be sorted by; give one of .*path")

    def test_rights_in_words(self):
        client = Interactive(self, ALICE)
        client.run("open report.txt")
        one, = [each for each in self.ask("opens") if each["path"] == "report.txt"]
        self.assertIn("read", one["rights"])
        self.assertRegex(self.ctl("opens").stdout, r"(?m)^0x\S+ +alice .* file +read\S* .*report\.txt$")


class Ended(ControlCase):
    def users(self):
        return sorted(each["user"] for each in self.ask("sessions"))

    def test_user_is_kicked(self):
        client = Interactive(self, ALICE)
        other = Interactive(self, BOB)
        done = self.ctl("user", "kick", "ALICE")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, "^ALICE: 1 sessions ended, and 0 opens ")
        self.wait_for(lambda: self.users() == ["bob"], "the end of a session")
        self.assertRegex(client.run("ls"), LOST)
        self.assertIn("report.txt", other.run("ls"))
        self.assertIn("report.txt", Interactive(self, ALICE).run("ls"))
        self.assert_one_line(self.ctl("user", "kick", "alise"), "there is no user alise; did you mean alice?")

    def test_share_is_disconnected(self):
        client = Interactive(self, ALICE)
        other = Interactive(self, BOB)
        client.run("open report.txt")
        self.assertEqual(self.ask("share", "disconnect", "Share", "--user", "bob")["ended"], 1)
        self.assertRegex(other.run("ls"), LOST)
        self.assertIn("report.txt", client.run("ls"))
        self.assertEqual(self.ask("share", "disconnect", "share")["ended"], 1)
        self.assert_one_line(self.ctl("share", "disconnect", "shares"),
                             "there is no share shares; did you mean share?")
        self.wait_for(lambda: not self.ask("opens", "--share", "share"), "the end of the opens")
        self.assertRegex(client.run("ls"), LOST)
        # The session is there, and may connect again.
        self.assertEqual(self.users(), ["alice", "bob"])
        self.assert_one_line(self.ctl("share", "disconnect", "other"), "there is no share other; ")

    def test_account_that_is_disabled_or_removed(self):
        client = Interactive(self, ALICE)
        other = Interactive(self, BOB)
        self.assertEqual(self.ask("user", "disable", "alice"), {"done": True, "ended": 1})
        self.wait_for(lambda: self.users() == ["bob"], "the end of a session")
        self.assertRegex(client.run("ls"), LOST)
        with self.assertRaises(SessionError):
            SMBConnection("127.0.0.1", "127.0.0.1", sess_port=self.server.port).login(
                ALICE.name, ALICE.password)
        done = self.ctl("user", "remove", "bob")
        self.assertEqual((done.returncode, done.stdout),
                         (0, "user bob was removed; sessions ended: 1\n"))
        self.wait_for(lambda: self.users() == [], "the end of the other")
        self.assertRegex(other.run("ls"), LOST)

    def test_account_without_a_server(self):
        self.server.process.send_signal(signal.SIGTERM)
        self.server.process.wait()
        done = self.ctl("user", "disable", "alice")
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, "user alice cannot log on; sessions ended: 0\n", ""))


if __name__ == "__main__":
    suite.main()
