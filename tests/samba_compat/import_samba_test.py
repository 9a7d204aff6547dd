#!/usr/bin/env python3
"""braidctl import-samba: a folder that Debian's smbd has served, and braid then, with what it made of
the smb.conf, the accounts and the SIDs."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Braidd, Options, Share, Smbd, User, ids_of  # noqa: E402
from smb_file import DACL, Mount, descriptor_of, sid  # noqa: E402
from smbclient import SmbClient  # noqa: E402

SMBD = shutil.which("smbd", path="/usr/sbin:" + os.environ.get("PATH", ""))
DENIED = "NT_STATUS_ACCESS_DENIED"
ALLOW, FULL = 0, 0x1F01FF
# An account of Samba's is called what its Unix user is.
GAMES, NEWS = User("games", "games-pw-1", "games"), User("news", "news-pw-2", "news")
SHARE_LINES = ["vfs objects = acl_xattr streams_xattr", "valid users = games, @news",
               "comment = of all", "veto files = /*.exe/", "create mask = 0660",
               "force create mode = 0600"]


class ImportCase(unittest.TestCase):
    def setUp(self):
        self.scratch = Scratch(suite.arguments.scratch)
        self.scratch.__enter__()
        self.addCleanup(self.scratch.__exit__)
        self.braidctl = os.path.join(os.path.dirname(suite.arguments.braidd), "braidctl")

    def run_import(self, conf, *arguments):
        return subprocess.run([self.braidctl, "import-samba", conf, *arguments], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)


class Imported(Braidd):
    """braidd with a configuration that was made elsewhere, and its state folder."""
    text = ""

    @classmethod
    def _config(cls, options, state_dir):
        del options, state_dir
        return cls.text.replace("[server]\n",
                                '[server]\nlisten = ["127.0.0.1:0"]\nmin_uid = 1\n', 1)


@unittest.skipUnless(os.geteuid() == 0 and SMBD, "root serves as others; and smbd")
class SambaFirst(ImportCase):
    """Who has which right there has it here."""

    def ask(self, program, *arguments):
        done = subprocess.run([program, f"--configfile={self.conf}", *arguments],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def sid_of(self, user):
        """What Samba calls one of its accounts."""
        return re.search(r"User SID: *(S-1-5-21-[\d-]+)",
                         self.ask("pdbedit", "-L", "-v", user.name)).group(1)

    def status(self, server, user, command):
        return SmbClient(self.scratch, server, user, share="data").run(command).nt_status

    def test_rights_by_users_and_groups_hold(self):
        root = self.scratch.directory("data", owner=ids_of(GAMES), mode=0o777)
        self.samba = Smbd(SMBD)
        options = Options([Share("data", root)], [GAMES, NEWS], samba_share=SHARE_LINES)
        self.samba.start(self.scratch, options, "smbd")
        self.conf = self.scratch.file("smbd", "smb.conf")
        self.ask("net", "groupmap", "add", "ntgroup=Team", "unixgroup=news", "type=local")
        team = re.search(r"S-1-5-21-[\d-]+", self.ask("net", "groupmap", "list")).group(0)
        sent = self.scratch.file("sent")
        pathlib.Path(sent).write_text("sent", "ascii")
        names = ("by-user", "by-group", "neither")
        self.assertEqual(self.status(self.samba, GAMES,
                                     "; ".join(f"put {sent} {name}" for name in names)), "")
        games = (ALLOW, 0, FULL, sid(self.sid_of(GAMES)))
        mount = Mount(self.samba, GAMES, "data")
        for name, more in zip(names, ([self.sid_of(NEWS)], [team], [])):
            entries = [games, *((ALLOW, 0, FULL, sid(each)) for each in more)]
            mount.set_descriptor(name, descriptor_of(entries), DACL)
        mount.close()

        def rights(server):
            return {name: [self.status(server, user, f"get {name} got") for user in (GAMES, NEWS)]
                    for name in names}
        wanted = {"by-user": ["", ""], "by-group": ["", ""], "neither": ["", DENIED]}
        self.assertEqual(rights(self.samba), wanted)
        machine = re.search(r"S-1-5-21-[\d-]+", self.ask("net", "getlocalsid")).group(0)
        self.assertEqual(self.samba.stop(), [])

        state, made = self.scratch.file("braidd.state"), self.scratch.file("made.toml")
        done = self.run_import(self.conf, "--write", made, "--state-dir", state)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("1 share, 0 left out", done.stdout)
        self.assertIn(f"2 accounts with their passwords and SIDs, and the server's SID {machine}",
                      done.stdout)
        self.assertRegex(done.stdout, r"smb.conf:\d+: force create mode = 0600: a default access list")
        self.assertIn("account games acts as a uid below 1000", done.stdout)
        self.assertEqual(pathlib.Path(state, "domain_sid").read_text("ascii"), machine + "\n")
        Imported.text = pathlib.Path(made).read_text("utf-8")
        for line in ('veto_files = ["*.exe"]', 'create_mask = "660"', 'comment = "of all"',
                     'allow = ["games", "@news"]'):
            self.assertIn(line, Imported.text)
        self.braid = Imported(suite.arguments.braidd)
        self.braid.start(self.scratch, Options([], []), "braidd")
        self.addCleanup(lambda: self.assertEqual(self.braid.stop(), []))
        self.assertEqual(rights(self.braid), wanted)
        self.assertEqual(self.status(self.braid, NEWS, f"put {sent} by-user"), "")
        wrong = User("games", "wrong")
        self.assertEqual(self.status(self.braid, wrong, "ls"), "NT_STATUS_LOGON_FAILURE")
        # Once more is no other.
        again = self.run_import(self.conf, "--write", made, "--state-dir", state)
        self.assertEqual(again.returncode, 2)
        self.assertIn("made.toml is there already", again.stderr)
        again = self.run_import(self.conf, "--write", self.scratch.file("more.toml"), "--state-dir",
                                state)
        self.assertIn("account games is there already, and stays as it is", again.stdout)
        # Nor is it another server's.
        other = self.scratch.directory("other.state", mode=0o700)
        path = pathlib.Path(other, "domain_sid")
        path.write_text("S-1-5-21-1-2-3\n", "ascii")
        path.chmod(0o600)
        done = self.run_import(self.conf, "--write", self.scratch.file("third.toml"), "--state-dir",
                               other)
        self.assertEqual(done.returncode, 2)
        self.assertIn("has the SID S-1-5-21-1-2-3 already", done.stderr)
        self.assertFalse(os.path.exists(self.scratch.file("third.toml")))


class Configurations(ImportCase):
    def made_of(self, text, *arguments):
        conf = self.scratch.file("smb.conf")
        pathlib.Path(conf).write_text(text, "utf-8")
        done = self.run_import(conf, "--without-accounts", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout, done.stderr

    def test_nothing_is_changed_without_write(self):
        text, said = self.made_of("[data]\npath = /srv/data\n")
        self.assertIn('name = "data"', text)
        self.assertIn("1 share, 0 left out, 0 accounts; nothing is written without --write FILE", said)
        self.assertEqual(os.listdir(self.scratch.path), ["smb.conf"])

    def test_json(self):
        text, _ = self.made_of("[data]\npath = /srv/data\n[printers]\nprintable = yes\n", "--json")
        made = json.loads(text)
        self.assertEqual((made["shares"], made["left_out"], made["written"]), (1, ["printers"], False))

    def test_includes_are_read_and_what_is_not_is_said(self):
        pathlib.Path(self.scratch.file("more.conf")).write_text(
            f"[more]\npath = /srv/more\ninclude = {self.scratch.file('more.conf')}\n", "utf-8")
        text, said = self.made_of(
            f"[global]\ninclude = {self.scratch.file('more.conf')}\ninclude = /none/x.conf\n"
            "include = /etc/samba/%m.conf\nconfig backend = registry\nnonsense\n[\n")
        self.assertIn('name = "more"', text)
        self.assertIn("smb.conf:3: /none/x.conf is not read: cannot be read: No such file", said)
        self.assertIn("smb.conf:4: include = /etc/samba/%m.conf is not read, as it is another file "
                      "for each client", said)
        self.assertIn("smb.conf:5: config backend = registry is not read", said)
        self.assertIn("smb.conf:6: neither a comment, a [section] nor KEY = VALUE", said)
        self.assertIn("smb.conf:7: no name between [ and ]", said)
        self.assertRegex(said, r"more.conf:3: .* is one file too many")

    def test_no_file_and_much_nonsense(self):
        done = self.run_import(self.scratch.file("none"))
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, r"^braidctl: .*none: cannot be read: No such file or directory\n$")
        text, said = self.made_of("\x1b[2J\x07=\n" * 300_000)
        self.assertNotIn("\x1b", text + said)
        self.assertLess(len(said), 100_000)


if __name__ == "__main__":
    suite.main()
