#!/usr/bin/env python3
"""What those who look at the server see while a stranger guesses 10,000 times, and while a user puts
nonsense into every name: the log, the audit, the page and braidctl stay what a person can read."""
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from logon_test import ABUSER, ALICE, BOB, LINE, Guesser, LogonCase  # noqa: E402
from peer import Peer  # noqa: E402
from server import Options, Share, ids_of  # noqa: E402
from smbclient import SmbClient  # noqa: E402
from suite import braid_only  # noqa: E402

GUESSES, CONNECTIONS = 10_000, 24
NONSENSE = "".join(random.Random(4711).choices(
    [chr(each) for each in (*range(1, 0x20), 0x7F, 0x9B, 0x202E, 0x2028, 0xFEFF, 0xFFFF)] +
    list("<script>'\"&\\%{}"), k=16_000)).replace("\0", "")
LOG_MAX, PAGE_MAX, AUDIT_LINE_MAX = 4 << 20, 1 << 20, 64 << 10


class Readable(LogonCase):
    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", owner=ids_of(ALICE))
        cls.audit = pathlib.Path(scratch.file("audit.json"))
        return Options([Share("share", cls.root)], [ALICE, BOB], signing="enabled",
                       server_lines=(f'audit = "{cls.audit}"',))

    def ctl(self, *words):
        done = subprocess.run([self.server.braidctl, "--config", self.server.config, *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              check=False)
        self.assertIn(done.returncode, (0, 1), done.stderr)  # 1: status says that something is
        return done.stdout

    def page(self):
        with subprocess.Popen([self.server.braidctl, "--config", self.server.config, "web",
                               "--listen", "127.0.0.1:0"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as web:
            try:
                port = re.search(r"port (\d+)", web.stdout.readline())[1]
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
                    return answer.read().decode("utf-8")
            finally:
                web.terminate()

    def check_lines(self, text, longest):
        for line in text.splitlines():
            self.assertTrue(line.isprintable(), ascii(line[:300]))
            self.assertLess(len(line), longest, ascii(line[:300]))

    def check_all(self):
        log = self.server.log_text()
        self.assertLess(len(log), LOG_MAX)
        self.check_lines(log, 1_200)
        for line in log.splitlines():
            self.assertRegex(line, LINE)
        lines = self.audit.read_text("utf-8").splitlines()
        for line in lines:
            self.assertLess(len(line), AUDIT_LINE_MAX)
            self.assertTrue(line.isascii())
            self.assertEqual(json.loads(line)["v"], 1)
        page = self.page()
        self.assertLess(len(page), PAGE_MAX)
        self.assertIn('<p class="state', page)
        self.assertNotIn("<script>'", page)
        self.assertFalse([each for each in page if not each.isprintable() and each != "\n"])
        for command in ("status", "sessions", "opens", "events"):
            self.check_lines(self.ctl(command), 2_000)
        metrics = self.ctl("metrics")
        self.assertLess(len(metrics), 256 << 10)  # no series for each name
        return page, lines

    def guess_some(self, numbers):
        """Guesses until the numbers are used up, on one connection after the other: without a logon
        each is ended after a while. The answers by status."""
        answers, guesser = collections.Counter(), None
        for number in iter(lambda: next(numbers, None), None):
            name = (f"user{number}{NONSENSE[:500]}", NONSENSE[500:900], NONSENSE[900:1_000])
            while True:
                try:
                    guesser = guesser or Guesser(self, ABUSER)
                    guesser.begin()
                    guesser.guess(name)
                    answers[guesser.status()] += 1
                    break
                except (AssertionError, OSError):
                    guesser = None
        return answers

    @braid_only
    def test_ten_thousand_bad_logons(self):
        began = time.monotonic()
        numbers = iter(range(GUESSES))
        with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
            answers = sum(pool.map(self.guess_some, [numbers] * CONNECTIONS), collections.Counter())
        seconds = time.monotonic() - began
        self.assertEqual(sum(answers.values()), GUESSES, answers)
        self.assertLessEqual(set(answers), {"LOGON_FAILURE", "INSUFFICIENT_RESOURCES"})
        page, lines = self.check_all()
        print(f"{GUESSES} guesses in {seconds:.0f} s: log {len(self.server.log_text())} bytes, "
              f"audit {self.audit.stat().st_size}, {len(lines)} lines, page {len(page)} bytes")
        self.assertIn("failed logons", page)
        # And who has a password comes in.
        answer = SmbClient(self.scratch, self.server, ALICE).run("ls")
        self.assertTrue(answer.ok, answer.text)

    @braid_only
    def test_nonsense_in_every_name(self):
        sent = 0
        tokens = [(NONSENSE[:9_000], NONSENSE[:9_000], NONSENSE[:9_000])] * 3
        self.guess(iter(tokens), "127.0.0.68")
        peer = Peer(self.server.host, self.server.port)
        self.addCleanup(peer.close)
        peer.log_on(ALICE.name, ALICE.password)
        shares = [f"\\\\{self.server.host}\\{NONSENSE[i:i + 12_000]}" for i in range(0, 4_000, 400)]
        for share in shares:
            peer.call(raw.TREE_CONNECT, raw.tree_connect(share))
            sent += 2 * len(share)
        peer.tree("share")
        number = 0
        while sent < 4 << 20:
            # Of whole files, in folders, of streams, of what is too long for any.
            size = (200, 2_000, 14_000)[number % 3]
            name = NONSENSE[number % 900:][:size]
            peer.call(raw.CREATE, raw.create(name, access=0x001F01FF, disposition=2))
            allowed = re.sub(r'[\x00-\x1f"*/:<>?\\|]', "", name)[:80]
            answer = peer.call(raw.CREATE, raw.create(f"{number}{allowed}", access=0x001F01FF,
                                                      disposition=3))
            if answer and answer.status == "SUCCESS" and number % 50:
                peer.call(raw.CLOSE, raw.close(answer.body[64:80]))
            sent += 2 * (len(name) + len(allowed))
            number += 1
        self.assertGreater(len(os.listdir(self.root)), 100)
        page, _ = self.check_all()
        self.assertIn("<b>alice</b>", page)


if __name__ == "__main__":
    suite.main()
