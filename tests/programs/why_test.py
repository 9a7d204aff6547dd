#!/usr/bin/env python3
"""braidctl why: what it says is what smbclient then meets, and names who decided. And what the log says of
logons that are refused."""
import json
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from case import ALICE, BOB, ControlCase  # noqa: E402
from server import User, ids_of  # noqa: E402
from smbclient import SmbClient  # noqa: E402

COMMANDS = {"read": "get folder/file got", "write": "put sent folder/file",
            "delete": "rm folder/file"}


class Why(ControlCase):
    def setUp(self):
        super().setUp()
        self.config = pathlib.Path(self.server.config)
        self.before = self.config.read_text(encoding="utf-8")
        self.folder = pathlib.Path(self.root, "folder")
        self.folder.mkdir()
        self.file = self.folder / "file"
        self.file.write_text("content", "utf-8")
        pathlib.Path(self.scratch.file("sent")).write_text("sent", "utf-8")

    def configure(self, lines):
        self.config.write_text(self.before.replace("[[share]]", f"[[share]]\n{lines}"), "utf-8")
        self.assertEqual(self.ctl("reload").returncode, 0)

    def why(self, user, path="share/folder/file", what="read", *more):
        done = self.ctl("--json", "why", user, path, what, *more)
        self.assertEqual(done.stderr, "")
        answer = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if answer["allowed"] else 1)
        return answer

    def agree(self, user, what, who=None, pattern="."):
        """Both say the same; `who` refuses it, None: nobody."""
        answer = self.why(user.name, what=what)
        self.assertEqual(answer["decided_by"], who or "", answer)
        self.assertRegex(answer["steps"][-1]["text"], pattern)
        done = SmbClient(self.scratch, self.server, user).run(COMMANDS[what])
        self.assertEqual(done.ok, who is None, f"{answer} but {done.text}")
        if who and who != "share":
            self.assertRegex(self.server.log_text(), rf"'{user.name}' may not (read|write|delete) "
                             r"'folder.*' of share 'share'; braidctl why says who refuses it")
        if not self.file.exists():
            self.file.write_text("content", "utf-8")

    @unittest.skipUnless(os.geteuid() == 0, "becomes other users")
    def test_it_says_what_a_client_meets(self):
        os.chown(self.folder, *ids_of(ALICE))
        os.chown(self.file, *ids_of(ALICE))
        os.chmod(self.root, 0o755)
        for what in COMMANDS:
            self.agree(ALICE, what)
            os.chown(self.file, *ids_of(ALICE))
        os.chmod(self.file, 0o640)
        self.agree(BOB, "read", "file", "judged as others, who has ---: may not read it")
        os.chmod(self.file, 0o644)
        self.agree(BOB, "read")
        self.agree(BOB, "write", "file", "judged as others, who has r--: may not write to it")
        self.agree(BOB, "delete", "permissions", "neither by its own permissions nor by those of its")
        os.chmod(self.folder, 0o777)
        self.agree(BOB, "delete")
        os.chown(self.file, *ids_of(ALICE))
        os.chmod(self.folder, 0o1777)
        self.agree(BOB, "delete", "permissions" if self.why("bob", what="delete")["decided_by"] ==
                   "permissions" else "folder")
        os.chmod(self.folder, 0o700)
        self.agree(BOB, "read", "folder", "folder is drwx------ .*: may enter it")
        subprocess.run(["setfacl", "-m", f"u:{BOB.unix_user}:rx", self.folder], check=True)
        self.agree(BOB, "read")
        self.assertIn("folder is drwxr-x---+", str(self.why("bob")))

    def test_rules_of_the_share(self):
        self.configure('allow = ["alice:ro"]')
        self.agree(ALICE, "read")
        self.agree(ALICE, "write", "share", 'allow has "alice:ro"')
        self.agree(BOB, "read", "share", "allow of share names neither the user nor a group")
        self.configure("read_only = true")
        self.agree(ALICE, "delete", "share", "share has read_only = true")
        self.configure('hosts = ["192.0.2.0/24"]')
        self.assertEqual(self.why("alice", "share", "read", "--from", "127.0.0.1")["decided_by"],
                         "hosts")
        self.assertTrue(self.why("alice", "share", "read", "--from", "192.0.2.7")["allowed"])
        self.assert_one_line(self.ctl("why", "alice", "share", "read", "--from", "somewhere"),
                             "--from somewhere: give an address in numbers")

    @unittest.skipUnless(os.geteuid() == 0, "acts as another user")
    def test_forced_user(self):
        os.chmod(self.file, 0o600)
        os.chown(self.file, *ids_of(BOB))
        self.agree(ALICE, "read", "file")
        self.configure('force_user = "nobody"')
        self.agree(ALICE, "read")

    def test_accounts_and_what_is_not_there(self):
        self.assertEqual(self.ctl("user", "disable", "bob").returncode, 0)
        answer = self.why("bob")
        self.assertEqual(answer["decided_by"], "account")
        self.assertIn("bob is disabled", answer["steps"][-1]["text"])
        self.assertIn("did you mean alice?", self.why("alise")["steps"][-1]["text"])
        self.assert_one_line(self.ctl("why", "alice", "shar/x"), "there is no share shar; did you mean")
        self.assert_one_line(self.ctl("why", "alice", "share/../x"), "is no path of a file")
        self.assert_one_line(self.ctl("why", "alice", "share", "eat"), "read")
        self.assertEqual(self.why("alice", "share/none")["decided_by"], "file")
        os.chmod(self.root, 0o777)
        self.assertTrue(self.why("alice", "share/none", "write")["allowed"])
        done = self.ctl("why", "alice", "share\\FOLDER\\FILE")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^account +ok +alice acts as the Unix user ")
        self.assertRegex(done.stdout, r"(?m)^file +ok +folder/file is -rw")
        self.assertEqual(done.stdout.splitlines()[-1], "alice may read share\\FOLDER\\FILE")

    def test_the_log_says_why_a_logon_is_refused(self):
        for user, line in ((User("carol", "x"), "'carol' is refused: there is no account of that name"),
                           (User("alice", "x"), "'alice' is refused: the password is wrong")):
            self.assertFalse(SmbClient(self.scratch, self.server, user).run("ls").ok)
            self.assertIn(line, self.server.log_text())
        self.ctl("user", "disable", "bob")
        self.assertFalse(SmbClient(self.scratch, self.server, BOB).run("ls").ok)
        self.assertIn("'bob' is refused: the account is disabled", self.server.log_text())
        old = SmbClient(self.scratch, self.server, ALICE, extra=("--option=client ntlmv2 auth=no",
                                                                "--option=client use spnego=yes"))
        self.assertFalse(old.run("ls").ok)
        self.assertIn("'alice' is refused: the client answers with NTLMv1", self.server.log_text())


if __name__ == "__main__":
    suite.main()
