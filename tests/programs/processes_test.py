#!/usr/bin/env python3
"""The processes of braidd: started again when killed, orders by signal, rights of the front."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import server as servers  # noqa: E402
import smb2_raw  # noqa: E402
import suite  # noqa: E402
from case import ALICE, LIMIT_S, ServerCase  # noqa: E402
from scratch import Scratch, stop  # noqa: E402
from server import children, descriptors, name_of  # noqa: E402
from smbclient import SmbClient  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
# By number, of <linux/capability.h>: those that braidd keeps.
CAPABILITIES = {0: "chown", 1: "dac_override", 2: "dac_read_search", 3: "fowner", 4: "fsetid",
                5: "kill", 6: "setgid", 7: "setuid", 8: "setpcap", 21: "sys_admin",
                28: "lease"}
NEGOTIATE = smb2_raw.frame(smb2_raw.header(smb2_raw.NEGOTIATE) + smb2_raw.negotiate())


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)


def capabilities_of(mask):
    return {CAPABILITIES.get(bit, str(bit)) for bit in range(64) if mask >> bit & 1}


class ProcessesCase(ServerCase):
    def pids(self, name):
        return sorted(pid for pid in children(self.server.process.pid) if name_of(pid) == name)

    def negotiates(self):
        """Whether a new connection gets an answer to its NEGOTIATE."""
        try:
            with socket.create_connection((self.server.host, self.server.port), 5) as client:
                client.settimeout(5)
                client.sendall(NEGOTIATE)
                return client.makefile("rb").read(8)[4:] == b"\xfeSMB"
        except OSError:
            return False


class Killed(ProcessesCase):
    def test_worker_is_replaced_within_a_second(self):
        self.assertTrue(self.negotiates())
        for _ in range(3):
            old, = self.pids("braidd-worker")
            before = time.monotonic()
            os.kill(old, signal.SIGKILL)
            # A connection made right now waits for the next worker rather than failing.
            self.assertTrue(self.negotiates(), self.server.log_text())
            took = time.monotonic() - before
            new, = self.pids("braidd-worker")
            self.assertNotEqual(new, old)
            # The rest is for sanitizers and busy machines.
            self.assertLess(took, 5, "too long without a worker")
        self.assertEqual(stop(self.server.process), 0)

    def test_connection_that_was_open_sees_its_end(self):
        with socket.create_connection((self.server.host, self.server.port), 5) as client:
            client.settimeout(5)
            client.sendall(NEGOTIATE)
            self.assertEqual(client.makefile("rb").read(8)[4:], b"\xfeSMB")
            os.kill(self.pids("braidd-worker")[0], signal.SIGKILL)
            try:
                while client.recv(4096):
                    pass
            except ConnectionResetError:
                pass
        self.assertTrue(self.negotiates())

    def test_front_is_replaced(self):
        self.assertTrue(self.negotiates())
        old, = self.pids("braidd-front")
        worker = self.pids("braidd-worker")
        os.kill(old, signal.SIGKILL)
        self.wait_for(lambda: self.pids("braidd-front") not in ([], [old]), "a new front")
        self.wait_for(self.negotiates, "an answer through the new front")
        self.assertEqual(self.pids("braidd-worker"), worker, "the worker went with it")

    def test_nothing_outlives_the_supervisor(self):
        pids = children(self.server.process.pid)
        self.assertEqual(len(pids), 2)
        self.server.process.kill()
        self.server.process.wait()
        self.wait_for(lambda: not any(name_of(pid).startswith("braidd-") for pid in pids),
                      "the end of front and worker")


class SeveralWorkers(ProcessesCase):
    workers = 3

    def test_each_is_replaced_on_its_own(self):
        first = self.pids("braidd-worker")
        self.assertEqual(len(first), 3)
        os.kill(first[1], signal.SIGKILL)
        self.wait_for(lambda: len(self.pids("braidd-worker")) == 3 and
                      self.pids("braidd-worker") != first, "a third worker")
        self.assertEqual(len(set(first) & set(self.pids("braidd-worker"))), 2)
        self.assertTrue(self.negotiates())


class Orders(ProcessesCase):
    def test_sigterm_ends_all_with_status_0(self):
        pids = children(self.server.process.pid)
        self.assertTrue(self.negotiates())
        self.assertEqual(stop(self.server.process), 0)
        self.assertFalse([pid for pid in pids if name_of(pid).startswith("braidd-")])
        self.assertFalse(self.server.answers())

    def test_sigterm_to_every_process_at_once(self):
        # What a terminal does with Ctrl-C, and a service manager by default.
        os.killpg(self.server.process.pid, signal.SIGTERM)
        self.assertEqual(self.server.process.wait(LIMIT_S), 0)

    def test_sighup_with_a_mistake_changes_nothing(self):
        with open(self.server.config, "a", encoding="utf-8") as config:
            config.write("pth = 1\n")
        self.server.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: "the configuration stays as it was" in self.server.log_text(),
                      "a word about the mistake")
        self.assertIn("did you mean path?", self.server.log_text())
        self.assertTrue(self.negotiates())

    def test_sighup_names_what_waits_for_a_restart(self):
        with open(self.server.config, encoding="utf-8") as config:
            text = config.read()
        with open(self.server.config, "w", encoding="utf-8") as config:
            config.write(text.replace("workers = 1", "workers = 2"))
        self.server.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: "the new value of workers waits for a restart" in
                      self.server.log_text(), "a word about workers")
        self.assertTrue(self.negotiates())


class Log(ProcessesCase):
    """Every process may write lines, at the level that the configuration has now."""

    def says_nothing_of_smb(self):
        """What the front has a line about, at the level debug."""
        with socket.create_connection((self.server.host, self.server.port), 5) as client:
            client.settimeout(5)
            client.sendall(smb2_raw.frame(b"X" * 64))
            self.assertEqual(client.recv(1), b"")

    def lines_of(self, process):
        return [line for line in self.server.log_text().splitlines() if f" [{process}] " in line]

    def set_level(self, level):
        path = pathlib.Path(self.server.config)
        text = path.read_text(encoding="utf-8").replace('log_level = "debug"\n', "")
        path.write_text(text.replace("[server]", f'[server]\nlog_level = "{level}"', 1),
                        encoding="utf-8")
        count = self.server.log_text().count("took the new configuration")
        self.server.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: self.server.log_text().count("took the new configuration") > count,
                      "the new level")

    def test_reload_changes_the_level_of_every_process(self):
        front, worker = self.pids("braidd-front"), self.pids("braidd-worker")
        self.says_nothing_of_smb()
        self.assertEqual(self.lines_of("front"), [])
        self.set_level("debug")
        self.says_nothing_of_smb()
        self.wait_for(lambda: self.lines_of("front"), "a line of the front")
        self.assertTrue(self.negotiates())
        self.wait_for(lambda: any("connected" in line for line in self.lines_of("worker 0")),
                      "a line of the worker")
        self.assertEqual((self.pids("braidd-front"), self.pids("braidd-worker")), (front, worker))

    def test_next_front_has_the_new_level(self):
        self.set_level("debug")
        old, = self.pids("braidd-front")
        os.kill(old, signal.SIGKILL)
        self.wait_for(self.negotiates, "an answer through the new front")
        count = len(self.lines_of("front"))
        self.says_nothing_of_smb()
        self.wait_for(lambda: len(self.lines_of("front")) > count, "a line of the new front")


class Journal(ProcessesCase):
    # What systemd does: it says which file the journal's socket is. Here it is the log.
    more_options = {"prefix": ("sh", "-c", 'JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec "$@"',
                               "sh")}

    def test_each_line_has_its_priority(self):
        os.rename(self.root, self.root + ".away")
        self.addCleanup(os.rename, self.root + ".away", self.root)
        self.server.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: " is absent: " in self.server.log_text(), "the share's absence")
        os.kill(self.pids("braidd-front")[0], signal.SIGKILL)
        self.wait_for(lambda: "starting another" in self.server.log_text(), "another front")
        digits = {"info": "6", "warning": "4", "error": "3", "debug": "7"}
        lines = self.server.log_text().splitlines()
        levels = set()
        for line in lines:
            found = re.match(r"<(\d)>\d{4}-\d\d-\d\dT[0-9:.]+[+-]\d\d:\d\d (\w+) ", line)
            self.assertTrue(found, line)
            self.assertEqual(found[1], digits[found[2]], line)
            levels.add(found[2])
        self.assertLessEqual({"info", "warning"}, levels)

    def test_other_files_have_none(self):
        self.options.prefix = ("env", "JOURNAL_STREAM=1:2")
        self.assertEqual(stop(self.server.process), 0)
        again = servers.start(suite.arguments, self.scratch, self.options, "again")
        self.assertRegex(again.log_text(), r"\A\d{4}-")
        self.assertEqual(again.stop(), [])


class FileSize(ProcessesCase):
    """Below a limit of file size (RLIMIT_FSIZE), as service managers and shells set it."""
    LIMIT = 1 << 20
    more_options = {"prefix": ("prlimit", f"--fsize={LIMIT}")}

    def test_write_beyond_the_limit_fails_and_ends_nobody(self):
        pids = children(self.server.process.pid)
        large = self.scratch.file("large")
        pathlib.Path(large).write_bytes(bytes(2 * self.LIMIT))
        client = SmbClient(self.scratch, self.server, ALICE)
        answer = client.run(f"put {large} large")
        self.assertEqual(answer.nt_status, "NT_STATUS_DISK_FULL", answer.text)
        self.assertTrue(client.run("ls").ok)
        self.assertEqual(children(self.server.process.pid), pids)


class FileSizeOfASingleProcess(FileSize):
    single_process = True


class WaitsForARestart(ProcessesCase):
    """A value that waits for a restart does so for a worker that is started again, too."""

    def reload(self, text):
        pathlib.Path(self.server.config).write_text(text, encoding="utf-8")
        count = self.server.log_text().count("took the new configuration")
        self.server.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: self.server.log_text().count("took the new configuration") > count,
                      "the new configuration")

    def new_worker(self):
        old = self.pids("braidd-worker")
        os.kill(old[0], signal.SIGKILL)
        self.wait_for(lambda: self.pids("braidd-worker") not in ([], old), "a new worker")

    def test_next_worker_is_as_the_first(self):
        before = pathlib.Path(self.server.config).read_text(encoding="utf-8")
        other = self.scratch.directory("other.state", mode=0o700)
        keytab = pathlib.Path(self.scratch.file("no.keytab"))
        keytab.write_text("no keytab", encoding="ascii")
        server = f'[server]\nkeytab = "{keytab}"\nname = "OTHER"'
        changed = before.replace("[server]", server, 1)
        changed = changed.replace("server.state", "other.state").replace("workers = 1", "workers = 3")
        changed = changed.replace("min_uid = 1\n", "min_uid = 4294967294\n")
        self.reload(changed)
        for key in ("state_dir", "keytab", "name", "workers", "min_uid"):
            self.assertEqual(self.waits(key), 1, key)
        self.new_worker()
        client = SmbClient(self.scratch, self.server, ALICE)
        self.assertTrue(client.run("ls").ok, self.server.log_text())
        self.assertEqual(os.listdir(other), [])
        # Taken back: nothing waits any more, and the same worker takes it.
        self.reload(before)
        self.assertEqual(self.waits("state_dir"), 1)
        self.new_worker()
        self.assertTrue(client.run("ls").ok, self.server.log_text())

    def test_next_worker_takes_what_does_not_wait(self):
        before = pathlib.Path(self.server.config).read_text(encoding="utf-8")
        self.reload(before.replace('name = "share"', 'name = "other"'))
        self.new_worker()
        self.assertTrue(SmbClient(self.scratch, self.server, ALICE, share="other").run("ls").ok)

    def waits(self, key):
        return self.server.log_text().count(f"the new value of {key} waits for a restart")

    def test_memory_limit_is_divided_by_the_workers_there_are(self):
        before = pathlib.Path(self.server.config).read_text(encoding="utf-8")
        self.reload(before.replace("workers = 1", "workers = 4\nmemory_limit = 1024"))
        done = subprocess.run([self.server.braidctl, "--config", self.server.config, "metrics"],
                              capture_output=True, text=True, timeout=60, check=True)
        self.assertRegex(done.stdout, fr"(?m)^braid_memory_limit_bytes\S* {1024 << 20}$")


class Rights(ProcessesCase):
    @unittest.skipUnless(os.geteuid() == 0, "the front gives up root only where it has it")
    def test_front_is_nobody_and_stays_so(self):
        status = status_of(self.pids("braidd-front")[0])
        self.assertEqual(set(status["Uid"].split()), {"65534"})
        self.assertEqual(set(status["Gid"].split()), {"65534"})
        self.assertEqual(status["Groups"].strip(), "")
        for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[which], 16), 0, which)

    def test_front_gains_nothing_by_programs(self):
        self.assertEqual(status_of(self.pids("braidd-front")[0])["NoNewPrivs"], "1")

    def test_each_has_a_filter_and_gains_nothing_by_programs(self):
        for pid in (self.server.process.pid, *children(self.server.process.pid)):
            status = status_of(pid)
            self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"), name_of(pid))

    @unittest.skipUnless(os.geteuid() == 0, "only root has capabilities")
    def test_capabilities_are_those_of_the_document(self):
        sets = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
        worker = {"chown", "dac_override", "dac_read_search", "fowner", "setuid", "setgid",
                  "sys_admin", "lease"}
        supervisor = worker | {"kill", "setpcap"}
        for pid, expected in (
                (self.pids("braidd-worker")[0], [set(), worker, worker, worker, set()]),
                (self.server.process.pid,
                 [set(), supervisor, {"kill", "dac_read_search"}, supervisor, set()])):
            status = status_of(pid)
            self.assertEqual([capabilities_of(int(status[each], 16)) for each in sets], expected,
                             name_of(pid))
        document = (ROOT / "docs" / "privileges.md").read_text(encoding="utf-8")
        for capability in supervisor:
            self.assertIn(f"CAP_{capability.upper()}", document)

    @unittest.skipUnless(os.geteuid() == 0, "looks into processes of another user")
    def test_front_has_sockets_only(self):
        front = self.pids("braidd-front")[0]
        for number, target in descriptors(front).items():
            if number > 2:
                self.assertRegex(target, r"^(socket|anon_inode):", f"descriptor {number}")


class Unit(unittest.TestCase):
    """packaging/*.service, as systemd judges them."""

    def test_is_started_again_but_for_a_mistake_in_the_text(self):
        text = (ROOT / "packaging" / "braidd.service").read_text(encoding="utf-8")
        unit = dict(line.split("=", 1) for line in text.splitlines() if re.match(r"[A-Z]\w+=", line))
        self.assertEqual((unit["Restart"], unit["RestartPreventExitStatus"]), ("on-failure", "2"))
        # Not given up after a few tries within seconds.
        self.assertEqual(unit["StartLimitIntervalSec"], "0")
        self.assertGreaterEqual(int(unit["RestartSec"]), 1)
        self.assertLess(text.index("StartLimitIntervalSec"), text.index("[Service]"))
        # thread_limit_test.cc: what workers = 64 and threads = 256 ask for.
        self.assertGreater(int(unit["TasksMax"]), 25600)

    def test_exposure_is_below_4(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd is not installed")
        with Scratch(suite.arguments.scratch) as scratch:
            for name in ("braidd.service", "braid-web.service", "braid-announce.service"):
                self.assert_exposure(scratch, name)

    def assert_exposure(self, scratch, name):
        unit = pathlib.Path(scratch.file(name))
        text = (ROOT / "packaging" / name).read_text(encoding="utf-8")
        unit.write_text(re.sub("@s?bindir@", "/usr/sbin", text).replace("@sysconfdir@", "/etc"),
                        encoding="utf-8")
        done = subprocess.run(["systemd-analyze", "security", "--offline=true",
                               "--threshold=40", "--no-pager", str(unit)],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-400:] + done.stderr)
        self.assertEqual(done.stderr, "")


@unittest.skipUnless(os.geteuid() == 0, "looks into processes of another user")
class Inherited(ProcessesCase):
    """Descriptors that whoever starts the server has forgotten to close."""
    more_options = {"prefix": ("sh", "-c", 'exec 3</etc/hostname 9</etc/passwd; exec "$@"', "sh")}

    def test_reach_no_process(self):
        pids = [self.server.process.pid, *children(self.server.process.pid)]
        self.assertEqual(len(pids), 3)
        for pid in pids:
            opened = set(descriptors(pid).values())
            self.assertFalse(opened & {"/etc/hostname", "/etc/passwd"}, name_of(pid))


@unittest.skipUnless(os.geteuid() == 0, "makes a network")
class AddressThatComesLater(ProcessesCase):
    more_options = {"prefix": ("unshare", "--net", "sh", "-c",
                               'ip link set lo up; exec "$@"', "sh")}

    def inside(self, *command):
        return subprocess.run(["nsenter", "--net", "-t", str(self.server.process.pid), *command],
                              capture_output=True, text=True, timeout=60, check=False)

    def test_is_served_when_it_is_there(self):
        self.assertEqual(stop(self.server.process), 0)
        with open(self.server.config, encoding="utf-8") as config:
            text = config.read().replace('"127.0.0.1:0"', '"127.0.0.1:445", "192.0.2.1:445", '
                                         '"[2001:db8::1]:445"')
        with open(self.server.config, "w", encoding="utf-8") as config:
            config.write(text)
        self.server.log = self.scratch.file("again.log")
        self.server.process = self.scratch.start(
            [*self.options.prefix, self.server.program, "--config", self.server.config],
            self.server.log)
        self.wait_for(lambda: "ready" in self.server.log_text(), "ready")
        for address in ("192.0.2.1", "2001:db8::1"):
            self.assertIn(f"the machine has no address {address} yet; ", self.server.log_text())
            self.assertEqual(self.inside("ip", "addr", "add", address, "dev", "lo").returncode, 0)
            done = self.inside(sys.executable, "-c", "import socket, sys; "
                               f"socket.create_connection(('{address}', 445), 5)")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(stop(self.server.process), 0)


class SecondServer(ProcessesCase):
    """On the state_dir of one that runs."""

    def second(self, *mode):
        return subprocess.run([self.server.program, "--config", self.server.config, *mode],
                              capture_output=True, text=True, timeout=60, check=False)

    def assert_refused(self, done):
        self.assertEqual((done.returncode, done.stdout.count("listening")), (1, 0), done.stderr)
        self.assertRegex(done.stderr.splitlines()[-1],
                         f"state_dir .*another server runs on it, process "
                         f"{self.server.process.pid}; stop that one, or give")

    def test_is_refused_and_takes_nothing(self):
        for mode in ([], ["--single-process"]):
            self.assert_refused(self.second(*mode))
        done = subprocess.run([self.server.braidctl, "--config", self.server.config, "sessions"],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(self.negotiates())

    def test_worker_that_is_started_again_is_not(self):
        if self.single_process:
            self.skipTest("it has no worker of its own")
        old = self.pids("braidd-worker")
        os.kill(old[0], signal.SIGKILL)
        self.wait_for(lambda: self.pids("braidd-worker") not in ([], old), "a new worker")
        self.wait_for(self.negotiates, "an answer of the new worker")
        self.assert_refused(self.second())

    def test_next_one_starts_after_a_kill(self):
        self.server.process.kill()
        self.server.process.wait()
        log = self.scratch.file("next.log")
        following = self.scratch.start([self.server.program, "--config", self.server.config], log)
        self.wait_for(lambda: "ready" in pathlib.Path(log).read_text(encoding="utf-8"), "ready")
        self.assertEqual(stop(following), 0)


class SecondServerBesideSingleProcess(SecondServer):
    single_process = True


class SingleProcess(ProcessesCase):
    single_process = True

    def test_serves_and_ends(self):
        self.assertEqual(children(self.server.process.pid), [])
        self.assertTrue(self.negotiates())
        self.assertEqual(stop(self.server.process), 0)


if __name__ == "__main__":
    suite.main()
