#!/usr/bin/env python3
"""One directory, shared by smbd and by braidd: what one writes the other shows."""
import functools
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Braidd, Options, Share, Smbd, ids_of, test_users  # noqa: E402
from smb_file import DACL, Mount, descriptor_of, filetime, sid  # noqa: E402

SKIPPED = 77
ALICE, BOB = test_users()
SMBD = shutil.which("smbd", path="/usr/sbin:" + os.environ.get("PATH", ""))

R, H, S, A, NORMAL = 0x1, 0x2, 0x4, 0x20, 0x80
ALLOW, DENY = 0, 1
INHERITED_BY_ALL = 0x3  # OBJECT_INHERIT_ACE, CONTAINER_INHERIT_ACE
FULL, READ = 0x1F01FF, 0x1200A9
EVERYONE = sid("S-1-1-0")
USERS = sid("S-1-5-32-545")

INLINE_MAX = 1024  # on ext4: src/vfs/posix/posix_volume.cc
STREAMS = {"empty": b"", "short": b"hello", "Zone.Identifier": b"[ZoneTransfer]\r\nZoneId=3\r\n",
           "with space": b"x" * 1000, "zürich": bytes(range(256))}


def unix_user(user):
    return sid(f"S-1-22-1-{ids_of(user)[0]}")


def dacls():
    """Lists that keep the owner, who is one of the test users, in charge of the file."""
    alice, bob = unix_user(ALICE), unix_user(BOB)
    return {
        "one": [(ALLOW, 0, FULL, alice)],
        "two": [(ALLOW, 0, FULL, alice), (ALLOW, 0, READ, EVERYONE)],
        "deny": [(DENY, 0, 0x2, bob), (ALLOW, 0, FULL, alice), (ALLOW, 0, READ, EVERYONE)],
        "builtin": [(ALLOW, 0, FULL, alice), (ALLOW, 0, READ, USERS), (ALLOW, 0, READ, bob)],
    }


def samba_lines():
    return ["vfs objects = acl_xattr streams_xattr", "store dos attributes = yes",
            "map acl inherit = yes", "map hidden = no", "map system = no", "map readonly = no",
            "inherit acls = yes", "oplocks = no", "level2 oplocks = no"]


def both_ways(test):
    """Calls the test with (folder, writer, reader), smbd and braidd in either part."""
    @functools.wraps(test)
    def run(self):
        for name, writer, reader in (("samba", self.samba, self.braid),
                                     ("braid", self.braid, self.samba)):
            folder = f"{test.__name__}-{name}"
            with self.subTest(written_by=name):
                writer.make_directory(folder)
                test(self, folder, writer, reader)
    return run


class BothServers(unittest.TestCase):
    """smbd and braidd on the same directory at the same time; a connection to each."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = Scratch(suite.arguments.scratch)
        cls.scratch.__enter__()
        cls.addClassCleanup(cls.scratch.__exit__)
        cls.root = cls.scratch.directory("share", owner=ids_of(ALICE))
        cls.servers = []
        cls.addClassCleanup(cls._stop_servers)
        for server, name in ((Braidd(suite.arguments.braidd), "braidd"), (Smbd(SMBD), "smbd")):
            options = Options([Share("share", cls.root)], [ALICE, BOB], min_dialect="2.0.2",
                              samba_share=samba_lines())
            server.start(cls.scratch, options, name)
            cls.servers.append(server)

    @classmethod
    def _stop_servers(cls):
        trouble = [line for server in cls.servers for line in server.stop()]
        if trouble:
            raise AssertionError("\n".join(trouble))

    def setUp(self):
        self.braid, self.samba = (Mount(server, ALICE) for server in self.servers)
        self.addCleanup(self.braid.close)
        self.addCleanup(self.samba.close)

    @both_ways
    def test_streams(self, folder, writer, reader):
        path = f"{folder}\\file"
        writer.write(path, b"the file itself")
        for name, content in STREAMS.items():
            writer.write(f"{path}:{name}", content)
        self.assertEqual(reader.streams(path), writer.streams(path))
        self.assertEqual(set(reader.streams(path)),
                         {"::$DATA"} | {f":{name}:$DATA" for name in STREAMS})
        for name, content in STREAMS.items():
            self.assertEqual(reader.read(f"{path}:{name}"), content, name)
        self.assertEqual(reader.read(path), b"the file itself")
        # And what the other one changes in them comes back.
        reader.write(f"{path}:short", b"HELLO, and more")
        self.assertEqual(writer.read(f"{path}:short"), b"HELLO, and more")

    @both_ways
    def test_streams_of_a_directory(self, folder, writer, reader):
        writer.write(f"{folder}:note", b"about the folder")
        self.assertEqual(reader.streams(folder), {":note:$DATA": 16})
        self.assertEqual(reader.read(f"{folder}:note"), b"about the folder")

    def test_streams_at_the_limit_of_attributes(self):
        """Up to there both have them; what does not fit is braid's alone, and loses nothing."""
        self.braid.make_directory("limit")
        path = "limit\\file"
        self.braid.write(path, b"the file itself")
        inline = INLINE_MAX if self.is_ext4() else 4096
        within, beyond = os.urandom(inline), os.urandom(200_000)
        self.braid.write(f"{path}:within", within)
        self.braid.write(f"{path}:beyond", beyond)
        self.assertEqual(self.braid.streams(path), {"::$DATA": 15, ":within:$DATA": inline,
                                                    ":beyond:$DATA": len(beyond)})
        self.assertEqual(self.samba.streams(path), {"::$DATA": 15, ":within:$DATA": inline})
        self.assertEqual(self.samba.read(f"{path}:within"), within)
        self.assertEqual(self.braid.read(f"{path}:beyond"), beyond)

        # One that grows is gone for smbd, and one of smbd's that is larger than braid would
        # have left there is read as it is.
        self.braid.write(f"{path}:within", beyond)
        self.assertEqual(self.samba.streams(path), {"::$DATA": 15})
        self.samba.write("limit\\other", b"x")
        larger = os.urandom(inline + 500)
        self.samba.write("limit\\other:larger", larger)
        self.assertEqual(self.braid.read("limit\\other:larger"), larger)

        # smbd renames and deletes the file without knowing of them: they go with it, or are left
        # in .braid and never show again.
        os.rename(os.path.join(self.root, "limit", "file"),
                  os.path.join(self.root, "limit", "moved"))
        self.assertEqual(self.braid.read("limit\\moved:beyond"), beyond)
        os.remove(os.path.join(self.root, "limit", "moved"))
        self.braid.write("limit\\moved", b"anew")
        self.assertEqual(self.braid.streams("limit\\moved"), {"::$DATA": 4})

    def is_ext4(self):
        kind = subprocess.run(["stat", "-f", "-c", "%T", self.root], capture_output=True, text=True,
                              check=True).stdout
        return kind.startswith("ext")

    @both_ways
    def test_attributes(self, folder, writer, reader):
        for attributes in (R, H, S, A, R | H | S | A, NORMAL):
            path = f"{folder}\\attributes-{attributes:x}"
            writer.write(path, b"x")
            writer.set_basic(path, 0, 0, 0, 0, attributes)
            self.assertEqual(writer.basic(path)[2], attributes)
            self.assertEqual(reader.basic(path)[2], attributes)

    @both_ways
    def test_attributes_of_a_directory(self, folder, writer, reader):
        writer.set_basic(folder, 0, 0, 0, 0, 0x10 | H | S)
        self.assertEqual(reader.basic(folder)[2], 0x10 | H | S)

    @both_ways
    def test_times(self, folder, writer, reader):
        for created, written in ((filetime(1_000_000_000, 1_234_567),
                                  filetime(1_500_000_000, 7_654_321)),
                                 # created after it was written, as a copy is
                                 (filetime(1_600_000_000, 1), filetime(946_684_800, 9_999_999))):
            path = f"{folder}\\times-{created}"
            writer.write(path, b"x")
            writer.set_basic(path, created, 0, written, 0, 0)
            self.assertEqual(writer.basic(path)[:2], (created, written))
            self.assertEqual(reader.basic(path)[:2], (created, written))

    @both_ways
    def test_creation_time_nobody_set(self, folder, writer, reader):
        path = f"{folder}\\created"
        writer.write(path, b"x")
        before = writer.basic(path)[0]
        writer.write(path, b"y")
        self.assertEqual(reader.basic(path)[0], before)

    @both_ways
    def test_acls(self, folder, writer, reader):
        for name, entries in dacls().items():
            path = f"{folder}\\{name}"
            writer.write(path, b"x")
            writer.set_descriptor(path, descriptor_of(entries), DACL)
            self.assertEqual(writer.dacl(path)[1], entries, name)
            self.assertEqual(reader.dacl(path), writer.dacl(path), name)

    @both_ways
    def test_protected_acl_of_a_directory(self, folder, writer, reader):
        entries = [(ALLOW, INHERITED_BY_ALL, FULL, unix_user(ALICE)),
                   (ALLOW, INHERITED_BY_ALL, READ, EVERYONE)]
        writer.set_descriptor(folder, descriptor_of(entries, control=0x9004), DACL)
        self.assertEqual(writer.dacl(folder), (0x1004, entries))
        self.assertEqual(reader.dacl(folder), (0x1004, entries))

    @both_ways
    def test_acl_inherited_in_the_others_directory(self, folder, writer, reader):
        entries = [(ALLOW, INHERITED_BY_ALL, FULL, unix_user(ALICE)),
                   (ALLOW, INHERITED_BY_ALL, READ, EVERYONE)]
        writer.set_descriptor(folder, descriptor_of(entries, control=0x8504), DACL)
        path = f"{folder}\\by the other"
        reader.write(path, b"x")
        inherited = [(kind, 0x10, mask, who) for kind, _, mask, who in entries]
        self.assertEqual(reader.dacl(path)[1], inherited)
        self.assertEqual(writer.dacl(path), reader.dacl(path))


if __name__ == "__main__":
    if os.geteuid() != 0 or not SMBD:
        print("root and smbd are needed")
        sys.exit(SKIPPED)
    suite.main()
