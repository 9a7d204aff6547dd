#!/usr/bin/env python3
"""The Debian package: what is in it, and the way from it to a share in a Debian of its own."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from scratch import Scratch  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=900,
                          **options)


def missing():
    """Why there can be no Debian of our own; empty when there can."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("debootstrap", "smbclient", "unshare"):
        if not shutil.which(program):
            return f"there is no {program}"
    return "" if mirror() else "apt has no sources here"


def mirror():
    """(address, suite) of where this machine has its packages."""
    done = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
               "Created-By: Packages")
    for line in done.stdout.splitlines():
        address, release, component = line.split()
        if component == "main" and re.fullmatch("[a-z]+", release):
            return address, release
    return None


class PackageCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = Scratch(suite.arguments.scratch)
        cls.scratch.__enter__()
        cls.addClassCleanup(cls.scratch.__exit__)
        cls.package = cls.make(cls.scratch.directory("out"))

    @staticmethod
    def make(folder, **environment):
        build = os.path.dirname(os.path.abspath(suite.arguments.braidd))
        done = run(str(ROOT / "tools" / "make_deb.sh"), build, folder,
                   env=os.environ | environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def check(self, *command, **options):
        done = run(*command, **options)
        self.assertEqual(done.returncode, 0, f"{command}: {done.stdout}{done.stderr}")
        return done.stdout


class Package(PackageCase):
    @unittest.skipUnless(shutil.which("lintian"), "no lintian")
    def test_lintian_has_nothing_to_say(self):
        done = run("lintian", "--fail-on", "error,warning", "--allow-root", self.package)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_no_compiler_is_needed(self):
        depends = self.check("dpkg-deb", "-f", self.package, "Depends")
        self.assertIn("libc6", depends)
        self.assertNotRegex(depends, r"clang|g\+\+|gcc(?!-s1)|lib\w+-dev|cmake|make\b")

    def test_everything_is_in_it(self):
        listed = self.check("dpkg-deb", "-c", self.package)
        for path in ("usr/sbin/braidd", "usr/bin/braidctl", "etc/braid/braid.toml",
                     "usr/share/man/man8/braidctl.8.gz", "usr/share/man/man5/braid.toml.5.gz",
                     "lib/systemd/system/braidd.service", "lib/systemd/system/braid-web.service",
                     "lib/systemd/system/braid-announce.service",
                     "usr/share/bash-completion/completions/braidctl",
                     "usr/share/zsh/vendor-completions/_braidctl"):
            self.assertRegex(listed, rf"(?m) \./(usr/)?{re.escape(path)}$")
        self.assertNotRegex(listed, r"(?m)^(?!.* root/root ).")

    def test_links_of_documents_lead_to_what_is_in_it(self):
        unpacked = self.scratch.file("unpacked")
        self.check("dpkg-deb", "-x", self.package, unpacked)
        documents = pathlib.Path(unpacked, "usr/share/doc/braid")
        self.assertTrue((documents / "start.md").exists())
        for document in documents.glob("*.md"):
            for link in re.findall(r"\]\(([^)#]+)", document.read_text("utf-8")):
                if "://" not in link:
                    self.assertTrue((documents / link).exists(), f"{document.name}: {link}")

    def test_the_same_twice(self):
        again = self.make(self.scratch.directory("again"))
        self.assertEqual(pathlib.Path(again).read_bytes(), pathlib.Path(self.package).read_bytes())


@unittest.skipIf(missing(), missing())
class NewUser(PackageCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        address, release = mirror()
        cls.debian = cls.scratch.file("debian")
        done = run("debootstrap", "--variant=minbase", release, cls.debian, address)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        # Packages come from where they come from here.
        for name in ("sources.list", "sources.list.d", "apt.conf.d", "trusted.gpg.d", "auth.conf.d"):
            ours, theirs = os.path.join("/etc/apt", name), os.path.join(cls.debian, "etc/apt", name)
            if os.path.isdir(ours):
                shutil.copytree(ours, theirs, dirs_exist_ok=True)
            elif os.path.exists(ours):
                shutil.copy(ours, theirs)
        shutil.copy("/etc/resolv.conf", os.path.join(cls.debian, "etc/resolv.conf"))
        shutil.copy(cls.package, os.path.join(cls.debian, "root"))

    def inside(self, script, **options):
        """As root in that Debian, with its own processes and mounts."""
        return run("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
                   'mount -t proc proc "$0/proc" && exec chroot "$0" sh -ec "$1"', self.debian,
                   script, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                                "DEBIAN_FRONTEND": "noninteractive"}, **options)

    def good(self, script):
        done = self.inside(script)
        self.assertEqual(done.returncode, 0, f"{script}: {done.stdout}{done.stderr}")
        return done.stdout

    # What a new user types, in one Debian after the other.
    INSTALL = "apt-get -qq update && apt-get -qq -y install ./root/braid_*.deb"
    COMMANDS = ("groupadd team",
                "printf 'Secret-1\\n' | braidctl user add alice --create --group team",
                "braidctl share add data /srv/data --allow @team --create")
    START = "braidd --config /etc/braid/braid.toml"

    def test_from_the_package_to_a_share(self):
        begun = time.monotonic()
        self.good(self.INSTALL)
        installed = time.monotonic()
        self.assertNotIn("braidd", self.good("cat /proc/[0-9]*/comm"))
        self.assertEqual(self.inside("ls /etc/systemd/system/*/braidd.service").stdout, "")
        self.assertIn("0 shares, no mistakes", self.good("braidctl config check"))
        for command in self.COMMANDS:
            self.good(command)
        self.assertIn("1 share, no mistakes", self.good("braidctl config check"))
        self.assertIn("# state_dir", self.good("cat /etc/braid/braid.toml"))
        # systemctl is not there to start it: its own network is, with port 445.
        script = f"""
            set -e
            ip link set lo up
            mount -t proc proc "$0/proc"
            chroot "$0" {self.START} 2>"$1/braidd.log" &
            until grep -q ' ready$' "$1/braidd.log"; do sleep 0.05; done
            echo content >"$1/sent"
            smbclient //127.0.0.1/data -U alice%Secret-1 -c "put $1/sent sent; ls"
            chroot "$0" braidctl sessions
            """
        done = run("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c",
                   script, self.debian, self.scratch.path)
        ended = time.monotonic()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(pathlib.Path(self.debian, "srv/data/sent").read_text("utf-8"), "content\n")
        print(f"\nfrom the package to a file on the share: {2 + len(self.COMMANDS)} commands on the "
              f"server, {installed - begun:.1f} s to install and {ended - installed:.1f} s for the "
              "rest", file=sys.stderr)
        self.upgrade_remove_purge()

    def upgrade_remove_purge(self):
        config = pathlib.Path(self.debian, "etc/braid/braid.toml")
        state = pathlib.Path(self.debian, "var/lib/braid")
        before = config.read_text("utf-8")
        self.good("dpkg -i /root/braid_*.deb")
        self.assertEqual(config.read_text("utf-8"), before)
        self.assertIn("alice", self.good("braidctl user list"))
        self.good("apt-get -qq -y remove braid")
        self.assertTrue(config.exists() and state.exists())
        self.good("apt-get -qq -y purge braid")
        self.assertFalse(config.exists())
        self.assertTrue(state.exists(), "accounts went without a word")
        self.good("dpkg -i /root/braid_*.deb")
        self.good("echo 'braid braid/purge_state boolean true' | debconf-set-selections\n"
                  "apt-get -qq -y purge braid")
        self.assertFalse(state.exists())
        self.assertTrue(pathlib.Path(self.debian, "srv/data/sent").exists())
        self.assertNotIn("braid", self.good("dpkg-query -W -f '${Package}\\n'"))


if __name__ == "__main__":
    suite.main()
