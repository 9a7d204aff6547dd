#!/usr/bin/env python3
"""CHANGE_NOTIFY as smbclient shows it: changes by local programs and by other clients."""
import os
import queue
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from scratch import stop  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402
from smbclient import SmbClient  # noqa: E402
from suite import ServerCase  # noqa: E402

ALICE, BOB = test_users()
ADDED, REMOVED, MODIFIED, OLD_NAME, NEW_NAME = range(1, 6)
LIMIT_S = 30


class Watcher:
    """smbclient's `notify`, which watches a tree and prints a line for each change."""

    def __init__(self, client, directory):
        self.process = subprocess.Popen(
            ["stdbuf", "-oL", *client.command(), "-c", f"notify {directory}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.lines = queue.Queue()
        self.seen = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            action, _, name = line.strip().partition(" ")
            self.lines.put((int(action, 16), name))

    def hear(self, action, name, limit=LIMIT_S):
        """Whether this change was told, before or within the limit."""
        end = time.monotonic() + limit
        while (action, name) not in self.seen:
            try:
                self.seen.append(self.lines.get(timeout=max(0, end - time.monotonic())))
            except queue.Empty:
                return False
        return True

    def stop(self):
        stop(self.process)
        self.reader.join()
        self.process.stdout.close()


class Notify(ServerCase):
    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", owner=ids_of(ALICE))
        for folder in ("watched", "watched/sub", "beside"):
            scratch.directory("share", folder, owner=ids_of(ALICE))
        return Options([Share("share", cls.root)], [ALICE, BOB])

    def setUp(self):
        self.client = SmbClient(self.scratch, self.server, ALICE)
        self.watcher = Watcher(self.client, "watched")
        self.addCleanup(self.watcher.stop)
        # smbclient does not say when it has begun to watch.
        for number in range(100):
            self.touch("watched", "sub", f"begin{number}")
            if self.watcher.hear(ADDED, f"sub\\begin{number}", limit=0.3):
                return
        self.fail("nothing is told")

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def touch(self, *parts):
        # Another process, and not the server.
        with open(self.path(*parts), "w", encoding="ascii"):
            pass

    def assert_told(self, *changes):
        for action, name in changes:
            self.assertTrue(self.watcher.hear(action, name), (action, name, self.watcher.seen))

    def test_local_changes_in_the_directory(self):
        self.touch("watched", "a")
        os.rename(self.path("watched", "a"), self.path("watched", "b"))
        os.unlink(self.path("watched", "b"))
        self.assert_told((ADDED, "a"), (OLD_NAME, "a"), (NEW_NAME, "b"), (REMOVED, "b"))

    def test_local_changes_below_it(self):
        os.mkdir(self.path("watched", "new"))
        self.assert_told((ADDED, "new"))
        self.touch("watched", "new", "c")
        self.assert_told((ADDED, "new\\c"))
        os.rename(self.path("watched", "new", "c"), self.path("watched", "sub", "c"))
        self.assert_told((REMOVED, "new\\c"), (ADDED, "sub\\c"))
        with open(self.path("watched", "sub", "c"), "w", encoding="ascii") as out:
            out.write("data")
        self.assert_told((MODIFIED, "sub\\c"))

    def test_links_attributes_and_what_comes_from_elsewhere(self):
        self.touch("beside", "one")
        os.link(self.path("beside", "one"), self.path("watched", "linked"))
        self.assert_told((ADDED, "linked"))
        os.setxattr(self.path("watched", "linked"), "user.a", b"b")
        self.assert_told((MODIFIED, "linked"))
        os.rename(self.path("watched", "linked"), self.path("beside", "out"))
        self.assert_told((REMOVED, "linked"))
        os.rename(self.path("beside", "out"), self.path("watched", "in"))
        self.assert_told((ADDED, "in"))
        os.chmod(self.path("watched", "in"), 0o600)
        self.assert_told((MODIFIED, "in"))

    def test_changes_of_other_clients_are_told_once(self):
        other = SmbClient(self.scratch, self.server, ALICE)
        other.run("mkdir watched/made; rename watched/made watched/renamed; rmdir watched/renamed")
        self.assert_told((ADDED, "made"), (OLD_NAME, "made"), (NEW_NAME, "renamed"),
                         (REMOVED, "renamed"))
        self.touch("watched", "end")
        self.assert_told((ADDED, "end"))
        names = [change for change in self.watcher.seen if change[0] != MODIFIED]
        self.assertEqual(names.count((ADDED, "made")), 1)
        self.assertEqual(names.count((REMOVED, "renamed")), 1)

    def test_changes_elsewhere_are_not_told(self):
        self.touch("beside", "quiet")
        self.touch("watched", "heard")
        self.assert_told((ADDED, "heard"))
        self.assertFalse([change for change in self.watcher.seen if "quiet" in change[1]])


if __name__ == "__main__":
    suite.main()
