#!/usr/bin/env python3
"""braidctl announce: Debian's wsdd and avahi find the server, in namespaces; what is not asked well is not
answered."""
import functools
import os
import pathlib
import re
import shutil
import signal
import struct
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


def children(pid):
    try:
        return [int(each) for each in
                pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
    except OSError:
        return []


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
        log = pathlib.Path(self.log)
        return log.read_text("utf-8") if log.exists() else ""

    def wait_for(self, condition, what):
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.02)
        self.fail(f"waited in vain for: {what}\n{self.log_text()}")


class Off(AnnounceCase):
    def announced(self, lines, says):
        self.configure(lines)
        process = self.scratch.start([self.braidctl, "--config", str(self.config), "announce"], self.log)
        self.wait_for(lambda: says in self.log_text(), "the reason")
        self.assertEqual(children(process.pid), [])
        process.terminate()
        self.assertEqual(process.wait(timeout=LIMIT_S), 0)

    def test_where_no_name_leads(self):
        self.announced('listen = ["127.0.0.1:4450"]', "who finds a server by its name tries port 445 only")

    def test_by_the_key(self):
        self.announced("discovery = false", "nothing is announced: discovery = false")


class NetworkCase(AnnounceCase):
    listen = '["0.0.0.0:445", "[::]:445"]'

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

    def pids_of_ours(self):
        """Who obeys the configuration, and who announces."""
        pids = [int(each) for each in os.listdir("/proc") if each.isdigit() and self.is_ours(each)]
        first = next(pid for pid in pids if not any(pid in children(other) for other in pids))
        return first, next(pid for pid in pids if pid != first)

    def is_ours(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as command:
                words = command.read().split(b"\0")
        except OSError:
            return False
        return str(self.config).encode() in words and words[0] == self.braidctl.encode()

    def in_server(self, *command):
        return self.networks.run(self.networks.server, *command)

    def python(self, code, namespace=None, **options):
        return subprocess.run(
            self.networks.command(namespace or self.networks.client, "/usr/bin/python3", "-c", code),
            capture_output=True, text=True, timeout=120, check=True, **options).stdout

    def has_answer(self, link=0):
        """For a server that begins to listen."""
        return self.wait_for(lambda: self.ask(message(PROBE), link=link, limit=0.3), "an answer")


@unittest.skipIf(networks.missing(), networks.missing())
class Announced(NetworkCase):
    def test_is_nobody(self):
        self.start()
        first, second = self.pids_of_ours()
        status = pathlib.Path(f"/proc/{second}/status").read_text("ascii")
        self.assertRegex(status, r"(?m)^Uid:\t65534\t65534\t65534\t65534$")
        self.assertRegex(status, r"(?m)^CapEff:\t0+$")
        # The other one hears nobody.
        for each in os.listdir(f"/proc/{first}/fd"):
            self.assertNotIn("socket:", os.readlink(f"/proc/{first}/fd/{each}"))

    def test_it_ends_with_who_began_it(self):
        process = self.start()
        first, second = self.pids_of_ours()
        os.kill(first, signal.SIGKILL)
        self.wait_for(lambda: not os.path.exists(f"/proc/{second}"), "the end of both")
        process.wait(timeout=LIMIT_S)

    def test_it_begins_anew_by_itself(self):
        self.start()
        os.kill(self.pids_of_ours()[1], signal.SIGKILL)
        self.wait_for(lambda: self.log_text().count("announced as FILES on 10.99.0.1") == 2, "another one")
        self.assertIn("who announces has ended", self.log_text())

    def test_the_key_that_turns_it_off(self):
        self.start()
        self.configure(f"listen = {self.listen}\ndiscovery = false")
        os.kill(self.pids_of_ours()[0], signal.SIGHUP)
        self.wait_for(lambda: "nothing is announced: discovery = false" in self.log_text(), "the end")
        self.assertIsNone(self.ask(message(PROBE), limit=0.3))
        # Without a signal too. What is no configuration changes nothing.
        self.config.write_text("nonsense", "utf-8")
        self.wait_for(lambda: "announced is what was before" in self.log_text(), "the complaint")
        self.configure(f"listen = {self.listen}")
        self.wait_for(lambda: self.log_text().count("announced as FILES on 10.99.0.1") == 2, "its return")
        self.has_answer()

    def can_use_ipv6(self, namespace):
        """Whether an end has its own address, and has found that nobody else has it: until then it sends
        nothing from there, and no socket can be bound to it."""
        return (self.networks.run(namespace, "ip", "-6", "addr", "show", "scope", "link")
                and not self.networks.run(namespace, "ip", "-6", "addr", "show", "tentative"))

    def test_over_ipv6(self):
        for namespace in (self.networks.server, self.networks.client):
            self.wait_for(functools.partial(self.can_use_ipv6, namespace), "the address of the other family")
        self.start()
        self.wait_for(lambda: re.search(r"announced as FILES on 10\.99\.0\.1, fe80:", self.log_text()),
                      "its announcement")
        self.wait_for(lambda: "[fe80:" in self.in_server("ss", "-6tlnH", "sport = :5357"), "its port")
        code = ("import socket,sys\n"
                "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
                "link = socket.if_nametoindex('c0')\n"
                "s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, link)\n"
                "s.settimeout(0.5)\n"
                "for _ in range(60):\n"
                f"    s.sendto({message(PROBE)!r}, ('ff02::c', 3702, 0, link))\n"
                "    try: text = s.recv(65536).decode(); break\n"
                "    except TimeoutError: pass\n"
                "else: sys.exit('no answer')\n"
                "url = text.split('<wsd:XAddrs>')[1].split('<')[0]\n"
                "host, path = url[8:].split(']:5357')\n"
                "t = socket.create_connection((f'{host}%c0', 5357), 30)\n"
                f"body = {message(GET, '', 'URN')!r}.replace(b'URN', b'urn:uuid:' + path[1:].encode())\n"
                "t.sendall(b'POST %s HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: %d\\r\\n\\r\\n%s' % "
                "(path.encode(), len(body), body))\n"
                "print(url, t.makefile('rb').read().decode())\n")
        self.assertRegex(self.python(code),
                         r"\Ahttp://\[fe80::[0-9a-f:]+\]:5357/\S{36} HTTP/1.1 200 [\s\S]*FILES/Workgroup")

    def test_a_second_address_of_one_interface(self):
        self.start()
        self.in_server("ip", "addr", "add", "10.99.0.9/24", "dev", "s0")
        self.wait_for(lambda: "announced as FILES on 10.99.0.1, 10.99.0.9" in self.log_text(), "both")
        self.wait_for(lambda: "http://10.99.0.9:5357/" in (self.ask(message(PROBE), limit=0.3) or ""), "both")
        self.in_server("ip", "addr", "del", "10.99.0.9/24", "dev", "s0")
        self.wait_for(lambda: "10.99.0.9" not in (self.ask(message(PROBE), limit=0.3) or "10.99.0.9"), "one")
        self.assertNotIn("cannot", self.log_text())
        self.assertNotIn("will not", self.log_text())

    def test_an_interface_that_is_made_anew(self):
        self.start()
        self.networks.run(self.networks.server, "ip", "link", "del", "s0")
        self.networks.make_link(0)
        self.has_answer()

    def test_a_port_that_another_program_has(self):
        holder = self.scratch.start(self.networks.command(
            self.networks.server, "/usr/bin/python3", "-c",
            "import socket,time\ns = socket.create_server(('10.99.0.1', 5357))\nprint('held', flush=True)\n"
            "time.sleep(600)"), self.scratch.file("holder.log"))
        self.wait_for(lambda: "held" in pathlib.Path(self.scratch.file("holder.log")).read_text("ascii"), "it")
        self.start()
        line = ("Windows will not show this server by 10.99.0.1: another program, such as wsdd, has TCP port "
                "5357 there")
        self.wait_for(lambda: line in self.log_text(), "the complaint")
        self.assertIsNone(self.ask(message(PROBE), limit=3))
        self.assertEqual(self.log_text().count(line), 1)
        holder.kill()
        self.has_answer()

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
        os.kill(self.pids_of_ours()[0], signal.SIGTERM)
        self.wait_for(lambda: before.poll() is not None, "its end")
        self.assertEqual(before.returncode, 0)
        wait_for(r'"Bye urn:uuid:', 1, "the good-bye")
        self.start()
        wait_for(r'"Hello urn:uuid:', 1, "the hello")


def mdns_question(name, kind, ident=0, known=b""):
    labels = b"".join(bytes([len(each)]) + each for each in name.encode().split(b".")) + b"\0"
    return (struct.pack(">HHHHHH", ident, 0, 1, 1 if known else 0, 0, 0) + labels +
            struct.pack(">HH", kind, 1) + known)


class MdnsCase(NetworkCase):
    shares = ""

    def setUp(self):
        super().setUp()
        self.configure(f"listen = {self.listen}\n{self.shares}")

    def start(self):
        process = super().start()
        self.wait_for(lambda: "found as FILES and FILES" in self.log_text(), "the end of the probes")
        return process

    def asked(self, datagrams, port=0, limit=LIMIT_S):
        """What comes back to one who sends these to everybody, from his port, until there is something."""
        return self.python(
            "import socket\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
            f"s.bind(('', {port})); s.settimeout({limit})\n"
            "s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('10.99.0.2'))\n"
            "s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)\n"
            "s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton('224.0.0.251') + "
            "socket.inet_aton('10.99.0.2'))\n"
            f"for each in {datagrams!r}: s.sendto(each, ('224.0.0.251', 5353))\n"
            "try: print(s.recv(9000).hex())\nexcept TimeoutError: print('silence')\n").strip()


@unittest.skipIf(networks.missing(), networks.missing())
class Mdns(MdnsCase):
    def test_a_simple_resolver_is_answered(self):
        self.start()
        answer = bytes.fromhex(self.asked([mdns_question("FILES.local", 1, 7)]))
        self.assertEqual(answer[:2], b"\0\7")
        self.assertIn(b"\0\4\x0a\x63\0\1", answer)

    def test_nonsense_and_strangers_are_not(self):
        self.start()
        question = mdns_question("FILES.local", 1, 7)
        loop = struct.pack(">HHHHHH", 0, 0, 1, 0, 0, 0) + b"\xc0\x0c" + struct.pack(">HH", 1, 1)
        deep = struct.pack(">HHHHHH", 0, 0, 64, 0, 0, 0) + b"\x01a" * 127 + b"\0\0\1\0\1" + \
            b"\xc0\x0c\0\1\0\1" * 63
        self.assertEqual(self.asked([b"", b"x", question[:-1], loop, deep, b"\xff" * 9000,
                                     mdns_question("other.local", 1), b"\0\0\x28" + question[3:]],
                                    limit=0.5), "silence")
        self.assertNotEqual(self.asked([question]), "silence")

    def test_one_neighbour_leaves_room_for_another(self):
        self.start()
        self.networks.run(self.networks.client, "ip", "addr", "add", "10.99.0.3/24", "dev", "c0")
        question = mdns_question("FILES.local", 1, 7)
        got = self.python(
            "import socket\n"
            "def of(address):\n"
            "    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)\n"
            "    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))\n"
            "    s.bind((address, 0)); s.settimeout(5)\n"
            "    return s\n"
            "one, other = of('10.99.0.2'), of('10.99.0.3')\n"
            f"for _ in range(150): one.sendto({question!r}, ('224.0.0.251', 5353))\n"
            f"other.sendto({question!r}, ('224.0.0.251', 5353))\n"
            "print(len(other.recv(9000)) > 0)\n"
            "one.settimeout(1)\n"
            "got = 0\n"
            "try:\n    while one.recv(9000): got += 1\nexcept TimeoutError: print(got)\n").split()
        self.assertEqual(got[0], "True")
        self.assertGreater(int(got[1]), 0)
        self.assertLess(int(got[1]), 120)


@unittest.skipIf(networks.missing(), networks.missing())
@unittest.skipUnless(shutil.which("avahi-daemon") and shutil.which("avahi-browse"), "needs avahi")
class Avahi(MdnsCase):
    shares = ('[[share]]\nname = "backups"\npath = "/srv/backups"\ntime_machine = true\n'
              '[[share]]\nname = "other"\npath = "/srv/other"')

    def start_avahi(self, namespace, host, link):
        """A bus and a daemon of their own; how to reach them."""
        bus = self.scratch.file(f"bus-{host}")
        config = pathlib.Path(self.scratch.file(f"bus-{host}.conf"))
        config.write_text(
            '<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" '
            '"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">'
            f"<busconfig><listen>unix:path={bus}</listen><policy context='default'>"
            "<allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/><allow own='*'/>"
            "</policy></busconfig>", "ascii")
        daemon = pathlib.Path(self.scratch.file(f"avahi-{host}.conf"))
        daemon.write_text(f"[server]\nhost-name={host}\nallow-interfaces={link}\nuse-ipv4=yes\nuse-ipv6=yes\n"
                          "[wide-area]\nenable-wide-area=no\n[publish]\npublish-workstation=no\n", "ascii")
        self.scratch.start(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"],
                           self.scratch.file(f"bus-{host}.log"))
        self.wait_for(lambda: os.path.exists(bus), "the bus")
        log = self.scratch.file(f"avahi-{host}.log")
        # Its pid file would be that of the machine's own.
        self.scratch.start(self.networks.command(
            namespace, "env", f"DBUS_SYSTEM_BUS_ADDRESS=unix:path={bus}", "sh", "-c",
            'mkdir -p /run/avahi-daemon && mount -t tmpfs tmpfs /run/avahi-daemon && exec avahi-daemon "$@"', "sh",
            "--file", str(daemon), "--no-drop-root", "--no-chroot", "--no-rlimits", "--debug"), log)
        self.wait_for(lambda: "Server startup complete" in pathlib.Path(log).read_text("utf-8"), "avahi-daemon")
        return bus, pathlib.Path(log)

    def browse(self, namespace, bus, service):
        done = subprocess.run(self.networks.command(
            namespace, "env", f"DBUS_SYSTEM_BUS_ADDRESS=unix:path={bus}", "avahi-browse", "-rptk", service),
            capture_output=True, text=True, timeout=60, check=False)
        return done.stdout

    def test_avahi_finds_it(self):
        before = self.start()
        bus, _ = self.start_avahi(self.networks.client, "client", "c0")

        def found(service):
            return self.browse(self.networks.client, bus, service)
        self.wait_for(lambda: "=;c0;IPv4;FILES;_smb._tcp;local;FILES.local;10.99.0.1;445;" in found("_smb._tcp"),
                      "the service")
        self.wait_for(lambda: re.search(r"=;c0;IPv6;FILES;_smb._tcp;local;FILES.local;(fe80:|10\.99\.0\.1)",
                                        found("_smb._tcp")), "the service over IPv6")
        self.assertIn('"model=Xserve"', found("_device-info._tcp"))
        disks = found("_adisk._tcp")
        self.assertIn('"dk0=adVN=backups,adVF=0x82"', disks)
        self.assertIn('"sys=waMa=0,adVF=0x100"', disks)
        self.assertNotIn("other", disks)
        # It says good-bye.
        os.kill(self.pids_of_ours()[0], signal.SIGTERM)
        self.assertEqual(before.wait(timeout=LIMIT_S), 0)
        self.wait_for(lambda: "FILES" not in found("_smb._tcp"), "its end")

    def test_another_machine_has_the_name(self):
        bus, log = self.start_avahi(self.networks.client, "FILES", "c0")
        super().start()
        self.wait_for(lambda: "found as FILES and FILES-2.local on s0" in self.log_text(), "another name")
        self.wait_for(lambda: ";FILES-2.local;10.99.0.1;445;" in self.browse(self.networks.client, bus,
                                                                             "_smb._tcp"), "the service")
        self.assertNotIn("conflict", log.read_text("utf-8"))

    def test_beside_avahi_on_one_machine(self):
        _, log = self.start_avahi(self.networks.server, "FILES", "s0")
        super().start()
        self.wait_for(lambda: re.search(r"found as FILES and FILES(-2)?\.local on s0", self.log_text()), "a name")
        bus, _ = self.start_avahi(self.networks.client, "client", "c0")
        self.wait_for(lambda: re.search(r"=;c0;IPv4;FILES;_smb._tcp;local;FILES(-2)?.local;10.99.0.1;445;",
                                        self.browse(self.networks.client, bus, "_smb._tcp")), "the service")
        # The machine keeps its name.
        self.assertNotIn("conflict", log.read_text("utf-8"))

    def test_avahi_that_comes_later_keeps_its_name(self):
        self.start()
        _, log = self.start_avahi(self.networks.server, "FILES", "s0")
        self.assertNotIn("conflict", log.read_text("utf-8"))
        self.assertIn("Host name is FILES.local", log.read_text("utf-8"))


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
