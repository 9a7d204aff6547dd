#!/usr/bin/env python3
"""A second client, impacket: logins, files, and malformed requests within a valid session."""
import io
import os
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from impacket.smbconnection import SessionError, SMBConnection  # noqa: E402

import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402
from suite import ServerCase, braid_only  # noqa: E402

ALICE, BOB = test_users()
# Not 3.1.1: a server that requires signing refuses the first TREE_CONNECT of impacket 0.10 there.
DIALECTS = (0x0202, 0x0210, 0x0300)


class ImpacketCase(ServerCase):
    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", owner=ids_of(ALICE))
        return Options([Share("share", cls.root, comment="a test share")], [ALICE, BOB],
                       min_dialect="2.0.2")

    def connect(self, dialect=0x0210):
        connection = SMBConnection(self.server.host, self.server.host, sess_port=self.server.port,
                                   preferredDialect=dialect, timeout=20)
        self.addCleanup(connection.close)
        self.assertEqual(connection.getDialect(), dialect)
        return connection

    def log_in(self, dialect=0x0210, user=ALICE):
        connection = self.connect(dialect)
        connection.login(user.name, user.password)
        return connection


class Login(ImpacketCase):
    def refused(self, name, password, *statuses):
        with self.assertRaises(SessionError) as refusal:
            connection = self.connect()
            connection.login(name, password)
            connection.connectTree("share")
        self.assertIn(raw.status_name(refusal.exception.getErrorCode()), statuses)

    def test_each_dialect(self):
        for dialect in DIALECTS:
            with self.subTest(hex(dialect)):
                connection = self.log_in(dialect)
                self.assertTrue(connection.isSigningRequired())
                connection.connectTree("share")
                connection.logoff()

    def test_wrong_password(self):
        self.refused(ALICE.name, "wrong", "LOGON_FAILURE")

    def test_unknown_user(self):
        self.refused("nobody-here", "wrong", "LOGON_FAILURE")

    def test_empty_password(self):
        self.refused(ALICE.name, "", "LOGON_FAILURE", "ACCESS_DENIED")

    def test_anonymous(self):
        self.refused("", "", "LOGON_FAILURE", "ACCESS_DENIED")

    def test_user_name_ignores_case(self):
        self.connect().login(ALICE.name.upper(), ALICE.password)

    def test_password_hash(self):
        # What NTLMv2 needs is the hash; a client that has only that can log in.
        from impacket.ntlm import compute_nthash
        self.connect().login(ALICE.name, "", nthash=compute_nthash(ALICE.password).hex())

    def test_two_users_on_two_connections(self):
        for user in (ALICE, BOB):
            self.log_in(user=user).connectTree("share")


class Files(ImpacketCase):
    def test_shares_are_listed(self):
        for dialect in DIALECTS[1:]:
            with self.subTest(hex(dialect)):
                names = {entry["shi1_netname"][:-1]: entry["shi1_remark"][:-1]
                         for entry in self.log_in(dialect).listShares()}
                self.assertEqual(names["share"], "a test share")
                self.assertIn("IPC$", names)

    def test_a_file_from_upload_to_delete(self):
        for dialect in DIALECTS:
            with self.subTest(hex(dialect)):
                connection = self.log_in(dialect)
                data = os.urandom(300_000)
                connection.createDirectory("share", "folder")
                connection.putFile("share", "folder\\file", io.BytesIO(data).read)
                with open(os.path.join(self.root, "folder", "file"), "rb") as stored:
                    self.assertEqual(stored.read(), data)
                connection.rename("share", "folder\\file", "folder\\moved")
                got = io.BytesIO()
                connection.getFile("share", "folder\\moved", got.write)
                self.assertEqual(got.getvalue(), data)
                entries = {entry.get_longname(): entry.get_filesize()
                           for entry in connection.listPath("share", "folder\\*")}
                self.assertEqual(entries["moved"], len(data))
                self.assertLessEqual({".", ".."}, set(entries))
                connection.deleteFile("share", "folder\\moved")
                connection.deleteDirectory("share", "folder")
                self.assertEqual(os.listdir(self.root), [])


class RawCase(ImpacketCase):
    """Requests with a body of our own; impacket numbers and signs them."""

    def setUp(self):
        with open(os.path.join(self.root, "file"), "wb") as out:
            out.write(b"content of the file")
        os.makedirs(os.path.join(self.root, "dir"), exist_ok=True)
        for path in ("file", "dir"):
            if os.geteuid() == 0:
                os.chown(os.path.join(self.root, path), *ids_of(ALICE))
        self.smb = self.log_in(0x0210).getSMBServer()
        self.tree = self.smb.connectTree("share")

    def ask(self, command, body, tree=None):
        """(status name, body of the answer)"""
        packet = self.smb.SMB_PACKET()
        packet["Command"] = command
        packet["TreeID"] = self.tree if tree is None else tree
        packet["Data"] = body
        # impacket signs requests of trees it knows
        self.smb._Session["TreeConnectTable"].setdefault(packet["TreeID"], {"EncryptData": False})
        answer = self.smb.recvSMB(self.smb.sendSMB(packet))
        return raw.status_name(answer["Status"]), answer["Data"]

    def open(self, name, **fields):
        status, body = self.ask(raw.CREATE, raw.create(name, **fields))
        self.assertEqual(status, "SUCCESS", name)
        return body[64:80]

    def expect(self, rows):
        """rows: (what, command, body, statuses...); after each the session still works."""
        for what, command, body, *statuses in rows:
            with self.subTest(what):
                status, _ = self.ask(command, body)
                self.assertIn(status, statuses)
                self.assertEqual(self.ask(raw.ECHO, raw.plain(), tree=0)[0], "SUCCESS")


class Malformed(RawCase):
    @braid_only
    def test_wrong_structure_size(self):
        file = self.open("file")
        folder = self.open("dir")
        self.expect([(f"command {command}", command, body, "INVALID_PARAMETER")
                     for command, body in (
            (raw.TREE_CONNECT, raw.tree_connect("\\\\h\\share", structure_size=8)),
            (raw.CREATE, raw.create("file", structure_size=56)),
            (raw.CLOSE, raw.close(file, structure_size=25)),
            (raw.FLUSH, raw.flush(file, structure_size=2)),
            (raw.READ, raw.read(file, structure_size=48)),
            (raw.WRITE, raw.write(file, structure_size=48)),
            (raw.LOCK, raw.lock(file, structure_size=47)),
            (raw.IOCTL, raw.ioctl(0x140078, file, structure_size=0)),
            (raw.QUERY_DIRECTORY, raw.query_directory(folder, structure_size=32)),
            (raw.CHANGE_NOTIFY, raw.change_notify(folder, structure_size=33)),
            (raw.QUERY_INFO, raw.query_info(file, structure_size=0xFFFF)),
            (raw.SET_INFO, raw.set_info(file, b"\0" * 40, structure_size=1)),
            (raw.ECHO, raw.plain(5)))])

    def test_truncated_bodies(self):
        file = self.open("file")
        for command, body in ((raw.CREATE, raw.create("file")), (raw.CLOSE, raw.close(file)),
                              (raw.READ, raw.read(file)), (raw.WRITE, raw.write(file)),
                              (raw.QUERY_INFO, raw.query_info(file)),
                              (raw.IOCTL, raw.ioctl(0x140078, file))):
            for length in (2, 3, 8, 17, 23):
                with self.subTest(command=command, length=length):
                    if length < len(body):
                        self.assertEqual(self.ask(command, body[:length])[0], "INVALID_PARAMETER")

    def test_unknown_command(self):
        self.expect([(f"command {command}", command, raw.plain(), "INVALID_PARAMETER")
                     for command in (19, 20, 255, 0xFFFF)])

    def test_buffers_outside_the_message(self):
        file = self.open("file")
        folder = self.open("dir")
        bad = "INVALID_PARAMETER"
        self.expect([
            ("name behind the end", raw.CREATE, raw.create("file", name_length=5000), bad),
            ("name offset behind the end", raw.CREATE, raw.create("file", name_offset=60000), bad),
            ("odd name length", raw.CREATE, raw.create("file", name_length=7), bad,
             "OBJECT_NAME_INVALID", "ILLEGAL_CHARACTER"),
            ("contexts behind the end", raw.CREATE,
             raw.create("file", context_offset=4000, context_length=100), bad),
            ("contexts longer than the message", raw.CREATE,
             raw.create("file", contexts=raw.create_context(b"MxAc", b""),
                        context_length=0xFFFFFFF0), bad),
            ("context data behind the end", raw.CREATE,
             raw.create("file", contexts=raw.create_context(b"MxAc", b"", data_length=0xFFFFFFFF)),
             bad),
            ("context that follows nothing", raw.CREATE,
             raw.create("file", contexts=raw.create_context(b"MxAc", b"", following=0xFFFFFFF8)),
             bad),
            ("data behind the end", raw.WRITE, raw.write(file, length=60000), bad),
            ("data offset behind the end", raw.WRITE, raw.write(file, data_offset=0xFFFF), bad),
            ("pattern behind the end", raw.QUERY_DIRECTORY,
             raw.query_directory(folder, length=4000), bad),
            ("information behind the end", raw.SET_INFO,
             raw.set_info(file, b"\0" * 40, length=0x7FFF), bad),
            ("information offset behind the end", raw.SET_INFO,
             raw.set_info(file, b"\0" * 40, offset=0xFFF0), bad),
            ("control input behind the end", raw.IOCTL,
             raw.ioctl(0x140078, file, length=0xFFF0), bad),
            ("path behind the end", raw.TREE_CONNECT,
             raw.tree_connect("\\\\h\\share", length=0xFFFE), bad),
            ("more locks than the message holds", raw.LOCK, raw.lock(file, count=100), bad),
            ("no locks", raw.LOCK, raw.lock(file, locks=()), bad),
        ])

    def test_lengths_over_the_limits(self):
        file = self.open("file")
        bad = "INVALID_PARAMETER"
        self.expect([
            ("read of 4 GiB", raw.READ, raw.read(file, length=0xFFFFFFFF), bad),
            ("read of more than its credits", raw.READ, raw.read(file, length=1 << 20), bad),
            ("information of 4 GiB", raw.QUERY_INFO, raw.query_info(file, room=0xFFFFFFFF), bad),
            ("listing of 4 GiB", raw.QUERY_DIRECTORY,
             raw.query_directory(self.open("dir"), room=0xFFFFFFFF), bad),
            ("read behind the largest offset", raw.READ,
             raw.read(file, offset=0xFFFFFFFFFFFFFFF0), bad, "END_OF_FILE"),
            ("write behind the largest offset", raw.WRITE,
             raw.write(self.open("file", access=3), offset=0xFFFFFFFFFFFFFFF0), bad),
        ])

    def test_files_that_are_not_open(self):
        closed = self.open("file")
        self.assertEqual(self.ask(raw.CLOSE, raw.close(closed))[0], "SUCCESS")
        other = self.open("file")
        wrong_volatile = other[:8] + bytes(8)
        wrong_persistent = bytes(8) + other[8:]
        for file in (closed, wrong_volatile, wrong_persistent, b"\x01" * 16):
            self.expect([(f"command {command}", command, body, "FILE_CLOSED")
                         for command, body in (
                (raw.CLOSE, raw.close(file)), (raw.FLUSH, raw.flush(file)),
                (raw.READ, raw.read(file)), (raw.WRITE, raw.write(file)),
                (raw.LOCK, raw.lock(file)), (raw.QUERY_INFO, raw.query_info(file)),
                (raw.QUERY_DIRECTORY, raw.query_directory(file)),
                (raw.SET_INFO, raw.set_info(file, b"\0" * 40)),
                (raw.IOCTL, raw.ioctl(0x140078, file)))])

    def test_wrong_classes(self):
        file = self.open("file", access=0x0012019F)
        folder = self.open("dir")
        self.expect([
            ("information type", raw.QUERY_INFO, raw.query_info(file, info_type=9),
             "INVALID_PARAMETER"),
            ("file class", raw.QUERY_INFO, raw.query_info(file, kind=0x77), "INVALID_INFO_CLASS"),
            ("file system class", raw.QUERY_INFO, raw.query_info(file, 2, 0x77),
             "INVALID_INFO_CLASS"),
            ("class of directories", raw.QUERY_DIRECTORY, raw.query_directory(folder, kind=0x77),
             "INVALID_INFO_CLASS"),
            ("set a class that cannot be set", raw.SET_INFO,
             raw.set_info(file, b"\0" * 40, kind=0x77), "INVALID_INFO_CLASS"),
            ("room for less than the fixed part", raw.QUERY_INFO, raw.query_info(file, room=3),
             "INFO_LENGTH_MISMATCH"),
            ("set too little", raw.SET_INFO, raw.set_info(file, b"\0" * 3, kind=4),
             "INFO_LENGTH_MISMATCH", "INVALID_PARAMETER"),
            ("listing of a file", raw.QUERY_DIRECTORY, raw.query_directory(file),
             "INVALID_PARAMETER", *(["NOT_SUPPORTED"] if suite.arguments.smbd else [])),
            ("read of a directory", raw.READ, raw.read(folder), "INVALID_DEVICE_REQUEST"),
            ("unknown control code", raw.IOCTL, raw.ioctl(0x0009FFFC, file), "NOT_SUPPORTED",
             "INVALID_DEVICE_REQUEST"),
            ("control code that is not FSCTL", raw.IOCTL, raw.ioctl(0x140078, file, flags=0),
             "NOT_SUPPORTED"),
        ])

    def test_trees_and_sessions_that_are_not_there(self):
        self.assertEqual(self.ask(raw.CREATE, raw.create("file"), tree=0x7777)[0],
                         "NETWORK_NAME_DELETED")
        status, _ = self.ask(raw.TREE_CONNECT, raw.tree_connect("\\\\h\\none"), tree=0)
        self.assertEqual(status, "BAD_NETWORK_NAME")
        file = self.open("file")
        self.assertEqual(self.ask(raw.TREE_DISCONNECT, raw.plain())[0], "SUCCESS")
        self.assertEqual(self.ask(raw.READ, raw.read(file))[0], "NETWORK_NAME_DELETED")


class Names(RawCase):
    """Paths smbclient folds or refuses by itself."""

    def setUp(self):
        super().setUp()
        self.outside = self.scratch.directory("outside", mode=0o777)
        with open(os.path.join(self.outside, "secret"), "wb") as out:
            out.write(b"secret")

    def tearDown(self):
        self.assertEqual(os.listdir(self.outside), ["secret"])
        super().tearDown()

    @braid_only
    def test_paths_that_climb(self):
        for name in ("..", "..\\outside\\secret", "dir\\..\\..\\outside\\secret",
                     "dir\\.\\..\\..\\outside\\secret", "dir\\..\\file", "..\\share\\file", "\\..\\outside"):
            for disposition in (1, 2, 3):
                with self.subTest(name=name, disposition=disposition):
                    status, _ = self.ask(raw.CREATE, raw.create(name, disposition=disposition,
                                                                access=0x0012019F))
                    self.assertIn(status, ("OBJECT_PATH_SYNTAX_BAD", "OBJECT_NAME_INVALID",
                                           "INVALID_PARAMETER"))

    @braid_only
    def test_slashes_do_not_climb_either(self):
        for name in ("../outside/secret", "dir/../../outside/secret", "dir\\../../outside/secret",
                     "/etc/passwd", "//etc/passwd"):
            with self.subTest(name):
                status, _ = self.ask(raw.CREATE, raw.create(name, disposition=3,
                                                            access=0x0012019F))
                self.assertIn(status, ("OBJECT_NAME_INVALID", "OBJECT_PATH_SYNTAX_BAD",
                                       "OBJECT_PATH_NOT_FOUND", "INVALID_PARAMETER"))

    def test_names_with_forbidden_characters(self):
        for name in ("a\0b", "file\0", "\0", "a*b", "a?b", 'a"b', "a<b", "a>b", "a|b", "a\x01b",
                     "a\x1fb"):
            with self.subTest(repr(name)):
                status, _ = self.ask(raw.CREATE, raw.create(name, disposition=3,
                                                            access=0x0012019F))
                self.assertIn(status, ("OBJECT_NAME_INVALID",))
        self.assertEqual(sorted(os.listdir(self.root)), ["dir", "file"])

    def test_leading_backslash(self):
        # [MS-SMB2] 3.3.5.9 Receiving an SMB2 CREATE Request
        self.assertEqual(self.ask(raw.CREATE, raw.create("\\file"))[0], "INVALID_PARAMETER")

    def test_longest_names(self):
        self.assertEqual(self.ask(raw.CREATE, raw.create("n" * 256, disposition=3,
                                                         access=0x0012019F))[0],
                         "OBJECT_NAME_INVALID")
        path = "\\".join(["d" * 200] * 150)
        status, _ = self.ask(raw.CREATE, raw.create(path))
        self.assertIn(status, ("OBJECT_PATH_NOT_FOUND", "OBJECT_NAME_INVALID", "NAME_TOO_LONG",
                               "OBJECT_PATH_INVALID"))

    def test_dots_are_taken_out(self):
        self.ask(raw.CREATE, raw.create("dir\\sub", disposition=2, options=1))
        with open(os.path.join(self.root, "dir", "in"), "wb") as out:
            out.write(b"in")
        for name, status in (("dir\\.\\in", "SUCCESS"), (".\\dir\\in", "SUCCESS"),
                             ("dir\\sub\\..\\in", "SUCCESS"), ("dir\\.", "SUCCESS"),
                             ("dir\\sub\\..\\..\\file", "SUCCESS"), (".", "SUCCESS"),
                             ("dir\\..\\file", "INVALID_PARAMETER"),
                             ("..\\file", "OBJECT_PATH_SYNTAX_BAD"),
                             ("dir\\\\in", "OBJECT_PATH_NOT_FOUND")):
            with self.subTest(name):
                answer, body = self.ask(raw.CREATE, raw.create(name))
                self.assertEqual(answer, status)
                if answer == "SUCCESS":
                    self.ask(raw.CLOSE, raw.close(body[64:80]))

    def test_names_made_with_a_dot_at_the_end(self):
        self.addCleanup(shutil.rmtree, os.path.join(self.root, "dots"))
        folder = self.open("dots", disposition=2, options=1)
        for name in ("g1.", "g2 "):
            self.ask(raw.CLOSE, raw.close(self.open(f"dots\\{name}", disposition=2,
                                                    access=0x0012019F)))
        self.assertEqual(sorted(os.listdir(os.path.join(self.root, "dots"))), ["g1.", "g2 "])
        for pattern, names in (("g1.", ["g1\uf029"]), ('g?"', ["g1\uf029"]), ("g1\uf029", ["g1\uf029"]),
                               ("g?\uf029", ["g1\uf029"]), ("*.", ["g1\uf029"]),
                               ("g? ", ["g2\uf028"]), ("G2 ", ["g2\uf028"]),
                               ("g*", ["g1\uf029", "g2\uf028"]), ("g1", [])):
            with self.subTest(repr(pattern)):
                status, body = self.ask(raw.QUERY_DIRECTORY,
                                        raw.query_directory(folder, pattern, kind=12, flags=0x10))
                found, at = [], 8
                while status == "SUCCESS":
                    following, _, length = struct.unpack_from("<III", body, at)
                    found.append(body[at + 12:at + 12 + length].decode("utf-16-le"))
                    if not following:
                        break
                    at += following
                self.assertEqual(sorted(name for name in found if name not in (".", "..")), names)

    @braid_only
    def test_paths_longer_than_the_kernel_takes_at_once(self):
        parts = ["d" * 200] * 150
        self.addCleanup(shutil.rmtree, os.path.join(self.root, parts[0]))
        for count in range(1, len(parts) + 1):
            path = "\\".join(parts[:count])
            self.ask(raw.CLOSE, raw.close(self.open(path, disposition=2, options=1)))
        path = "\\".join(parts + ["file"])
        file = self.open(path, disposition=2, access=0x0013019F)
        self.assertEqual(self.ask(raw.WRITE, raw.write(file, b"far away"))[0], "SUCCESS")
        self.assertEqual(self.ask(raw.CLOSE, raw.close(file))[0], "SUCCESS")
        # Each name in another case: it is looked for step by step.
        file = self.open(path.upper(), access=0x0012019F)
        status, body = self.ask(raw.READ, raw.read(file))
        self.assertEqual((status, body[16:]), ("SUCCESS", b"far away"))
        self.ask(raw.CLOSE, raw.close(file))
        folder = self.open("\\".join(parts))
        status, body = self.ask(raw.QUERY_DIRECTORY, raw.query_directory(folder, "f*", kind=12))
        self.assertEqual(status, "SUCCESS")
        self.assertIn("file".encode("utf-16-le"), body)
        self.ask(raw.CLOSE, raw.close(folder))
        for too_long in ("\\".join(["d" * 250] * 130 + ["e" * 134]), "\\".join("d" * 2049)):
            self.assertEqual(self.ask(raw.CREATE, raw.create(too_long))[0], "OBJECT_NAME_INVALID")
        file = self.open(path, access=0x00010080)
        self.assertEqual(self.rename(file, "\\".join(parts[:-1] + ["file"])), "SUCCESS")
        self.assertEqual(self.ask(raw.CREATE, raw.create(path))[0], "OBJECT_NAME_NOT_FOUND")
        self.assertEqual(self.rename(file, path), "SUCCESS")
        # The kernel tells nobody where it is now; another file at the place is left alone.
        top = os.path.join(self.root, parts[0])
        os.rename(top, top + ".away")
        self.assertEqual(self.rename(file, "lost"), "OBJECT_NAME_NOT_FOUND")
        os.rename(top + ".away", top)
        self.assertEqual(self.rename(file, path + ".again"), "SUCCESS")
        self.ask(raw.CLOSE, raw.close(file))
        file = self.open(path + ".again", access=0x00010080, options=0x1000)
        self.assertEqual(self.ask(raw.CLOSE, raw.close(file))[0], "SUCCESS")
        self.assertEqual(self.ask(raw.CREATE, raw.create(path + ".again"))[0],
                         "OBJECT_NAME_NOT_FOUND")

    def rename(self, file, target):
        name = target.encode("utf-16-le")
        body = struct.pack("<B7xQI", 0, 0, len(name)) + name
        return self.ask(raw.SET_INFO, raw.set_info(file, body, kind=10))[0]

    @braid_only
    def test_rename_does_not_climb(self):
        file = self.open("file", access=0x00110180)
        for target in ("..\\outside\\new", "dir\\..\\..\\outside\\new", "../outside/new", "a\0b"):
            with self.subTest(repr(target)):
                self.assertIn(self.rename(file, target),
                              ("OBJECT_PATH_SYNTAX_BAD", "OBJECT_NAME_INVALID",
                               "INVALID_PARAMETER", "NOT_SAME_DEVICE"))
        self.assertEqual(self.ask(raw.CLOSE, raw.close(file))[0], "SUCCESS")

    @braid_only
    def test_symbolic_links_do_not_lead_out(self):
        link = os.path.join(self.root, "link")
        os.symlink(self.outside, link)
        self.addCleanup(os.unlink, link)
        for name in ("link\\secret", "link\\new", "link"):
            for disposition in (1, 2, 3, 5):
                with self.subTest(name=name, disposition=disposition):
                    status, _ = self.ask(raw.CREATE, raw.create(name, disposition=disposition,
                                                                access=0x0012019F))
                    self.assertNotEqual(status, "SUCCESS")

    def test_unpaired_surrogates_do_no_harm(self):
        for data in (b"\x00\xd8", b"\x00\xdc", b"a\0\x00\xd8", b"\x00\xdc\x00\xd8"):
            status, body = self.ask(raw.CREATE, raw.create(data, disposition=3, access=0x0013019F,
                                                           options=0x1000))
            self.assertIn(status, ("SUCCESS", "OBJECT_NAME_INVALID", "ILLEGAL_CHARACTER"))
            if status == "SUCCESS":
                self.assertEqual(self.ask(raw.CLOSE, raw.close(body[64:80]))[0], "SUCCESS")


class Signing(RawCase):
    def unsigned(self, command, body, signature, flags):
        packet = raw.header(command, self.smb._Connection["SequenceWindow"],
                            self.smb._Session["SessionID"], self.tree, flags)
        packet = packet[:48] + signature + body
        self.smb._Connection["SequenceWindow"] += 1
        self.smb._NetBIOSSession.send_packet(packet)
        try:
            return raw.status_of(self.smb._NetBIOSSession.recv_packet(10).get_trailer())
        except Exception:  # impacket raises various kinds when the server hangs up
            return raw.DISCONNECTED

    def test_request_without_signature(self):
        status = self.unsigned(raw.CREATE, raw.create("file"), bytes(16), 0)
        self.assertIn(status, ("ACCESS_DENIED", raw.DISCONNECTED))

    def test_request_with_a_wrong_signature(self):
        status = self.unsigned(raw.CREATE, raw.create("file"), b"\x55" * 16, 8)
        self.assertIn(status, ("ACCESS_DENIED", raw.DISCONNECTED))


if __name__ == "__main__":
    suite.main()
