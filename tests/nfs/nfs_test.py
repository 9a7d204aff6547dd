#!/usr/bin/env python3
"""NFS by nfs-ganesha and SMB on the same folder: records.py has the tests. Needs root."""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import records  # noqa: E402
import suite  # noqa: E402
from nfs_client import Ganesha  # noqa: E402
from server import Options, Share, ids_of  # noqa: E402


class OnGanesha:
    share, nfs_folder = "share", "/share"

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("nfs-ganesha needs root")
        super().setUpClass()
        cls.nfs_server = Ganesha(cls.scratch, cls.root)
        cls.nfs = cls.nfs_client()

    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", owner=ids_of(records.ALICE))
        for number in range(records.FILES):
            path = os.path.join(cls.root, f"file{number}")
            with open(path, "wb") as out:
                out.write(records.record(0))
            os.chown(path, *ids_of(records.ALICE))
        return Options([Share("share", cls.root, lines=(f'local_access = "{cls.mode}"',))],
                       [records.ALICE], signing="enabled")


class Strict(OnGanesha, records.Strict):
    pass


class Notify(OnGanesha, records.Notify):
    pass


if __name__ == "__main__":
    suite.main(records.extra)
