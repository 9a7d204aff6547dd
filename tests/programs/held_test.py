#!/usr/bin/env python3
"""braidctl opens, locks and leases: what clients hold, and what is kept for one that is away."""
import os
import re
import sys
import struct

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from impacket.smb3structs import (  # noqa: E402
    FILE_OPEN_IF, FILE_SHARE_READ, FILE_SHARE_WRITE, SMB2_DIALECT_30, SMB2_LOCK,
    SMB2_OPLOCK_LEVEL_LEASE, SMB2CreateContext, SMB2Lock)
from impacket.smbconnection import SMBConnection  # noqa: E402

import suite  # noqa: E402
from case import ALICE, BOB, ControlCase  # noqa: E402

READ_WRITE = 0x0012019F
SHARED, EXCLUSIVE, FAIL_IMMEDIATELY = 1, 2, 0x10
KEY = bytes(range(16))
GUID = bytes(range(16, 32))
LEASE_RWH = 7


def contexts(*named):
    """One after the other, as [MS-SMB2] 2.2.13.2 has them; each name takes 4 bytes."""
    made = []
    for at, (name, data) in enumerate(named):
        data += b"\0" * (-len(data) % 8)
        context = SMB2CreateContext()
        context["NameOffset"], context["NameLength"] = 16, 4
        context["DataOffset"], context["DataLength"] = 24, len(data)
        context["Next"] = 0 if at + 1 == len(named) else 24 + len(data)
        context["Buffer"] = name + b"\0" * 4 + data
        made.append(context)
    return made


class Client:
    def __init__(self, case, user):
        self.connection = SMBConnection(case.server.host, case.server.host,
                                        sess_port=case.server.port,
                                        preferredDialect=SMB2_DIALECT_30)
        self.connection.login(user.name, user.password)
        self.smb = self.connection.getSMBServer()
        self.tree = self.connection.connectTree("share")

    def open(self, name, level=0, more=None):
        return self.smb.create(self.tree, name, READ_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, 0,
                               FILE_OPEN_IF, 0, oplockLevel=level, createContexts=more)

    def open_with_lease(self, name, *more):
        lease = KEY + struct.pack("<IIQ", LEASE_RWH, 0, 0)
        return self.open(name, SMB2_OPLOCK_LEVEL_LEASE, contexts((b"RqLs", lease), *more))

    def send_lock(self, file, offset, length, flags):
        packet = self.smb.SMB_PACKET()
        packet["Command"], packet["TreeID"] = SMB2_LOCK, self.tree
        lock = SMB2Lock()
        lock["FileID"], lock["LockCount"] = file, 1
        lock["Locks"] = struct.pack("<QQII", offset, length, flags, 0)
        packet["Data"] = lock
        return self.smb.sendSMB(packet)

    def lock(self, *arguments):
        self.smb.recvSMB(self.send_lock(*arguments)).isValidAnswer(0)

    def lose_connection(self):
        self.smb.get_socket().close()


class Held(ControlCase):
    def test_nothing(self):
        for command in ("locks", "leases"):
            self.assertEqual(self.ask(command), [])
            self.assertEqual(self.ctl(command).stdout, f"no {command}\n")

    def test_locks_held_and_waited_for(self):
        alice, bob = Client(self, ALICE), Client(self, BOB)
        file = alice.open("report.txt")
        alice.lock(file, 10, 5, EXCLUSIVE | FAIL_IMMEDIATELY)
        alice.lock(file, 2**63, 1, SHARED | FAIL_IMMEDIATELY)
        bob.send_lock(bob.open("report.txt"), 12, 1, EXCLUSIVE)
        self.wait_for(lambda: len(self.ask("locks")) == 3, "three locks")
        found = sorted((row["user"], row["share"], row["path"], row["offset"], row["length"],
                        row["exclusive"], row["waiting"]) for row in self.ask("locks"))
        self.assertEqual(found, [
            ("alice", "share", "report.txt", 10, 5, True, False),
            ("alice", "share", "report.txt", 2**63, 1, False, False),
            ("bob", "share", "report.txt", 12, 1, True, True)])
        opens = {row["open"] for row in self.ask("opens")}
        self.assertLessEqual({row["open"] for row in self.ask("locks")}, opens)
        text = self.ctl("locks").stdout
        self.assertRegex(text, r"(?m)^SESSION +USER +OPEN +SHARE +OFFSET +LENGTH +KIND +STATE +PATH$")
        self.assertRegex(text, r"(?m)^0x\S+ +bob +0x\S+ +share +12 +1 +exclusive +waiting +report")

    def test_leases(self):
        client = Client(self, ALICE)
        client.open_with_lease("report.txt")
        client.open_with_lease("report.txt")
        one, = self.ask("leases")
        self.assertEqual((one["state"], one["version"], one["opens"], one["breaking"]),
                         ("RHW", 1, 2, False))
        self.assertEqual((one["user"], one["path"], one["kind"]), ("alice", "report.txt", "file"))
        self.assertEqual((one["lease_key"], one["client_guid"]),
                         (KEY.hex(), self.ask("sessions")[0]["client_guid"]))
        self.assertRegex(self.ctl("leases").stdout,
                         rf"(?m)^\S+ +{KEY.hex()} +1 +0 +RHW +held +2 +alice +share +report\.txt$")

    def test_open_of_a_client_that_is_away(self):
        client = Client(self, ALICE)
        file = client.open_with_lease(
            "report.txt", (b"DH2Q", struct.pack("<IIQ", 50_000, 0, 0) + GUID))
        client.lock(file, 3, 4, EXCLUSIVE | FAIL_IMMEDIATELY)
        before, = [row for row in self.ask("opens") if row["path"] == "report.txt"]
        self.assertIsNone(before["seconds_left"])
        client.lose_connection()
        self.wait_for(lambda: [row["seconds_left"] for row in self.ask("opens")] not in ([], [None]),
                      "the loss of the connection")
        after, = self.ask("opens")
        self.assertEqual((after["open"], after["user"], after["caching"], after["path"]),
                         (before["open"], "alice", "RHW", "report.txt"))
        self.assertNotIn("session", after)
        self.assertTrue(0 < after["seconds_left"] <= 50, after)
        self.assertRegex(self.ctl("opens").stdout,
                         r"(?m)^- +alice +0x\S+ +share +file .* RHW +durable +0:00:\d\d +report\.txt$")
        lock, = self.ask("locks")
        self.assertEqual((lock["offset"], lock["length"], lock["user"]), (3, 4, "alice"))
        self.assertEqual(self.ask("leases")[0]["opens"], 1)


class HeldByWorkers(Held):
    """The same questions, where the two clients are in two workers or in one."""
    workers = 4


if __name__ == "__main__":
    suite.main()
