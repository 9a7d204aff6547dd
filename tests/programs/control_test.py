#!/usr/bin/env python3
"""braidctl against a running server, with smbclient as the client that it shows and closes."""
import json
import os
import pathlib
import re
import signal
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from case import ALICE, BOB, LIMIT_S, ControlCase  # noqa: E402
from interactive import Interactive  # noqa: E402
from scratch import stop  # noqa: E402
from smbclient import SmbClient  # noqa: E402
from server import children  # noqa: E402

LOST = "NT_STATUS_|not connected|Server stopped responding"


class Shown(ControlCase):
    def test_session_with_its_channel(self):
        client = Interactive(self, ALICE)
        client.run("ls")
        one, = self.ask("sessions")
        self.assertEqual((one["user"], one["state"], one["dialect"], one["worker"]),
                         ("alice", "valid", "3.1.1", 0))
        self.assertEqual((one["signing_required"], one["encryption"]), (True, "off"))
        self.assertRegex(one["signing"], "^(AES-GMAC|AES-CMAC)$")
        self.assertRegex(one["session"], "^0x[0-9a-f]+$")
        self.assertRegex(one["client_guid"], "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
        self.assertLess(one["idle_seconds"], LIMIT_S)
        channel, = one["channels"]
        self.assertEqual((channel["state"], channel["interface"]), ("active", "lo"))
        self.assertEqual(channel["server"], f"127.0.0.1:{self.server.port}")
        self.assertIsNone(channel["compression"])  # smbclient has none
        self.assertRegex(channel["client"], r"^127\.0\.0\.1:\d+$")
        # The last answer reaches the client a moment before its request is counted out.
        self.wait_for(lambda: self.ask("sessions")[0]["channels"][0]["requests_in_flight"] == 0,
                      "nothing in flight")
        # NEGOTIATE, two SESSION_SETUP, two TREE_CONNECT at the least.
        self.assertGreater(channel["requests"], 4)
        before = channel["bytes_out"]
        client.run("get report.txt -")
        channel, = self.ask("sessions")[0]["channels"]
        self.assertGreater(channel["bytes_out"], before)
        self.assertGreater(channel["bytes_in"], 0)

    def test_encrypted_session(self):
        Interactive(self, ALICE, protection="encrypt")
        one, = self.ask("sessions")
        # Asked for by the client alone; what the server demands is what is shown.
        self.assertEqual(one["encryption"], "off")

    def test_what_waits_is_in_flight(self):
        client = Interactive(self, ALICE)
        self.assertNotIn("NT_STATUS", client.run("mkdir folder"))
        client.send("notify folder")
        self.wait_for(lambda: self.ask("sessions")[0]["channels"][0]["requests_in_flight"] == 1,
                      "a CHANGE_NOTIFY in flight")

    def test_text_of_sessions(self):
        Interactive(self, ALICE)
        done = self.ctl("sessions")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertRegex(lines[0], r"^session 0x[0-9a-f]+  alice  valid  client ")
        self.assertRegex(lines[1], r"^  logged on 20\S+Z by NTLM  from 127\.0\.0\.1")
        self.assertRegex(lines[2], r"^  dialect 3\.1\.1  signing AES-[A-Z]+ \(required\)  "
                                   r"encryption off  opens \d+  idle 0:00:")
        self.assertRegex(lines[3], r"^  CHANNEL +CLIENT +SERVER +INTERFACE +IN +OUT +REQUESTS ")
        self.assertRegex(lines[4], r"^  \d+ +127\.0\.0\.1:\d+ .* lo .* active$")

    def test_nobody(self):
        self.assertEqual(self.ask("sessions"), [])
        self.assertEqual(self.ctl("sessions").stdout, "no sessions\n")
        self.assertEqual(self.ask("opens"), [])
        self.assertEqual(self.ctl("opens").stdout, "no opens\n")

    def test_opens(self):
        client = Interactive(self, ALICE)
        self.assertIn("open", client.run("open report.txt"))
        one, = [each for each in self.ask("opens") if each["path"] == "report.txt"]
        self.assertEqual((one["user"], one["share"], one["kind"]), ("alice", "share", "file"))
        self.assertEqual(one["session"], self.ask("sessions")[0]["session"])
        self.assertIn("r", one["sharing"])
        self.assertRegex(self.ctl("opens").stdout, r"(?m)^0x\S+ +alice .* share +file .* report\.txt$")

    def test_metrics(self):
        before = {each["name"]: each["value"] for each in self.ask("metrics")}
        client = Interactive(self, ALICE)
        client.run("ls")
        after = {each["name"]: each["value"] for each in self.ask("metrics")}
        self.assertEqual((before["braid_sessions"], after["braid_sessions"]), (0, 1))
        self.assertEqual((before["braid_connections"], after["braid_connections"]), (0, 1))
        client.end()
        self.wait_for(lambda: {each["name"]: each["value"] for each in self.ask("metrics")}
                      ["braid_connections"] == 0, "the end of the connection")
        last = {each["name"]: each["value"] for each in self.ask("metrics")}
        # Counters keep what ended connections did.
        for name in ("braid_requests_total", "braid_received_bytes_total",
                     "braid_sent_bytes_total", "braid_connections_total"):
            self.assertGreaterEqual(last[name], after[name])
            self.assertGreater(last[name], before[name])
        self.assertEqual(last["braid_compressed_sent_messages_total"], 0)
        text = self.ctl("metrics").stdout
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) braid_\w+ .*|braid_\w+\{worker="\d+"'
                                   r'(,\w+="[^"]*")*\} [\d.e+-]+)$')
        self.assertEqual(len(re.findall("^# TYPE braid_sessions ", text, re.M)), 1)

    def values(self, name):
        """{labels as text: value} of a metric, without the worker."""
        text = self.ctl("metrics").stdout
        return {labels: int(value) for labels, value in re.findall(
            rf'^{name}\{{worker="0",?([^}}]*)\}} (\d+)$', text, re.M)}

    def test_what_protects_messages_is_counted(self):
        messages = lambda: self.values("braid_crypto_messages_total")
        done = lambda all, work: sum(n for labels, n in all.items() if f'work="{work}"' in labels)
        self.assertEqual(set(messages().values()), {0})
        SmbClient(self.scratch, self.server, ALICE, protection="sign").run("get report.txt got")
        first = messages()
        self.assertGreater(done(first, "sign"), 3)
        self.assertGreater(done(first, "verify"), 3)
        self.assertEqual((done(first, "encrypt"), done(first, "decrypt")), (0, 0))
        SmbClient(self.scratch, self.server, ALICE, protection="encrypt").run("get report.txt got")
        after = messages()
        self.assertGreater(done(after, "encrypt"), 3)
        self.assertGreater(done(after, "decrypt"), 3)
        read = self.values("braid_crypto_bytes_total")
        self.assertTrue(all((read[labels] > 64 * value) == (value > 0) for labels, value in after.items()),
                        (after, read))
        self.assertEqual(self.values("braid_crypto_refused_total"), {"": 0})

    def test_what_comes_by_an_address_is_counted(self):
        client = Interactive(self, ALICE)
        client.run("ls")
        place = 'address="127.0.0.1",transport="tcp"'
        self.assertEqual(self.values("braid_channel_connections"), {place: 1})
        before = self.values("braid_channel_seconds_count")[place]
        received = self.values("braid_channel_received_bytes_total")[place]
        client.run("ls")
        self.assertGreater(self.values("braid_channel_seconds_count")[place], before)
        client.end()
        self.wait_for(lambda: self.values("braid_channel_connections") == {place: 0}, "its end")
        # As for all, what has ended is still counted.
        self.assertGreater(self.values("braid_channel_received_bytes_total")[place], received)
        for way in ("received", "sent"):
            self.assertEqual(self.values(f"braid_channel_{way}_bytes_total"),
                             {place: self.values(f"braid_{way}_bytes_total")[""]})

    def test_each_is_documented(self):
        Interactive(self, ALICE).run("ls")
        text = (pathlib.Path(__file__).parents[2] / "docs/metrics.md").read_text("utf-8")
        # A node of a cluster has some more, of which only its source is here.
        source = (pathlib.Path(__file__).parents[2] / "src/admin/cluster_view.cc").read_text("utf-8")
        of_cluster = set(re.findall(r'"(braid_cluster_\w+)"', source))
        self.assertTrue(of_cluster)
        self.assertEqual(set(re.findall(r"^# TYPE (\S+)", self.ctl("metrics").stdout, re.M)) | of_cluster,
                         set(re.findall(r"`(braid_\w+)`", text)))


class Closed(ControlCase):
    def test_session(self):
        client = Interactive(self, ALICE)
        other = Interactive(self, BOB)
        mine, = [one for one in self.ask("sessions") if one["user"] == "alice"]
        self.assertEqual(self.ask("session", "close", mine["session"]), {"closed": True})
        self.wait_for(lambda: [one["user"] for one in self.ask("sessions")] == ["bob"],
                      "the end of one session")
        self.assertRegex(client.run("ls"), LOST)
        self.assertIn("report.txt", other.run("ls"))

    def test_only_channel(self):
        client = Interactive(self, ALICE)
        other = Interactive(self, BOB)
        mine, = [one for one in self.ask("sessions") if one["user"] == "alice"]
        done = self.ctl("channel", "close", mine["session"], str(mine["channels"][0]["channel"]))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.wait_for(lambda: [one["user"] for one in self.ask("sessions")] == ["bob"],
                      "the end of the session with its only channel")
        self.assertRegex(client.run("ls"), LOST)
        self.assertIn("report.txt", other.run("ls"))

    def test_what_is_not_there(self):
        Interactive(self, ALICE)
        one, = self.ask("sessions")
        self.assert_one_line(self.ctl("session", "close", "0x0"),
                             "there is no session 0x0; braidctl sessions shows them")
        self.assert_one_line(self.ctl("channel", "close", "0x0", "1"), "there is no session 0x0; ")
        self.assert_one_line(self.ctl("channel", "close", one["session"], "999"),
                             "session 0x.* has no channel 999; braidctl sessions shows them")
        self.assert_one_line(self.ctl("session", "close", "alice"), "alice is no id; give hexa")
        self.assertEqual(self.ask("sessions")[0]["user"], "alice")


class SingleProcess(ControlCase):
    single_process = True

    def test_shows_and_closes(self):
        client = Interactive(self, ALICE)
        one, = self.ask("sessions")
        self.ask("session", "close", one["session"])
        self.wait_for(lambda: not self.ask("sessions"), "the end of the session")
        self.assertRegex(client.run("ls"), LOST)
        # An administrator who is connected does not hold up the end.
        with self.control_socket() as waiting:
            waiting.send(b'{"version": 1')
            self.assertEqual(stop(self.server.process), 0)
        self.assert_one_line(self.ctl("sessions"), "no server runs on .*; start it with braidd ")

    def control_socket(self):
        control = socket.socket(socket.AF_UNIX)
        control.connect(self.scratch.file("server.state", "control", "0"))
        return control


class SeveralWorkers(ControlCase):
    workers = 4

    def test_all_are_asked(self):
        clients = [Interactive(self, user) for user in (ALICE, BOB) for _ in range(3)]
        found = self.ask("sessions")
        self.assertEqual(len(found), len(clients))
        closed = found[3]["session"]
        self.ask("session", "close", closed)
        self.wait_for(lambda: closed not in [one["session"] for one in self.ask("sessions")] and
                      len(self.ask("sessions")) == len(clients) - 1, "the end of one session")
        text = self.ctl("metrics").stdout
        self.assertEqual(re.findall(r'^braid_sessions\{worker="(\d)"\}', text, re.M),
                         ["0", "1", "2", "3"])

    def workers_running(self):
        return {pid for pid in children(self.server.process.pid)
                if pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
                == "braidd-worker"}

    def test_worker_that_died_is_asked_again_once_it_is_back(self):
        self.assertEqual(len(self.ask("metrics")) % self.workers, 0)
        for pid in self.workers_running():
            os.kill(pid, signal.SIGKILL)
        self.wait_for(lambda: self.ctl("sessions").stderr == "", "all workers")
        self.assertEqual(len({each["worker"] for each in self.ask("metrics")}), self.workers)

    def test_worker_that_is_away_is_named(self):
        Interactive(self, ALICE)
        socket_file = self.scratch.file("server.state", "control", "2")
        os.rename(socket_file, socket_file + ".away")
        done = self.ctl("--json", "sessions")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, "^braidctl: worker 2 is not in this answer: it is being "
                                      "started; ask again in a second\n$")
        self.assertIsInstance(json.loads(done.stdout), list)

    def test_nobody_answers_after_a_crash(self):
        # Stopped, they have no chance to clear up before the kernel ends them with their supervisor.
        for pid in self.workers_running():
            os.kill(pid, signal.SIGSTOP)
        self.server.process.kill()
        self.server.process.wait()
        self.wait_for(lambda: "no server runs on" in self.ctl("sessions").stderr,
                      "the end of the workers")
        self.assertEqual(sorted(os.listdir(self.scratch.file("server.state", "control"))),
                         ["0", "1", "2", "3"])
        self.assert_one_line(self.ctl("opens"), "no server runs on .*; start it with braidd ")


class Hostile(ControlCase):
    """What reaches the socket is root's, but may still be wrong."""

    def path(self, *parts):
        return self.scratch.file("server.state", "control", *parts)

    def raw(self, data, hang_up=True):
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(LIMIT_S)
            control.connect(self.path("0"))
            try:
                control.sendall(data)
                if hang_up:
                    control.shutdown(socket.SHUT_WR)
                return control.makefile("rb").read()
            except (BrokenPipeError, ConnectionResetError):
                return b""

    def error(self, request):
        return json.loads(self.raw(request + b"\n"))["error"]

    def test_modes(self):
        self.assertEqual(os.stat(self.path()).st_mode & 0o777, 0o700)
        self.assertEqual(os.stat(self.path("0")).st_mode & 0o777, 0o600)

    def test_requests_that_make_no_sense(self):
        self.assertIn("not a JSON object", self.error(b""))
        self.assertIn("not a JSON object", self.error(b"\xff\xfe{"))
        self.assertIn("not a JSON object", self.error(b"[" * 4000))
        self.assertIn("version 1", self.error(b'{"version": 2, "command": "sessions"}'))
        self.assertIn("version 1", self.error(b'{"command": "sessions"}'))
        self.assertIn("does not know", self.error(b'{"version": 1, "command": "format c:"}'))
        self.assertIn("does not know", self.error(b'{"version": 1, "command": ["sessions"]}'))
        self.assertIn("names no session", self.error(b'{"version": 1, "command": "session close"}'))
        self.assertIn("is no id", self.error(
            b'{"version": 1, "command": "session close", "session": "0xg"}'))
        self.assertIn("names no channel", self.error(
            b'{"version": 1, "command": "channel close", "session": "0x1", "channel": -1}'))
        self.assertEqual(self.ask("sessions"), [])

    def test_requests_without_an_end(self):
        self.assertEqual(self.raw(b'{"version": 1'), b"")
        self.assertEqual(self.raw(b" " * 100_000, hang_up=False), b"")
        self.assertEqual(self.ask("sessions"), [])

    def test_silent_clients_keep_nobody_waiting(self):
        silent = []
        for _ in range(15):
            control = socket.socket(socket.AF_UNIX)
            self.addCleanup(control.close)
            control.connect(self.path("0"))
            silent.append(control)
        self.assertEqual(self.ask("sessions"), [])

    @unittest.skipUnless(os.geteuid() == 0, "becomes another user")
    def test_other_users_are_refused(self):
        done = self.ctl("sessions", user=65534)
        self.assert_one_line(done, "only root and the server's user may ask it; run braidctl as")
        # The credentials of the peer count even where the modes would let it in.
        os.chmod(self.scratch.file("server.state"), 0o755)
        os.chmod(self.path(), 0o755)
        os.chmod(self.path("0"), 0o666)
        done = self.ctl("sessions", user=65534)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.wait_for(lambda: "neither root nor the server's user" in self.server.log_text(),
                      "a line in the log")


if __name__ == "__main__":
    suite.main()
