#!/usr/bin/env python3
"""braidctl web: metrics and the page, and requests that no administrator's browser would send."""
import base64
import dataclasses
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from case import ALICE, ControlCase  # noqa: E402
from interactive import Interactive  # noqa: E402
from scratch import stop  # noqa: E402
from smbclient import SmbClient  # noqa: E402

TOKEN = "0123456789abcdef-and-more"


class WebCase(ControlCase):
    has_token = True

    def setUp(self):
        super().setUp()
        words = ["web", "--listen", "127.0.0.1:0"]
        if self.has_token:
            words += ["--token-file", self.token_file(TOKEN + "\n")]
        with open(self.scratch.file("web.log"), "wb") as log:
            self.web = subprocess.Popen(
                [self.server.braidctl, "--config", self.server.config, *words],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        self.addCleanup(self.end_web)
        self.port = int(re.fullmatch(r"listening on port (\d+)\n", self.web.stdout.readline())[1])

    def end_web(self):
        self.assertIsNone(self.web.poll(), "braidctl web ended")
        self.web.terminate()
        self.web.wait()
        self.web.stdout.close()

    def web_log(self):
        return pathlib.Path(self.scratch.file("web.log")).read_text("utf-8")

    def token_file(self, text, mode=0o600):
        path = pathlib.Path(self.scratch.path, "token")
        path.write_text(text, "ascii")
        path.chmod(mode)
        return str(path)

    def ask_web(self, path, method="GET", token=TOKEN, body=None, **headers):
        """(status, headers, text)"""
        if token and self.has_token:
            headers.setdefault("Authorization", "Bearer " + token)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers, text

    def threads(self):
        """What /proc says of each thread of the page's process."""
        found = []
        for status in pathlib.Path(f"/proc/{self.web.pid}/task").glob("*/status"):
            lines = status.read_text("ascii").splitlines()
            found.append(dict(line.split(":\t", 1) for line in lines if ":\t" in line))
        return found

    def page(self):
        status, _, text = self.ask_web("/")
        self.assertEqual(status, 200)
        return text

    def raw(self, data):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(data)
            with connection.makefile("rb") as stream:
                return stream.read()


class Threads(WebCase):
    has_token = False

    def test_no_thread_has_any(self):
        self.page()  # all that there will be have begun
        threads = self.threads()
        self.assertGreater(len(threads), 1)
        for each in threads:
            self.assertEqual((int(each["CapEff"], 16), int(each["CapPrm"], 16), each["NoNewPrivs"]),
                             (0, 0, "1"))


class AWorkerHangs(WebCase):
    has_token = False
    workers = 2

    def test_it_is_waited_for_as_one_question_and_not_as_each_of_a_page(self):
        pid = self.ask("status")["workers"][1]["pid"]
        os.kill(pid, signal.SIGSTOP)
        self.addCleanup(os.kill, pid, signal.SIGCONT)
        # Each of the six questions of a page waits 10 s for it.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=50)
        self.addCleanup(connection.close)
        connection.request("GET", "/")
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        self.assertIn("worker 1 is not in this answer", answer.read().decode())


class Metrics(WebCase):
    has_token = False

    def test_text_that_prometheus_reads(self):
        SmbClient(self.scratch, self.server, ALICE).run("get report.txt got")
        status, headers, text = self.ask_web("/metrics")
        self.assertEqual((status, headers["Content-Type"]),
                         (200, "text/plain; version=0.0.4; charset=utf-8"))
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) braid_\w+ .*|braid_\w+\{worker="\d+"'
                                   r'(,\w+="[^"]*")*\} [\d.e+-]+)$')
        self.assertEqual(len(re.findall("^# TYPE braid_command_seconds histogram$", text, re.M)), 1)
        value = lambda name: float(re.search(f"^{re.escape(name)} (.*)$", text, re.M)[1])
        self.assertGreaterEqual(value('braid_command_seconds_count{worker="0",command="CREATE"}'), 1)
        self.assertEqual(value('braid_command_seconds_bucket{worker="0",command="READ",le="+Inf"}'),
                         value('braid_command_seconds_count{worker="0",command="READ"}'))
        self.assertEqual(value('braid_share_read_bytes_total{worker="0",share="share"}'),
                         len("figures"))
        self.assertEqual(value('braid_logons_total{worker="0"}'), 1)
        counts = [int(each) for each in re.findall(
            r'^braid_share_seconds_bucket\{worker="0",share="share",le="[^"]*"\} (\d+)$', text, re.M)]
        self.assertEqual(counts, sorted(counts))
        self.assertGreater(counts[-1], 0)

    def test_server_that_is_gone(self):
        self.assertEqual(stop(self.server.process), 0)
        status, _, text = self.ask_web("/metrics")
        self.assertEqual(status, 503)
        self.assertIn("no server runs on", text)
        self.assertIn("no answer: no server runs on", self.page())


class Page(WebCase):
    has_token = False

    def test_without_a_script_and_without_a_token(self):
        client = Interactive(self, ALICE)
        client.run("open report.txt")
        status, headers, text = self.ask_web("/")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("script-src 'self'", headers["Content-Security-Policy"])
        self.assertIn('<p class="state good">well</p>', text)
        self.assertIn("<b>alice</b> 127.0.0.1", text)
        self.assertIn("report.txt", text)
        self.assertNotIn("<form", text)
        status, _, _ = self.ask_web("/end", "POST", body="session=0x1&form=")
        self.assertEqual(status, 403)
        self.assertEqual(self.ask_web("/script.js")[1]["Content-Type"], "text/javascript")
        self.assertEqual(self.ask_web("/style.css")[1]["Content-Type"], "text/css")
        self.assertEqual(self.ask_web("/etc/passwd")[0], 404)

    def test_live(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with connection.makefile("r", encoding="ascii") as stream:
                self.assertEqual(stream.readline(), "HTTP/1.1 200 OK\n")
                headers = dict(iter(lambda: tuple(stream.readline().rstrip("\n").split(": ", 1)), ("",)))
                self.assertEqual(headers["Content-Type"], "text/event-stream")
                of_page = self.ask_web("/")[1]
                for name in ("Content-Security-Policy", "X-Content-Type-Options", "Cache-Control",
                             "Cross-Origin-Resource-Policy", "Referrer-Policy"):
                    self.assertEqual(headers[name], of_page[name])
                first = stream.readline()
                self.assertTrue(first.startswith("data: "))
                self.assertIn("Nobody is here", json.loads(first[len("data: "):]))
                Interactive(self, ALICE)
                self.wait_for(lambda: "<b>alice</b>" in stream.readline(), "the session")

    def test_names_of_files_are_text(self):
        path = os.path.join(self.root, "x(b)y&z")
        pathlib.Path(path).write_text("", "ascii")
        os.chmod(path, 0o666)
        Interactive(self, ALICE).run("open x(b)y&z")
        self.assertIn("x(b)y&amp;z", self.page())

    def test_events_shares_and_trouble(self):
        wrong = dataclasses.replace(ALICE, password="wrong")
        self.assertFalse(SmbClient(self.scratch, self.server, wrong).run("ls").ok)
        text = self.page()
        self.assertRegex(text, r"<b>1</b><span>failed logons")
        self.assertRegex(text, r'<td class="text">&#39;alice&#39; is refused: the password is wrong</tr>')
        self.assertRegex(text, r"<meter [^>]*></meter>[\d.]+ [KMGT]?B of [\d.]+ [KMGT]?B free")
        os.rename(self.root, self.root + ".away")
        self.addCleanup(os.rename, self.root + ".away", self.root)
        self.wait_for(lambda: '<p class="state bad">trouble: share share is absent' in self.page(),
                      "the trouble")

    def test_names_that_lead_here_are_no_names_of_it(self):
        for host in ("evil.example", f"evil.example:{self.port}", "localhost.evil.example", "", "[::1"):
            self.assertEqual(self.ask_web("/", Host=host)[0], 421, host)
        for host in ("localhost", f"localhost:{self.port}", "[::1]:80", "192.0.2.7"):
            self.assertEqual(self.ask_web("/", Host=host)[0], 200, host)


class Rights(WebCase):
    def test_the_token_is_asked_for(self):
        for path in ("/", "/metrics", "/live", "/script.js"):
            status, headers, _ = self.ask_web(path, token=None)
            self.assertEqual((status, headers["WWW-Authenticate"]),
                             (401, 'Basic realm="braid", charset="UTF-8"'), path)
        self.assertEqual(self.ask_web("/", token="wrong")[0], 401)
        self.assertEqual(self.ask_web("/", token=TOKEN[:-1])[0], 401)
        basic = base64.b64encode(f"anybody:{TOKEN}".encode()).decode()
        self.assertEqual(self.ask_web("/", Authorization=f"Basic {basic}")[0], 200)
        self.assertEqual(self.ask_web("/", Authorization="Basic !!!")[0], 401)

    def form(self):
        return re.search('name="form" value="([0-9a-f]{32})"', self.page())[1]

    def test_a_session_is_ended(self):
        Interactive(self, ALICE)
        session = self.ask("sessions")[0]["session"]
        body = f"form={self.form()}&session={session}"
        origin = f"http://127.0.0.1:{self.port}"
        status, headers, _ = self.ask_web("/end", "POST", body=body, Origin=origin,
                                          Sec_Fetch_Site="same-origin")
        self.assertEqual((status, headers["Location"]), (303, "/"))
        self.wait_for(lambda: not self.ask("sessions"), "the end of the session")

    def test_an_open_is_ended(self):
        client = Interactive(self, ALICE)
        client.run("open report.txt")
        one, = [each for each in self.ask("opens") if each["path"] == "report.txt"]
        self.assertEqual(self.ask_web("/end", "POST",
                                      body=f"form={self.form()}&open={one['open']}")[0], 303)
        self.wait_for(lambda: one["open"] not in [each["open"] for each in self.ask("opens")],
                      "the end of the open")

    def test_other_pages_end_nothing(self):
        Interactive(self, ALICE)
        session = self.ask("sessions")[0]["session"]
        good = f"form={self.form()}&session={session}"
        for body, headers in ((good, {"Origin": "http://evil.example"}),
                              (good, {"Origin": "null"}),
                              (good, {"Sec_Fetch_Site": "cross-site"}),
                              (f"session={session}", {}),
                              (f"form={'0' * 32}&session={session}", {})):
            self.assertEqual(self.ask_web("/end", "POST", body=body, **headers)[0], 403, (body, headers))
        self.assertEqual(self.ask_web("/end", "POST", token=None, body=good)[0], 401)
        self.assertEqual(self.ask_web("/end", "POST", body=f"form={self.form()}&session=zz")[0], 400)
        self.assertEqual(self.ask_web("/end")[0], 404)
        self.assertEqual([each["session"] for each in self.ask("sessions")], [session])

    def test_any_name_will_do_where_the_token_is_asked_for(self):
        self.assertEqual(self.ask_web("/", Host="files.example:9445")[0], 200)
        self.assertEqual(self.ask_web("/", token=None, Host="files.example:9445")[0], 401)

    def test_a_wrong_token_is_said(self):
        self.assertEqual(self.ask_web("/", token="wrong")[0], 401)
        self.wait_for(lambda: "a wrong token came from 127.0.0.1" in self.web_log(), "the line")

    def test_a_stranger_who_tries_many_does_not_fill_the_log(self):
        many = [socket.create_connection(("127.0.0.1", self.port), timeout=30) for _ in range(25)]
        for each in many:
            self.addCleanup(each.close)
            each.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\n\r\n")
        for each in many:
            self.assertEqual(each.recv(12), b"HTTP/1.1 401")
        self.assertEqual(self.web_log().count("wrong token"), 1)


class Hostile(WebCase):
    has_token = False

    def test_requests_that_are_none(self):
        self.assertRegex(self.raw(b"nonsense\r\n\r\n"), rb"\AHTTP/1.1 400 ")
        self.assertRegex(self.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"),
                         rb"\A(HTTP/1.1 431 |)")
        self.assertRegex(self.raw(b"POST /end HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"),
                         rb"\AHTTP/1.1 413 ")
        for hosts in (b"", b"Host: localhost\r\nHost: localhost\r\n"):
            self.assertRegex(self.raw(b"GET / HTTP/1.1\r\n" + hosts + b"\r\n"), rb"\AHTTP/1.1 400 ")
        self.assertRegex(self.raw(b"DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n"), rb"\AHTTP/1.1 405 ")
        self.assertIn("well", self.page())

    def test_a_target_that_names_its_host(self):
        ask = lambda target: self.raw(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")[:12]
        self.assertEqual(ask(b"http://localhost/metrics"), b"HTTP/1.1 200")
        self.assertEqual(ask(b"http://127.0.0.1:1"), b"HTTP/1.1 200")
        self.assertEqual(ask(b"http://evil.example/metrics"), b"HTTP/1.1 421")

    def test_a_body_that_waits_to_be_asked_for(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(b"POST /end HTTP/1.1\r\nHost: localhost\r\nExpect: 100-Continue\r\n"
                               b"Content-Length: 3\r\n\r\n")
            self.assertEqual(connection.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(b"x=y")
            self.assertRegex(connection.recv(100), rb"\AHTTP/1.1 403 ")

    def test_pages_of_others_get_nothing(self):
        for site in ("cross-site", "same-site"):
            for path in ("/", "/live", "/metrics", "/script.js"):
                self.assertEqual(self.ask_web(path, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors",
                                              Sec_Fetch_Dest="empty")[0], 403, (site, path))
            # A frame of theirs is none either; a link that is followed is.
            self.assertEqual(self.ask_web("/", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate",
                                          Sec_Fetch_Dest="iframe")[0], 403)
            self.assertEqual(self.ask_web("/", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate",
                                          Sec_Fetch_Dest="document")[0], 200)
        for site in ("same-origin", "none"):
            self.assertEqual(self.ask_web("/metrics", Sec_Fetch_Site=site)[0], 200)

    def test_answers_that_nobody_reads_are_given_up(self):
        watchers = [socket.create_connection(("127.0.0.1", self.port), timeout=30) for _ in range(20)]
        refused = 0
        for each in watchers:
            self.addCleanup(each.close)
            each.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for each in watchers:
            refused += each.recv(12) == b"HTTP/1.1 503"
        self.assertEqual(refused, 12)  # an address has half of the places
        self.assertIn("well", self.page())

    def test_slow_ones_keep_nobody_waiting_and_are_ended(self):
        slow = [socket.create_connection(("127.0.0.1", self.port), timeout=30) for _ in range(40)]
        for each in slow:
            self.addCleanup(each.close)
            each.sendall(b"GET / HT")
        self.assertIn("well", self.page())
        self.assertEqual(slow[-1].recv(100), b"")  # in 5 s

    def test_who_says_nothing_gives_way_to_who_asks(self):
        self.idle = []
        self.addCleanup(lambda: [each.close() for each in self.idle])
        for _ in range(10):
            for _ in range(30):
                self.idle.append(socket.create_connection(("127.0.0.1", self.port), timeout=30))
                self.idle[-1].sendall(b"GET / HT")
            self.assertIn("well", self.page())
        self.assertEqual(self.web_log().count("there is no room for all who connect, as 127.0.0.1 does"), 1)

    def test_more_than_there_is_room_for(self):
        many = [socket.create_connection(("127.0.0.1", self.port), timeout=30) for _ in range(80)]
        ended = 0
        for each in many:
            each.settimeout(0.05)
            try:
                ended += each.recv(1) == b""
            except OSError:
                pass
        self.assertGreaterEqual(ended, 10)
        for each in many:
            each.close()
        self.wait_for(self.is_served, "room again")

    def is_served(self):
        try:
            return "well" in self.page()
        except OSError:
            return False


class Wrong(ControlCase):
    def web(self, *words):
        return self.ctl("web", *words)

    def test_what_would_let_everybody_look(self):
        self.assert_one_line(self.web("--listen", "0.0.0.0:0"),
                             "0.0.0.0:0 is more than this machine; give --token-file")

    def test_tokens(self):
        path = pathlib.Path(self.scratch.path, "token")
        self.assert_one_line(self.web("--token-file", str(path)), "token: No such file or directory")
        path.write_text("short", "ascii")
        self.assert_one_line(self.web("--token-file", str(path)), "token of 16 to 256 characters")
        path.write_text(TOKEN, "ascii")
        path.chmod(0o644)
        self.assert_one_line(self.web("--token-file", str(path)), "others may read .*; chmod 600 it")

    def test_addresses(self):
        self.assert_one_line(self.web("--listen", "somewhere"), "somewhere is no address to listen on")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.assert_one_line(self.web("--listen", f"127.0.0.1:{taken.getsockname()[1]}"),
                                 "Address already in use")


if __name__ == "__main__":
    suite.main()
