"""ServerCase: a running server for each test, and waiting for what it does. ControlCase: asking it,
as administrators do."""
import json
import os
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import server as servers  # noqa: E402
import suite  # noqa: E402
from scratch import Scratch, stop  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402

ALICE, BOB = test_users()
LIMIT_S = 20  # a sanitizer build on a busy machine


class ServerCase(unittest.TestCase):
    """`self.server` serves the folder `self.root` as "share" to ALICE and BOB."""
    workers = 1
    single_process = False
    more_options = {}  # of server.Options

    def setUp(self):
        self.scratch = Scratch(suite.arguments.scratch)
        self.scratch.__enter__()
        self.addCleanup(self.scratch.__exit__)
        self.root = self.scratch.directory("share", owner=ids_of(ALICE))
        self.options = Options([Share("share", self.root)], [ALICE, BOB], workers=self.workers,
                               single_process=self.single_process, **self.more_options)
        self.server = servers.start(suite.arguments, self.scratch, self.options)
        self.wait_for(lambda: "ready" in self.server.log_text(), "ready")

    def wait_for(self, condition, what):
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.01)
        self.fail(f"waited in vain for: {what}\n{self.server.log_text()}")


class ControlCase(ServerCase):
    """With report.txt in the share, which everybody may write."""

    def setUp(self):
        super().setUp()
        self.addCleanup(lambda: stop(self.server.process))
        path = os.path.join(self.root, "report.txt")
        pathlib.Path(path).write_text("figures", encoding="ascii")
        os.chmod(path, 0o666)

    def ctl(self, *arguments, **options):
        return subprocess.run([self.server.braidctl, "--config", self.server.config, *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              check=False, **options)

    def ask(self, *arguments):
        done = self.ctl("--json", *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def assert_one_line(self, done, pattern):
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertRegex(done.stderr, pattern)
