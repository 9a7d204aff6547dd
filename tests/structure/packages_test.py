#!/usr/bin/env python3
"""tools/install-packages.sh on a Debian that has other names for what packages.txt wants: with programs in
place of dpkg's and apt's."""
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Packages(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)

    def program(self, name, text):
        (self.path / name).write_text("#!/bin/sh\n" + text, encoding="utf-8")
        (self.path / name).chmod(0o755)

    def asked_for(self, known, installed=()):
        """The packages that apt-get is told to install where apt knows `known` only (None: all)."""
        lines = "".join(f"ii {name}\\n" for name in installed)
        self.program("dpkg-query", f"printf '{lines}'\n")
        rule = "exit 0" if known is None else f"case ' {' '.join(known)} ' in *\" $2 \"*) exit 0;; esac; exit 100"
        self.program("apt-cache", rule + "\n")
        self.program("apt-get", f"echo \"$@\" >> {self.path}/asked\n")
        self.program("sudo", "exec \"$@\"\n")
        (self.path / "asked").write_text("", encoding="utf-8")
        done = subprocess.run([ROOT / "tools/install-packages.sh", "build", "nfs"], capture_output=True, text=True,
                              env={"PATH": f"{self.path}:{os.environ['PATH']}"}, check=False, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        asked = (self.path / "asked").read_text(encoding="utf-8").splitlines()
        return set(asked[-1].split()) if asked else set()

    def test_debian_12(self):
        asked = self.asked_for(None)
        self.assertLessEqual({"clang-19", "libboost1.81-dev", "libnfs13"}, asked)
        self.assertFalse(asked & {"libboost-dev", "libnfs14"})

    def test_a_debian_with_other_versions(self):
        asked = self.asked_for(["clang-19", "libboost-dev", "libnfs14"])
        self.assertLessEqual({"clang-19", "libboost-dev", "libnfs14"}, asked)
        self.assertFalse(any("|" in name or name in ("libboost1.81-dev", "libnfs13") for name in asked))

    def test_what_is_there_is_not_asked_for(self):
        first, last = ({names[at] for names in self.names()} for at in (0, -1))
        self.assertEqual(self.asked_for(None, first), set())
        self.assertEqual(self.asked_for(last, last), set())
        # The other name may be an older version here.
        self.assertIn("libboost1.81-dev", self.asked_for(None, last))

    @staticmethod
    def names():
        lines = (ROOT / "packages.txt").read_text(encoding="utf-8").splitlines()
        return [line.split()[0].split("|") for line in lines if line and line[0] not in "#["]


if __name__ == "__main__":
    unittest.main()
