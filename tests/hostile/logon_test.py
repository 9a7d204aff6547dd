#!/usr/bin/env python3
"""Who guesses passwords, and what he writes into the log meanwhile. Nothing here depends on how fast
the machine is: what may be judged is counted by the time that has passed."""
import itertools
import os
import re
import selectors
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402
from smb2_raw import frame, header  # noqa: E402
from smbclient import SmbClient  # noqa: E402
from suite import ServerCase, braid_only  # noqa: E402

ALICE, BOB = test_users()
ABUSER = "127.0.0.66"
LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d (debug|info|warning|error) ")
# src/auth/logon_penalties.h
FREE, FREE_OF_ADDRESS, PARTY_PAUSE_S, ADDRESS_PAUSE_S = 3, 30, 8, 1


def pauses_in(seconds, longest):
    """How many pauses, doubling from 250 ms, are over after so many seconds."""
    count, pause = 0, 0.25
    while seconds >= pause:
        seconds -= pause
        count += 1
        pause = min(pause * 2, longest)
    return count


def negotiate_token():
    return b"NTLMSSP\0" + struct.pack("<II", 1, 0x60088215) + bytes(16)


def authenticate_token(user, domain="", machine=""):
    """[MS-NLMP] 2.2.1.3 with an NTLMv2 response that is wrong."""
    nt = bytes(16) + b"\1\1" + bytes(6) + bytes(8) + b"guessing" + bytes(4) + bytes(4) + bytes(4)
    payload, fields = b"", b""
    for part in (bytes(24), nt, *(each.encode("utf-16-le") for each in (domain, user, machine)), b""):
        fields += struct.pack("<HHI", len(part), len(part), 64 + len(payload))
        payload += part
    return b"NTLMSSP\0" + struct.pack("<I", 3) + fields + struct.pack("<I", 0x20088205) + payload


class Guesser:
    """A connection that is one message away from being judged."""

    def __init__(self, case, address):
        self.socket = socket.create_connection((case.server.host, case.server.port), timeout=60,
                                               source_address=(address, 0))
        case.addCleanup(self.socket.close)
        self.socket.sendall(frame(header(raw.NEGOTIATE) + raw.negotiate((0x0302,), contexts=(),
                                                                         guid=os.urandom(16))))
        case.assertEqual(raw.status_of(self._receive()), "SUCCESS")
        self.message_id = 0

    def begin(self):
        self.message_id += 1
        self.socket.sendall(frame(header(raw.SESSION_SETUP, self.message_id) +
                                  raw.session_setup(negotiate_token())))
        answer = self._receive()
        assert raw.status_of(answer) == "MORE_PROCESSING_REQUIRED", raw.status_of(answer)
        self.session = struct.unpack_from("<Q", answer, 40)[0]

    def guess(self, user):
        """`user`: a name, or those of user, domain and machine."""
        names = (user,) if isinstance(user, str) else user
        self.message_id += 1
        self.socket.sendall(frame(header(raw.SESSION_SETUP, self.message_id, self.session) +
                                  raw.session_setup(authenticate_token(*names))))

    def status(self):
        return raw.status_of(self._receive())

    def _receive(self):
        def exactly(count):
            data = b""
            while len(data) < count:
                more = self.socket.recv(count - len(data))
                assert more, "the connection ended"
                data += more
            return data
        return exactly(struct.unpack(">I", exactly(4))[0])


class LogonCase(ServerCase):
    WORKERS, SLACK = 1, 1

    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", owner=ids_of(ALICE))
        return Options([Share("share", cls.root)], [ALICE, BOB], workers=cls.WORKERS)

    def guess(self, users, address=ABUSER, seconds=60, connections=24):
        """Guesses as fast as it is answered until the users or the seconds are used up; the answers by
        status, and how long it took."""
        users, answers, began = iter(users), {}, time.monotonic()

        def go_on(guesser):
            user = next(users, None)
            if user is not None:
                guesser.begin()
                guesser.guess(user)
            return user is not None

        with selectors.DefaultSelector() as busy:
            for _ in range(connections):
                guesser = Guesser(self, address)
                if go_on(guesser):
                    busy.register(guesser.socket, selectors.EVENT_READ, guesser)
            while busy.get_map() and time.monotonic() < began + seconds:
                for key, _ in busy.select(timeout=1):
                    status = key.data.status()
                    answers[status] = answers.get(status, 0) + 1
                    if not go_on(key.data):
                        busy.unregister(key.fileobj)
        return answers, time.monotonic() - began


class Guessing(LogonCase):
    SECONDS = 8

    def check(self, answers, seconds, free, longest):
        """No more were judged than the allowance and the pauses since."""
        self.assertLessEqual(set(answers), {"LOGON_FAILURE", "INSUFFICIENT_RESOURCES"})
        self.assertGreaterEqual(answers["LOGON_FAILURE"], free)
        # Connections are spread over the workers, and what one judges at once the others hear of
        # a moment later.
        self.assertLessEqual(answers["LOGON_FAILURE"],
                             self.WORKERS * free + self.SLACK * pauses_in(seconds, longest))

    @braid_only
    def test_one_account_over_many_connections(self):
        answers, seconds = self.guess(itertools.repeat(ALICE.name), seconds=self.SECONDS)
        self.check(answers, seconds, FREE, PARTY_PAUSE_S)
        self.assertIn("INSUFFICIENT_RESOURCES", answers)
        # The one that is guessed at comes in from elsewhere.
        answer = SmbClient(self.scratch, self.server, ALICE).run("ls")
        self.assertTrue(answer.ok, answer.text)

    @braid_only
    def test_many_accounts_from_one_address(self):
        names = (f"user{number}" for number in itertools.count())
        answers, seconds = self.guess(names, "127.0.0.67", self.SECONDS)
        self.check(answers, seconds, FREE_OF_ADDRESS, ADDRESS_PAUSE_S)

    @braid_only
    def test_others_of_the_address_come_in(self):
        # A misconfigured client behind the same address as everybody.
        answers, _ = self.guess(itertools.repeat("scanner"), self.server.host, seconds=2)
        self.assertIn("INSUFFICIENT_RESOURCES", answers)
        for user in (ALICE, BOB):
            answer = SmbClient(self.scratch, self.server, user).run("ls")
            self.assertTrue(answer.ok, answer.text)


class GuessingAtFourWorkers(Guessing):
    WORKERS, SLACK = 4, 2


class Log(LogonCase):
    @braid_only
    def test_names_make_no_lines_and_no_escapes(self):
        forged = "x\n2026-01-01T00:00:00.000+0000 info [worker 0] 192.0.2.1: root logged on"
        names = [forged, "a\x1b[2Jb", "c\u202ed", "e\u2028f", "n" * 8000]
        self.guess(names)
        text = self.server.log_text()
        for line in text.splitlines():
            self.assertRegex(line, LINE)
            self.assertTrue(line.isprintable(), ascii(line))
            self.assertLess(len(line), 1000)
        self.assertNotIn("\n2026-01-01", text)
        self.assertIn("x\\u{a}2026-01-01", text)

    @braid_only
    def test_a_flood_of_lines_is_cut_off(self):
        for number in range(3000):
            with socket.create_connection((self.server.host, self.server.port)) as one:
                # A line each: no dialect in common.
                one.sendall(frame(header(raw.NEGOTIATE) + raw.negotiate((0x0202,), contexts=())))
                one.recv(1000)
            if number % 50 == 0 and "the next are suppressed" in self.server.log_text():
                return
        self.fail("3,000 lines of one kind")


if __name__ == "__main__":
    suite.main()
