#!/usr/bin/env python3
"""Who may use a share, and from where: allow, hosts, guest, and other keys."""
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hostile"))

import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from case import ALICE, BOB, ControlCase  # noqa: E402
from control_test import Interactive  # noqa: E402
from peer import Peer  # noqa: E402
from server import User, ids_of  # noqa: E402
from smbclient import SmbClient  # noqa: E402

OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private")
CAN_MOUNT = os.geteuid() == 0 and subprocess.run([*OWN_MOUNTS, "true"], stderr=subprocess.DEVNULL,
                                                 check=False).returncode == 0
NOBODY = User("nobody", "", "nobody")
DENIED = "NT_STATUS_ACCESS_DENIED"


class RightsCase(ControlCase):
    def setUp(self):
        super().setUp()
        self.config = pathlib.Path(self.server.config)
        self.before = self.config.read_text(encoding="utf-8")
        os.chmod(self.root, 0o777)

    def configure(self, share="", server=""):
        """Puts lines into [[share]] and [server], and has the server read them."""
        text = self.before.replace("[server]", f"[server]\n{server}", 1)
        self.config.write_text(text.replace("[[share]]", f"[[share]]\n{share}", 1), "utf-8")
        done = self.ctl("reload")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def client(self, user=ALICE):
        return SmbClient(self.scratch, self.server, user)

    def status(self, user, commands="ls"):
        return self.client(user).run(commands).nt_status


class Allow(RightsCase):
    def test_who_is_named_and_nobody_else(self):
        self.configure('allow = ["ALICE"]')
        self.assertEqual((self.status(ALICE, "mkdir made"), self.status(BOB)), ("", DENIED))
        self.assertIn("share 'share' refuses 'bob': its allow names neither the user nor a group",
                      self.server.log_text())
        self.configure("allow = []")
        self.assertEqual(self.status(BOB), "")

    def test_read_only(self):
        self.configure('allow = ["alice:ro", "bob"]')
        self.assertEqual(self.status(ALICE, "get report.txt got"), "")
        for change in ("put got new", "rm report.txt", "mkdir folder", "rename report.txt other",
                       "setmode report.txt +r"):
            self.assertRegex(self.status(ALICE, change), f"{DENIED}|MEDIA_WRITE_PROTECTED", change)
        self.assertEqual(self.status(BOB, "mkdir folder"), "")
        self.assertEqual(sorted(os.listdir(self.root)), ["folder", "report.txt"])

    @unittest.skipUnless(os.geteuid() == 0, "without root there are no groups of users")
    def test_groups_and_unix_users(self):
        self.configure('allow = ["@games"]')
        self.assertEqual((self.status(ALICE), self.status(BOB)), ("", DENIED))
        # A user by name decides before the groups; of groups the one that gives most.
        self.configure('allow = ["@games", "alice:ro"]')
        self.assertRegex(self.status(ALICE, "mkdir no"), f"{DENIED}|MEDIA_WRITE_PROTECTED")
        self.configure('allow = ["@games:ro", "@games", "@nogroup:ro"]')
        self.assertEqual(self.status(ALICE, "mkdir yes"), "")
        # What alice acts as.
        self.configure('allow = ["games"]')
        self.assertEqual((self.status(ALICE), self.status(BOB)), ("", DENIED))
        self.configure('allow = ["@no-such-group-x"]')
        self.assertEqual(self.status(ALICE), DENIED)
        self.assertIn("allow lets nobody in by '@no-such-group-x'",
                      self.ctl("config", "check").stdout)

    def test_who_is_connected_when_it_changes(self):
        alice, bob = Interactive(self, ALICE), Interactive(self, BOB)
        self.assertIn("open", alice.run("open report.txt"))
        self.configure('allow = ["bob"]')
        self.wait_for(lambda: not [each for each in self.ask("opens") if each["user"] == "alice"],
                      "the end of what alice has open")
        self.assertIn("the connection of 'alice' is ended: what may be done there has changed",
                      self.server.log_text())
        self.assertRegex(alice.run("ls"), "NT_STATUS_")
        self.assertNotIn("NT_STATUS", bob.run("mkdir still"))
        self.configure('allow = ["bob:ro"]')
        self.wait_for(lambda: "of 'bob' is ended" in self.server.log_text(), "the end for bob")
        self.assertRegex(bob.run("mkdir again"), "NT_STATUS_")
        self.assertEqual(self.status(BOB), "")
        # Who gets more keeps what there is.
        bob = Interactive(self, BOB)
        self.configure('allow = ["bob", "alice"]')
        self.assertIn("report.txt", bob.run("ls"))

    def test_pipes_are_everybodys(self):
        self.configure('allow = ["alice"]')
        self.assertIn("share", self.client(BOB).list_shares().text)


class AllowOfSeveralWorkers(Allow):
    workers = 3


class Hosts(RightsCase):
    def test_of_a_share(self):
        self.configure('hosts = ["127.0.0.0/8"]')
        connected = Interactive(self, ALICE)
        self.assertIn("report.txt", connected.run("ls"))
        self.configure('hosts = ["192.0.2.0/24", "::1"]')
        self.assertEqual(self.status(ALICE), DENIED)
        self.assertIn("127.0.0.1: share 'share' refuses 'alice': its hosts do not name this address",
                      self.server.log_text())
        self.wait_for(lambda: "of 'alice' is ended" in self.server.log_text(), "the end for alice")
        self.assertRegex(connected.run("ls"), "NT_STATUS_")
        self.assertIn("share", self.client().list_shares().text)

    def test_of_the_server(self):
        connected = Interactive(self, ALICE)
        self.configure(server='hosts = ["127.0.0.1"]')
        self.assertIn("report.txt", connected.run("ls"))
        self.configure(server='hosts = ["192.0.2.1"]')
        self.assertRegex(connected.run("ls"), "NT_STATUS_|not connected")
        self.assertFalse(self.client().run("ls").ok)
        self.assertRegex(self.server.log_text(),
                         r"127\.0\.0\.1: ended, hosts in \[server\] do not name this address")
        self.assertRegex(self.server.log_text(),
                         r"127\.0\.0\.1: refused, hosts in \[server\] do not name this address")
        self.configure()
        self.assertEqual(self.status(ALICE), "")

    def test_what_is_no_address_is_said(self):
        for bad in ("192.0.2.1/24", "localhost", "192.0.2.0/33"):
            self.config.write_text(self.before.replace("[[share]]", f'[[share]]\nhosts = ["{bad}"]'),
                                   "utf-8")
            self.assert_one_line(self.ctl("reload"), "hosts = .* is not accepted; give a list such")


class Guests(RightsCase):
    """Who has no account: by a name that is none, and by no name at all."""

    carol = User("carol", "anything")

    def setUp(self):
        super().setUp()
        self.before = self.before.replace('signing = "required"', 'signing = "enabled"')
        self.configure()

    def test_off_by_default(self):
        for user in (self.carol, None):
            self.assertEqual(self.status(user), "NT_STATUS_LOGON_FAILURE")
        self.assertIn("'carol' is refused: there is no account of that name",
                      self.server.log_text())

    def test_they_act_as_nobody(self):
        self.configure("guest = true")
        log = self.server.log_text
        self.assertIn("share 'share' lets guests in: without a password, and unsigned", log())
        sent = self.scratch.file("sent")
        pathlib.Path(sent).write_text("sent", "ascii")
        for number, user in enumerate((self.carol, None)):
            self.assertEqual(self.status(user, f"get report.txt got{number}; put {sent} n{number};"
                                               f" put {sent} n{number}"), "")
            made = os.stat(os.path.join(self.root, f"n{number}"))
            if os.geteuid() == 0:
                self.assertEqual((made.st_uid, made.st_gid), ids_of(NOBODY))
        self.assertRegex(log(), r"'carol' logged on as a guest, 3.1.1, neither signed nor encrypted")
        self.assertIn("a guest uses share 'share'", log())
        # A password that is wrong is wrong, and who has an account is nobody's guest.
        self.assertEqual(self.status(User(ALICE.name, "wrong")), "NT_STATUS_LOGON_FAILURE")
        self.assertEqual(self.status(ALICE, "mkdir alices"), "")
        self.assertEqual(os.stat(os.path.join(self.root, "alices")).st_uid, ids_of(ALICE)[0])
        self.assertIn("share", self.client(None).list_shares().text)

    def test_nothing_is_signed_or_pretended_to_be(self):
        self.configure("guest = true")
        for protection in ("sign", "encrypt"):
            answer = SmbClient(self.scratch, self.server, self.carol,
                               protection=protection).run("ls")
            self.assertFalse(answer.ok, answer.text)
        for dialect in ("SMB3_00", "SMB3_11"):
            self.assertTrue(SmbClient(self.scratch, self.server, self.carol,
                                      dialect=dialect).run("ls").ok, dialect)

    def test_only_what_is_declared(self):
        self.configure("guest = true\nread_only = true")
        self.assertRegex(self.status(self.carol, "mkdir no"), f"{DENIED}|MEDIA_WRITE_PROTECTED")
        self.configure('guest = true\nallow = ["guest:ro", "alice"]')
        self.assertEqual(self.status(None, "get report.txt got"), "")
        self.assertRegex(self.status(self.carol, "mkdir no"), f"{DENIED}|MEDIA_WRITE_PROTECTED")
        self.assertEqual(self.status(ALICE, "mkdir yes"), "")
        self.assertEqual(self.status(BOB), DENIED)
        self.configure('guest = true\nallow = ["alice"]')
        self.assertEqual(self.status(self.carol), DENIED)
        self.assertIn("guest = true has no effect while its allow does not name guest",
                      self.ctl("config", "check").stdout)
        # On a share beside one that lets them in.
        other = self.scratch.directory("other")
        text = self.config.read_text("utf-8").replace("guest = true\n", "")
        self.config.write_text(f'{text}\n[[share]]\nname = "pub"\npath = "{other}"\nguest = true\n',
                               "utf-8")
        self.assertEqual(self.ctl("reload").returncode, 0)
        for user in (self.carol, None):
            self.assertEqual(SmbClient(self.scratch, self.server, user, share="pub").run("ls").nt_status,
                             "")
            self.assertEqual(self.status(user), DENIED)
        self.assertIn("share 'share' refuses who has no account: it has no guest = true",
                      self.server.log_text())

    def test_a_reload_ends_them(self):
        self.configure("guest = true")
        guest, nobody = (Interactive(self, each, protection=None) for each in (self.carol, None))
        for client in (guest, nobody):
            self.assertIn("report.txt", client.run("ls"))
        self.configure()
        for client in (guest, nobody):
            self.assertRegex(client.run("ls"), "NT_STATUS_|not connected")

    @unittest.skipUnless(os.geteuid() == 0, "acts as another user")
    def test_forced_to_be_another(self):
        self.configure('guest = true\nforce_user = "games"')
        self.assertEqual(self.status(None, "mkdir forced"), "")
        self.assertEqual(os.stat(os.path.join(self.root, "forced")).st_uid, ids_of(ALICE)[0])

    def test_what_does_not_go_with_it(self):
        def refused(share, server, wanted):
            text = self.before.replace("[[share]]", f"[[share]]\nguest = true\n{share}")
            for old, new in server:
                text = text.replace(old, new)
            self.config.write_text(text, "utf-8")
            self.assert_one_line(self.ctl("reload"), wanted)
        refused("", (('signing = "enabled"', 'signing = "required"'),),
                r'guest = true needs signing = "enabled" in \[server\]')
        refused("encrypt = true", (), "guest = true is of no use with encrypt = true")
        refused("", (('encryption = "off"', 'encryption = "required"'),),
                'guest = true is of no use with encryption = "required"')


class Homes(RightsCase):
    """path = ".../%U": each has the own folder under one name."""

    def setUp(self):
        super().setUp()
        self.homes = self.scratch.directory("homes")
        for user in (ALICE, BOB):
            self.make(user.name, user)
        self.before = self.before.replace(f'path = "{self.root}"', f'path = "{self.homes}/%U"')
        self.configure()

    def make(self, name, user):
        path = self.scratch.directory("homes", name, owner=ids_of(user), mode=0o700)
        pathlib.Path(path, f"of-{name}").write_text(name, "ascii")

    def test_each_has_the_own(self):
        alice, bob = Interactive(self, ALICE), Interactive(self, BOB)
        for client, mine, other in ((alice, "alice", "bob"), (bob, "bob", "alice")):
            shown = client.run("ls")
            self.assertIn(f"of-{mine}", shown)
            self.assertNotIn(f"of-{other}", shown)
            self.assertNotIn("NT_STATUS", client.run("mkdir made"))
            self.assertIn("NT_STATUS", client.run(f"cd ../{other}"))
        for name in ("alice", "bob"):
            self.assertEqual(sorted(os.listdir(os.path.join(self.homes, name))),
                             ["made", f"of-{name}"])
        self.assertEqual([each["state"] for each in self.ask("shares")], ["present"])
        self.assertEqual(self.ctl("config", "check").returncode, 0)
        self.assertEqual(self.ctl("why", "alice", "share/of-alice").returncode, 0)

    def test_who_has_none_is_refused(self):
        shutil.rmtree(os.path.join(self.homes, "bob"))
        self.assertEqual(self.status(BOB), "NT_STATUS_BAD_NETWORK_NAME")
        self.assertIn(f"share 'share': 'bob' has no folder at {self.homes}/%U: "
                      "No such file or directory", self.server.log_text())
        self.assertEqual(self.status(ALICE), "")

    def test_nobody_gets_into_anothers_by_a_link(self):
        shutil.rmtree(os.path.join(self.homes, "bob"))
        os.symlink("alice", os.path.join(self.homes, "bob"))
        self.assertEqual(self.status(BOB), "NT_STATUS_BAD_NETWORK_NAME")
        # Nor by one that is the own to make.
        os.remove(os.path.join(self.homes, "bob"))
        self.make("bob", BOB)
        self.before = self.before.replace("/%U", "/%U/files")
        os.mkdir(os.path.join(self.homes, "alice", "files"), 0o777)
        os.symlink("../alice/files", os.path.join(self.homes, "bob", "files"))
        self.configure()
        self.assertEqual(self.status(ALICE), "")
        self.assertEqual(self.status(BOB), "NT_STATUS_BAD_NETWORK_NAME")

    def test_guests_have_none(self):
        self.before = self.before.replace('signing = "required"', 'signing = "enabled"')
        self.configure("guest = true")
        os.mkdir(os.path.join(self.homes, "Guest"), 0o777)
        for user in (User("carol", "x"), None):
            self.assertEqual(self.status(user), "NT_STATUS_BAD_NETWORK_NAME")

    def test_promises_need_one_folder(self):
        self.config.write_text(self.before.replace(
            "[[share]]", "[[share]]\ncontinuous_availability = true"), "utf-8")
        self.assert_one_line(self.ctl("reload"), "continuous_availability = true is for one folder")


class Symlinks(RightsCase):
    def setUp(self):
        super().setUp()
        os.makedirs(os.path.join(self.root, "real"))
        os.chmod(os.path.join(self.root, "real"), 0o777)
        pathlib.Path(self.root, "real", "file").write_text("inside", "ascii")
        os.chmod(os.path.join(self.root, "real", "file"), 0o666)
        pathlib.Path(self.scratch.file("outside")).write_text("outside", "ascii")
        for name, target in (("f", "real/file"), ("d", "real"), ("away", "../outside"),
                             ("all", self.root)):
            os.symlink(target, os.path.join(self.root, name))

    def test_never_by_default(self):
        self.assertNotEqual(self.status(ALICE, "get f got"), "")
        self.assertNotEqual(self.status(ALICE, "get d/file got"), "")

    def test_inside(self):
        self.configure('follow_symlinks = "inside"')
        sent = self.scratch.file("sent")
        pathlib.Path(sent).write_text("sent", "ascii")
        for name in ("f", "d/file", "all/d/file"):
            self.assertEqual(self.status(ALICE, f"get {name} got"), "", name)
            got = pathlib.Path(self.scratch.path, "got")
            self.assertEqual(got.read_text("ascii"), "inside")
            got.unlink()
        self.assertNotEqual(self.status(ALICE, "get away got"), "")
        self.assertFalse(os.path.exists(os.path.join(self.scratch.path, "got")))
        shown = self.client().run("ls").text
        self.assertRegex(shown, r"(?m)^  d +D")
        self.assertRegex(shown, r"(?m)^  f +\S* +6 ")
        self.assertEqual(self.status(ALICE, f"put {sent} d/new; rename d/new all/real/newer"), "")
        self.assertEqual(self.status(ALICE, f"put {sent} f"), "")
        self.assertEqual(pathlib.Path(self.root, "real", "file").read_text("ascii"), "sent")
        self.assertTrue(os.path.islink(os.path.join(self.root, "f")))
        # Its name is the link's own.
        self.assertEqual(self.status(ALICE, "rename f g; rm g; rm away"), "")
        self.assertEqual(sorted(os.listdir(self.root)), ["all", "d", "real", "report.txt"])
        self.assertEqual(sorted(os.listdir(os.path.join(self.root, "real"))), ["file", "newer"])
        done = self.ctl("why", "alice", "share/d/newer")
        self.assertEqual(done.returncode, 0, done.stdout)


class RecycleCase(RightsCase):
    def setUp(self):
        super().setUp()
        self.configure("recycle = 30")

    def put(self, user, *names):
        sent = self.scratch.file("sent")
        pathlib.Path(sent).write_text("sent", "ascii")
        return self.status(user, "; ".join(f"put {sent} {name}" for name in names))


class Recycle(RecycleCase):
    def kept(self):
        return sorted(os.path.relpath(os.path.join(folder, name), self.root)
                      for folder, _, names in os.walk(os.path.join(self.root, ".recycle"))
                      for name in names)

    def test_what_is_deleted_is_kept_for_who_did(self):
        user = ALICE.unix_user or pwd.getpwuid(os.geteuid()).pw_name
        self.assertEqual(self.status(ALICE, "mkdir a; mkdir a\\b"), "")
        self.assertEqual(self.put(ALICE, "a/b/f", "g"), "")
        self.assertEqual(self.status(ALICE, "rm g; cd a\\b; rm f; cd \\; rmdir a\\b; rmdir a"), "")
        self.assertEqual(sorted(os.listdir(self.root)), [".recycle", "report.txt"])
        self.assertEqual(self.kept(), [f".recycle/{user}/a/b/f", f".recycle/{user}/g"])
        # It comes back, and what is deleted there goes.
        self.assertEqual(self.status(ALICE, f"rename .recycle\\{user}\\g back"), "")
        self.assertEqual(pathlib.Path(self.root, "back").read_text("ascii"), "sent")
        self.assertEqual(self.status(ALICE, f"cd .recycle\\{user}\\a\\b; rm f"), "")
        self.assertEqual(self.kept(), [])
        if os.geteuid() == 0:
            self.assertEqual(self.status(BOB, f"ls .recycle\\{user}\\*"), DENIED)

    def test_nobody_moves_the_bin_or_makes_one(self):
        for name in (".recycle", ".ReCycle"):
            self.assertEqual(self.status(BOB, f"mkdir {name}"), DENIED)
            self.assertEqual(self.put(BOB, name), DENIED)
        self.assertEqual(self.status(BOB, "mkdir mine; rename mine .RECYCLE"), DENIED)
        self.assertEqual(self.put(ALICE, "f"), "")
        self.assertEqual(self.status(ALICE, "rm f"), "")
        for command in ("rename .recycle other", "rmdir .recycle", "rename mine .recycle"):
            self.assertRegex(self.status(BOB, command), f"{DENIED}|NAME_COLLISION", command)
        self.assertEqual(len(self.kept()), 1)
        # Below the root it is a name like others, and everywhere without a bin.
        self.assertEqual(self.status(BOB, "mkdir mine\\.recycle; rename mine\\.recycle mine\\x"), "")
        self.configure()
        self.assertEqual(self.status(BOB, "rename .recycle other"), "")

    def test_what_has_no_room_there_is_deleted(self):
        pathlib.Path(self.root, ".recycle").write_text("no folder", "ascii")
        self.assertEqual(self.put(ALICE, "f"), "")
        self.assertEqual(self.status(ALICE, "rm f"), "")
        self.assertEqual(sorted(os.listdir(self.root)), [".recycle", "report.txt"])
        self.assertIn("share 'share': f is deleted without a stay in the recycle bin: ",
                      self.server.log_text())

    def test_off_by_default(self):
        self.configure()
        self.assertEqual(self.put(ALICE, "f"), "")
        self.assertEqual(self.status(ALICE, "rm f"), "")
        self.assertEqual(os.listdir(self.root), ["report.txt"])


@unittest.skipUnless(CAN_MOUNT, "no mounts of its own here")
class MountsCase(RecycleCase):
    """The server has mounts of its own."""
    begin = "exec"

    @property
    def more_options(self):
        return {"prefix": (*OWN_MOUNTS, "sh", "-c", f'{self.begin} "$@"', self.root)}

    def kept(self):
        """As the server sees it."""
        return sorted(name for _, _, names in os.walk(self.seen(".recycle")) for name in names)

    def seen(self, path):
        return f"/proc/{self.server.process.pid}/root{self.root}/{path}"

    def mount(self, *words):
        subprocess.run(["nsenter", f"--mount=/proc/{self.server.process.pid}/ns/mnt", "mount", *words],
                       check=True)

    def said(self, why):
        return f"is deleted without a stay in the recycle bin: {why}" in self.server.log_text()


class RecycleAndMounts(MountsCase):
    def test_a_bin_on_another_file_system_keeps_nothing(self):
        os.mkdir(os.path.join(self.root, ".recycle"), 0o755)
        self.mount("-t", "tmpfs", "-o", "mode=755", "none", os.path.join(self.root, ".recycle"))
        self.assertEqual(self.put(ALICE, "f"), "")
        self.assertEqual(self.status(ALICE, "rm f"), "")
        self.assertFalse(os.path.exists(self.seen("f")))
        self.assertEqual(self.kept(), [])
        self.assertTrue(self.said("Invalid cross-device link"))

    def test_what_is_on_another_file_system_is_not_kept(self):
        for folder in ("other", "same", "bound"):
            os.mkdir(os.path.join(self.root, folder))
            os.chmod(os.path.join(self.root, folder), 0o777)
        self.mount("-t", "tmpfs", "-o", "mode=777", "none", os.path.join(self.root, "other"))
        self.mount("--bind", os.path.join(self.root, "same"), os.path.join(self.root, "bound"))
        self.assertEqual(self.put(ALICE, "other/f", "bound/g", "same/h"), "")
        self.assertEqual(self.status(ALICE, "cd other; rm f; cd ..\\bound; rm g; cd ..\\same; rm h"), "")
        self.assertEqual(os.listdir(self.seen("other")) + os.listdir(self.seen("bound")), [])
        self.assertEqual(self.kept(), ["h"])


class RecycleOnAFullDisk(MountsCase):
    begin = 'mount -t tmpfs -o mode=777,nr_inodes=24 none "$0" && exec'

    def test_who_deletes_gets_room(self):
        names = [f"f{number}" for number in range(40)]
        self.assertEqual(self.put(ALICE, *names), "NT_STATUS_DISK_FULL")
        there = sorted(set(os.listdir(self.seen(""))) & set(names))
        self.assertGreater(len(there), 10)
        self.assertEqual(self.status(ALICE, f"rm {there[0]}"), "")
        self.assertTrue(self.said("No space left on device"))
        self.assertEqual(self.kept(), [])
        # Once there is room for it, the bin is there again.
        self.assertEqual(self.status(ALICE, "; ".join(f"rm {name}" for name in there[1:6])), "")
        self.assertFalse(set(os.listdir(self.seen(""))) & set(there[:6]))
        self.assertEqual(self.kept()[-1:], there[5:6])


class OtherKeys(RightsCase):
    @unittest.skipUnless(os.geteuid() == 0, "acts as another user")
    def test_force_user(self):
        self.configure('force_user = "nobody"\nallow = ["alice"]')
        self.assertEqual(self.status(ALICE, "mkdir forced"), "")
        status = os.stat(os.path.join(self.root, "forced"))
        self.assertEqual((status.st_uid, status.st_gid), ids_of(BOB))
        self.assertEqual(self.status(BOB), DENIED)
        # What it may not, nobody may.
        os.chmod(self.root, 0o700)
        self.assertEqual(self.status(ALICE), DENIED)
        os.chmod(self.root, 0o777)
        self.configure('force_user = "nobody"\nforce_group = "games"')
        self.assertEqual(self.status(ALICE, "mkdir both"), "")
        status = os.stat(os.path.join(self.root, "both"))
        self.assertEqual((status.st_uid, status.st_gid), (ids_of(BOB)[0], ids_of(ALICE)[1]))
        self.configure('force_user = "no-such-user-x"')
        self.assertEqual(self.status(ALICE), "NT_STATUS_BAD_NETWORK_NAME")
        self.assertIn("force_user: there is no Unix user 'no-such-user-x'",
                      self.ctl("config", "check").stdout)
        self.config.write_text(self.before + 'force_user = "root"\n', "utf-8")
        self.assert_one_line(self.ctl("reload"), "nobody acts as root over the network")

    def test_veto_files(self):
        for name in ("a.EXE", "b.txt"):
            pathlib.Path(self.root, name).write_text(name, "ascii")
        pathlib.Path(self.root, "Secrets").mkdir()
        pathlib.Path(self.root, "Secrets", "c.txt").write_text("c", "ascii")
        self.configure('veto_files = ["*.exe", "secrets"]')
        shown = self.client().run("recurse; ls").text
        self.assertIn("b.txt", shown)
        self.assertNotRegex(shown, "(?i)a.exe|secrets|c.txt")
        sent = self.scratch.file("sent")
        pathlib.Path(sent).write_text("sent", "ascii")
        for command, status in (
                ("get a.exe got", "OBJECT_NAME_NOT_FOUND"), ("get A.EXE got", "OBJECT_NAME_NOT_FOUND"),
                ("cd SECRETS", "OBJECT_NAME_NOT_FOUND"),
                ("get secrets/c.txt got", "OBJECT_PATH_NOT_FOUND"),
                ("get Secrets/none got", "OBJECT_PATH_NOT_FOUND"),
                (f"put {sent} new.Exe", "ACCESS_DENIED"), ("mkdir more.exe", "ACCESS_DENIED"),
                (f"put {sent} Secrets/new", "OBJECT_PATH_NOT_FOUND"),
                ("rename b.txt b.exe", "ACCESS_DENIED"),
                ("rename a.exe a.txt", "OBJECT_NAME_NOT_FOUND"),
                ("hardlink b.txt c.exe", "ACCESS_DENIED"),
                ("rm a.EXE", "NO_SUCH_FILE"), ("rmdir secrets", "OBJECT_NAME_NOT_FOUND")):
            self.assertEqual(self.status(ALICE, command), "NT_STATUS_" + status, command)
            self.assertEqual(sorted(os.listdir(self.root)),
                             ["Secrets", "a.EXE", "b.txt", "report.txt"], command)
            self.assertEqual(os.listdir(os.path.join(self.root, "Secrets")), ["c.txt"], command)
        self.assertFalse(os.path.exists(os.path.join(self.scratch.path, "got")))
        done = self.ctl("why", "alice", "share/Secrets/c.txt")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("veto_files keeps Secrets from clients", done.stdout)
        self.configure()
        self.assertEqual(self.status(ALICE, "get a.exe got"), "")

    def test_browseable(self):
        self.configure("browseable = false")
        self.assertNotRegex(self.client().list_shares().text, r"(?m)^\s*share\b")
        self.assertEqual(self.status(ALICE), "")

    def test_max_connections(self):
        self.configure("max_connections = 2")
        first, second = Interactive(self, ALICE), Interactive(self, BOB)
        self.assertEqual(self.status(ALICE), "NT_STATUS_REQUEST_NOT_ACCEPTED")
        self.assertIn("share 'share' has its 2 connections, 'alice' is refused",
                      self.server.log_text())
        self.assertIn("report.txt", first.run("ls"))
        second.end()
        self.wait_for(lambda: len(self.ask("sessions")) == 1, "the end of bob's session")
        self.assertEqual(self.status(ALICE), "")
        self.config.write_text(re.sub("(?m)^workers = 1", "workers = 2",
                                      self.config.read_text(encoding="utf-8")), "utf-8")
        self.assert_one_line(self.ctl("reload"), "max_connections needs workers = 1")

    def test_no_place_is_no_place_meanwhile(self):
        """A tree that is refused is never there, for who guesses its id either."""
        self.before = self.before.replace('signing = "required"', 'signing = "enabled"')
        self.configure("max_connections = 1")
        with Peer(self.server.host, self.server.port) as bob, \
                Peer(self.server.host, self.server.port) as alice:
            self.assertEqual(bob.log_on(BOB.name, BOB.password), "SUCCESS")
            bob.tree("share")
            self.assertEqual(alice.log_on(ALICE.name, ALICE.password), "SUCCESS")
            alice.want_credits(500)
            before = set(os.listdir(self.root))
            for tree in range(1, 301):
                asked = alice.send(raw.TREE_CONNECT, raw.tree_connect(r"\\x\share"))
                guesses = [alice.send(raw.CREATE,
                                      raw.create(f"hit{tree}", access=0x1F01FF, disposition=3),
                                      tree=tree) for _ in range(12)]
                self.assertEqual(alice.wait_for(asked).status, "REQUEST_NOT_ACCEPTED")
                for guess in guesses:
                    self.assertEqual(alice.wait_for(guess).status, "NETWORK_NAME_DELETED")
            self.assertEqual(set(os.listdir(self.root)), before)


if __name__ == "__main__":
    suite.main()
