#!/usr/bin/env python3
"""Two servers that have the same disk by turns, as the two heads of one box: handles travel with the data."""
import os
import shutil
import stat
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import persistent as p  # noqa: E402
import server as servers  # noqa: E402
import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from peer import Refused  # noqa: E402
from persistent import RWH, Client, kill_all, start_again  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402

ALICE, BOB = test_users()
KEY, GUID, CREATE_GUID = b"lease key 000001", b"client 000000001", b"create 000000001"
NOT_AVAILABLE = "0xC0000467"  # STATUS_FILE_NOT_AVAILABLE
LOCK_NOT_GRANTED = "0xC0000055"


class Heads(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if suite.arguments.smbd:
            raise unittest.SkipTest("smbd has no handles that travel")

    def setUp(self):
        self.scratch = self.enterContext(Scratch(suite.arguments.scratch))
        self.root = self.scratch.directory("share", owner=ids_of(ALICE))
        self.one = self.head("one", [ALICE, BOB])

    def head(self, name, users):
        shares = [Share("share", self.root, lines=("continuous_availability = true",))]
        head = servers.start(suite.arguments, self.scratch, Options(shares, users, signing="enabled"), name)
        head.expects_deaths = True
        self.addCleanup(servers.stop, head.process)
        return head

    def copy_accounts(self, name):
        """Of the first to one that is to be: the same users with the same numbers."""
        to = self.scratch.directory(f"{name}.state", mode=0o700)
        state = self.scratch.file("one.state")
        for entry in os.listdir(state):
            if stat.S_ISREG(os.lstat(os.path.join(state, entry)).st_mode):
                shutil.copy2(os.path.join(state, entry), to)

    def client(self, head, user=ALICE, guid=GUID):
        client = Client(head, user, guid)
        self.addCleanup(client.close)
        return client

    def test_a_client_goes_on_with_the_other_head(self):
        client = self.client(self.one)
        before = client.open("file", CREATE_GUID, lease=KEY)
        self.assertEqual((before.status, before.flags, before.lease), ("SUCCESS", p.PERSISTENT, RWH))
        self.assertEqual(client.status(raw.WRITE, raw.write(before.file, b"kept")), "SUCCESS")
        self.assertEqual(client.lock(before.file, 5), "SUCCESS")
        kill_all(self.one)
        self.copy_accounts("two")
        two = self.head("two", [])
        client = self.client(two)
        again = client.reconnect("file", before, CREATE_GUID, lease=KEY)
        self.assertEqual((again.status, again.persistent_id, again.lease),
                         ("SUCCESS", before.persistent_id, RWH))
        self.assertEqual(client.lock(again.file, 5), LOCK_NOT_GRANTED)
        answer = client.call(raw.READ, raw.read(again.file, 4))
        self.assertEqual((answer.status, answer.body[16:20]), ("SUCCESS", b"kept"))
        # And back again.
        kill_all(two)
        start_again(self.one, self.scratch)
        client = self.client(self.one)
        again = client.reconnect("file", again, CREATE_GUID, lease=KEY)
        self.assertEqual((again.status, again.lease), ("SUCCESS", RWH))
        self.assertEqual(client.close_file(again.file), "SUCCESS")

    def test_what_another_server_has_promised_is_kept(self):
        """Its users are not this one's, so none of them has the handle; it is there for all that."""
        before = self.client(self.one).open("file", CREATE_GUID, share=0)
        self.assertEqual((before.status, before.flags), ("SUCCESS", p.PERSISTENT))
        kill_all(self.one)
        two = self.head("two", [ALICE])
        client = self.client(two)
        self.assertRegex(two.log_text(), r"handle log \S+ of another server is taken over")
        self.assertEqual(client.reconnect("file", before, CREATE_GUID).status, "ACCESS_DENIED")
        self.assertEqual(self.client(two, guid=b"another client 1").plain_open("file").status,
                         NOT_AVAILABLE)
        kill_all(two)
        start_again(self.one, self.scratch)
        again = self.client(self.one).reconnect("file", before, CREATE_GUID)
        self.assertEqual((again.status, again.persistent_id), ("SUCCESS", before.persistent_id))

    def test_not_both_at_a_time(self):
        before = self.client(self.one).open("file", CREATE_GUID, share=0)
        self.assertEqual((before.status, before.flags), ("SUCCESS", p.PERSISTENT))
        two = self.head("two", [ALICE])
        with self.assertRaisesRegex(Refused, "BAD_NETWORK_NAME"):
            self.client(two)
        self.assertRegex(two.log_text(), r"\.log: another server serves this folder now; end that one")
        kill_all(self.one)
        subprocess.run([two.braidctl, "--config", two.config, "reload"], check=True, timeout=60,
                       stdout=subprocess.DEVNULL)
        self.assertEqual(self.client(two, guid=b"another client 1").plain_open("file").status,
                         NOT_AVAILABLE)


if __name__ == "__main__":
    suite.main()
