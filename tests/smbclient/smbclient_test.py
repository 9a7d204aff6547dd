#!/usr/bin/env python3
"""smbclient against the server: files in every dialect and protection, names, access rules."""
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402
from smbclient import SmbClient  # noqa: E402
from suite import ServerCase, braid_only  # noqa: E402
from trees import checksums, make_tree  # noqa: E402

ALICE, BOB = test_users()
DIALECTS = ("SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11")
PROTECTIONS = [(dialect, protection) for dialect in DIALECTS for protection in ("sign", "encrypt")
               if protection == "sign" or dialect.startswith("SMB3")]


class SmbClientCase(ServerCase):
    """A share owned by alice, all dialects allowed."""

    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", owner=ids_of(ALICE))
        return Options([Share("share", cls.root, comment="a test share")], [ALICE, BOB],
                       min_dialect="2.0.2")

    def setUp(self):
        # What a client gets or sends lies here; the share is empty at the start of each test.
        self.local = self.scratch.directory("local")
        self.client = self.client_as(ALICE)

    def tearDown(self):
        shutil.rmtree(self.local)
        for entry in os.scandir(self.root):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
        super().tearDown()

    def client_as(self, user, **options):
        return SmbClient(self.scratch, self.server, user, local_dir=self.local, **options)

    def on_share(self, *parts):
        return os.path.join(self.root, *parts)

    def local_file(self, name, data=b"hello"):
        with open(os.path.join(self.local, name), "wb") as out:
            out.write(data)
        return name

    def shared_file(self, name, data=b"hello", mode=0o644, owner=ALICE):
        path = self.on_share(name)
        with open(path, "wb") as out:
            out.write(data)
        os.chmod(path, mode)
        if owner and os.geteuid() == 0:
            os.chown(path, *ids_of(owner))
        return path

    def succeed(self, answer):
        self.assertTrue(answer.ok, answer.text)
        return answer.text

    def fail_with(self, answer, *statuses):
        self.assertIn(answer.nt_status, statuses, answer.text)


class Protection(SmbClientCase):
    """The whole of a client's day, for each dialect, signed and encrypted."""

    def exercise(self, dialect, protection):
        client = self.client_as(ALICE, dialect=dialect, protection=protection)
        tree = os.path.join(self.local, "tree")
        make_tree(tree, seed=dialect, folders=4, depth=1)
        back = os.path.join(self.local, "back")
        os.mkdir(back)
        self.succeed(client.run(["mkdir copied", "cd copied", f"lcd {tree}", "recurse", "prompt",
                                 "mput *"]))
        self.assertEqual(checksums(self.on_share("copied")), checksums(tree))
        self.succeed(client.run(["cd copied", f"lcd {back}", "recurse", "prompt", "mget *"]))
        self.assertEqual(checksums(back), checksums(tree))

        self.local_file("one", b"x" * 100_000)
        text = self.succeed(client.run([
            "mkdir d", "put one d/one", "rename d/one d/two", "allinfo d/two", "ls d/*",
            "get d/two two", "del d/two", "rmdir d"]))
        self.assertIn("two", text)
        self.assertIn("write_time", text)
        self.assertFalse(os.path.exists(self.on_share("d")))
        with open(os.path.join(self.local, "two"), "rb") as got:
            self.assertEqual(got.read(), b"x" * 100_000)
        listing = self.succeed(client.list_shares())
        self.assertRegex(listing, r"share\s+Disk\s+a test share")
        self.assertRegex(listing, r"IPC\$\s+IPC")


for _dialect, _protection in PROTECTIONS:
    def _test(self, dialect=_dialect, protection=_protection):
        self.exercise(dialect, protection)
    setattr(Protection, f"test_{_dialect}_{_protection}", _test)


class Files(SmbClientCase):
    def test_large_file_keeps_its_bytes(self):
        data = os.urandom(1 << 20) * 20
        self.local_file("large", data)
        self.succeed(self.client.run("put large; get large back"))
        with open(os.path.join(self.local, "back"), "rb") as got:
            self.assertEqual(got.read(), data)

    def test_empty_file(self):
        self.local_file("empty", b"")
        self.succeed(self.client.run("put empty; get empty back"))
        self.assertEqual(os.path.getsize(os.path.join(self.local, "back")), 0)

    def test_put_replaces_a_longer_file(self):
        self.shared_file("f", b"long content")
        self.local_file("f", b"short")
        self.succeed(self.client.run("put f"))
        with open(self.on_share("f"), "rb") as got:
            self.assertEqual(got.read(), b"short")

    def test_missing_file(self):
        self.fail_with(self.client.run("get nothing"), "NT_STATUS_OBJECT_NAME_NOT_FOUND")

    def test_missing_folder(self):
        self.fail_with(self.client.run("get no/thing"), "NT_STATUS_OBJECT_PATH_NOT_FOUND")

    def test_mkdir_twice(self):
        self.fail_with(self.client.run("mkdir d; mkdir d"), "NT_STATUS_OBJECT_NAME_COLLISION")

    def test_rmdir_of_a_folder_with_a_file(self):
        self.local_file("f")
        self.fail_with(self.client.run("mkdir d; put f d/f; rmdir d"),
                       "NT_STATUS_DIRECTORY_NOT_EMPTY")
        self.assertTrue(os.path.exists(self.on_share("d", "f")))

    def test_rename_onto_a_file(self):
        self.shared_file("a")
        self.shared_file("b")
        self.fail_with(self.client.run("rename a b"), "NT_STATUS_OBJECT_NAME_COLLISION")

    def test_attributes_are_kept(self):
        self.shared_file("f")
        text = self.succeed(self.client.run('setmode f +rhsa; allinfo f'))
        self.assertRegex(text, r"attributes: RHSA ")
        text = self.succeed(self.client.run('setmode f -rhsa; allinfo f'))
        self.assertNotIn("RHSA", text)

    def test_disk_size_is_told(self):
        self.assertRegex(self.succeed(self.client.run("du; ls")), r"blocks available")

    def test_listing_of_many_files(self):
        for number in range(3000):
            self.shared_file(f"file-{number:05}", b"")
        text = self.succeed(self.client.run("ls"))
        self.assertEqual(sum("file-" in line for line in text.splitlines()), 3000)

    def test_wildcards(self):
        for name in ("a.txt", "b.txt", "b.doc", "noext"):
            self.shared_file(name)
        for mask, names in (("*.txt", {"a.txt", "b.txt"}), ("b.*", {"b.txt", "b.doc"}),
                            ("?.txt", {"a.txt", "b.txt"}), ("noext", {"noext"}),
                            ("*.TXT", {"a.txt", "b.txt"})):
            with self.subTest(mask):
                text = self.succeed(self.client.run(f"ls {mask}"))
                seen = {line.split()[0] for line in text.splitlines()
                        if line.startswith("  ") and line.split()[0] not in (".", "..")}
                self.assertEqual(seen, names)
        self.fail_with(self.client.run("ls *.none"), "NT_STATUS_NO_SUCH_FILE")


class Names(SmbClientCase):
    def test_case_does_not_matter(self):
        self.shared_file("MixedCase.TXT", b"content")
        self.succeed(self.client.run("get mixedcase.txt got"))
        with open(os.path.join(self.local, "got"), "rb") as got:
            self.assertEqual(got.read(), b"content")
        self.fail_with(self.client.run("mkdir MIXEDCASE.txt"), "NT_STATUS_OBJECT_NAME_COLLISION")
        os.makedirs(self.on_share("Ünter", "Ordner"))
        self.succeed(self.client.run("cd üNTER\\ordner; ls"))

    def test_case_is_kept(self):
        self.local_file("f")
        self.succeed(self.client.run("put f CamelCase; rename CamelCase cAMELcASE"))
        self.assertEqual(os.listdir(self.root), ["cAMELcASE"])

    def test_unicode(self):
        self.local_file("f")
        for name in ("Zürich", "日本語", "Ελληνικά", "\U0001F600\U0001F680", "e\u0301", "a b  c"):
            with self.subTest(name):
                self.succeed(self.client.run(f'put f "{name}"; get "{name}" back'))
                self.assertIn(name, os.listdir(self.root))

    def test_longest_name(self):
        self.local_file("f")
        self.succeed(self.client.run(f"put f {'n' * 255}"))
        self.assertEqual(os.listdir(self.root), ["n" * 255])

    @braid_only
    def test_name_over_255_units(self):
        self.local_file("f")
        self.fail_with(self.client.run(f"put f {'n' * 256}"), "NT_STATUS_OBJECT_NAME_INVALID")
        self.assertEqual(os.listdir(self.root), [])

    @braid_only
    def test_reserved_characters_are_refused(self):
        self.local_file("f")
        for character in '<>|"*?':
            name = f"a{character}b"
            if character == '"':
                continue  # smbclient's own quoting
            with self.subTest(name):
                self.fail_with(self.client.run(f"put f {name}"), "NT_STATUS_OBJECT_NAME_INVALID")
        self.assertEqual(os.listdir(self.root), [])


class Access(SmbClientCase):
    def setUp(self):
        super().setUp()
        self.outside = self.scratch.directory("outside", mode=0o777)
        with open(os.path.join(self.outside, "secret"), "wb") as out:
            out.write(b"secret")
        os.chmod(os.path.join(self.outside, "secret"), 0o666)

    def tearDown(self):
        # Whatever was asked for, nothing outside the share may change.
        self.assertEqual(os.listdir(self.outside), ["secret"])
        with open(os.path.join(self.outside, "secret"), "rb") as secret:
            self.assertEqual(secret.read(), b"secret")
        shutil.rmtree(self.outside)
        super().tearDown()

    @unittest.skipUnless(os.geteuid() == 0, "needs two users of the machine")
    def test_file_of_another_user(self):
        self.shared_file("private", mode=0o600, owner=BOB)
        self.fail_with(self.client.run("get private"), "NT_STATUS_ACCESS_DENIED")
        self.local_file("private", b"mine")
        self.fail_with(self.client.run("put private"), "NT_STATUS_ACCESS_DENIED")
        self.succeed(self.client_as(BOB).run("get private"))
        with open(self.on_share("private"), "rb") as data:
            self.assertEqual(data.read(), b"hello")

    @unittest.skipUnless(os.geteuid() == 0, "needs two users of the machine")
    def test_folder_of_another_user(self):
        os.mkdir(self.on_share("theirs"), 0o700)
        os.chown(self.on_share("theirs"), *ids_of(BOB))
        self.local_file("f")
        self.fail_with(self.client.run("put f theirs/f"), "NT_STATUS_ACCESS_DENIED",
                       "NT_STATUS_OBJECT_PATH_NOT_FOUND")
        self.succeed(self.client_as(BOB).run("put f theirs/f"))
        self.assertEqual(os.stat(self.on_share("theirs", "f")).st_uid, ids_of(BOB)[0])

    def test_read_only_file(self):
        self.shared_file("f", mode=0o444)
        self.local_file("f", b"new")
        self.fail_with(self.client.run("setmode f +r; put f"), "NT_STATUS_ACCESS_DENIED")
        with open(self.on_share("f"), "rb") as data:
            self.assertEqual(data.read(), b"hello")

    @braid_only
    def test_symbolic_links_do_not_lead_out(self):
        os.symlink(self.outside, self.on_share("absolute"))
        os.symlink("../outside", self.on_share("relative"))
        os.symlink(os.path.join(self.outside, "secret"), self.on_share("file"))
        self.local_file("f")
        for commands in ("get absolute/secret got", "get relative/secret got", "get file got",
                         "put f absolute/new", "put f relative/new", "put f file",
                         "del absolute/secret", "mkdir relative/new", "rename f2 absolute/new",
                         "cd absolute; ls secret"):
            with self.subTest(commands):
                self.shared_file("f2")
                answer = self.client.run(commands)
                self.assertTrue(answer.nt_status, answer.text)
                self.assertFalse(os.path.exists(os.path.join(self.local, "got")))

    def test_paths_that_climb(self):
        self.local_file("f")
        # smbclient itself folds "..", so the raw requests are in tests/impacket.
        for commands in ("get ../outside/secret got", "put f ../outside/new",
                         "get d/../../outside/secret got", "del ..\\outside\\secret"):
            with self.subTest(commands):
                answer = self.client.run(commands)
                self.assertTrue(answer.nt_status, answer.text)
                self.assertFalse(os.path.exists(os.path.join(self.local, "got")))

    def test_wrong_password(self):
        for name, password in ((ALICE.name, "wrong"), ("nobody-here", ALICE.password)):
            with self.subTest(name):
                user = type(ALICE)(name, password)
                self.fail_with(self.client_as(user).run("ls"), "NT_STATUS_LOGON_FAILURE")

    def test_anonymous_sees_no_files(self):
        self.fail_with(self.client_as(None).run("ls"), "NT_STATUS_ACCESS_DENIED",
                       "NT_STATUS_LOGON_FAILURE")

    def test_unknown_share(self):
        self.fail_with(self.client_as(ALICE, share="none").run("ls"),
                       "NT_STATUS_BAD_NETWORK_NAME")


class ReadOnlyShare(SmbClientCase):
    @classmethod
    def options(cls, scratch):
        options = super().options(scratch)
        options.shares[0].read_only = True
        return options

    def test_nothing_can_be_changed(self):
        self.shared_file("f", b"content")
        self.local_file("g")
        self.succeed(self.client.run("get f back; ls"))
        for commands in ("put g", "del f", "mkdir d", "rename f g", "put g f", "setmode f +h"):
            with self.subTest(commands):
                self.fail_with(self.client.run(commands), "NT_STATUS_ACCESS_DENIED",
                               "NT_STATUS_MEDIA_WRITE_PROTECTED")
        self.assertEqual(os.listdir(self.root), ["f"])


class EncryptedShare(SmbClientCase):
    @classmethod
    def options(cls, scratch):
        options = super().options(scratch)
        options.shares[0].encrypt = True
        return options

    def test_client_of_dialect_3_is_encrypted(self):
        self.local_file("f")
        for dialect in ("SMB3_00", "SMB3_11"):
            self.succeed(self.client_as(ALICE, dialect=dialect).run("put f; get f back"))

    def test_client_without_encryption_is_refused(self):
        self.fail_with(self.client_as(ALICE, dialect="SMB2_10").run("ls"),
                       "NT_STATUS_ACCESS_DENIED")


class PreviousVersions(SmbClientCase):
    """Snapshots are listed, read and never changed."""

    THEN, NEVER = "@GMT-2024.02.29-12.00.00", "@GMT-2024.02.29-12.00.01"

    @classmethod
    def options(cls, scratch):
        options = super().options(scratch)
        options.shares[0].snapshots = "kept/hourly"
        return options

    def setUp(self):
        super().setUp()
        for folder in (f"kept/hourly/auto-{self.THEN}/d", "d"):
            os.makedirs(self.on_share(folder))
        self.shared_file(f"kept/hourly/auto-{self.THEN}/d/f", b"as it was")
        self.shared_file("d/f", b"now")
        # Users need not get at the folder of the snapshots.
        if os.geteuid() == 0:
            os.chmod(self.on_share("kept"), 0o700)

    def got(self, name):
        self.succeed(self.client.run(f"get {name} got"))
        with open(os.path.join(self.local, "got"), "rb") as got:
            return got.read()

    @braid_only
    def test_they_are_listed(self):
        self.assertIn(self.THEN, self.succeed(self.client.run("allinfo d/f")))

    @braid_only
    def test_they_are_read(self):
        self.assertEqual(self.got(f"{self.THEN}/d/f"), b"as it was")
        self.assertEqual(self.got("d/f"), b"now")
        self.assertRegex(self.succeed(self.client.run(f"ls {self.THEN}/d/*")), r"\bf\b")

    @braid_only
    def test_there_is_none_of_another_time(self):
        self.fail_with(self.client.run(f"get {self.NEVER}/d/f got"),
                       "NT_STATUS_OBJECT_NAME_NOT_FOUND")

    @braid_only
    def test_they_are_never_changed(self):
        self.local_file("new", b"new")
        for commands in (f"put new {self.THEN}/d/f", f"put new {self.THEN}/d/new",
                         f"del {self.THEN}/d/f", f"mkdir {self.THEN}/e", f"rmdir {self.THEN}/d",
                         f"setmode {self.THEN}/d/f +r"):
            with self.subTest(commands):
                answer = self.client.run(commands)
                self.assertTrue(answer.nt_status, answer.text)
        kept = self.on_share(f"kept/hourly/auto-{self.THEN}")
        self.assertEqual(os.listdir(kept), ["d"])
        self.assertEqual(os.listdir(os.path.join(kept, "d")), ["f"])
        with open(os.path.join(kept, "d", "f"), "rb") as file:
            self.assertEqual(file.read(), b"as it was")


class ModernOnly(SmbClientCase):
    """The default configuration speaks nothing older than 3.0."""

    @classmethod
    def options(cls, scratch):
        options = super().options(scratch)
        options.min_dialect = "3.0"
        return options

    def test_old_dialects_are_refused(self):
        for dialect in ("SMB2_02", "SMB2_10"):
            with self.subTest(dialect):
                answer = self.client_as(ALICE, dialect=dialect).run("ls")
                self.assertTrue(answer.nt_status, answer.text)
        self.succeed(self.client_as(ALICE, dialect="SMB3_00").run("ls"))


if __name__ == "__main__":
    suite.main()
