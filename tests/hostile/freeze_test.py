#!/usr/bin/env python3
"""A share whose file system is frozen (fsfreeze, as snapshots do) holds up nobody but its users.

  on_image.sh ext4 freeze_test.py --braidd build/release/braidd

One reactor serves two connections. While WRITEs to the frozen share hang, the other connection is
answered, works on another share, and gets what the lost connection had open there. After the thaw
everything has been written. Needs root and loop devices; skipped (77) elsewhere. The image is
mounted at --scratch.
"""
import os
import random
import struct
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, HERE)

import server as servers  # noqa: E402
import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from mutation_test import Attacker  # noqa: E402
from scratch import Scratch  # noqa: E402

SUCCESS = "SUCCESS"
PENDING = "PENDING"
BLOCK = 4096


class Client(Attacker):
    """A session with a file open on the share that will be frozen, and a tree on the other."""

    def __init__(self, server, user, name):
        super().__init__(server, user, random.Random(1))
        self.frozen = self.create(name)
        answer = self.wait_for(self.send(raw.TREE_CONNECT, raw.tree_connect(
            "\\\\%s\\other" % server.host), tree=0))
        self.other = struct.unpack_from("<I", answer, 36)[0]

    def send(self, command, body, **fields):
        message = self.message(command, body, **fields)
        self._socket.sendall(raw.frame(self.sign(message)))
        return struct.unpack_from("<Q", message, 24)[0]

    def wait_for(self, message_id):
        """The final answer to a message; the socket's time-out is the patience."""
        while True:
            length = struct.unpack(">I", self._exactly(4))[0]
            answer = self._exactly(length)
            if (struct.unpack_from("<Q", answer, 24)[0] == message_id
                    and raw.status_of(answer) != PENDING):
                return answer

    def status(self, command, body, **fields):
        return raw.status_of(self.wait_for(self.send(command, body, **fields)))

    def create(self, name, **fields):
        answer = self.wait_for(self.send(raw.CREATE, raw.create(
            name, access=0x0012019F, disposition=3, share=fields.pop("share", 7)), **fields))
        return answer[128:144] if raw.status_of(answer) == SUCCESS else None

    def echo(self):
        return self.status(raw.ECHO, raw.plain())


class Freeze(unittest.TestCase):
    def setUp(self):
        if not suite.arguments.scratch:
            self.skipTest("needs --scratch, a file system of its own")
        self.mount = suite.arguments.scratch
        scratch = Scratch()
        scratch.__enter__()
        self.addCleanup(scratch.__exit__)
        user = servers.test_users()[0]
        owner = servers.ids_of(user)
        frozen = os.path.join(self.mount, "frozen")
        os.makedirs(frozen)
        os.chown(frozen, *owner)
        other = scratch.directory("other", owner=owner)
        self.folder = frozen
        self.user = user
        self.server = servers.start(suite.arguments, scratch, servers.Options(
            shares=[servers.Share("share", frozen), servers.Share("other", other)],
            users=[user], min_dialect="2.1", threads=1))
        self.addCleanup(self.stop_server)
        self.is_frozen = False
        self.addCleanup(self.thaw)

    def stop_server(self):
        trouble = self.server.stop()
        self.assertFalse(trouble, "\n".join(trouble or []))

    def freeze(self):
        subprocess.run(["fsfreeze", "--freeze", self.mount], check=True)
        self.is_frozen = True

    def thaw(self):
        if self.is_frozen:
            subprocess.run(["fsfreeze", "--unfreeze", self.mount], check=True)
            self.is_frozen = False

    def test_others_are_served_and_the_lost_are_closed(self):
        writer = Client(self.server, self.user, "written")
        innocent = Client(self.server, self.user, "read")
        self.assertEqual(writer.status(raw.WRITE, raw.write(writer.frozen, b"0" * BLOCK)), SUCCESS)
        alone = writer.create("alone", tree=writer.other, share=0)
        self.assertIsNotNone(alone)
        mine = innocent.create("mine", tree=innocent.other)
        self.assertIsNotNone(mine)

        self.freeze()
        for i in range(8):
            writer.send(raw.WRITE, raw.write(writer.frozen, bytes([65 + i]) * BLOCK, i * BLOCK))
        for _ in range(8):
            self.assertEqual(innocent.echo(), SUCCESS)
            self.assertEqual(innocent.status(raw.WRITE, raw.write(mine, b"x" * BLOCK),
                                             tree=innocent.other), SUCCESS)

        writer.close()
        taken = None
        while taken is None:  # until the server has noticed; it answers, or the time-out ends this
            self.assertEqual(innocent.echo(), SUCCESS)
            taken = innocent.create("alone", tree=innocent.other, share=0)

        self.thaw()
        self.assertEqual(innocent.echo(), SUCCESS)
        path = os.path.join(self.folder, "written")
        late = innocent.create("written")
        self.assertIsNotNone(late)
        with open(path, "rb") as written:
            # What hung when the connection went is carried out; what waited behind it as well.
            self.assertEqual(len(written.read()) % BLOCK, 0)
        innocent.close()


if __name__ == "__main__":
    suite.main()
