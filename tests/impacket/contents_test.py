#!/usr/bin/env python3
"""What requests carry: create contexts, lock arrays, notify buffers, security descriptors, each
malformed in its own way, each refused with its status and without any effect."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from impacket_test import RawCase  # noqa: E402
from suite import braid_only  # noqa: E402

raw.STATUS |= {0xC00001A1: "INVALID_LOCK_RANGE", 0x80000014: "EA_LIST_INCONSISTENT", 0x80000013: "INVALID_EA_NAME"}
BAD = "INVALID_PARAMETER"
ALL_ACCESS = 0x001F01FF
SECURITY, DACL = 3, 4
SHARED, EXCLUSIVE, UNLOCK, AT_ONCE = 1, 2, 4, 0x10

SID = struct.pack("<BB6sI", 1, 1, b"\0\0\0\0\0\x01", 0)  # everyone


def ace(kind=0, flags=0, mask=ALL_ACCESS, sid=SID, size=None):
    return struct.pack("<BBHI", kind, flags, 8 + len(sid) if size is None else size, mask) + sid


def acl(*aces, revision=2, size=None, count=None):
    body = b"".join(aces)
    return struct.pack("<BBHHH", revision, 0, 8 + len(body) if size is None else size,
                       len(aces) if count is None else count, 0) + body


def descriptor(dacl=acl(ace()), revision=1, control=0x8004, owner=0, offset=20):
    return struct.pack("<BBHIIII", revision, 0, control, owner, 0, 0, offset) + dacl


class Contents(RawCase):
    @braid_only
    def test_create_contexts(self):
        guid = bytes(range(16))
        ea = struct.pack("<IBBH", 0, 0, 4, 1) + b"name\0v"
        rows = [
            ("lease too short", b"RqLs", bytes(31), BAD),
            ("lease between its versions", b"RqLs", bytes(40), BAD),
            ("durable request too short", b"DHnQ", bytes(15), BAD),
            ("durable request too long", b"DHnQ", bytes(17), BAD),
            ("second durable request too short", b"DH2Q", bytes(31), BAD),
            ("reconnect too short", b"DHnC", bytes(15), BAD),
            ("second reconnect too short", b"DH2C", bytes(35), BAD),
            ("time too short", b"TWrp", bytes(7), BAD),
            ("size too short", b"AlSi", bytes(7), BAD),
            ("half a list of attributes", b"ExtA", ea[:7], "EA_LIST_INCONSISTENT"),
            ("attributes that follow nothing", b"ExtA", struct.pack("<I", 64) + ea[4:],
             "EA_LIST_INCONSISTENT"),
            ("an attribute that is none", b"ExtA", ea.replace(b"name", b"n*me"),
             "INVALID_EA_NAME"),
            ("half a descriptor", b"SecD", descriptor()[:19], BAD),
            ("a list behind the end", b"SecD", descriptor(offset=4000), BAD),
            ("application too short", bytes.fromhex("45BCA66AEFA7F74A9008FA462E144D74"), guid, BAD),
        ]
        for what, name, data, status in rows:
            contexts = raw.create_context(name, data, data_offset=16 + len(name) + -len(name) % 8)
            with self.subTest(what):
                self.assertEqual(self.ask(raw.CREATE, raw.create(
                    "made", access=ALL_ACCESS, disposition=2, oplock=0xFF, contexts=contexts))[0],
                    status)
                self.assertFalse(os.path.exists(os.path.join(self.root, "made")))
        chains = [
            ("a name of three bytes", raw.create_context(b"MxA", b"", name_length=3)),
            ("the next one between two bytes", raw.create_context(b"MxAc", b"", following=25)),
            ("data inside the head", raw.create_context(b"MxAc", bytes(8), data_offset=4)),
            ("itself the next one", raw.create_context(b"MxAc", b"", following=8)),
        ]
        for what, contexts in chains:
            with self.subTest(what):
                self.assertEqual(self.ask(raw.CREATE, raw.create(
                    "made", access=ALL_ACCESS, disposition=2, contexts=contexts))[0], BAD)
                self.assertFalse(os.path.exists(os.path.join(self.root, "made")))

    def test_lock_arrays(self):
        file = self.open("file", access=3)
        whole = (0, 100)
        self.expect([(what, raw.LOCK, raw.lock(file, locks=locks), status)
                     for what, status, locks in (
            ("no kind", BAD, ((*whole, 0),)),
            ("two kinds", BAD, ((*whole, SHARED | EXCLUSIVE),)),
            ("an unknown flag", BAD, ((*whole, 0x20 | EXCLUSIVE),)),
            ("an unlock among locks", BAD,
             ((*whole, EXCLUSIVE | AT_ONCE), (200, 1, UNLOCK))),
            ("two that may wait", BAD, ((*whole, EXCLUSIVE), (200, 1, EXCLUSIVE))),
            ("a range over the end", "INVALID_LOCK_RANGE",
             ((0xFFFFFFFFFFFFFFFF, 2, EXCLUSIVE | AT_ONCE),)),
            ("a second range over the end", "INVALID_LOCK_RANGE",
             ((*whole, EXCLUSIVE | AT_ONCE), (0xFFFFFFFFFFFFFFFF, 2, EXCLUSIVE | AT_ONCE))),
            ("an unlock of nothing", "RANGE_NOT_LOCKED", ((*whole, UNLOCK),)))])
        other = self.open("file", access=3)
        self.assertEqual(self.ask(raw.LOCK, raw.lock(other, locks=(
            (0, 1 << 62, EXCLUSIVE | AT_ONCE),)))[0], "SUCCESS")

    def test_notify_buffers(self):
        self.expect([
            ("4 GiB", raw.CHANGE_NOTIFY, raw.change_notify(self.open("dir"), room=0xFFFFFFFF), BAD),
            ("more than its credits", raw.CHANGE_NOTIFY,
             raw.change_notify(self.open("dir"), room=1 << 20), BAD),
            ("a file", raw.CHANGE_NOTIFY, raw.change_notify(self.open("file")), BAD)])

    @braid_only
    def test_security_descriptors(self):
        file = self.open("file", access=ALL_ACCESS)

        def now():
            return self.ask(raw.QUERY_INFO, raw.query_info(file, SECURITY, 0, additional=7))

        before = now()
        self.assertEqual(before[0], "SUCCESS")
        long_sid = struct.pack("<BB6s", 1, 16, b"\0\0\0\0\0\x05") + bytes(64)
        for what, blob in (
                ("nothing", b""),
                ("half a head", descriptor()[:19]),
                ("another revision", descriptor(revision=2)),
                ("a list inside the head", descriptor(offset=4)),
                ("a list behind the end", descriptor(offset=0xFFFFFFF0)),
                ("an owner behind the end", descriptor(owner=0x7FFFFFFF)),
                ("a list larger than the message", descriptor(acl(ace(), size=400))),
                ("more entries than there are", descriptor(acl(ace(), count=2))),
                ("an entry of no bytes", descriptor(acl(ace(size=0)))),
                ("an entry larger than its list", descriptor(acl(ace(size=64)))),
                ("a SID of sixteen parts", descriptor(acl(ace(sid=long_sid)))),
                ("a SID larger than its entry",
                 descriptor(acl(ace(sid=struct.pack("<BB6sI", 1, 9, bytes(6), 0)))))):
            with self.subTest(what):
                body = bytearray(raw.set_info(file, blob, SECURITY, 0))
                struct.pack_into("<I", body, 12, DACL)
                self.assertEqual(self.ask(raw.SET_INFO, bytes(body))[0], BAD)
                self.assertEqual(now(), before)


RENAME, DISPOSITION_EX, RENAME_EX, STREAMS = 10, 64, 65, 22
DELETE, READ_ATTRIBUTES, WRITE_ATTRIBUTES = 0x00010000, 0x80, 0x100
OPEN, OVERWRITE, OVERWRITE_IF, SUPERSEDE = 1, 4, 5, 0


class Names(RawCase):
    """Names that are taken away, as bytes: [MS-FSCC] 2.4.12 and 2.4.43, [MS-FSA] 2.1.5.1.2."""

    def setUp(self):
        super().setUp()
        for name in os.listdir(self.root):
            if name not in ("file", "dir", ".braid"):
                os.unlink(os.path.join(self.root, name))

    def make(self, name, content, attributes=0):
        file = self.open(name, access=ALL_ACCESS, disposition=OVERWRITE_IF, attributes=attributes)
        self.assertEqual(self.ask(raw.WRITE, raw.write(file, content))[0], "SUCCESS")
        self.close(file)

    def close(self, file):
        self.assertEqual(self.ask(raw.CLOSE, raw.close(file))[0], "SUCCESS")

    def try_open(self, name, **fields):
        status, body = self.ask(raw.CREATE, raw.create(name, **fields))
        if status == "SUCCESS":
            self.close(body[64:80])
        return status

    def content(self, name):
        with open(os.path.join(self.root, name), "rb") as file:
            return file.read()

    def set(self, file, kind, data):
        return self.ask(raw.SET_INFO, raw.set_info(file, data, kind=kind))[0]

    def rename_ex(self, file, to, flags):
        name = to.encode("utf-16-le")
        return self.set(file, RENAME_EX, struct.pack("<I4xQI", flags, 0, len(name)) + name)

    def test_a_handle_without_delete_renames_and_deletes_nothing(self):
        self.make("one", b"one")
        self.make("two", b"two")
        handle = self.open("one", access=READ_ATTRIBUTES)
        for flags in (0, 1, 2, 3, 0x41):
            self.assertEqual(self.rename_ex(handle, "two", flags), "ACCESS_DENIED")
            self.assertEqual(self.rename_ex(handle, "three", flags), "ACCESS_DENIED")
        for flags in (1, 3, 9, 0x11):
            self.assertEqual(self.set(handle, DISPOSITION_EX, struct.pack("<I", flags)),
                             "ACCESS_DENIED")
        self.close(handle)
        self.assertEqual((self.content("one"), self.content("two")), (b"one", b"two"))

    @braid_only
    def test_flags_of_a_rename(self):
        self.make("one", b"one")
        self.make("two", b"two")
        self.make("fixed", b"fixed", attributes=1)
        handle = self.open("one", access=DELETE | READ_ATTRIBUTES)
        for flags in (0, 2, 0x40):  # no REPLACE_IF_EXISTS
            self.assertEqual(self.rename_ex(handle, "two", flags), "OBJECT_NAME_COLLISION")
        for flags in (0x11, 0x21, 0x81, 0x101, 0x201):
            self.assertEqual(self.rename_ex(handle, "two", flags), "NOT_SUPPORTED")
        held = self.open("two", access=ALL_ACCESS)
        self.assertEqual(self.rename_ex(handle, "two", 1), "ACCESS_DENIED")
        self.assertEqual(self.content("two"), b"two")
        self.assertEqual(self.rename_ex(handle, "two", 3), "SUCCESS")
        status, body = self.ask(raw.READ, raw.read(held))
        self.assertEqual((status, body[16:]), ("SUCCESS", b"two"))
        self.assertEqual(self.content("two"), b"one")
        self.close(held)
        self.assertEqual(self.rename_ex(handle, "fixed", 3), "ACCESS_DENIED")
        self.assertEqual(self.rename_ex(handle, "fixed", 0x41), "SUCCESS")
        self.close(handle)
        self.assertEqual(self.content("fixed"), b"one")
        self.assertFalse(os.path.exists(os.path.join(self.root, "two")))

    @braid_only
    def test_posix_deletion(self):
        self.make("one", b"one")
        reader = self.open("one")
        handle = self.open("one", access=DELETE)
        self.assertEqual(self.set(handle, DISPOSITION_EX, struct.pack("<I", 3)), "SUCCESS")
        self.assertEqual(self.try_open("one"), "DELETE_PENDING")
        self.close(handle)
        self.assertFalse(os.path.exists(os.path.join(self.root, "one")))
        self.make("one", b"anew")
        status, body = self.ask(raw.READ, raw.read(reader))
        self.assertEqual((status, body[16:]), ("SUCCESS", b"one"))
        self.close(reader)
        self.assertEqual(self.content("one"), b"anew")

    @braid_only
    def test_flags_of_a_deletion(self):
        self.make("one", b"one", attributes=1)
        handle = self.open("one", access=DELETE)
        for flags, status in ((1, "CANNOT_DELETE"), (0x11, "CANNOT_DELETE"), (9, "CANNOT_DELETE"),
                              (0x21, "NOT_SUPPORTED"), (8, "NOT_SUPPORTED")):
            self.assertEqual(self.set(handle, DISPOSITION_EX, struct.pack("<I", flags)), status)
        self.close(handle)
        self.assertEqual(self.content("one"), b"one")
        handle = self.open("one", access=DELETE | WRITE_ATTRIBUTES)
        self.assertEqual(self.set(handle, DISPOSITION_EX, struct.pack("<I", 0x11)), "SUCCESS")
        self.close(handle)
        self.assertFalse(os.path.exists(os.path.join(self.root, "one")))
        self.make("two", b"two")
        handle = self.open("two", access=DELETE, options=0x1000)  # FILE_DELETE_ON_CLOSE
        self.assertEqual(self.set(handle, DISPOSITION_EX, struct.pack("<I", 8)), "SUCCESS")
        self.close(handle)
        self.assertEqual(self.content("two"), b"two")

    def test_overwriting_what_is_not_shared(self):
        self.make("one", b"one")
        self.make("one:s", b"stream")
        for name in ("one", "one:s"):
            held = self.open(name, share=1)
            for disposition in (OVERWRITE, OVERWRITE_IF, SUPERSEDE):
                with self.subTest(name=name, disposition=disposition):
                    self.assertEqual(self.try_open(name, access=READ_ATTRIBUTES,
                                                   disposition=disposition), "SHARING_VIOLATION")
            self.close(held)
        self.assertEqual(self.content("one"), b"one")

    def test_an_overwrite_drops_the_streams(self):
        for size in (10, 100_000):
            for disposition in (OVERWRITE, OVERWRITE_IF, SUPERSEDE):
                with self.subTest(size=size, disposition=disposition):
                    self.make("one", b"one")
                    handle = self.open("one:Zone.Identifier", access=ALL_ACCESS,
                                       disposition=OVERWRITE_IF)
                    for offset in range(0, size, 50_000):
                        data = b"z" * min(50_000, size)
                        self.assertEqual(self.ask(raw.WRITE, raw.write(handle, data, offset))[0],
                                         "SUCCESS")
                    self.close(handle)
                    self.assertEqual(self.try_open("one", access=ALL_ACCESS,
                                                   disposition=disposition), "SUCCESS")
                    self.assertEqual(self.try_open("one:Zone.Identifier"), "OBJECT_NAME_NOT_FOUND")


if __name__ == "__main__":
    suite.main()
