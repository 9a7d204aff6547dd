#!/usr/bin/env python3
"""Folders that a group works in: whose new files are, and who may save them again.

The server has an /etc/group of its own, in which both users are members of "team" and of no other
group they share, and nobody is a member of "guests".
"""
import os
import pathlib
import stat
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from impacket.ldap import ldaptypes  # noqa: E402
from impacket.smbconnection import SessionError, SMBConnection  # noqa: E402

import suite  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Options, Share, ids_of, start, test_users  # noqa: E402
from smbclient import SmbClient  # noqa: E402

ALICE, BOB = test_users()
TEAM, GUESTS = 4_200_001, 4_200_002
READ_WRITE, OPEN, CREATE, OVERWRITE_IF = 0x0012019F, 1, 2, 5
ACCESS_DENIED = 0xC0000022
SHARE = 7
READ_CONTROL, WRITE_DAC, SECURITY = 0x00020000, 0x00040000, 3
IN_NAMESPACE = 'mount --bind "$0" /etc/group && exec "$@"'


def names_groups(scratch):
    """A command that runs another with the groups of this test."""
    path = scratch.file("group")
    lines = pathlib.Path("/etc/group").read_text(encoding="utf-8")
    lines += f"team:x:{TEAM}:{ALICE.unix_user},{BOB.unix_user}\nguests:x:{GUESTS}:\n"
    pathlib.Path(path).write_text(lines, encoding="utf-8")
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", IN_NAMESPACE, path)


@unittest.skipUnless(os.geteuid() == 0, "only root acts as others")
class GroupsCase(unittest.TestCase):
    lines = ()

    def setUp(self):
        self.scratch = Scratch(suite.arguments.scratch)
        self.scratch.__enter__()
        self.addCleanup(self.scratch.__exit__)
        prefix = names_groups(self.scratch)
        if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
            self.skipTest("no mount namespaces here")
        self.root = self.scratch.directory("share")
        options = Options([Share("share", self.root, lines=self.lines)], [ALICE, BOB],
                          prefix=prefix)
        self.server = start(suite.arguments, self.scratch, options)
        self.addCleanup(lambda: self.assertEqual(self.server.stop(), []))

    def make(self, path, uid, gid, mode, acl=None):
        """A folder in the share."""
        path = os.path.join(self.root, path)
        os.makedirs(path, exist_ok=True)
        os.chown(path, uid, gid)
        os.chmod(path, mode)
        if acl:
            subprocess.run(["setfacl", "-m", acl, path], check=True)

    def state(self, path):
        """(mode, gid)"""
        found = os.stat(os.path.join(self.root, path))
        return oct(stat.S_IMODE(found.st_mode)), found.st_gid

    def acl(self, path):
        text = subprocess.run(["getfacl", "-cnp", os.path.join(self.root, path)], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        return [line.split("\t")[0] for line in text.split("\n") if line]

    def impacket(self, user):
        connection = SMBConnection(self.server.host, self.server.host,
                                   sess_port=self.server.port, timeout=20)
        connection.login(user.name, user.password)
        self.addCleanup(connection.getSMBServer().get_socket().close)
        return connection, connection.connectTree("share")

    def save(self, client, name, data, disposition=OPEN, access=READ_WRITE):
        connection, tree = client
        file = connection.openFile(tree, name, access, SHARE, creationDisposition=disposition)
        connection.writeFile(tree, file, data)
        connection.closeFile(tree, file)

    def smbclient(self, user, *commands, extra=()):
        return SmbClient(self.scratch, self.server, user, extra=extra).run(commands)

    def run_smbclient(self, user, *commands, extra=()):
        answer = self.smbclient(user, *commands, extra=extra)
        self.assertTrue(answer.ok, answer.text)
        return answer.text

    def text(self, path):
        return pathlib.Path(self.root, path).read_bytes()


class SetGroupId(GroupsCase):
    """What docs/start.md makes for a group."""

    def setUp(self):
        super().setUp()
        self.make("", ids_of(ALICE)[0], TEAM, 0o2770)

    def test_each_saves_what_the_other_made(self):
        pathlib.Path(self.scratch.file("report")).write_bytes(b"alice")
        alice, bob = self.impacket(ALICE), self.impacket(BOB)
        for extra in ((), ("-m", "SMB2_02")):
            if extra and self.server.options.min_dialect > "2":
                continue
            self.run_smbclient(ALICE, "put report", extra=extra)
            self.assertEqual(self.state("report"), ("0o664", TEAM))
            self.save(bob, "report", b"bob by impacket")
            self.save(bob, "report", b"bob over it", OVERWRITE_IF)
            self.run_smbclient(BOB, "put report", extra=extra)
            self.assertEqual(self.text("report"), b"alice")
            self.save(alice, "report", b"alice again")
            self.run_smbclient(BOB, "rm report", extra=extra)

    def test_a_save_dance_keeps_the_group_in(self):
        alice, bob = self.impacket(ALICE), self.impacket(BOB)
        self.save(alice, "plan", b"first", CREATE)
        for turn, who in enumerate((bob, alice, bob)):
            self.save(who, "plan.tmp", b"%d" % turn, CREATE)
            who[0].deleteFile("share", "plan")
            who[0].rename("share", "plan.tmp", "plan")
            self.assertEqual(self.state("plan"), ("0o664", TEAM))
        self.assertEqual(self.text("plan"), b"2")

    def test_folders_go_on_like_it(self):
        self.run_smbclient(ALICE, "mkdir sub", "mkdir sub\\deeper")
        self.assertEqual(self.state("sub/deeper"), ("0o2775", TEAM))
        self.save(self.impacket(BOB), "sub\\deeper\\notes", b"bob", CREATE)
        self.run_smbclient(ALICE, "rm sub\\deeper\\notes", "rmdir sub\\deeper")

    def test_a_stream_makes_its_file_no_other_way(self):
        self.save(self.impacket(ALICE), "page:mark", b"stream first", CREATE)
        self.assertEqual(self.state("page"), ("0o664", TEAM))

    def test_other_folders_stay_their_users(self):
        self.make("open", 0, 0, 0o777)
        self.save(self.impacket(ALICE), "open\\mine", b"alice", CREATE)
        self.assertEqual(self.state("open/mine"), ("0o644", ids_of(ALICE)[1]))
        with self.assertRaises(SessionError) as refusal:
            self.save(self.impacket(BOB), "open\\mine", b"bob")
        self.assertEqual(refusal.exception.getErrorCode(), ACCESS_DENIED)


class DefaultAccessList(GroupsCase):
    def setUp(self):
        super().setUp()
        self.make("", 0, 0, 0o755)
        self.make("acl", 0, 0, 0o700, f"g:{TEAM}:rwx,d:g:{TEAM}:rwx,d:u::rwx,d:g::r-x,d:o::---")

    def test_it_decides_as_for_local_programs(self):
        alice, bob = self.impacket(ALICE), self.impacket(BOB)
        self.save(alice, "acl\\f", b"alice", CREATE)
        self.assertEqual(self.acl("acl/f"), ["user::rw-", "group::r-x", f"group:{TEAM}:rwx",
                                             "mask::rw-", "other::---"])
        self.save(bob, "acl\\f", b"bob")
        self.run_smbclient(ALICE, "mkdir acl\\sub")
        self.save(bob, "acl\\sub\\g", b"bob", CREATE)
        self.save(alice, "acl\\sub\\g", b"alice")
        for line in (f"group:{TEAM}:rwx", f"default:group:{TEAM}:rwx", "mask::rwx"):
            self.assertIn(line, self.acl("acl/sub"))


class EntryCase(GroupsCase):
    def add_entry(self, user, folder, sid, mask):
        """Reads the descriptor and writes it back with an entry that is passed on."""
        connection, tree = self.impacket(user)
        low = connection.getSMBServer()
        file = connection.openFile(tree, folder, READ_CONTROL | WRITE_DAC, SHARE,
                                   creationOption=1, creationDisposition=OPEN)
        descriptor = ldaptypes.SR_SECURITY_DESCRIPTOR(
            low.queryInfo(tree, file, infoType=SECURITY, fileInfoClass=0, additionalInformation=7,
                          flags=0))
        entry = ldaptypes.ACE()
        entry["AceType"], entry["AceFlags"] = ldaptypes.ACCESS_ALLOWED_ACE.ACE_TYPE, 3
        entry["Ace"] = ldaptypes.ACCESS_ALLOWED_ACE()
        entry["Ace"]["Mask"] = ldaptypes.ACCESS_MASK()
        entry["Ace"]["Mask"]["Mask"] = mask
        entry["Ace"]["Sid"] = ldaptypes.LDAP_SID()
        entry["Ace"]["Sid"].fromCanonical(sid)
        descriptor["Dacl"].aces.append(entry)
        low.setInfo(tree, file, infoType=SECURITY, fileInfoClass=0,
                    inputBlob=descriptor.getData(), additionalInformation=4)
        connection.closeFile(tree, file)


class AddedEntry(EntryCase):
    """Somebody shares the own folder in the way Explorer does: with one entry more."""

    def test_who_made_a_file_saves_it_twice(self):
        self.make("box", *ids_of(BOB), 0o777)
        self.add_entry(BOB, "box", f"S-1-22-2-{TEAM}", 0x001200A9)
        alice = self.impacket(ALICE)
        self.save(alice, "box\\f", b"once", CREATE)
        self.save(alice, "box\\f", b"twice")
        self.save(alice, "box\\f", b"thrice", OVERWRITE_IF)
        self.run_smbclient(ALICE, "mkdir box\\sub", "rename box\\f box\\sub\\f")
        self.save(alice, "box\\sub\\f", b"moved")
        self.run_smbclient(ALICE, "rm box\\sub\\f")

    def test_a_stored_descriptor_leaves_the_group_to_the_folder(self):
        self.make("box", ids_of(ALICE)[0], TEAM, 0o2770)
        self.add_entry(ALICE, "box", "S-1-5-32-545", 0x001200A9)
        self.save(self.impacket(ALICE), "box\\f", b"alice", CREATE)
        self.assertEqual(self.state("box/f")[1], TEAM)
        self.save(self.impacket(BOB), "box\\f", b"bob")


class Keys(GroupsCase):
    lines = ('create_mask = "660"', 'directory_mask = "0750"', 'force_group = "guests"')

    def test_masks_and_group_of_new_files(self):
        self.make("", 0, 0, 0o777)
        alice = self.impacket(ALICE)
        self.save(alice, "f", b"alice", CREATE)
        self.assertEqual(self.state("f"), ("0o660", GUESTS))
        self.save(self.impacket(BOB), "f", b"bob")
        self.run_smbclient(ALICE, "mkdir d")
        self.assertEqual(self.state("d"), ("0o750", GUESTS))

    def test_what_the_group_may_its_users_may(self):
        self.make("", 0, GUESTS, 0o770)
        self.save(self.impacket(ALICE), "f", b"alice", CREATE)
        self.run_smbclient(BOB, "get f", "rm f")

    def test_a_folder_that_gives_its_own_group_goes_on_doing_so(self):
        self.make("", 0, TEAM, 0o2777)
        self.save(self.impacket(ALICE), "f", b"alice", CREATE)
        self.assertEqual(self.state("f")[1], TEAM)


class MasksBelowAccessLists(EntryCase):
    """Masks are for what nobody has said more about: an access list decides without them."""
    lines = ('create_mask = "600"', 'directory_mask = "700"')

    def test_a_default_list_decides(self):
        self.make("", 0, 0, 0o777)
        self.make("acl", 0, 0, 0o777, f"d:g:{TEAM}:rwx,d:u::rwx,d:g::r-x,d:o::---")
        self.run_smbclient(ALICE, "mkdir plain", "mkdir acl\\sub")
        alice, bob = self.impacket(ALICE), self.impacket(BOB)
        self.save(alice, "f", b"alice", CREATE)
        self.save(alice, "acl\\f", b"alice", CREATE)
        self.assertEqual((self.state("f")[0], self.state("plain")[0]), ("0o600", "0o700"))
        self.assertEqual(self.acl("acl/f"), ["user::rw-", "group::r-x", f"group:{TEAM}:rwx",
                                             "mask::rw-", "other::---"])
        self.assertIn("mask::rwx", self.acl("acl/sub"))
        self.save(bob, "acl\\f", b"bob")

    def test_an_entry_of_explorers_decides(self):
        self.make("", 0, 0, 0o777)
        self.make("box", *ids_of(ALICE), 0o777)
        self.add_entry(ALICE, "box", f"S-1-22-2-{TEAM}", 0x001200A9)
        alice = self.impacket(ALICE)
        for name in ("f", "box\\f"):
            self.save(alice, name, b"alice", CREATE)
        self.run_smbclient(ALICE, "mkdir box\\sub", "mkdir box\\sub\\deeper")
        self.save(alice, "box\\sub\\f", b"alice", CREATE)
        self.assertEqual(self.state("f")[0], "0o600")
        self.assertEqual(self.smbclient(BOB, "get f").nt_status, "NT_STATUS_ACCESS_DENIED")
        self.run_smbclient(BOB, "get box\\f f", "get box\\sub\\f f", "ls box\\sub\\deeper\\*")
        with self.assertRaises(SessionError):
            self.save(self.impacket(BOB), "box\\f", b"bob")


class NoSuchGroup(GroupsCase):
    lines = ('force_group = "nobodys"',)

    def test_the_share_is_absent_and_the_log_says_why(self):
        answer = self.smbclient(ALICE, "ls")
        self.assertEqual(answer.nt_status, "NT_STATUS_BAD_NETWORK_NAME")
        self.assertIn("share 'share' is absent: "
                      f"{self.root}: force_group: there is no group 'nobodys'",
                      self.server.log_text())
        checked = subprocess.run([self.server.program, "--config", self.server.config, "--check"],
                                 capture_output=True, text=True, check=False)
        self.assertIn("force_group: there is no group 'nobodys'", checked.stdout)


if __name__ == "__main__":
    suite.main()
