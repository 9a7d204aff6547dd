#!/usr/bin/env python3
"""The steps of docs/start.md from an installed braid to a client's first listing, word by word, on a machine of their own:
other files in /etc, /srv and /var/lib, another network."""
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import children, name_of  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
START = (ROOT / "docs" / "start.md").read_text(encoding="utf-8")
PASSWORD = "Secret-1"

# systemd is not there: what it would do with the unit.
SYSTEMCTL = """#!/bin/sh
[ "$*" = "enable --now braidd" ] || { echo "systemctl $*?" >&2; exit 1; }
braidd 2>/run/braidd.log &
n=0
until grep -q ' ready$' /run/braidd.log; do
  sleep 0.05; n=$((n + 1)); [ $n -lt 1200 ] || { cat /run/braidd.log >&2; exit 1; }
done
"""


def section(title):
    begin = START.index(f"## {title}\n")
    end = START.find("\n## ", begin)
    return START[begin:end]


def blocks(text):
    """The indented blocks, as lines without their indent."""
    found = re.findall(r"(?:^|\n)((?:    .*\n|\n(?=    ))+)", text)
    return [[line[4:] for line in block.strip("\n").split("\n")] for block in found]


class Start(unittest.TestCase):
    def setUp(self):
        for program in ("smbclient", "unshare", "useradd", "ip"):
            if os.geteuid() != 0 or not shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin"):
                self.skipTest(f"needs root and {program}")
        self.scratch = Scratch(suite.arguments.scratch)
        self.scratch.__enter__()
        self.addCleanup(self.scratch.__exit__)
        programs = pathlib.Path(self.scratch.directory("bin"))
        build = pathlib.Path(suite.arguments.braidd).resolve().parent
        for name in ("braidd", "braidctl"):
            (programs / name).symlink_to(build / name)
        for name, text in (("sudo", '#!/bin/sh\nexec "$@"\n'), ("systemctl", SYSTEMCTL),
                           ("journalctl", "#!/bin/sh\ncat /run/braidd.log\n")):
            (programs / name).write_text(text, encoding="utf-8")
            (programs / name).chmod(0o755)
        self.programs = programs

    def script(self):
        """The commands of the document, each checked, in the order of the document."""
        users = blocks(section("3. Users and shares"))
        commands = list(users[0])
        shares, question = users[1], users[2]
        self.assertEqual(shares[0], "[[share]]")
        self.assertTrue(question[0].startswith("$ "))
        lines = [f"echo {PASSWORD} | {{ {command}; }}" if "user add alice" in command else command
                 for command in commands]
        pathlib.Path(self.scratch.file("shares")).write_text("\n".join(shares) + "\n", "utf-8")
        pathlib.Path(self.scratch.file("answer")).write_text("\n".join(question[1:]) + "\n", "utf-8")
        lines.append(f"tail -n {len(shares)} /etc/braid/braid.toml | cmp - {self.scratch.file('shares')}")
        lines.append(f"{question[0][2:]} | cmp - {self.scratch.file('answer')}")
        lines += blocks(section("5. Start"))[0]
        smbclient = blocks(section("6. Clients").split("### Linux")[0])[0]
        lines += [f"{line} -c ls" if "-L" not in line else line
                  for line in smbclient if "127.0.0.1" not in line]
        why = re.search(r"`(braidctl why [^`]*)`", section("4. Who may do what")).group(1)
        lines.append(why)
        return lines

    def test_every_step_works_as_it_is_written(self):
        lines = self.script()
        self.assertEqual(len([line for line in lines if "smbclient" in line]), 3, lines)
        script = ["set -e", "mount -t tmpfs none /mnt", "cp -a /etc/. /mnt/", "mount --move /mnt /etc",
                  "mount -t tmpfs none /srv", "mount -t tmpfs none /var/lib",
                  "mount -t tmpfs none /run", "ip link set lo up",
                  "echo 127.0.0.1 files.example.org >>/etc/hosts",
                  f"install -D -m 644 {ROOT}/packaging/braid.toml /etc/braid/braid.toml"]
        for line in lines:
            script += [f"echo + {shlex.quote(line)}", line]
        name = self.scratch.file("steps")
        pathlib.Path(name).write_text("\n".join(script) + "\n", encoding="utf-8")
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "sh", name],
            capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL,
            env={"PATH": f"{self.programs}:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                 "PASSWD": PASSWORD, "HOME": self.scratch.path})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("user alice was added, and acts as the Unix user alice", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^\s+archive +Disk")
        self.assertIn("listening on 0.0.0.0:445", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^alice may write data/plan\.odt$")


class Demo(unittest.TestCase):
    """What `make run` starts."""

    def test_the_line_it_prints_works_and_a_second_start_says_so(self):
        if not shutil.which("smbclient"):
            self.skipTest("no smbclient")
        with Scratch(suite.arguments.scratch) as scratch:
            os.chmod(scratch.path, 0o755)
            with socket.create_server(("127.0.0.1", 0)) as free:
                listen = f"127.0.0.1:{free.getsockname()[1]}"
            build = pathlib.Path(suite.arguments.braidd).resolve().parent
            command = [ROOT / "tools" / "demo.sh", build, scratch.file("demo"), listen]
            log = scratch.file("log")
            process = scratch.start(command, log)
            end = time.monotonic() + 60
            while " ready" not in pathlib.Path(log).read_text("utf-8"):
                self.assertIsNone(process.poll(), pathlib.Path(log).read_text("utf-8"))
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)
            line = re.search("(?m)^smbclient .*$", pathlib.Path(log).read_text("utf-8")).group(0)
            done = subprocess.run(["sh", "-c", line], cwd=ROOT, capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("welcome.txt", done.stdout)
            self.assertEqual(pathlib.Path(scratch.file("demo"), "files", "README.md").read_bytes(),
                             (ROOT / "README.md").read_bytes())
            second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(second.returncode, 1)
            self.assertIn("is being served already; ", second.stderr)
            # A terminal's Ctrl-C goes to all of them; here the server is the shell's child.
            pid = process.pid
            while name_of(pid) != "braidd":
                pid, = children(pid)
            os.kill(pid, signal.SIGTERM)
            self.assertEqual(process.wait(timeout=60), 0)


if __name__ == "__main__":
    suite.main()
