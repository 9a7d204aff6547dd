#!/usr/bin/env python3
"""Files that become links and links that become files, as impacket asks for it."""
import os
import stat
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from file_control import (ALICE, DELETE_REPARSE_POINT, GET_REPARSE_POINT,  # noqa: E402
                          OPEN_REPARSE_POINT, SET_REPARSE_POINT, FileControlCase, symlink_reparse)
from server import ids_of  # noqa: E402
from suite import braid_only  # noqa: E402


def nfs_reparse(kind, data=b""):
    """`kind`: of [MS-FSCC] 2.1.2.6, as it is on the wire."""
    body = kind.ljust(8, b"\0") + data
    return struct.pack("<IHH", 0x80000014, len(body), 0) + body


class ReparsePoints(FileControlCase):
    @braid_only
    def test_an_empty_file_becomes_a_link(self):
        file = self.open("link", disposition=2)
        status, _ = self.control(file, SET_REPARSE_POINT, symlink_reparse("dir\\file"))
        self.assertEqual(status, "SUCCESS")
        self.smb.close(self.tree, file)
        self.assertEqual(os.readlink(os.path.join(self.root, "link")), "dir/file")
        link = self.open("link", access=0x80, options=OPEN_REPARSE_POINT)
        status, blob = self.control(link, GET_REPARSE_POINT)
        self.assertEqual(status, "SUCCESS")
        self.assertIn("dir\\file".encode("utf-16-le"), blob)

    @braid_only
    def test_an_absolute_link_as_linux_sends_it(self):
        """Without the backslash in front, which it takes away from all paths."""
        for name, target, made in (("one", "etc\\passwd", "/etc/passwd"), ("two", "\\etc\\x", "/etc/x")):
            file = self.open(name, disposition=2)
            status, _ = self.control(file, SET_REPARSE_POINT, symlink_reparse(target, relative=0))
            self.assertEqual(status, "SUCCESS")
            self.smb.close(self.tree, file)
            self.assertEqual(os.readlink(os.path.join(self.root, name)), made)
        file = self.open("three", disposition=2)
        self.assertEqual(self.control(file, SET_REPARSE_POINT,
                                      symlink_reparse("C:\\x", relative=0))[0], "NOT_SUPPORTED")

    @braid_only
    def test_handle_of_what_became_a_link_deletes_and_renames_nothing(self):
        file = self.open("became", disposition=2)
        self.assertEqual(self.control(file, SET_REPARSE_POINT, symlink_reparse("x"))[0], "SUCCESS")
        name = "other".encode("utf-16-le")
        for info_class, buffer in ((13, b"\x01"),
                                   (10, struct.pack("<B7xQI", 0, 0, len(name)) + name)):
            self.refused("OBJECT_NAME_NOT_FOUND", self.smb.setInfo, self.tree, file, buffer, 1,
                         info_class)
        self.smb.close(self.tree, file)
        self.assertTrue(os.path.islink(os.path.join(self.root, "became")))

    @braid_only
    def test_what_would_lose_something_does_not_become_a_link(self):
        def becomes(file):
            return self.control(file, SET_REPARSE_POINT, symlink_reparse("x"))[0]

        self.smb.close(self.tree, self.open("streams:s", disposition=2))
        self.assertEqual(becomes(self.open("streams")), "IO_REPARSE_DATA_INVALID")
        file = self.open("open twice", disposition=2)
        self.open("open twice", access=0x80)
        self.assertEqual(becomes(file), "SHARING_VIOLATION")
        file = self.open("pending", disposition=2)
        self.smb.setInfo(self.tree, file, b"\x01", 1, 13)  # FileDispositionInformation
        self.assertEqual(becomes(file), "DELETE_PENDING")
        self.smb.close(self.tree, file)
        self.assertFalse(os.path.lexists(os.path.join(self.root, "pending")))
        self.assertEqual(becomes(self.open("on close", disposition=2, options=0x1000)),
                         "ACCESS_DENIED")

    @braid_only
    def test_an_empty_file_becomes_a_pipe_or_a_socket_and_a_file_again(self):
        for name, kind, is_it in ((b"FIFO", "fifo", stat.S_ISFIFO), (b"SOCK", "sock", stat.S_ISSOCK)):
            with self.subTest(kind):
                path = os.path.join(self.root, kind)
                file = self.open(kind, disposition=2)
                blob = nfs_reparse(name)
                self.assertEqual(self.control(file, SET_REPARSE_POINT, blob)[0], "SUCCESS")
                made = os.stat(path)
                # FileInternalInformation, FileStandardInformation and FileAttributeTagInformation.
                ask = lambda number: self.smb.queryInfo(  # noqa: E731
                    self.tree, file, infoType=1, fileInfoClass=number)
                self.assertEqual(struct.unpack("<Q", ask(6)), (made.st_ino,))
                self.assertEqual(struct.unpack_from("<QQIBB", ask(5)), (0, 0, 1, 0, 0))
                # FileAllInformation, which Linux asks for without posix.
                self.assertEqual(struct.unpack_from("<QQIBB", ask(18), 40), (0, 0, 1, 0, 0))
                self.assertEqual(struct.unpack_from("<Q", ask(18), 64), (made.st_ino,))
                self.assertEqual(struct.unpack("<II", ask(35))[1], 0x80000014)
                self.smb.close(self.tree, file)
                self.assertTrue(is_it(made.st_mode))
                if os.geteuid() == 0:
                    self.assertEqual((made.st_uid, made.st_gid), ids_of(ALICE))
                special = self.open(kind, access=0x80, options=OPEN_REPARSE_POINT)
                self.assertEqual(self.control(special, GET_REPARSE_POINT), ("SUCCESS", blob))
                self.smb.close(self.tree, special)
                # Nobody is at the other end: an open for data would not come back.
                for access in (0x81, 0x82, 0x12019F):
                    self.refused("ACCESS_DENIED", self.open, kind, access=access)
                    self.refused("ACCESS_DENIED", self.open, kind, access=access,
                                 options=OPEN_REPARSE_POINT)
                special = self.open(kind, access=0x180, options=OPEN_REPARSE_POINT)
                tag = struct.pack("<IHH", 0x80000014, 0, 0)
                self.assertEqual(self.control(special, DELETE_REPARSE_POINT, tag)[0], "SUCCESS")
                self.smb.close(self.tree, special)
                self.assertTrue(stat.S_ISREG(os.stat(path).st_mode))
                self.smb.close(self.tree, self.open(kind, access=0x12019F))

    @braid_only
    def test_what_takes_the_place_has_the_rights_that_were_there(self):
        mode_of = lambda name: stat.S_IMODE(os.lstat(os.path.join(self.root, name)).st_mode)
        file = self.open("private", disposition=2)
        os.chmod(os.path.join(self.root, "private"), 0o600)
        self.assertEqual(self.control(file, SET_REPARSE_POINT, nfs_reparse(b"FIFO"))[0], "SUCCESS")
        self.smb.close(self.tree, file)
        self.assertEqual(oct(mode_of("private")), oct(0o600))
        special = self.open("private", access=0x180, options=OPEN_REPARSE_POINT)
        tag = struct.pack("<IHH", 0x80000014, 0, 0)
        self.assertEqual(self.control(special, DELETE_REPARSE_POINT, tag)[0], "SUCCESS")
        self.smb.close(self.tree, special)
        self.assertEqual(oct(mode_of("private")), oct(0o600))

    @braid_only
    def test_what_takes_the_place_of_a_link_has_the_rights_of_a_new_file(self):
        folder = os.path.join(self.root, "closed")
        os.mkdir(folder)
        if os.geteuid() == 0:
            os.chown(folder, *ids_of(ALICE))
        subprocess.run(["setfacl", "-d", "-m", "u::rwx,g::-,o::-", folder], check=True)
        self.smb.close(self.tree, self.open("closed\\plain", disposition=2))
        file = self.open("closed\\link", disposition=2)
        self.assertEqual(self.control(file, SET_REPARSE_POINT, symlink_reparse("x"))[0], "SUCCESS")
        self.smb.close(self.tree, file)
        link = self.open("closed\\link", access=0x180, options=OPEN_REPARSE_POINT)
        tag = struct.pack("<IHH", 0xA000000C, 0, 0)
        self.assertEqual(self.control(link, DELETE_REPARSE_POINT, tag)[0], "SUCCESS")
        self.smb.close(self.tree, link)
        made, plain = (stat.S_IMODE(os.lstat(os.path.join(folder, name)).st_mode)
                       for name in ("link", "plain"))
        self.assertEqual(oct(made), oct(plain))
        self.assertEqual(oct(made), oct(0o600))

    @braid_only
    def test_a_device_is_not_made_for_who_may_not(self):
        for name in (b"CHR", b"BLK"):
            file = self.open("device", disposition=2)
            blob = nfs_reparse(name, struct.pack("<II", 8, 0))
            self.assertEqual(self.control(file, SET_REPARSE_POINT, blob)[0], "ACCESS_DENIED")
            self.smb.close(self.tree, file)
            path = os.path.join(self.root, "device")
            self.assertTrue(stat.S_ISREG(os.stat(path).st_mode))
            os.unlink(path)
        self.assertEqual([name for name in os.listdir(self.root) if name.startswith(".braid-")], [])

    @braid_only
    def test_what_is_no_special_file_is_refused(self):
        fifo = b"FIFO"
        device = struct.pack("<II", 1, 3)
        for status, blob in (
                ("IO_REPARSE_DATA_INVALID", nfs_reparse(fifo, b"\0\0")),
                ("IO_REPARSE_DATA_INVALID", nfs_reparse(fifo)[:12]),
                ("IO_REPARSE_DATA_INVALID", nfs_reparse(b"BLK", device[:6])),
                ("IO_REPARSE_DATA_INVALID", nfs_reparse(b"BLK", device + b"\0")),
                ("IO_REPARSE_DATA_INVALID", nfs_reparse(b"CHR", struct.pack("<II", 1 << 12, 0))),
                ("IO_REPARSE_DATA_INVALID", nfs_reparse(b"CHR", struct.pack("<II", 0, 1 << 20))),
                ("IO_REPARSE_DATA_INVALID", nfs_reparse(b"DIR")),
                ("IO_REPARSE_DATA_INVALID", nfs_reparse(b"LNK\x01")),
                ("IO_REPARSE_DATA_INVALID", nfs_reparse(b"LNK\x01", b"a\0b")),
                ("IO_REPARSE_DATA_INVALID", nfs_reparse(b"LNK\x01", b"a\0\0\0")),
                ("IO_REPARSE_DATA_INVALID", nfs_reparse(b"LNK\x01", b"a\0" * 1026)),
                ("NOT_SUPPORTED", struct.pack("<IHH", 0x80000024, 0, 0))):
            with self.subTest(blob):
                file = self.open("plain", disposition=3)
                self.assertEqual(self.control(file, SET_REPARSE_POINT, blob)[0], status)
                self.smb.close(self.tree, file)
                path = os.path.join(self.root, "plain")
                self.assertTrue(stat.S_ISREG(os.lstat(path).st_mode))
        blob = nfs_reparse(fifo)
        with open(os.path.join(self.root, "full"), "w") as out:
            out.write("x")
        if os.geteuid() == 0:
            os.chown(os.path.join(self.root, "full"), *ids_of(ALICE))
        becomes = lambda file: self.control(file, SET_REPARSE_POINT, blob)[0]
        self.assertEqual(becomes(self.open("full")), "IO_REPARSE_DATA_INVALID")
        self.assertEqual(becomes(self.open("plain:s", disposition=2)), "INVALID_PARAMETER")
        folder = self.open("folder", access=0x001F01FF, disposition=2, options=1)
        self.assertEqual(becomes(folder), "FILE_IS_A_DIRECTORY")
        os.symlink("x", os.path.join(self.root, "is a link"))
        if os.geteuid() == 0:
            os.chown(os.path.join(self.root, "is a link"), *ids_of(ALICE), follow_symlinks=False)
        link = self.open("is a link", access=0x180, options=OPEN_REPARSE_POINT)
        self.assertEqual(becomes(link), "IO_REPARSE_TAG_MISMATCH")
        self.assertEqual(becomes(self.open("unwritable", access=0x80, disposition=2)),
                         "ACCESS_DENIED")

    @braid_only
    def test_what_is_no_link_or_not_empty_stays_a_file(self):
        file = self.open("file")
        for status, blob in (("IO_REPARSE_DATA_INVALID", symlink_reparse("x")),
                             ("IO_REPARSE_DATA_INVALID", b"\x0c\0\0\xa0"),
                             ("NOT_A_REPARSE_POINT", None)):
            code = GET_REPARSE_POINT if blob is None else SET_REPARSE_POINT
            self.assertEqual(self.control(file, code, blob or b"")[0], status)
        self.assertEqual(os.path.getsize(os.path.join(self.root, "file")), 16384)

    @braid_only
    def test_a_link_becomes_an_empty_file(self):
        path = os.path.join(self.root, "back")
        os.symlink("file", path)
        if os.geteuid() == 0:
            os.chown(path, *ids_of(ALICE), follow_symlinks=False)
        link = self.open("back", options=OPEN_REPARSE_POINT)
        symlink = struct.pack("<IHH", 0xA000000C, 0, 0)
        for status, blob in (("IO_REPARSE_DATA_INVALID", symlink[:6]),
                             ("IO_REPARSE_DATA_INVALID", struct.pack("<IHH", 0xA000000C, 4, 0)),
                             ("IO_REPARSE_TAG_INVALID", bytes(8)),
                             ("IO_REPARSE_TAG_MISMATCH", struct.pack("<IHH", 0xA0000003, 0, 0)),
                             ("SUCCESS", symlink)):
            with self.subTest(status):
                self.assertEqual(self.control(link, DELETE_REPARSE_POINT, blob)[0], status)
                self.assertEqual(os.path.islink(path), status != "SUCCESS")
        self.assertEqual(os.path.getsize(path), 0)
        self.assertEqual([name for name in os.listdir(self.root) if name.startswith(".braid-")], [])
        file = self.open("file")
        self.assertEqual(self.control(file, DELETE_REPARSE_POINT, symlink)[0],
                         "NOT_A_REPARSE_POINT")

    @braid_only
    def test_a_link_that_becomes_a_file_inherits_as_a_new_file_does(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        folder = os.path.join(self.root, "inherits")
        os.mkdir(folder)
        os.chown(folder, *ids_of(ALICE))
        os.symlink("elsewhere", os.path.join(folder, "back"))
        os.chown(os.path.join(folder, "back"), *ids_of(ALICE), follow_symlinks=False)
        # The folder is everybody's, and what is made in it is for its owner alone.
        entries = [(0, 1), (0xB, 3)]  # flags, and the authority of S-1-1-0 and S-1-3-0
        acl = b"".join(struct.pack("<BBHIBB5xBI", 0, flags, 20, 0x001F01FF, 1, 1, authority, 0)
                       for flags, authority in entries)
        descriptor = (struct.pack("<BBHIIII", 1, 0, 0x8004, 0, 0, 0, 20) +
                      struct.pack("<BBHHH", 2, 0, 8 + len(acl), len(entries), 0) + acl)
        handle = self.open("inherits", access=0x001F01FF, disposition=1, options=1)
        self.smb.setInfo(self.tree, handle, descriptor, 3, 0, 4)
        self.smb.close(self.tree, self.open("inherits\\new", disposition=2))
        link = self.open("inherits\\back", options=OPEN_REPARSE_POINT)
        symlink = struct.pack("<IHH", 0xA000000C, 0, 0)
        self.assertEqual(self.control(link, DELETE_REPARSE_POINT, symlink)[0], "SUCCESS")
        new, back = (os.stat(os.path.join(folder, name)).st_mode for name in ("new", "back"))
        self.assertEqual(new & 0o007, 0)
        self.assertEqual(oct(back), oct(new))


if __name__ == "__main__":
    suite.main()
