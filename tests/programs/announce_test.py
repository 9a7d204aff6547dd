#!/usr/bin/env python3
"""braidctl announce: Debian's wsdd finds the server, in namespaces; what is not asked well is not answered."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import networks  # noqa: E402
import suite  # noqa: E402
from case import LIMIT_S  # noqa: E402
from scratch import Scratch  # noqa: E402

DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
PROBE = f"{DISCOVERY}/Probe"
GET = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"


def message(action, body="<d:Probe/>", to="urn:x", message_id="urn:uuid:a-b"):
    return (f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
            f'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="{DISCOVERY}">'
            f"<s:Header><a:To>{to}</a:To><a:Action>{action}</a:Action>"
            f"<a:MessageID>{message_id}</a:MessageID></s:Header>"
            f"<s:Body>{body}</s:Body></s:Envelope>").encode()


class AnnounceCase(unittest.TestCase):
    links = 1

    def setUp(self):
        self.scratch = Scratch(suite.arguments.scratch)
        self.scratch.__enter__()
        self.addCleanup(self.scratch.__exit__)
        self.log = self.scratch.file("announce.log")
        self.config = pathlib.Path(self.scratch.file("braid.toml"))
        self.braidctl = os.path.join(os.path.dirname(os.path.abspath(suite.arguments.braidd)), "braidctl")

    def configure(self, lines):
        self.config.write_text(f'[server]\nname = "FILES"\nstate_dir = "{self.scratch.path}"\n{lines}\n',
                               "utf-8")

    def log_text(self):
        return pathlib.Path(self.log).read_text("utf-8")

    def wait_for(self, condition, what):
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.02)
        self.fail(f"waited in vain for: {what}\n{self.log_text()}")


class Off(AnnounceCase):
    def announce(self, lines):
        self.configure(lines)
        return subprocess.run([self.braidctl, "--config", self.config, "announce"], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)

    def test_where_no_name_leads(self):
        done = self.announce('listen = ["127.0.0.1:4450"]')
        self.assertEqual(done.returncode, 0)
        self.assertIn("who finds a server by its name tries port 445 only", done.stderr)


class NetworkCase(AnnounceCase):
    listen = '["0.0.0.0:445"]'

    def setUp(self):
        super().setUp()
        self.networks = networks.Networks(self.links)
        self.networks.__enter__()
        self.addCleanup(self.networks.__exit__)
        self.configure(f"listen = {self.listen}")

    def start(self):
        process = self.scratch.start(
            self.networks.command(self.networks.server, self.braidctl, "--config", str(self.config),
                                  "announce"), self.log)
        self.wait_for(lambda: "announced as FILES on 10.99.0.1" in self.log_text(), "the announcement")
        return process

    def ask(self, text, where="239.255.255.250", link=0, limit=LIMIT_S):
        """What is answered to a datagram from the client's end of the link; None: nothing."""
        code = ("import socket,sys\n"
                "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                f"s.bind(('10.99.{link}.2', 0)); s.settimeout({limit})\n"
                f"s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('10.99.{link}.2'))\n"
                f"s.sendto(sys.stdin.buffer.read(), ('{where}', 3702))\n"
                "try: sys.stdout.buffer.write(s.recv(65536))\n"
                "except TimeoutError: pass\n")
        done = subprocess.run(self.networks.command(self.networks.client, "/usr/bin/python3", "-c", code),
                              input=text, capture_output=True, timeout=60, check=True)
        return done.stdout.decode() or None

    def post(self, request):
        """What is answered by HTTP to bytes from the client's end."""
        code = ("import socket,sys\n"
                "s = socket.create_connection(('10.99.0.1', 5357), timeout=30)\n"
                "s.sendall(sys.stdin.buffer.read())\n"
                "while True:\n"
                "    read = s.recv(65536)\n"
                "    if not read: break\n"
                "    sys.stdout.buffer.write(read)\n")
        return subprocess.run(self.networks.command(self.networks.client, "/usr/bin/python3", "-c", code),
                              input=request, capture_output=True, timeout=60, check=True).stdout

    def pid_of_ours(self):
        return next(int(each) for each in os.listdir("/proc") if each.isdigit() and self.is_ours(each))

    def is_ours(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as command:
                words = command.read().split(b"\0")
        except OSError:
            return False
        return str(self.config).encode() in words and words[0] == self.braidctl.encode()


@unittest.skipIf(networks.missing(), networks.missing())
class Announced(NetworkCase):
    def test_is_nobody(self):
        self.start()
        status = pathlib.Path(f"/proc/{self.pid_of_ours()}/status").read_text("ascii")
        self.assertRegex(status, r"(?m)^Uid:\t65534\t65534\t65534\t65534$")
        self.assertRegex(status, r"(?m)^CapEff:\t0+$")

    def test_only_what_is_asked_well_is_answered(self):
        self.start()
        for text in (b"", b"nonsense", b"<" * 8000, message(PROBE)[:-9], message(f"{DISCOVERY}/Other"),
                     message(PROBE, "<d:Probe><d:Types>x:Printer</d:Types></d:Probe>"),
                     message(PROBE, "<d:Probe/>" + " " * 9000),
                     message(f"{DISCOVERY}/Resolve", "<d:Resolve><a:EndpointReference><a:Address>"
                             "urn:uuid:other</a:Address></a:EndpointReference></d:Resolve>")):
            self.assertIsNone(self.ask(text, limit=0.3), text[:200])
        for where in ("239.255.255.250", "10.99.0.1"):
            answer = self.ask(message(PROBE), where)
            self.assertIn("<wsa:RelatesTo>urn:uuid:a-b</wsa:RelatesTo>", answer)
            self.assertRegex(answer, r"<wsd:XAddrs>http://10\.99\.0\.1:5357/[0-9a-f-]{36}</wsd:XAddrs>")

    def test_strangers_are_not_answered(self):
        self.start()
        self.networks.run(self.networks.client, "ip", "addr", "add", "10.98.0.2/24", "dev", "c0")
        self.networks.run(self.networks.server, "ip", "route", "add", "10.98.0.0/24", "dev", "s0")
        self.networks.run(self.networks.client, "ip", "route", "add", "10.99.0.1/32", "dev", "c0", "src",
                          "10.98.0.2")
        self.assertIsNotNone(self.ask(message(PROBE), "10.99.0.1"))
        far = ("import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
               "s.bind(('10.98.0.2', 0)); s.settimeout(0.5)\n"
               f"s.sendto({message(PROBE)!r}, ('10.99.0.1', 3702))\n"
               "try: print(s.recv(65536))\nexcept TimeoutError: print('silence')\n")
        done = subprocess.run(self.networks.command(self.networks.client, "/usr/bin/python3", "-c", far),
                              capture_output=True, text=True, timeout=60, check=True)
        self.assertEqual(done.stdout, "silence\n")

    def test_a_flood_is_answered_for_a_while(self):
        self.start()
        flood = ("import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                 "s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)\n"
                 "s.bind(('10.99.0.2', 0)); s.settimeout(1)\n"
                 f"for _ in range(500): s.sendto({message(PROBE)!r}, ('10.99.0.1', 3702))\n"
                 "got = 0\n"
                 "try:\n    while s.recv(65536): got += 1\nexcept TimeoutError: print(got)\n")
        done = subprocess.run(self.networks.command(self.networks.client, "/usr/bin/python3", "-c", flood),
                              capture_output=True, text=True, timeout=60, check=True)
        self.assertGreater(int(done.stdout), 0)
        self.assertLess(int(done.stdout), 400)

    def test_one_neighbour_leaves_room_for_another(self):
        self.start()
        place = re.search(r"http://10\.99\.0\.1:5357(/[0-9a-f-]{36})", self.ask(message(PROBE)))[1]
        self.networks.run(self.networks.client, "ip", "addr", "add", "10.99.0.3/24", "dev", "c0")
        good = message(GET, "", f"urn:uuid:{place[1:]}")
        request = (f"POST {place} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(good)}\r\n\r\n").encode() + good
        # One floods and holds as many connections as it gets, in silence; then another one asks.
        code = ("import socket\n"
                "held = [socket.create_connection(('10.99.0.1', 5357), 30, ('10.99.0.2', 0))\n"
                "        for _ in range(40)]\n"
                "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                "s.bind(('10.99.0.2', 0))\n"
                f"for _ in range(60): s.sendto({message(PROBE)!r}, ('10.99.0.1', 3702))\n"
                "o = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                "o.bind(('10.99.0.3', 0)); o.settimeout(30)\n"
                f"o.sendto({message(PROBE)!r}, ('10.99.0.1', 3702))\n"
                "print(len(o.recv(65536)) > 0)\n"
                "t = socket.create_connection(('10.99.0.1', 5357), 30, ('10.99.0.3', 0))\n"
                f"t.sendall({request!r})\n"
                "print(t.recv(12))\n")
        done = subprocess.run(self.networks.command(self.networks.client, "/usr/bin/python3", "-c", code),
                              capture_output=True, text=True, timeout=120, check=True)
        self.assertEqual(done.stdout, "True\nb'HTTP/1.1 200'\n")

    def test_metadata_is_for_who_knows_whom_he_asks(self):
        self.start()
        place = re.search(r"http://10\.99\.0\.1:5357(/[0-9a-f-]{36})", self.ask(message(PROBE)))[1]

        def post(path, body, more=b""):
            return self.post(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n%s" %
                             (path.encode(), len(body), more, body))
        good = message(GET, "", f"urn:uuid:{place[1:]}")
        self.assertRegex(post(place, good), rb"\AHTTP/1.1 200 [\s\S]*FILES/Workgroup:WORKGROUP")
        for path, body in (("/", good), ("/other", good), (place, message(GET, "", "urn:uuid:other")),
                           (place, message(PROBE)), (place, b"nonsense"), (place, b"")):
            self.assertTrue(post(path, body).startswith(b"HTTP/1.1 400 "), (path, body))
        for raw in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 999999\r\n\r\n"):
            self.assertRegex(self.post(raw), rb"\A(HTTP/1.1 400 |\Z)")
        self.assertTrue(post(place, good).startswith(b"HTTP/1.1 200 "))

    @unittest.skipUnless(shutil.which("wsdd"), "needs wsdd")
    def test_wsdd_finds_it(self):
        before = self.start()
        log = pathlib.Path(self.scratch.file("wsdd.log"))
        # Its own HTTP server would look for a name of this machine, which nobody knows here.
        self.scratch.start(self.networks.command(
            self.networks.client, "wsdd", "-vvv", "--discovery", "--no-host", "--no-http", "--ipv4only"),
            str(log))

        def wait_for(pattern, count, what):
            self.wait_for(lambda: len(re.findall(pattern, log.read_text("utf-8"))) >= count, what)
        # Was there before: found by a probe, and asked what it is.
        wait_for(r'"ProbeMatches urn:uuid:', 1, "an answer to wsdd's probe")
        wait_for(r"'DisplayName': 'FILES', 'BelongsTo': 'Workgroup:WORKGROUP'", 1, "the metadata")
        wait_for(r"(?i)discovered FILES in Workgroup:WORKGROUP on 10\.99\.0\.1%c0", 1, "the server")
        # It says good-bye, and hello.
        os.kill(self.pid_of_ours(), signal.SIGTERM)
        self.wait_for(lambda: before.poll() is not None, "its end")
        self.assertEqual(before.returncode, 0)
        wait_for(r'"Bye urn:uuid:', 1, "the good-bye")
        self.start()
        wait_for(r'"Hello urn:uuid:', 1, "the hello")


@unittest.skipIf(networks.missing(), networks.missing())
class OnlyServedAddresses(NetworkCase):
    links = 2
    listen = '["10.99.0.1:445"]'

    def test_what_is_not_served_is_not_announced(self):
        self.start()
        self.assertIsNotNone(self.ask(message(PROBE)))
        self.assertIsNone(self.ask(message(PROBE), link=1, limit=0.5))
        self.assertNotIn("10.99.1.1", self.log_text())

    def test_an_address_that_goes_and_comes(self):
        self.start()
        self.networks.run(self.networks.server, "ip", "addr", "del", "10.99.0.1/24", "dev", "s0")
        self.wait_for(lambda: "no more announced on 10.99.0.1" in self.log_text(), "its end")
        self.networks.run(self.networks.server, "ip", "addr", "add", "10.99.0.1/24", "dev", "s0")
        self.wait_for(lambda: self.log_text().count("announced as FILES on 10.99.0.1") == 2, "its return")
        self.assertIsNotNone(self.ask(message(PROBE)))


if __name__ == "__main__":
    suite.main()
