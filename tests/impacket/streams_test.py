#!/usr/bin/env python3
"""Named streams: their handles, names and sharing, as impacket sees them."""
import os
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from file_control import ALICE, ALL_ACCESS, OPEN_IF, FileControlCase, create_context  # noqa: E402
from server import ids_of  # noqa: E402
from suite import braid_only  # noqa: E402

FILE_CORRUPT_ERROR = "0xC0000102"  # which impacket has no name for


class Streams(FileControlCase):
    @braid_only
    def test_a_streams_handle_is_not_the_file(self):
        folder = os.path.join(self.root, "with stream")
        os.makedirs(folder, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(folder, *ids_of(ALICE))
        whole = self.open("streamed", disposition=OPEN_IF)
        self.smb.write(self.tree, whole, b"whole", 0, 5)
        self.smb.close(self.tree, whole)
        for name, unnamed in (("streamed", {"::$DATA": 5}), ("with stream", {})):
            stream = self.open(f"{name}:s", disposition=OPEN_IF)
            self.smb.write(self.tree, stream, b"abc", 0, 3)
            blob = self.smb.queryInfo(self.tree, stream, infoType=1, fileInfoClass=22)
            found, at = {}, 0
            while True:
                following, length, size = struct.unpack_from("<IIQ", blob, at)
                found[blob[at + 24:at + 24 + length].decode("utf-16-le")] = size
                if not following:
                    break
                at += following
            self.assertEqual(found, {":s:$DATA": 3} | unnamed)
            standard = self.smb.queryInfo(self.tree, stream, infoType=1, fileInfoClass=5)
            self.assertEqual(struct.unpack_from("<QQ", standard)[1], 3)
            self.smb.close(self.tree, stream)

    @braid_only
    def test_large_stream_is_there_in_every_share_of_its_file(self):
        inner = self.smb.connectTree("inner")
        content = b"A" * 50_000
        stream = self.open("inner\\nested:s", disposition=OPEN_IF)
        self.smb.write(self.tree, stream, content, 0, len(content))
        self.smb.close(self.tree, stream)
        self.refused("OBJECT_NAME_COLLISION", self.open, "nested:s", disposition=2, tree=inner)
        stream = self.open("nested:s", disposition=OPEN_IF, tree=inner)
        self.assertEqual(self.smb.read(inner, stream, 0, 50_000), content)
        self.smb.close(inner, stream)
        # The other way round, and what the inner share keeps is nobody's business in the outer one.
        stream = self.open("own:s", disposition=OPEN_IF, tree=inner)
        self.smb.write(inner, stream, content, 0, len(content))
        self.smb.close(inner, stream)
        self.assertTrue(os.path.isdir(os.path.join(self.inner, ".braid")))
        self.refused("ACCESS_DENIED", self.open, "inner\\.braid")
        stream = self.open("inner\\own:s")
        self.assertEqual(self.smb.read(self.tree, stream, 0, 50_000), content)
        self.smb.close(self.tree, stream)

    @braid_only
    def test_stream_that_is_nowhere_goes_only_by_what_ends_it(self):
        stream = self.open("lost:s", disposition=OPEN_IF)
        self.smb.write(self.tree, stream, bytes(50_000), 0, 50_000)
        self.smb.close(self.tree, stream)
        store, away = (os.path.join(self.root, ".braid", name) for name in ("streams", "away"))
        os.rename(store, away)
        self.addCleanup(lambda: os.path.exists(away) and os.rename(away, store))
        for disposition in (1, 2, OPEN_IF):
            self.refused(FILE_CORRUPT_ERROR, self.open, "lost:s", disposition=disposition)
        os.rename(away, store)
        self.smb.close(self.tree, self.open("lost:s"))
        for disposition, options in ((4, 0), (5, 0), (0, 0), (1, 0x1000)):
            shutil.rmtree(store)
            self.refused(FILE_CORRUPT_ERROR, self.open, "lost:s")
            self.smb.close(self.tree, self.open("lost:s", disposition=disposition, options=options))
            if options:
                self.refused("OBJECT_NAME_NOT_FOUND", self.open, "lost:s")
                break
            stream = self.open("lost:s")
            self.smb.write(self.tree, stream, bytes(50_000), 0, 50_000)
            self.smb.close(self.tree, stream)

    @braid_only
    def test_names_that_a_stream_may_get(self):
        def rename(handle, name, replace=0):
            name = name.encode("utf-16-le")
            self.smb.setInfo(self.tree, handle, struct.pack("<B7xQI", replace, 0, len(name)) + name,
                             1, 10)

        self.smb.close(self.tree, self.open("file:taken", disposition=OPEN_IF))
        stream = self.open("file:named", disposition=OPEN_IF)
        for status, name in (("INVALID_PARAMETER", "::"), ("INVALID_PARAMETER", ":new:"),
                             ("INVALID_PARAMETER", ":a:b:c:d"),
                             ("INVALID_PARAMETER", ":a/b"), ("INVALID_PARAMETER", "::$DATA"),
                             ("OBJECT_TYPE_MISMATCH", ":new:$INDEX_ALLOCATION"),
                             ("OBJECT_TYPE_MISMATCH", ":new:$NONE"),
                             ("OBJECT_TYPE_MISMATCH", "::$NONE"),
                             ("OBJECT_NAME_COLLISION", ":TAKEN:$DATA")):
            with self.subTest(name):
                self.refused(status, rename, stream, name)
        rename(stream, ":NAMED:$DATA")  # its own name
        rename(stream, ":new:$data")
        self.smb.write(self.tree, stream, b"abc", 0, 3)
        self.smb.close(self.tree, stream)
        self.smb.close(self.tree, self.open("file:NEW"))
        self.refused("OBJECT_NAME_NOT_FOUND", self.open, "file:named")
        self.refused("INVALID_PARAMETER", self.open, "file:s:$INDEX_ALLOCATION")

    @braid_only
    def test_a_stream_shares_with_who_may_delete_its_file(self):
        self.smb.close(self.tree, self.open("file:s", disposition=OPEN_IF))
        deleter = self.open("file", access=0x00010080)
        self.refused("SHARING_VIOLATION", self.smb.create, self.tree, "file:s", 1, 3, 0, 1, 0x80)
        self.smb.close(self.tree, self.smb.create(self.tree, "file:s", 1, 7, 0, 1, 0x80))
        self.smb.close(self.tree, self.smb.create(self.tree, "file:s", 0x80, 3, 0, 1, 0x80))
        self.smb.close(self.tree, deleter)

    @braid_only
    def test_a_stream_is_renamed_onto_an_empty_one_only(self):
        def rename(handle, name):
            name = name.encode("utf-16-le")
            self.smb.setInfo(self.tree, handle, struct.pack("<B7xQI", 1, 0, len(name)) + name, 1,
                             10)

        for name, data in (("one", b"first"), ("full", b"second"), ("empty", b"")):
            handle = self.open(f"file:{name}", disposition=5)
            if data:
                self.smb.write(self.tree, handle, data, 0, len(data))
            self.smb.close(self.tree, handle)
        one = self.open("file:one")
        self.refused("INVALID_PARAMETER", rename, one, ":full")
        held = self.open("file:empty")
        self.refused("INVALID_PARAMETER", rename, one, ":empty")
        self.smb.close(self.tree, held)
        rename(one, ":Empty")
        # The handle follows, whatever is done with it next.
        self.assertEqual(self.smb.read(self.tree, one, 0, 100), b"first")
        self.smb.queryInfo(self.tree, one, infoType=1, fileInfoClass=5)
        self.smb.setInfo(self.tree, one, b"\1", 1, 13)
        self.smb.close(self.tree, one)
        self.refused("OBJECT_NAME_NOT_FOUND", self.open, "file:empty")
        self.smb.close(self.tree, self.open("file:full"))
        whole = self.open("file")
        self.refused("OBJECT_NAME_INVALID", rename, whole, "other:stream")
        self.assertFalse(os.path.exists(os.path.join(self.root, "other")))

    # [MS-FSA] 2.1.5.1.1: who makes a file has what he asked for.
    @braid_only
    def test_a_descriptor_that_allows_nothing_is_no_obstacle_to_its_maker(self):
        nothing = struct.pack("<BBHIIII", 1, 0, 0x8004, 0, 0, 0, 20) + struct.pack(
            "<BBHHH", 2, 0, 8, 0, 0)
        for name in ("closed", "closed too:s"):
            with self.subTest(name):
                file = self.smb.create(self.tree, name, ALL_ACCESS, 7, 0, 2, 0x80,
                                       createContexts=[create_context(b"SecD", nothing)])
                self.smb.write(self.tree, file, b"abc", 0, 3)
                self.assertEqual(self.smb.read(self.tree, file, 0, 100), b"abc")
                self.smb.close(self.tree, file)


if __name__ == "__main__":
    suite.main()
