#!/usr/bin/env python3
"""Names made where change events say nothing, as on NFS: a directory that has just changed is read
again for each. Run by ../lib/on_image.sh on ramfs."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from file_control import ALL_ACCESS, FileControlCase  # noqa: E402

CREATE, DIRECTORY = 2, 1
HIDDEN, NORMAL = 0x02, 0x80


class NewNames(FileControlCase):
    # Many times within the seconds for which the directory's times tell nothing; a CREATE that is
    # begun anew for each change that it makes itself is never answered.
    def test_have_answers(self):
        for number in range(30):
            for kind, options, attributes in (("file", 0, NORMAL), ("hidden-file", 0, HIDDEN),
                                              ("folder", DIRECTORY, NORMAL),
                                              ("hidden-folder", DIRECTORY, HIDDEN)):
                with self.subTest(kind=kind, number=number):
                    self.smb.close(self.tree, self.smb.create(
                        self.tree, f"{kind}{number}", ALL_ACCESS, 7, options, CREATE, attributes))
        made = [name for name in os.listdir(self.root) if name[-1].isdigit()]
        self.assertEqual(len(made), 4 * 30)

    def test_are_one_in_any_case(self):
        self.smb.close(self.tree, self.open("Name", CREATE))
        self.refused("OBJECT_NAME_COLLISION", self.open, "nAME", CREATE)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: needs root")
        sys.exit(77)
    suite.main()
