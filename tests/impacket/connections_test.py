#!/usr/bin/env python3
"""What holds of connections, sessions and opens whatever is done with them: clients that come back,
requests for what is gone, answers that carry nothing."""
import os
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from impacket import smb3  # noqa: E402

import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402
from suite import ServerCase  # noqa: E402

ALICE, BOB = test_users()
raw.STATUS |= {0x0000010B: "NOTIFY_CLEANUP", 0x0000010C: "NOTIFY_ENUM_DIR",
               0xC000022A: "DUPLICATE_OBJECTID", 0xC0000467: "FILE_NOT_AVAILABLE",
               0xC00000E3: "INVALID_OPLOCK_PROTOCOL", 0xC0000184: "INVALID_DEVICE_STATE",
               0xC00000C9: "NETWORK_NAME_DELETED", 0xC0000203: "USER_SESSION_DELETED"}
SIGNED, REPLAY = 0x00000008, 0x20000000
DELETE, ALL_ACCESS = 0x00010000, 0x001F01FF
OPEN, CREATE, OPEN_IF = 1, 2, 3
DIRECTORY_FILE, DELETE_ON_CLOSE = 0x1, 0x1000
NO_OPLOCK, LEVEL_II, EXCLUSIVE, BATCH, LEASE = 0, 1, 8, 9, 0xFF
RESILIENCY, NETWORK_INTERFACES = 0x001401D4, 0x001401FC
GUID = bytes(range(16))
LIMIT_S = 15


def oplock_ack(level, file):
    return struct.pack("<HBBI16s", 24, level, 0, 0, file)


def lease_ack(key, state):
    return struct.pack("<HHI16sIQ", 36, 0, 0, key, state, 0)


def chain(*contexts):
    """(name, data) one behind the other; [MS-SMB2] 2.2.13.2."""
    parts = [raw.create_context(name, data) for name, data in contexts]
    out = b""
    for i, part in enumerate(parts):
        if i + 1 < len(parts):
            part += b"\0" * (-len(part) % 8)
            part = struct.pack("<I", len(part)) + part[4:]
        out += part
    return out


def durable(guid=GUID):
    return b"DH2Q", struct.pack("<IIQ16s", 60_000, 0, 0, guid)


class Client(smb3.SMB3):
    """One connection of the client `guid`, logged on, with a tree."""

    def __init__(self, server, guid=None, dialect=0x0300, user=ALICE):
        self.guid = guid
        super().__init__(server.host, server.host, sess_port=server.port, timeout=LIMIT_S,
                         preferredDialect=dialect)
        self.user = user
        self.tree = None

    @property
    def ClientGuid(self):  # noqa: N802
        return self._client_guid

    @ClientGuid.setter
    def ClientGuid(self, own):  # noqa: N802
        self._client_guid = self.guid or own

    def log_on(self):
        self.login(self.user.name, self.user.password)
        self.tree = self.connectTree("share")
        return self

    def send(self, command, body, tree=None, flags=0, channel_sequence=0):
        packet = self.SMB_PACKET()
        packet["Command"] = command
        packet["TreeID"] = self.tree if tree is None else tree
        packet["Data"] = body
        packet["Flags"] = SIGNED | flags
        if channel_sequence:  # of 3.x
            packet["ChannelSequence"] = channel_sequence
        packet["CreditCharge"] = 1
        packet["CreditRequestResponse"] = 127
        packet["SessionID"] = self._Session["SessionID"]
        packet["MessageID"] = self._Connection["SequenceWindow"]
        self._Connection["SequenceWindow"] += 1
        self.signSMB(packet)
        self._NetBIOSSession.send_packet(packet.getData())
        return packet["MessageID"]

    def receive(self):
        """The next message, interim ones too."""
        return smb3.SMB2Packet(self._NetBIOSSession.recv_packet(LIMIT_S).get_trailer())

    def answer_to(self, message_id):
        while True:
            packet = self.receive()
            if packet["MessageID"] == message_id and packet["Status"] != 0x103:
                return packet

    def ask(self, command, body, **fields):
        answer = self.answer_to(self.send(command, body, **fields))
        return raw.status_name(answer["Status"]), answer

    def status(self, command, body, **fields):
        return self.ask(command, body, **fields)[0]

    def make(self, name, flags=0, **fields):
        status, answer = self.ask(raw.CREATE, raw.create(name, access=ALL_ACCESS, disposition=OPEN_IF,
                                                         **fields), flags=flags)
        assert status == "SUCCESS", (name, status)
        return answer["Data"][64:80]

    def lose(self):
        """The connection, with everything that was on it."""
        try:
            self._NetBIOSSession.get_socket().shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the server was faster
        self._NetBIOSSession.get_socket().close()


class ConnectionCase(ServerCase):
    workers = 1

    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", owner=ids_of(ALICE))
        os.chmod(cls.root, 0o777)
        return Options([Share("share", cls.root)], [ALICE, BOB], min_dialect="2.0.2",
                       workers=cls.workers)

    def client(self, log_on=True, **fields):
        client = Client(self.server, **fields)
        self.addCleanup(client.lose)
        return client.log_on() if log_on else client


class Replays(ConnectionCase):
    """[MS-SMB2] 3.3.5.9: a CREATE whose answer was lost with the last connection."""

    def create(self, client, name, guid=GUID, flags=0, disposition=CREATE):
        return client.ask(raw.CREATE, raw.create(name, access=ALL_ACCESS, disposition=disposition,
                                                 oplock=BATCH, contexts=chain(durable(guid))),
                          flags=flags)

    def test_replay_after_the_last_connection_was_lost(self):
        for number in range(8):  # of as many clients, who meet in any worker
            with self.subTest(number):
                guid = bytes([number + 1] * 16)
                name = f"replayed{number}"
                first = Client(self.server, guid=guid).log_on()
                status, made = self.create(first, name)
                self.assertEqual(status, "SUCCESS")
                first.lose()

                second = self.client(guid=guid)
                deadline = time.monotonic() + LIMIT_S
                # The server may not have heard yet that the first connection is gone.
                while (status := self.create(second, name, flags=REPLAY))[0] == "DUPLICATE_OBJECTID":
                    self.assertLess(time.monotonic(), deadline)
                status, again = status
                self.assertEqual(status, "SUCCESS")
                self.assertEqual(again["Data"][64:80], made["Data"][64:80], "FileId")
                self.assertEqual(struct.unpack_from("<I", again["Data"], 4)[0], 2, "FILE_CREATED")
                self.assertEqual(again["Data"][2], BATCH)
                self.assertIn(b"DH2Q", again["Data"])
                file = again["Data"][64:80]
                self.assertEqual(second.status(raw.WRITE, raw.write(file)), "SUCCESS")
                self.assertEqual(self.create(second, name, flags=REPLAY)[0], "OBJECT_NAME_COLLISION")

    def test_replay_of_another_client_or_user(self):
        first = Client(self.server, guid=bytes([77] * 16)).log_on()
        self.assertEqual(self.create(first, "kept")[0], "SUCCESS")
        first.lose()
        other_client = self.client(guid=bytes([78] * 16))
        self.assertEqual(self.create(other_client, "kept", flags=REPLAY)[0], "OBJECT_NAME_COLLISION")


class ReplaysWithFourWorkers(Replays):
    workers = 4


class Contexts(ConnectionCase):
    def test_durable_contexts_that_exclude_each_other(self):
        client = self.client()
        reconnect = b"DHnC", bytes(16)
        reconnect_v2 = b"DH2C", bytes(16) + GUID + bytes(4)
        for what, contexts in (("DHnC and DH2Q", (reconnect, durable())),
                               ("DHnC and DH2C", (reconnect, reconnect_v2)),
                               ("DH2C and DH2Q", (reconnect_v2, durable())),
                               ("DHnQ and DH2Q", ((b"DHnQ", bytes(16)), durable()))):
            with self.subTest(what):
                self.assertEqual(client.status(raw.CREATE, raw.create(
                    "file", access=ALL_ACCESS, disposition=OPEN_IF, oplock=BATCH,
                    contexts=chain(*contexts))), "INVALID_PARAMETER")


class Dialects(ConnectionCase):
    """[MS-SMB2] 3.3.5.5.3: Client.Dialect."""

    def test_client_that_comes_back_in_another_dialect(self):
        first = self.client(guid=GUID, dialect=0x0300)
        second = self.client(log_on=False, guid=GUID, dialect=0x0210)
        with self.assertRaises(smb3.SessionError) as refusal:
            second.login(ALICE.name, ALICE.password)
        self.assertEqual(raw.status_name(refusal.exception.get_error_code()),
                         "USER_SESSION_DELETED")
        self.assertEqual(first.status(raw.ECHO, raw.plain(), tree=0), "SUCCESS")
        self.client(guid=GUID, dialect=0x0300)
        self.client(guid=bytes(15) + b"\x01", dialect=0x0210)

    def test_network_interfaces_are_told_in_every_dialect(self):
        for dialect in (0x0202, 0x0210, 0x0300):
            with self.subTest(hex(dialect)):
                self.assertEqual(self.client(dialect=dialect).status(
                    raw.IOCTL, raw.ioctl(NETWORK_INTERFACES, max_output=65536)), "SUCCESS")

    def test_data_over_rdma_is_refused_where_there_is_none(self):
        # [MS-SMB2] 3.3.5.12, 3.3.5.13: "The underlying Connection is not RDMA". Before 3.0 the field
        # is reserved.
        client = self.client(dialect=0x0300)
        file = client.make("channels")
        descriptor = struct.pack("<QII", 0x1000, 1, 100)
        for channel in (1, 2, 3, 4):
            with self.subTest(channel):
                read = struct.pack("<HBBIQ16sIIIHH", 49, 0x50, 0, 100, 0, file, 0, channel, 0, 112,
                                   len(descriptor)) + descriptor
                self.assertEqual(client.status(raw.READ, read), "INVALID_PARAMETER")
                write = struct.pack("<HHIQ16sIIHHI", 49, 0, 0, 0, file, channel, 100, 112,
                                    len(descriptor), 0) + descriptor
                self.assertEqual(client.status(raw.WRITE, write), "INVALID_PARAMETER")
                self.assertEqual(client.status(raw.WRITE, raw.write(file, channel=channel)),
                                 "INVALID_PARAMETER")
        self.assertEqual(os.path.getsize(os.path.join(self.root, "channels")), 0)
        old = self.client(dialect=0x0210)
        file = old.make("channels")
        self.assertEqual(old.status(raw.WRITE, raw.write(file, b"data", channel=1)), "SUCCESS")
        self.assertEqual(old.status(raw.READ, raw.read(file, channel=1)), "SUCCESS")


class Accounts(ConnectionCase):
    """docs/protocol.md: an account that is disabled while it is used."""

    def test_sessions_end_with_it(self):
        client = self.client(user=BOB)
        file = client.make("of-bob-1")
        self.ctl("disable")
        self.addCleanup(self.ctl, "enable")
        self.wait_until_gone(client, file)
        newcomer = self.client(log_on=False, user=BOB)
        self.assertRaises(smb3.SessionError, newcomer.login, BOB.name, BOB.password)

    def wait_until_gone(self, client, file):
        end = time.monotonic() + 20
        while client.status(raw.WRITE, raw.write(file)) != "USER_SESSION_DELETED":
            self.assertLess(time.monotonic(), end)

    def ctl(self, command):
        done = subprocess.run([self.server.braidctl, "--config", self.server.config, "user", command,
                               BOB.name], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_session_goes_on_until_it_has_to_prove_who_it_is(self):
        client = self.client(user=BOB)
        # Who disables it does not know that a server runs.
        state = os.path.join(self.scratch.path, "server.state")
        names = [os.path.join(state, name) for name in ("control", "lock")]
        for name in names:
            os.rename(name, name + ".away")
        try:
            self.ctl("disable")
        finally:
            for name in names:
                os.rename(name + ".away", name)
        self.addCleanup(self.ctl, "enable")
        file = client.make("of-bob")
        self.assertEqual(client.status(raw.WRITE, raw.write(file)), "SUCCESS")
        newcomer = self.client(log_on=False, user=BOB)
        self.assertRaises(smb3.SessionError, newcomer.login, BOB.name, BOB.password)
        # On the session that is there: a reauthentication.
        self.assertRaises(smb3.SessionError, client.login, BOB.name, BOB.password)
        self.assertEqual(client.status(raw.WRITE, raw.write(file)), "USER_SESSION_DELETED")


class Gone(ConnectionCase):
    def test_acknowledgment_on_a_tree_that_is_gone(self):
        client = self.client()
        file = client.make("file", oplock=BATCH)
        self.assertEqual(client.status(raw.TREE_DISCONNECT, raw.plain()), "SUCCESS")
        for body in (oplock_ack(NO_OPLOCK, file), lease_ack(GUID, 0)):
            self.assertEqual(client.status(raw.OPLOCK_BREAK, body), "NETWORK_NAME_DELETED")

    def test_close_behind_a_logoff_is_answered_signed(self):
        client = self.client()
        file = client.make("file")
        self.assertEqual(client.status(raw.LOGOFF, raw.plain(), tree=0), "SUCCESS")
        status, answer = client.ask(raw.CLOSE, raw.close(file))
        self.assertEqual(status, "USER_SESSION_DELETED")
        self.assertEqual(answer["Flags"] & SIGNED, SIGNED)
        signature = answer["Signature"]
        client.signSMB(answer)
        self.assertEqual(signature, answer["Signature"])


class Opens(ConnectionCase):
    def test_ioctl_without_output_has_its_offset(self):
        client = self.client()
        file = client.make("file")
        status, answer = client.ask(raw.IOCTL, raw.ioctl(RESILIENCY, file,
                                                         struct.pack("<II", 1000, 0)))
        self.assertEqual(status, "SUCCESS")
        fields = struct.unpack_from("<HHI16sIIII", answer["Data"])
        self.assertEqual(fields[4:], (112, 0, 112, 0), "InputOffset, -Count, OutputOffset, -Count")

    def test_resiliency_with_an_old_channel_sequence(self):
        client = self.client()
        file = client.make("file")
        self.assertEqual(client.status(raw.WRITE, raw.write(file), channel_sequence=5), "SUCCESS")
        ask = raw.ioctl(RESILIENCY, file, struct.pack("<II", 1000, 0))
        self.assertEqual(client.status(raw.IOCTL, ask, channel_sequence=4), "FILE_NOT_AVAILABLE")
        self.assertEqual(client.status(raw.IOCTL, ask, channel_sequence=5), "SUCCESS")

    def test_change_notify_that_tells_nothing_is_an_answer(self):
        for room, end in ((1024, "NOTIFY_CLEANUP"), (0, "NOTIFY_ENUM_DIR")):
            with self.subTest(end):
                client = self.client()  # the other's CLOSE may be answered at any time
                folder = client.make("folder", options=DIRECTORY_FILE)
                waiting = client.send(raw.CHANGE_NOTIFY, raw.change_notify(folder, room=room))
                self.assertEqual(client.receive()["Status"], 0x103)
                if end == "NOTIFY_ENUM_DIR":
                    other = self.client()
                    other.make("folder\\new")
                else:
                    client.send(raw.CLOSE, raw.close(folder))
                answer = client.answer_to(waiting)
                self.assertEqual(raw.status_name(answer["Status"]), end)
                self.assertEqual(struct.unpack_from("<HHI", answer["Data"]), (9, 72, 0))

    def test_delete_on_close_that_shares_well_waits_for_no_break(self):
        holder = self.client()
        key = bytes([5] * 16)
        lease = b"RqLs", struct.pack("<16sIIQ", key, 0x3, 0, 0)  # R and H
        held = holder.make("leased", oplock=LEASE, contexts=chain(lease))
        other = self.client()
        message = other.send(raw.CREATE, raw.create("leased", access=DELETE, disposition=OPEN,
                                                    options=DELETE_ON_CLOSE))
        answer = other.receive()
        self.assertEqual((answer["MessageID"], answer["Status"]), (message, 0), "no interim response")
        self.assertEqual(other.status(raw.CLOSE, raw.close(answer["Data"][64:80])), "SUCCESS")
        # The holder hears that its handle will be in the way.
        told = holder.receive()
        self.assertEqual((told["MessageID"], told["Command"]), (2 ** 64 - 1, raw.OPLOCK_BREAK))
        self.assertEqual(struct.unpack_from("<II", told["Data"], 24), (0x3, 0x1), "RH to R")
        self.assertTrue(os.path.exists(os.path.join(self.root, "leased")))
        self.assertEqual(holder.status(raw.CLOSE, raw.close(held)), "SUCCESS")
        self.assertFalse(os.path.exists(os.path.join(self.root, "leased")))

    def test_acknowledgments_nobody_asked_for(self):
        client = self.client()
        for held, level, expected in (
                (LEVEL_II, NO_OPLOCK, "INVALID_DEVICE_STATE"),
                (LEVEL_II, LEVEL_II, "INVALID_OPLOCK_PROTOCOL"),
                (LEVEL_II, EXCLUSIVE, "INVALID_OPLOCK_PROTOCOL"),
                (LEVEL_II, LEASE, "INVALID_PARAMETER"),
                (BATCH, LEASE, "INVALID_PARAMETER"),
                (BATCH, NO_OPLOCK, "INVALID_DEVICE_STATE")):
            with self.subTest((held, level)):
                file = client.make("acknowledged", oplock=held)
                self.assertEqual(client.status(raw.OPLOCK_BREAK, oplock_ack(level, file)), expected)
                self.assertEqual(client.status(raw.CLOSE, raw.close(file)), "SUCCESS")


if __name__ == "__main__":
    suite.main()
