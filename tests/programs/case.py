"""ServerCase: a running server for each test, and waiting for what it does."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import server as servers  # noqa: E402
import suite  # noqa: E402
from scratch import Scratch  # noqa: E402
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
