#!/usr/bin/env python3
"""The name by which a file is open, as impacket sees it: links, renames by others, listings."""
import os
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from impacket.smb3 import SessionError  # noqa: E402
from impacket.smb3structs import SMB2Packet  # noqa: E402
from impacket.smbconnection import SMBConnection  # noqa: E402

import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402
from suite import ServerCase, braid_only  # noqa: E402

ALICE, BOB = test_users()

STATUSES = {0xC0000056: "DELETE_PENDING", 0xC0000101: "DIRECTORY_NOT_EMPTY"}
ALL_ACCESS = 0x001F01FF
DELETE, READ_ATTRIBUTES = 0x00010000, 0x80
LIST = 0x00100081
DIRECTORY, DELETE_ON_CLOSE = 0x1, 0x1000
OPEN, CREATE, OPEN_IF = 1, 2, 3
RENAME, LINK, DISPOSITION = 10, 11, 13
ALL_INFORMATION, STANDARD = 18, 5
CHANGE_NOTIFY, PENDING = 0x0F, 0x103


class NamesCase(ServerCase):
    WORKERS = 1

    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", owner=ids_of(ALICE))
        return Options([Share("share", cls.root)], [ALICE, BOB], min_dialect="2.0.2",
                       workers=cls.WORKERS)

    def connect(self):
        connection = SMBConnection(self.server.host, self.server.host, sess_port=self.server.port,
                                   preferredDialect=0x0210, timeout=20)
        self.addCleanup(connection.close)
        connection.login(ALICE.name, ALICE.password)
        smb = connection.getSMBServer()
        return smb, smb.connectTree("share")

    def setUp(self):
        self.smb, self.tree = self.connect()
        self.folder = f"t{id(self)}"
        self.path = os.path.join(self.root, self.folder)
        os.mkdir(self.path)
        self.own(self.path)

    def own(self, path):
        if os.geteuid() == 0:
            os.chown(path, *ids_of(ALICE))

    def make(self, *names):
        for name in names:
            with open(os.path.join(self.path, name), "wb") as out:
                out.write(name.encode())
            self.own(os.path.join(self.path, name))

    def make_folder(self, name):
        os.mkdir(os.path.join(self.path, name))
        self.own(os.path.join(self.path, name))

    def link(self, old, new):
        os.link(os.path.join(self.path, old), os.path.join(self.path, new))

    def names(self, *below):
        return sorted(os.listdir(os.path.join(self.path, *below)))

    def open(self, name, access=DELETE | READ_ATTRIBUTES, options=0, disposition=OPEN):
        return self.smb.create(self.tree, f"{self.folder}\\{name}", access, 7, options,
                               disposition, 0x80)

    def close(self, *handles):
        for handle in handles:
            # impacket forgets a name with its first handle, and falls over at the second.
            name = self.smb._Session["OpenTable"][handle]["FileName"]
            self.smb.GlobalFileTable.setdefault(name, None)
            self.smb.close(self.tree, handle)

    def set(self, handle, info_class, blob):
        self.smb.setInfo(self.tree, handle, blob, 1, info_class)

    def delete(self, handle, pending=True):
        self.set(handle, DISPOSITION, bytes([pending]))

    def rename(self, handle, name, replace=False, info_class=RENAME, folder=None):
        text = f"{folder or self.folder}\\{name}".encode("utf-16-le")
        self.set(handle, info_class, struct.pack("<B7xQI", replace, 0, len(text)) + text)

    def name_of(self, handle):
        blob = self.smb.queryInfo(self.tree, handle, fileInfoClass=ALL_INFORMATION)
        length, = struct.unpack_from("<I", blob, 96)
        return blob[100:100 + length].decode("utf-16-le")

    def standard(self, handle):
        """(number of links, delete pending)"""
        blob = self.smb.queryInfo(self.tree, handle, fileInfoClass=STANDARD)
        return struct.unpack_from("<I?", blob, 16)

    def refused(self, status, call, *arguments, **named):
        with self.assertRaises(SessionError) as refusal:
            call(*arguments, **named)
        code = refusal.exception.get_error_code()
        self.assertEqual(STATUSES.get(code) or raw.status_name(code), status)

    def listing(self, handle, pattern="*", room=65536, between=None):
        """The names that one listing tells, in order."""
        found = []
        while True:
            try:
                blob = self.smb.queryDirectory(self.tree, handle, pattern, 0, 12, room)
            except SessionError as error:
                if raw.status_name(error.get_error_code()) not in ("NO_MORE_FILES", "NO_SUCH_FILE"):
                    raise
                return found
            at = 0
            while True:
                following, _, length = struct.unpack_from("<III", blob, at)
                found.append(blob[at + 12:at + 12 + length].decode("utf-16-le"))
                if not following:
                    break
                at += following
            if between:
                between()
                between = None


class Links(NamesCase):
    """[MS-FSA] 2.1.1.4 "Per Link": each is deleted, renamed and pending for itself."""

    def setUp(self):
        super().setUp()
        self.make("l1")
        self.link("l1", "l2")

    def test_only_the_name_that_was_deleted_goes(self):
        for first, second in (("l1", "l2"), ("l2", "l1")):
            with self.subTest(first):
                a, b = self.open(first), self.open(second)
                self.delete(a)
                self.assertEqual(self.standard(b), (1, False))
                self.assertEqual(self.standard(a), (1, True))
                self.close(self.open(second))
                self.refused("DELETE_PENDING", self.open, first)
                self.close(a)
                self.assertEqual(self.names(), [second])
                self.close(b)
                self.assertEqual(self.names(), [second])
                self.link(second, first)

    def test_it_goes_with_the_last_that_has_it_open_by_this_name(self):
        a, b, c = self.open("l1"), self.open("l2"), self.open("l1")
        self.delete(a)
        self.close(a)
        self.assertEqual(self.names(), ["l1", "l2"])
        self.close(c)
        self.assertEqual(self.names(), ["l2"])
        self.close(b)
        self.assertEqual(self.names(), ["l2"])

    def test_delete_on_close_is_of_its_name(self):
        b = self.open("l2", READ_ATTRIBUTES)
        self.close(self.open("l1", options=DELETE_ON_CLOSE))
        self.assertEqual(self.names(), ["l2"])
        self.close(b)
        self.assertEqual(self.names(), ["l2"])

    def test_a_rename_moves_one_name_of_all_who_opened_it(self):
        a, b, c = self.open("l1"), self.open("l2"), self.open("l1")
        self.rename(a, "n1")
        self.assertEqual(self.names(), ["l2", "n1"])
        names = [self.name_of(handle) for handle in (a, b, c)]
        self.assertEqual(names, [f"\\{self.folder}\\{name}" for name in ("n1", "l2", "n1")])
        self.delete(b)
        self.close(b)
        self.assertEqual(self.names(), ["n1"])
        self.rename(c, "n2")
        self.delete(c)
        self.close(c, a)
        self.assertEqual(self.names(), [])

    def test_a_name_renamed_onto_another_of_the_file_leaves_one(self):
        a, b = self.open("l1"), self.open("l2")
        self.rename(a, "l2", replace=True)
        self.assertEqual(self.names(), ["l2"])
        self.delete(a)
        self.close(a)
        self.assertEqual(self.names(), ["l2"], "the other one has it open by this name")
        self.close(b)
        self.assertEqual(self.names(), [])

    def test_share_modes_are_of_the_file(self):
        a = self.smb.create(self.tree, f"{self.folder}\\l1", ALL_ACCESS, 0, 0, OPEN, 0x80)
        self.refused("SHARING_VIOLATION", self.open, "l2", ALL_ACCESS)
        self.close(a)


class Moved(NamesCase):
    """By another handle, or by something local: the handle stays with what it has open."""

    def moves(self, *options):
        """Two ways to move "old" to "new"."""
        def by_handle():
            other = self.open("old", options=sum(options))
            self.rename(other, "new")
            self.close(other)

        yield "by a handle", by_handle
        yield "locally", lambda: os.rename(os.path.join(self.path, "old"),
                                           os.path.join(self.path, "new"))

    def test_a_file_is_renamed_told_and_deleted_where_it_is(self):
        for what, move in self.moves():
            with self.subTest(what):
                self.make("old")
                handle = self.open("old")
                move()
                self.make("old")  # another one, which stays
                self.assertEqual(self.name_of(handle), f"\\{self.folder}\\new")
                self.rename(handle, "again")
                self.assertEqual(self.names(), ["again", "old"])
                self.delete(handle)
                self.close(handle)
                self.assertEqual(self.names(), ["old"])
                os.unlink(os.path.join(self.path, "old"))

    def test_an_empty_directory_is_deleted_whatever_took_its_place(self):
        for what, move in self.moves(DIRECTORY):
            with self.subTest(what):
                self.make_folder("old")
                handle = self.open("old", options=DIRECTORY)
                move()
                os.makedirs(os.path.join(self.path, "old", "full"))
                self.delete(handle)
                self.close(handle)
                self.assertEqual(self.names(), ["old"])
                os.removedirs(os.path.join(self.path, "old", "full"))
                os.makedirs(self.path, exist_ok=True)
                self.own(self.path)

    def test_below_a_moved_directory(self):
        self.make_folder("old")
        self.make("old/file")
        handle = self.open("old\\file")
        os.rename(os.path.join(self.path, "old"), os.path.join(self.path, "new"))
        self.assertEqual(self.name_of(handle), f"\\{self.folder}\\new\\file")
        self.delete(handle)
        self.close(handle)
        self.assertEqual(self.names("new"), [])

    def test_a_name_is_looked_up_in_the_directory_that_is_open(self):
        for what, move in self.moves(DIRECTORY):
            with self.subTest(what):
                self.make_folder("old")
                self.make("old/Here")
                handle = self.open("old", LIST | DELETE, DIRECTORY)
                if what == "by a handle":
                    self.rename(handle, "new")
                else:
                    move()
                self.make_folder("old")
                self.make("old/Other")
                self.assertEqual(self.listing(handle, "hERE"), ["Here"])
                self.close(handle)
                handle = self.open("new", LIST, DIRECTORY)
                self.assertEqual(self.listing(handle, "other"), [])
                self.close(handle)
                for name in ("old/Other", "new/Here"):
                    os.unlink(os.path.join(self.path, name))
                for name in ("old", "new"):
                    os.rmdir(os.path.join(self.path, name))

    def test_changes_are_told_of_where_it_is(self):
        self.make_folder("old")
        handle = self.open("old", LIST, DIRECTORY)
        os.rename(os.path.join(self.path, "old"), os.path.join(self.path, "new"))
        packet = self.smb.SMB_PACKET()
        packet["Command"] = CHANGE_NOTIFY
        packet["TreeID"] = self.tree
        packet["Data"] = struct.pack("<HHI", 32, 0, 4096) + bytes(handle) + struct.pack("<II", 3, 0)
        asked = self.smb.sendSMB(packet)
        # Who has the interim response is told of all that comes after it; before, nobody says so.
        interim = self.smb._NetBIOSSession.recv_packet(60)
        self.assertEqual(SMB2Packet(interim.get_trailer())["Status"], PENDING)
        other, tree = self.connect()
        made = other.create(tree, f"{self.folder}\\new\\made", ALL_ACCESS, 7, 0, CREATE, 0x80)
        other.close(tree, made)
        answer = self.smb.recvSMB(asked)
        self.assertEqual(answer["Status"], 0)
        self.assertIn("made".encode("utf-16-le"), bytes(answer["Data"]))
        self.close(handle)


class Listings(NamesCase):
    """What is there all along is told once."""
    NAMES = [f"file-with-a-long-name-{number:05}" for number in range(600)]

    def test_a_directory_that_is_moved_meanwhile(self):
        self.make_folder("old")
        self.make(*(f"old/{name}" for name in self.NAMES))
        for room in (2048, 65536):
            handle = self.open("old", LIST, DIRECTORY)
            found = self.listing(handle, room=room, between=lambda: os.rename(
                os.path.join(self.path, "old"), os.path.join(self.path, "new")))
            self.close(handle)
            self.assertEqual(sorted(found), [".", ".."] + self.NAMES)
            os.rename(os.path.join(self.path, "new"), os.path.join(self.path, "old"))

    @suite.unittest.skipIf(os.geteuid() != 0, "needs a directory of another user")
    @braid_only
    def test_a_directory_that_may_be_read_and_not_searched(self):
        self.make_folder("closed")
        self.make(*(f"closed/{name}" for name in self.NAMES))
        os.chown(os.path.join(self.path, "closed"), 0, 0)
        os.chmod(os.path.join(self.path, "closed"), 0o744)
        handle = self.open("closed", LIST, DIRECTORY)
        self.assertEqual(sorted(self.listing(handle, room=2048)), [".", ".."] + self.NAMES)
        self.close(handle)
        handle = self.open("closed", LIST, DIRECTORY)
        self.assertEqual(self.listing(handle, self.NAMES[7].upper()), [self.NAMES[7]])
        self.close(handle)


class Targets(NamesCase):
    """[MS-FSA] 2.1.5.15.12 "FileRenameInformation": what a rename is refused with."""

    def test_statuses(self):
        self.make("file", "taken")
        self.make_folder("folder")
        folder = self.open("folder", options=DIRECTORY)
        for replace in (False, True):
            self.refused("OBJECT_NAME_COLLISION", self.rename, folder, "taken", replace)
        file = self.open("file")
        self.refused("OBJECT_NAME_COLLISION", self.rename, file, "folder")
        self.refused("ACCESS_DENIED", self.rename, file, "folder", True)
        self.refused("OBJECT_NAME_INVALID", self.rename, file, "new\\")
        self.refused("OBJECT_NAME_INVALID", self.rename, file, "new\\", info_class=LINK)
        self.refused("OBJECT_PATH_NOT_FOUND", self.rename, file, "missing\\new")
        taken = self.open("taken")
        self.delete(taken)
        self.refused("DELETE_PENDING", self.rename, file, "taken", True)
        self.refused("DELETE_PENDING", self.rename, file, "taken", True, info_class=LINK)
        self.refused("ACCESS_DENIED", self.rename, taken, "new")
        self.delete(taken, False)
        self.close(taken, file, folder)
        self.assertEqual(self.names(), ["file", "folder", "taken"])

    @braid_only
    def test_what_is_replaced_in_another_case_is_one_name(self):
        self.make("file", "taken")
        file = self.open("file")
        self.rename(file, "TAKEN", True)
        self.assertEqual(self.names(), ["TAKEN"])
        self.rename(file, "Taken")
        self.close(file)
        self.assertEqual(self.names(), ["Taken"])

    def test_a_name_is_made_once_whatever_its_case(self):
        clients = [self.connect() for _ in range(2)]
        for race in range(60):
            ready = threading.Barrier(2)
            won = []

            def make(client, name):
                smb, tree = client
                ready.wait()
                try:
                    made = smb.create(tree, f"{self.folder}\\{name}", ALL_ACCESS, 7, 0, CREATE,
                                      0x80)
                except SessionError as error:
                    self.assertEqual(raw.status_name(error.get_error_code()),
                                     "OBJECT_NAME_COLLISION")
                else:
                    won.append(name)
                    smb.close(tree, made)

            threads = [threading.Thread(target=make, args=(client, name))
                       for client, name in zip(clients, (f"race{race}", f"RACE{race}"))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(len(won), 1, f"race {race}")
        self.assertEqual(len(self.names()), 60)


class WithWorkers:
    """The same where each client may be served by another process."""
    WORKERS = 4


class LinksOfWorkers(WithWorkers, Links):
    pass


class TargetsOfWorkers(WithWorkers, Targets):
    pass


if __name__ == "__main__":
    suite.main()
