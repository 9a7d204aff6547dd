#!/usr/bin/env python3
"""What a client may do to the server before it has logged in: slow, silent, too much, nonsense."""
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402
from smb2_raw import DISCONNECTED, RawConnection, frame, header  # noqa: E402
from smbclient import SmbClient  # noqa: E402
from suite import ServerCase, braid_only  # noqa: E402

ALICE, BOB = test_users()

PATIENCE_S = 60  # no connection without a login may live longer; the limits themselves are shorter
ABUSER = "127.0.0.66"  # limits are per address, and the honest client must not share it


class FrontCase(ServerCase):
    MIN_DIALECT = "2.0.2"

    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", owner=ids_of(ALICE))
        return Options([Share("share", cls.root)], [ALICE, BOB], min_dialect=cls.MIN_DIALECT)

    def tearDown(self):
        answer = SmbClient(self.scratch, self.server, ALICE).run("ls")
        self.assertTrue(answer.ok, f"an honest client afterwards: {answer.text}")
        super().tearDown()

    def raw(self):
        connection = RawConnection(self.server)
        self.addCleanup(connection.socket.close)
        return connection

    def abusive_socket(self):
        connection = socket.create_connection((self.server.host, self.server.port), timeout=10,
                                              source_address=(ABUSER, 0))
        self.addCleanup(connection.close)
        return connection

    def negotiated(self, **fields):
        connection = self.raw()
        self.assertEqual(connection.ask(header(raw.NEGOTIATE) + raw.negotiate(**fields)), "SUCCESS")
        return connection

    def ends(self, connection, limit=10):
        """The server closes the connection within the limit."""
        connection.settimeout(limit)
        try:
            while connection.recv(65536):
                pass
            return True
        except TimeoutError:
            return False
        except OSError:
            return True


class Slow(FrontCase):
    @braid_only
    def test_silent_and_slow_connections_are_dropped(self):
        silent = self.abusive_socket()
        half_length = self.abusive_socket()
        half_length.sendall(b"\0\0")
        half_message = self.abusive_socket()
        half_message.sendall(frame(header(raw.NEGOTIATE) + raw.negotiate())[:70])
        loris = self.abusive_socket()
        message = frame(header(raw.NEGOTIATE) + raw.negotiate())
        slow = {"silent": silent, "half a length": half_length, "half a message": half_message}
        end = time.monotonic() + PATIENCE_S
        dropped = False
        for byte in message:  # a byte at a time, as long as the server takes them
            try:
                loris.sendall(bytes([byte]))
                loris.settimeout(0.4)
                if not loris.recv(1):
                    dropped = True
            except TimeoutError:
                pass
            except OSError:
                dropped = True
            if dropped or time.monotonic() > end:
                break
        self.assertTrue(dropped, "a message of one byte at a time was taken")
        for what, connection in slow.items():
            with self.subTest(what):
                self.assertTrue(self.ends(connection, max(1, end - time.monotonic())))

    @braid_only
    def test_many_silent_connections_do_not_lock_others_out(self):
        for _ in range(600):
            try:
                self.abusive_socket()
            except OSError:
                break  # refused: a limit per address is at work
        answer = SmbClient(self.scratch, self.server, ALICE, limit=15).run("ls")
        self.assertTrue(answer.ok, answer.text)

    @braid_only
    def test_many_connections_that_come_and_go(self):
        before = len(os.listdir(f"/proc/{self.server.process.pid}/fd"))
        for _ in range(1500):
            connection = socket.create_connection((self.server.host, self.server.port),
                                                  source_address=(ABUSER, 0))
            connection.close()
        end = time.monotonic() + 20
        while len(os.listdir(f"/proc/{self.server.process.pid}/fd")) > before + 5:
            self.assertLess(time.monotonic(), end, "descriptors are not given back")
            time.sleep(0.1)


class Nonsense(FrontCase):
    @braid_only
    def test_first_bytes_that_are_no_smb(self):
        for what, data in (
                ("HTTP", b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"),
                ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)),
                ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
                ("16 MiB announced", b"\x00\xff\xff\xff"),
                ("2 MiB announced", b"\x00\x20\x00\x00" + bytes(1000)),
                ("NetBIOS session request", b"\x81\x00\x00\x44" + bytes(68)),
                ("an empty message", frame(b"")),
                ("a message of 3 bytes", frame(b"\xfeSM")),
                ("a header cut short", frame(header(raw.NEGOTIATE)[:40])),
                ("a header alone", frame(header(raw.NEGOTIATE))),
                ("another protocol", frame(header(raw.NEGOTIATE, protocol=b"\xfcSMB")
                                           + raw.negotiate())),
                ("an encrypted message", frame(b"\xfdSMB" + bytes(200))),
                ("a session setup", frame(header(raw.SESSION_SETUP) + raw.session_setup(b"x"))),
                ("an echo", frame(header(raw.ECHO) + raw.plain())),
                ("SMB1 with old dialects only",
                 frame(b"\xffSMBr" + bytes(27) + b"\0\x0c\0\x02NT LM 0.12\0"))):
            with self.subTest(what):
                connection = self.abusive_socket()
                connection.sendall(data)
                self.assertTrue(self.ends(connection, PATIENCE_S))

    def test_negotiate(self):
        preauth, ciphers = raw.PREAUTH, raw.CIPHERS
        no_hash = raw.context(1, struct.pack("<HHH", 1, 0, 0x7777))
        for what, body, *statuses in (
                ("no dialects", raw.negotiate(()), "INVALID_PARAMETER"),
                ("more dialects than sent", raw.negotiate((0x0210,), count=200),
                 "INVALID_PARAMETER"),
                ("unknown dialects", raw.negotiate((0x0999, 0x0311 + 1)), "NOT_SUPPORTED"),
                ("3.1.1 without contexts", raw.negotiate((0x0311,), None), "INVALID_PARAMETER"),
                ("3.1.1 without preauth", raw.negotiate((0x0311,), (ciphers,)),
                 "INVALID_PARAMETER"),
                ("preauth twice", raw.negotiate((0x0311,), (preauth, preauth)),
                 "INVALID_PARAMETER"),
                ("ciphers twice", raw.negotiate((0x0311,), (preauth, ciphers, ciphers)),
                 "INVALID_PARAMETER"),
                ("no known hash", raw.negotiate((0x0311,), (no_hash,)),
                 "SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP", "INVALID_PARAMETER"),
                ("contexts behind the end", raw.negotiate((0x0311,), context_offset=0xFFFFFFF8),
                 "INVALID_PARAMETER"),
                ("more contexts than sent", raw.negotiate((0x0311,), context_count=0xFFFF),
                 "INVALID_PARAMETER"),
                ("a context cut short", raw.negotiate((0x0311,), (preauth, struct.pack(
                    "<HHI", 2, 0xFFF0, 0))), "INVALID_PARAMETER"),
                ("an empty preauth context", raw.negotiate((0x0311,), (raw.context(1, b""),)),
                 "INVALID_PARAMETER"),
                ("structure size", raw.negotiate(structure_size=35), "INVALID_PARAMETER")):
            if suite.arguments.smbd and what.endswith("twice"):
                continue  # Samba takes them
            with self.subTest(what):
                self.assertIn(self.raw().ask(header(raw.NEGOTIATE) + body),
                              (DISCONNECTED, *statuses))

    def test_unknown_contexts_are_ignored(self):
        unknown = raw.context(0x0999, b"whatever this is")
        self.negotiated(contexts=(unknown, raw.PREAUTH, unknown, raw.CIPHERS))

    def test_dialect_chosen(self):
        for dialects, chosen in (((0x0202,), 0x0202), ((0x0210, 0x0202), 0x0210),
                                 ((0x0300, 0x0202), 0x0300), ((0x0302, 0x0300), 0x0302),
                                 ((0x0311, 0x0302), 0x0311), ((0x0210, 0x0999), 0x0210)):
            with self.subTest(dialects), self.raw() as connection:
                connection.send(frame(header(raw.NEGOTIATE) + raw.negotiate(dialects)))
                self.assertEqual(struct.unpack_from("<H", connection.receive(), 68)[0], chosen)

    def test_multi_protocol_negotiate(self):
        # [MS-SMB2] 3.3.5.3.1 and 3.3.5.3.2: SMB1's NEGOTIATE with SMB2 dialect strings
        for names, chosen in ((("NT LM 0.12", "SMB 2.002", "SMB 2.???"), 0x02FF),
                              (("NT LM 0.12", "SMB 2.002"), 0x0202)):
            data = b"".join(b"\x02" + name.encode() + b"\0" for name in names)
            smb1 = b"\xffSMBr" + bytes(4) + b"\x18\x53\xc8" + bytes(20) + b"\0" + struct.pack(
                "<H", len(data)) + data
            with self.subTest(names), self.raw() as connection:
                connection.send(frame(smb1))
                answer = connection.receive()
                self.assertEqual(answer[:4], b"\xfeSMB")
                self.assertEqual(struct.unpack_from("<H", answer, 68)[0], chosen)
                if chosen == 0x02FF:
                    status = connection.ask(header(raw.NEGOTIATE, 1) + raw.negotiate())
                    self.assertEqual(status, "SUCCESS")

    @braid_only
    def test_session_requests_of_netbios_are_not_answered(self):
        connection = self.negotiated().socket
        connection.settimeout(10)
        answer = b""
        try:
            connection.sendall(b"\x81\0\0\0" * 4096)
            answer = connection.recv(65536)
        except TimeoutError:
            self.fail("the connection lives")
        except OSError:
            pass
        self.assertEqual(answer, b"")

    def test_after_negotiate(self):
        gone = DISCONNECTED
        setup = raw.session_setup(b"\x60\x10nonsense in SPNEGO")
        for what, message, *statuses in (
                ("negotiate again", header(raw.NEGOTIATE, 1) + raw.negotiate(), gone),
                ("another protocol id", header(raw.ECHO, 1, protocol=b"\xfeSMC") + raw.plain(),
                 gone),
                ("header size", header(raw.ECHO, 1, size=63) + raw.plain(), gone,
                 "INVALID_PARAMETER"),
                ("message id used before", header(raw.ECHO, 0) + raw.plain(), gone),
                ("message id far ahead", header(raw.ECHO, 1 << 40) + raw.plain(), gone),
                ("compression nobody agreed on", b"\xfcSMB" + bytes(100), gone),
                ("encryption without a session", b"\xfdSMB" + bytes(100), gone),
                ("encryption cut short", b"\xfdSMB" + bytes(20), gone),
                ("following message behind the end",
                 header(raw.ECHO, 1, next_command=5000) + raw.plain() + bytes(4), gone,
                 "INVALID_PARAMETER"),
                ("following message inside the header",
                 header(raw.ECHO, 1, next_command=8) + raw.plain() + bytes(4), gone,
                 "INVALID_PARAMETER"),
                ("session setup of nonsense", header(raw.SESSION_SETUP, 1) + setup, gone,
                 "INVALID_PARAMETER", "LOGON_FAILURE"),
                ("session setup behind the end", header(raw.SESSION_SETUP, 1)
                 + raw.session_setup(b"abc", length=60000), gone, "INVALID_PARAMETER"),
                ("session setup with an offset into the header", header(raw.SESSION_SETUP, 1)
                 + raw.session_setup(b"abc", offset=4), gone, "INVALID_PARAMETER"),
                ("session that is not there",
                 header(raw.TREE_CONNECT, 1, session=0x1234) + raw.tree_connect("\\\\h\\share"),
                 gone, "USER_SESSION_DELETED"),
                ("no session", header(raw.TREE_CONNECT, 1) + raw.tree_connect("\\\\h\\share"),
                 gone, "USER_SESSION_DELETED", "ACCESS_DENIED"),
                ("read without a session", header(raw.READ, 1) + raw.read(raw.NO_FILE), gone,
                 "USER_SESSION_DELETED", "ACCESS_DENIED"),
                ("unknown command", header(99, 1) + raw.plain(), gone, "INVALID_PARAMETER"),
                ("a response", header(raw.ECHO, 1, flags=1) + raw.plain(), gone,
                 "INVALID_PARAMETER")):
            with self.subTest(what):
                self.assertIn(self.negotiated().ask(message), statuses)


class HalfSessions(FrontCase):
    @braid_only
    def test_sessions_that_are_begun_and_never_finished(self):
        # NTLMSSP NEGOTIATE, [MS-NLMP] 2.2.1.1, bare
        first = b"NTLMSSP\0" + struct.pack("<II", 1, 0x60088215) + bytes(16)
        connection = self.negotiated()
        begun = 0
        for number in range(1, 3001):
            status = connection.ask(header(raw.SESSION_SETUP, number) + raw.session_setup(first))
            if status != "MORE_PROCESSING_REQUIRED":
                break
            begun += 1
        self.assertLess(begun, 3000, "sessions without end on one connection")


class DefaultDialects(FrontCase):
    MIN_DIALECT = "3.0"

    def test_multi_protocol_negotiate_without_a_wildcard(self):
        data = b"\x02SMB 2.002\0"
        smb1 = b"\xffSMBr" + bytes(4) + b"\x18\x53\xc8" + bytes(20) + b"\0" + struct.pack(
            "<H", len(data)) + data
        self.assertIn(self.raw().ask(smb1), (DISCONNECTED, "NOT_SUPPORTED"))

    def test_old_dialects(self):
        self.assertIn(self.raw().ask(header(raw.NEGOTIATE) + raw.negotiate((0x0202, 0x0210))),
                      ("NOT_SUPPORTED", DISCONNECTED))


if __name__ == "__main__":
    suite.main()
