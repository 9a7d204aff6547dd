#!/usr/bin/env python3
"""What smbtorture may ask of a server under test (src/smb2/commands/ioctl/test_switches.cc)."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from impacket.smb3structs import SMB2_READ, SMB2Read  # noqa: E402

import suite  # noqa: E402
from file_control import FileControlCase  # noqa: E402

PAD_IOCTLS, PAD_READS, SLEEP = 0x83848013, 0x83848023, 0x83848043
ANY = b"\xff" * 16
CONTENT = b"0123456789abcdef"


class Switches(FileControlCase):
    @classmethod
    def options(cls, scratch):
        options = super().options(scratch)
        options.env = options.env | {"BRAID_TEST_SWITCHES": "1"}
        return options

    def test_input_is_refused_where_none_is_wanted(self):
        for code in (PAD_IOCTLS, PAD_READS):
            self.assertEqual(self.control(ANY, code, b"x")[0], "INVALID_PARAMETER")
        file = self.open("file")
        self.assertEqual(self.smb.read(self.tree, file, 0, 16), CONTENT)

    def read_answer(self, file):
        """What stands behind the header."""
        low = self.smb
        packet = low.SMB_PACKET()
        packet["Command"], packet["TreeID"] = SMB2_READ, self.tree
        body = SMB2Read()
        body["Padding"], body["FileID"], body["Length"], body["Offset"] = 0x50, file, 16, 0
        packet["Data"] = body
        return low.recvSMB(low.sendSMB(packet))["Data"]

    def test_data_stands_apart_where_that_is_asked_for(self):
        file = self.open("file")
        for switch, offset in ((None, 80), (PAD_READS, 88)):
            if switch:
                self.assertEqual(self.control(file, switch)[0], "SUCCESS")
            answer = self.read_answer(file)
            self.assertEqual(answer[2], offset)
            self.assertEqual(answer[offset - 64:offset - 48], CONTENT)
        status, output = self.control(file, PAD_IOCTLS)
        self.assertEqual((status, set(output)), ("SUCCESS", {8}))

    def test_sleep_takes_as_long_as_it_says(self):
        file = self.open("file")
        begin = time.monotonic()
        self.assertEqual(self.control(file, SLEEP, b"\x64")[0], "SUCCESS")
        self.assertGreaterEqual(time.monotonic() - begin, 0.1)
        for wrong in (b"", b"\x01\x01"):
            self.assertEqual(self.control(file, SLEEP, wrong)[0], "INVALID_PARAMETER")


if __name__ == "__main__":
    suite.main()
