#!/usr/bin/env python3
"""A low limit of open files: said at the start, and used up by nobody at the cost of others."""
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from impacket.smb3structs import FILE_OPEN_IF, FILE_SHARE_READ, FILE_SHARE_WRITE  # noqa: E402
from impacket.smb3structs import SMB2_DIALECT_30  # noqa: E402
from impacket.smb3 import SessionError  # noqa: E402
from impacket.smbconnection import SMBConnection  # noqa: E402

import server  # noqa: E402
import smb2_raw  # noqa: E402
import suite  # noqa: E402
from case import ALICE, BOB, ServerCase  # noqa: E402

NEGOTIATE = smb2_raw.frame(smb2_raw.header(smb2_raw.NEGOTIATE) + smb2_raw.negotiate())
READ_WRITE = 0x0012019F
QUERY_NETWORK_INTERFACE_INFO = 0x001401FC
TOO_MANY_OPENED_FILES = 0xC000011F
LIMIT = 512


class DescriptorsCase(ServerCase):
    more_options = {"prefix": ("prlimit", f"--nofile={LIMIT}:{LIMIT}")}

    def setUp(self):
        super().setUp()
        os.chmod(self.root, 0o777)

    def log_on(self, user):
        connection = SMBConnection(self.server.host, self.server.host, sess_port=self.server.port,
                                   preferredDialect=SMB2_DIALECT_30, timeout=20)
        connection.login(user.name, user.password)
        self.addCleanup(connection.getSMBServer().get_socket().close)
        return connection.getSMBServer(), connection.connectTree("share")

    def open(self, smb, tree, name):
        return smb.create(tree, name, READ_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, 0,
                          FILE_OPEN_IF, 0)

    def descriptors(self):
        return sorted(target for pid in (self.server.process.pid, *self.server.worker_pids())
                      for target in server.descriptors(pid).values())

    def open_all(self, smb, tree, name):
        opens = []
        try:
            while len(opens) < LIMIT:
                opens.append(self.open(smb, tree, name))
        except SessionError as error:
            self.assertEqual(error.get_error_code(), TOO_MANY_OPENED_FILES)
        return opens

    def negotiates(self, source="127.0.0.1"):
        """A connection that has had its NEGOTIATE answered; None if it was ended."""
        client = socket.create_connection((self.server.host, self.server.port), 20, (source, 0))
        self.addCleanup(client.close)
        try:
            client.sendall(NEGOTIATE)
            return client if client.recv(8)[4:] == b"\xfeSMB" else None
        except ConnectionResetError:
            return None


class LowLimit(DescriptorsCase):
    def test_is_one_line_at_the_start(self):
        lines = [line for line in self.server.log_text().splitlines() if "RLIMIT_NOFILE" in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], rf"is {LIMIT}: \d+ connections and \d+ files .*LimitNOFILE=")

    def test_user_who_opens_all_he_can_takes_nothing_from_others(self):
        alice = self.log_on(ALICE)
        first = self.open_all(*alice, "of alice")
        self.assertTrue(100 < len(first) < LIMIT * 3 / 4, len(first))
        # What one closes he may have again.
        alice[0].close(alice[1], first.pop())
        self.open(*alice, "of alice")
        bob = self.log_on(BOB)
        self.assertGreater(len(self.open_all(*bob, "of bob")), 20)

    def test_question_for_the_interfaces_keeps_none(self):
        smb, tree = self.log_on(ALICE)
        before = self.descriptors()
        smb.ioctl(tree, None, QUERY_NETWORK_INTERFACE_INFO, flags=1, inputBlob=b"",
                  maxOutputResponse=65536)
        self.assertEqual(self.descriptors(), before)

    def test_strangers_of_one_address_leave_connections_to_another(self):
        found = [self.negotiates() for _ in range(200)]
        held = [client for client in found if client]
        self.assertTrue(4 <= len(held) < 64, len(held))
        self.assertTrue(self.negotiates("127.0.0.2"))
        # Whoever ends makes room.
        for client in held:
            client.close()
        self.wait_for(self.negotiates, "an answer for the address")


class LowLimitInOneProcess(LowLimit):
    single_process = True

    def test_silent_connections_leave_files_to_users(self):
        smb, tree = self.log_on(ALICE)
        silent = []
        for each in range(2, 8):
            for _ in range(100):
                silent.append(socket.create_connection((self.server.host, self.server.port), 20,
                                                       (f"127.0.0.{each}", 0)))
        self.addCleanup(lambda: [client.close() for client in silent])
        def is_turned_away(client):
            client.setblocking(False)
            try:
                return client.recv(1) == b""
            except BlockingIOError:
                return False
            except OSError:
                return True
        # All are accepted then, or as many as there are descriptors for.
        self.wait_for(lambda: is_turned_away(silent[-1]) or len(self.descriptors()) > LIMIT - 5,
                      "the last of them")
        for number in range(100):
            self.open(smb, tree, f"file {number}")


class TooLowLimit(ServerCase):
    def test_is_an_error_that_says_what_to_do(self):
        self.assertEqual(self.server.stop(), [])
        for mode in ([], ["--single-process"]):
            done = subprocess.run(
                ["prlimit", "--nofile=100:100", self.server.program, "--config",
                 self.server.config, *mode], capture_output=True, text=True, timeout=60,
                check=False)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stderr, r"^braidd: .*RLIMIT_NOFILE\) is 100, and nothing works "
                                          r"below 256; raise it: LimitNOFILE=.*\n$")


if __name__ == "__main__":
    suite.main()
