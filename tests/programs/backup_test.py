#!/usr/bin/env python3
"""What docs/operate.md says is to be kept, brought back to another place."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from impacket.smbconnection import SMBConnection  # noqa: E402

import suite  # noqa: E402
from case import ALICE, BOB, ControlCase  # noqa: E402
from scratch import stop  # noqa: E402
from smbclient import SmbClient  # noqa: E402

READ_CONTROL, SHARE, OPEN, SECURITY = 0x00020000, 7, 1, 3
# In the order of operate.md.
KEPT = ("users", "users.key", "domain_sid")
TAR = ("tar", "--xattrs", "--xattrs-include=*", "--acls")


@unittest.skipUnless(os.geteuid() == 0, "attributes of the server are root's")
class Backup(ControlCase):
    def client(self, user=ALICE):
        return SmbClient(self.scratch, self.server, user)

    def run_client(self, user, *commands):
        answer = self.client(user).run(commands)
        self.assertTrue(answer.ok, answer.text)
        return answer.text

    def permissions(self, name):
        """Owner, group and access list, with SIDs."""
        connection = SMBConnection(self.server.host, self.server.host, sess_port=self.server.port,
                                   timeout=60)
        connection.login(ALICE.name, ALICE.password)
        self.addCleanup(connection.getSMBServer().get_socket().close)
        tree = connection.connectTree("share")
        file = connection.openFile(tree, name, READ_CONTROL, SHARE, creationDisposition=OPEN)
        return connection.getSMBServer().queryInfo(tree, file, infoType=SECURITY, fileInfoClass=0,
                                                   additionalInformation=7, flags=0)

    def start_again(self):
        self.server.log = self.scratch.file("again.log")
        self.server.process = self.scratch.start(
            [self.server.program, "--config", self.server.config], self.server.log)
        self.wait_for(lambda: "ready" in self.server.log_text(), "ready")
        self.server.port = int(re.search(r"listening on \S+:(\d+)", self.server.log_text())[1])

    def test_accounts_permissions_and_streams_come_back(self):
        for name, size in (("small", 100), ("large", 300_000)):
            pathlib.Path(self.scratch.file(name)).write_bytes(os.urandom(size))
        self.run_client(ALICE, "mkdir plans", "put small plans\\f", "put small plans\\f:mark",
                        "put large plans\\f:large", "setmode plans\\f +h")
        before = self.permissions("plans\\f")
        shown = self.run_client(ALICE, "allinfo plans\\f")
        config = pathlib.Path(self.server.config).read_text("utf-8")
        state = pathlib.Path(re.search('state_dir = "(.*)"', config)[1])
        self.assertTrue(all((state / name).exists() for name in KEPT), os.listdir(state))
        archive = self.scratch.file("data.tar")
        subprocess.run([*TAR, "-C", self.root, "-cpf", archive, "."], check=True)
        kept = self.scratch.directory("kept")
        for name in KEPT:
            shutil.copy2(state / name, kept)
        self.assertEqual(stop(self.server.process), 0)
        # Another machine: nothing is left.
        shutil.rmtree(state)
        shutil.rmtree(self.root)
        os.mkdir(self.root)
        state.mkdir(mode=0o700)
        for name in KEPT:
            shutil.copy2(os.path.join(kept, name), state)
        subprocess.run([*TAR, "-C", self.root, "-xpf", archive], check=True)
        self.start_again()
        self.assertEqual(self.permissions("plans\\f"), before)
        for stream in ("f", "f:mark", "f:large"):
            self.run_client(ALICE, f"get plans\\{stream} got")
            sent = "large" if "large" in stream else "small"
            self.assertEqual(pathlib.Path(self.scratch.file("got")).read_bytes(),
                             pathlib.Path(self.scratch.file(sent)).read_bytes(), stream)
        names = lambda text: [line for line in text.splitlines() if "stream" in line or "attributes" in line]
        self.assertEqual(names(self.run_client(ALICE, "allinfo plans\\f")), names(shown))
        self.assertTrue(self.client(BOB).run("ls").ok)


if __name__ == "__main__":
    suite.main()
