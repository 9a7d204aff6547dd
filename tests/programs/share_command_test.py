#!/usr/bin/env python3
"""braidctl share, user add --create and completion: what they write, and that the server has it."""
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from case import ALICE, ControlCase  # noqa: E402
from server import ids_of  # noqa: E402
from smbclient import SmbClient  # noqa: E402


class ShareCommand(ControlCase):
    def setUp(self):
        super().setUp()
        self.config = pathlib.Path(self.server.config)
        self.config.write_text("# Ours.\n" + self.config.read_text(encoding="utf-8"), "utf-8")
        self.before = self.config.read_text(encoding="utf-8")
        self.folder = self.scratch.directory("more", owner=ids_of(ALICE))

    def client(self, share):
        return SmbClient(self.scratch, self.server, ALICE, share=share)

    def test_added_served_and_removed(self):
        done = self.ctl("share", "add", "more", self.folder, "--allow", "alice", "--allow", "bob:ro",
                        "--comment", 'a "b"', "--set", "streams=false", "--set",
                        'create_mask=0660')
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout.splitlines(),
                         [f"share more was added: {self.folder}, for alice, bob:ro",
                          f"the server runs with {self.config}"])
        self.assertEqual(self.config.read_text(encoding="utf-8"), self.before + f'''
[[share]]
name = "more"
path = "{self.folder}"
comment = "a \\"b\\""
allow = ["alice", "bob:ro"]
streams = false
create_mask = "0660"
''')
        self.assertTrue(self.client("more").run("mkdir made").ok)
        done = self.ctl("share", "remove", "MORE")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.startswith("share more was removed; its folder "), done.stdout)
        self.assertEqual(self.config.read_text(encoding="utf-8"), self.before)
        self.assertEqual(self.client("more").run("ls").nt_status, "NT_STATUS_BAD_NETWORK_NAME")
        self.assertTrue(os.path.isdir(os.path.join(self.folder, "made")))

    def test_what_is_wrong_is_said_and_nothing_written(self):
        for words, line in (
                (("more", "/nonexistent/x"), "there is no folder /nonexistent/x; make it"),
                (("more", "x"), "x is no absolute path; "),
                (("more", "/etc/passwd"), "path /etc/passwd is not a directory"),
                (("share", self.folder), "share share is already there, for "),
                (("a/b", self.folder), "name = .* is not accepted"),
                (("more", self.folder, "--allow", "@"), "allow = .* is not accepted"),
                (("more", self.folder, "--allow", "@no-such-group-x"), "there is no Unix group"),
                (("more", self.folder, "--set", "read_onli=true"), "did you mean read_only"),
                (("more", self.folder, "--set", "read_only"), "read_only is no KEY=VALUE; ")):
            self.assert_one_line(self.ctl("share", "add", *words), line)
        self.assert_one_line(self.ctl("share", "remove", "shar"),
                             "there is no share shar; did you mean share")
        self.assert_one_line(self.ctl("user", "disable", "alise"),
                             "there is no user alise; did you mean alice")
        self.assertEqual(self.config.read_text(encoding="utf-8"), self.before)
        self.config.write_text(self.before + "frob = 1\n", "utf-8")
        self.assert_one_line(self.ctl("share", "add", "more", self.folder), "unknown key frob")

    def test_without_a_server(self):
        self.server.process.terminate()
        self.server.process.wait()
        done = self.ctl("share", "add", "more", self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("for everybody who can log on\nno server runs on it; ", done.stdout)
        fresh = self.scratch.file("fresh.toml")
        done = subprocess.run([self.server.braidctl, "-c", fresh, "--json", "share", "add", "one",
                               self.folder], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, json.loads(done.stdout)), (0, {"taken": False}))
        self.assertEqual(pathlib.Path(fresh).read_text(encoding="utf-8"),
                         f'[[share]]\nname = "one"\npath = "{self.folder}"\n')

    @unittest.skipUnless(os.geteuid() == 0, "gives a folder to a group")
    def test_folder_that_is_made(self):
        folder = os.path.join(self.folder, "new")
        self.assert_one_line(self.ctl("share", "add", "new", folder, "--allow", "@games"),
                             f"make it .install -d -g games -m 2770 {folder}., or give --create")
        # One that is refused leaves nothing behind.
        self.assert_one_line(self.ctl("share", "add", "new", folder, "--create", "--set",
                                      "force_user=no-such-user-x"), "no-such-user-x")
        self.assertFalse(os.path.exists(folder))
        self.assertEqual(self.ctl("share", "add", "new", folder, "--allow", "@games",
                                  "--create").returncode, 0)
        status = os.stat(folder)
        self.assertEqual((status.st_mode & 0o7777, status.st_uid), (0o2770, 0))
        self.assertTrue(self.client("new").run("mkdir inside").ok)

    @unittest.skipUnless(os.geteuid() == 0, "becomes another user")
    def test_who_is_not_root_is_told_so(self):
        def as_nobody(*words):
            return subprocess.run([self.server.braidctl, "-c", self.server.config, *words],
                                  capture_output=True, text=True, timeout=60, check=False,
                                  user=pwd.getpwnam("nobody").pw_uid, group=65534, extra_groups=[])
        os.chmod(self.scratch.path, 0o755)
        self.config.chmod(0o644)
        for words in (("user", "list"), ("user", "disable", "alice"), ("why", "alice", "share")):
            self.assert_one_line(as_nobody(*words), "Permission denied; run it as root .sudo.")
        self.assert_one_line(as_nobody("share", "add", "more", self.folder),
                             "cannot be .*Permission denied.*run it as root .sudo.")
        self.assert_one_line(as_nobody("web", "--listen", "127.0.0.1:0"),
                             "only root and the server's user may ask it; run braidctl as one of them")
        self.assertEqual(self.config.read_text(encoding="utf-8"), self.before)

    @unittest.skipUnless(os.geteuid() == 0, "makes a Unix user")
    def test_user_that_is_made(self):
        # In a machine of its own as far as /etc goes.
        script = f"""
            set -e
            mount -t tmpfs none /mnt && cp -a /etc/. /mnt/ && mount --bind /mnt /etc
            printf 'Secret-1\\n' | "$@" user add brewster --create --group games
            id brewster
            """
        done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", self.server.braidctl,
                               "-c", self.server.config], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        said, identity = done.stdout.splitlines()
        self.assertEqual(said, "user brewster was added, and acts as the Unix user brewster")
        self.assertIn("(games)", identity)
        with self.assertRaises(KeyError):
            pwd.getpwnam("brewster")
        self.assert_one_line(self.ctl("user", "add", "x", "--group", "games"), "--create")

    def complete(self, shell, script, *words):
        done = self.ctl("completion", shell)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        program = self.scratch.file(f"completion.{shell}")
        pathlib.Path(program).write_text(done.stdout, encoding="utf-8")
        # Names are asked of the braidctl and the configuration under test.
        binary = pathlib.Path(self.scratch.directory("bin"), "braidctl")
        binary.write_text(f'#!/bin/sh\nexec {self.server.braidctl} -c {self.server.config} "$@"\n')
        binary.chmod(0o755)
        done = subprocess.run([shell, "-c", script, shell, program, *words], text=True, timeout=60,
                              capture_output=True, env=os.environ | {
                                  "PATH": f"{binary.parent}:{os.environ['PATH']}"})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_completion_of_bash(self):
        script = ('. "$1"; shift; COMP_WORDS=(braidctl "$@"); COMP_CWORD=$#; _braidctl; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        self.assertEqual(self.complete("bash", script, "us"), ["user"])
        self.assertEqual(self.complete("bash", script, "--json", "user", "dis"), ["disable"])
        self.assertEqual(self.complete("bash", script, "share", "remove", ""),
                         ["--help", "share"])
        self.assertEqual(self.complete("bash", script, "user", "password", "al"), ["alice"])
        self.assertIn("--allow", self.complete("bash", script, "share", "add", "--"))
        # What a name holds is carried out by no shell.
        with open(self.config, "a", encoding="utf-8") as config:
            config.write(f'\n[[share]]\nname = "$(touch x)"\npath = "{self.folder}"\n')
        self.assertEqual(self.complete("bash", script, "share", "remove", "")[1:], ["share"])

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    def test_completion_of_zsh(self):
        script = ('compdef() { }; compadd() { print -l -- $names }; . "$1"; shift; '
                  'words=(braidctl "$@"); CURRENT=$#words; _braidctl')
        self.assertIn("user", self.complete("zsh", script, ""))
        self.assertIn("alice", self.complete("zsh", script, "user", "password", ""))


if __name__ == "__main__":
    suite.main()
