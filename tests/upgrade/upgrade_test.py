#!/usr/bin/env python3
"""Upgrades of a running server: who has files open keeps them. [MS-SMB2] 3.3.5.9.7, 3.3.5.9.12."""
import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("lib", "hostile", "persistent"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))

import persistent as p  # noqa: E402
import server as servers  # noqa: E402
import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from hung_disk import HungDisk  # noqa: E402
from peer import Peer, Refused  # noqa: E402
from persistent import RWH, Client  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Options, Share, descriptors, ids_of, name_of, test_users  # noqa: E402

ALICE, BOB = test_users()
LOCK_NOT_GRANTED = "0xC0000055"
NOT_FOUND = "OBJECT_NAME_NOT_FOUND"
KEY = b"lease key 000001"
DELETE_ON_CLOSE = 0x1000
CONTINUOUS = ("continuous_availability = true",)
STRICT = ('local_access = "strict"',)


def number():
    """Another each time: of a CREATE, of a client."""
    return os.urandom(16)


class Upgraded(unittest.TestCase):
    """A server of its own, with a copy of the program that can be replaced."""
    workers = 1

    @classmethod
    def setUpClass(cls):
        if suite.arguments.smbd:
            raise unittest.SkipTest("smbd is not upgraded while it runs")

    def setUp(self):
        self.scratch = Scratch(suite.arguments.scratch)
        self.scratch.__enter__()
        self.addCleanup(self.scratch.__exit__)
        self.program = os.path.join(self.scratch.directory("bin"), "braidd")
        built = os.path.abspath(suite.arguments.braidd)
        os.symlink(os.path.join(os.path.dirname(built), "braidctl"),
                   os.path.join(os.path.dirname(self.program), "braidctl"))
        self.install(built)
        self.root = self.scratch.directory("share", owner=ids_of(ALICE))
        self.kept = self.scratch.directory("kept", owner=ids_of(ALICE))
        self.unwatched = self.scratch.directory("unwatched", owner=ids_of(ALICE))
        shares = [Share("share", self.root),
                  Share("unwatched", self.unwatched, lines=('local_access = "none"',)),
                  Share("kept", self.kept, lines=CONTINUOUS)]
        self.strict = self.scratch.directory("strict", owner=ids_of(ALICE))
        if self.workers == 1:
            shares.append(Share("strict", self.strict, lines=STRICT))
        self.options = Options(shares, [ALICE, BOB], signing="enabled", workers=self.workers)
        arguments = argparse.Namespace(**vars(suite.arguments))
        arguments.braidd = self.program
        self.server = servers.start(arguments, self.scratch, self.options)
        self.addCleanup(self.stop)
        self.wait_for(lambda: "ready" in self.server.log_text(), "ready")
        self.config = pathlib.Path(self.server.config)
        self.guid = number()
        self.name = self._testMethodName

    def stop(self):
        trouble = self.server.stop()
        if trouble:
            raise AssertionError("\n".join(trouble))

    def wait_for(self, condition, what, limit=20):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.01)
        self.fail(f"waited in vain for: {what}\n{self.server.log_text()}")

    def install(self, built):
        """As a package does: another file in its place."""
        shutil.copy(built, self.program + ".new")
        os.chmod(self.program + ".new", 0o755)
        os.replace(self.program + ".new", self.program)

    def ctl(self, *arguments):
        return subprocess.run([self.server.braidctl, "--config", self.server.config, *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240,
                              check=False)

    def upgrade(self, command="upgrade"):
        """What it says of itself."""
        done = self.ctl("--json", command)
        self.assertEqual((done.returncode, done.stderr), (0, ""), self.server.log_text())
        return json.loads(done.stdout)

    def rows(self, command):
        done = self.ctl("--json", command)
        self.assertEqual(done.stderr, "")
        return json.loads(done.stdout)

    def refused(self, pattern):
        """Says so in a line, and what runs goes on."""
        before = self.workers_now()
        done = self.ctl("upgrade")
        self.assertEqual((done.returncode, done.stdout), (2, ""), self.server.log_text())
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertRegex(done.stderr, "the server goes on as it was: .*" + pattern)
        # The new ones were killed, and are gone in a moment.
        end = time.monotonic() + 60
        while self.workers_now() != before and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(self.workers_now(), before)

    def workers_now(self):
        return sorted(pid for pid in self.server.worker_pids() if name_of(pid) == "braidd-worker")

    def running(self):
        """The processes of this program."""
        found = []
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if entry.isdigit() and os.readlink(f"/proc/{entry}/exe") == self.program:
                    found.append(int(entry))
        return found

    def connect(self, user=ALICE, guid=None, share="share", stays=False):
        """Where it does not stay, an upgrade ends the connection, as it waits for what a pipe says."""
        client = Client(self.server, user, guid or self.guid, share)
        self.addCleanup(client.close)
        if not stays:
            tree = client.tree_id
            client.tree("IPC$")
            client.wait_until_pending([client.send(raw.READ, raw.read(client.open_pipe(), 64, 0))])
            client.tree_id = tree
        return client

    def opened(self, client, guid, name=None, flags=0, **fields):
        opened = client.open(name or self.name, guid, flags=flags, **fields)
        self.assertEqual((opened.status, opened.flags), ("SUCCESS", flags))
        return opened

    def back(self, client, before, guid, name=None, flags=0, **fields):
        again = client.reconnect(name or self.name, before, guid, flags=flags, **fields)
        self.assertEqual(again.status, "SUCCESS", self.server.log_text())
        self.assertEqual(again.persistent_id, before.persistent_id)
        return again

    @staticmethod
    def is_refused(host, port):
        try:
            socket.create_connection((host, port), timeout=10).close()
        except ConnectionRefusedError:
            return True
        return False

    def set_key(self, key, value):
        """Of [server]."""
        text = re.sub(rf"(?m)^{key} = .*\n", "", self.config.read_text(encoding="utf-8"))
        self.config.write_text(text.replace("[server]", f"[server]\n{key} = {value}", 1),
                               encoding="utf-8")

    def write(self, client, file, data, offset=0):
        self.assertEqual(client.status(raw.WRITE, raw.write(file, data, offset)), "SUCCESS")


class HandedOver(Upgraded):
    def test_open_with_its_lease_and_locks(self):
        client, guid = self.connect(), number()
        opened = self.opened(client, guid, lease=KEY)
        self.assertEqual(opened.lease, RWH)
        self.assertEqual(client.lock(opened.file, 5), "SUCCESS")
        self.write(client, opened.file, b"figures")
        said = self.upgrade()
        self.assertEqual(said["opens"], 1)
        client = self.connect()
        again = self.back(client, opened, guid, lease=KEY)
        self.assertEqual(again.lease, RWH)
        self.assertEqual(client.lock(again.file, 5), LOCK_NOT_GRANTED)
        self.assertEqual(client.lock(again.file, 6), "SUCCESS")
        self.assertEqual(pathlib.Path(self.root, self.name).read_bytes(), b"figures")
        self.assertEqual(client.close_file(again.file), "SUCCESS")

    def test_nobody_else_gets_it(self):
        client, guid = self.connect(), number()
        opened = self.opened(client, guid, lease=KEY)
        self.upgrade()
        other = self.connect(BOB)
        self.assertEqual(other.reconnect(self.name, opened, guid, lease=KEY, flags=0).status,
                         "ACCESS_DENIED")
        elsewhere = self.connect(guid=number())
        self.assertEqual(elsewhere.reconnect(self.name, opened, guid, lease=KEY, flags=0).status,
                         NOT_FOUND)
        self.back(self.connect(), opened, guid, lease=KEY)

    def test_what_local_programs_change_is_seen(self):
        client, guid = self.connect(), number()
        opened = self.opened(client, guid, lease=KEY)
        client.close()
        self.wait_for(lambda: any("seconds_left" in row for row in self.rows("opens")), "parked")
        pathlib.Path(self.root, self.name).write_bytes(b"others")
        self.upgrade()
        self.assertEqual(
            self.connect().reconnect(self.name, opened, guid, lease=KEY, flags=0).status, NOT_FOUND)

    @staticmethod
    def command_line(pid):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()

    def test_what_others_do_to_its_name_before_its_client_is_back_is_seen(self):
        client, guid = self.connect(), number()
        opened = self.opened(client, guid, lease=KEY)
        self.assertEqual(self.upgrade()["opens"], 1)
        os.rename(os.path.join(self.root, self.name), os.path.join(self.root, "elsewhere"))
        self.wait_for(lambda: not self.rows("opens"), "its end")
        self.assertEqual(
            self.connect().reconnect(self.name, opened, guid, lease=KEY, flags=0).status, NOT_FOUND)

    def test_time_goes_on(self):
        client, guid = self.connect(), number()
        self.opened(client, guid, lease=KEY, timeout=5000)
        client.close()
        self.wait_for(lambda: any("seconds_left" in row for row in self.rows("opens")), "parked")
        self.upgrade()
        row, = self.rows("opens")
        self.assertLessEqual(row["seconds_left"], 5)
        self.wait_for(lambda: not self.rows("opens"), "its end", limit=40)

    def test_deletion_is_carried_out_by_the_next(self):
        client, guid = self.connect(), number()
        opened = self.opened(client, guid, lease=KEY, options=DELETE_ON_CLOSE)
        self.upgrade()
        self.assertTrue(os.path.exists(os.path.join(self.root, self.name)))
        client = self.connect()
        again = self.back(client, opened, guid, lease=KEY)
        self.assertEqual(client.close_file(again.file), "SUCCESS")
        self.assertFalse(os.path.exists(os.path.join(self.root, self.name)))

    def test_stream(self):
        client, guid = self.connect(), number()
        name = self.name + ":more"
        opened = self.opened(client, guid, name=name, lease=KEY)
        self.write(client, opened.file, b"in a stream")
        self.upgrade()
        client = self.connect()
        again = self.back(client, opened, guid, name=name, lease=KEY)
        answer = client.call(raw.READ, raw.read(again.file, 64, 0))
        self.assertEqual(answer.status, "SUCCESS")
        self.assertIn(b"in a stream", answer.body)

    def test_file_of_which_the_name_was_moved_by_others(self):
        """Where they are not watched: elsewhere it is a change that ends the lease."""
        client, guid = self.connect(share="unwatched"), number()
        opened = self.opened(client, guid, lease=KEY)
        os.rename(os.path.join(self.unwatched, self.name),
                  os.path.join(self.unwatched, "elsewhere"))
        self.upgrade()
        client = self.connect(share="unwatched")
        again = self.back(client, opened, guid, lease=KEY)
        self.write(client, again.file, b"the same file")
        self.assertEqual(pathlib.Path(self.unwatched, "elsewhere").read_bytes(), b"the same file")

    def test_persistent_open_comes_by_its_log(self):
        client, guid = self.connect(share="kept"), number()
        opened = self.opened(client, guid, flags=p.PERSISTENT, lease=KEY)
        self.assertEqual(client.lock(opened.file, 5), "SUCCESS")
        self.assertEqual(self.upgrade()["opens"], 0)
        client = self.connect(share="kept")
        again = self.back(client, opened, guid, flags=p.PERSISTENT, lease=KEY)
        self.assertEqual(again.lease, RWH)
        self.assertEqual(client.lock(again.file, 5), LOCK_NOT_GRANTED)

    def test_twenty_in_a_row(self):
        guid = number()
        opened = self.opened(self.connect(), guid, lease=KEY)
        self.upgrade()
        supervisor, pauses = self.server.process.pid, []
        self.wait_for(lambda: "--resumed" in self.command_line(supervisor), "the new program")
        self.wait_for(lambda: any("signalfd" in each for each in descriptors(supervisor).values()),
                      "its loop")
        open_then = sorted(descriptors(supervisor).values())
        for _ in range(20):
            self.back(self.connect(), opened, guid, lease=KEY)
            self.install(self.server.program)
            before = self.workers_now()
            said = self.upgrade()
            self.assertEqual(said["opens"], 1)
            self.assertFalse(set(before) & set(self.workers_now()))
            pauses.append(said["pause_ms"])
        self.back(self.connect(), opened, guid, lease=KEY)
        self.assertEqual(self.server.process.pid, supervisor)
        self.assertIsNone(self.server.process.poll())
        self.wait_for(lambda: name_of(supervisor) == "braidd", "its name")
        self.wait_for(lambda: len(descriptors(supervisor)) == len(open_then),
                      f"no descriptor more than {open_then}")
        self.wait_for(lambda: len(self.server.worker_pids()) == 1 + self.workers, "no process more")
        print(f"pauses in ms: {sorted(pauses)}", file=sys.stderr)

    def test_whoever_comes_meanwhile_is_served(self):
        stop, failures, count = threading.Event(), [], [0]

        def come():
            while not stop.is_set():
                try:
                    with contextlib.closing(Peer(self.server.host, self.server.port, limit=30)) as peer:
                        status = peer.log_on(ALICE.name, ALICE.password)
                        # On a busy machine a logon may take longer than an upgrade waits.
                        if status not in ("SUCCESS", raw.DISCONNECTED):
                            failures.append(status)
                        count[0] += 1
                except (OSError, Refused) as error:
                    failures.append(repr(error))

        # Says nothing before the upgrade, and is served after it.
        silent = socket.create_connection((self.server.host, self.server.port), timeout=30)
        self.addCleanup(silent.close)
        threads = [threading.Thread(target=come) for _ in range(4)]
        for each in threads:
            each.start()
        try:
            for _ in range(3):
                said = count[0]
                self.upgrade()
                self.wait_for(lambda said=said: count[0] > said, "somebody is served")
        finally:
            stop.set()
            for each in threads:
                each.join()
        self.assertEqual(failures, [])
        message = raw.header(raw.NEGOTIATE, 0) + raw.negotiate((0x0300,), None, guid=number())
        silent.sendall(raw.frame(message))
        self.assertEqual(silent.recv(4)[0], 0)

    def test_restart_takes_what_waits_for_it(self):
        guid = number()
        opened = self.opened(self.connect(), guid, lease=KEY)
        kept_guid = number()
        kept = self.opened(self.connect(share="kept"), kept_guid, flags=p.PERSISTENT)
        old_port = self.server.port
        with socket.socket() as probe:
            probe.bind(("127.0.0.2", 0))
            port = probe.getsockname()[1]
        self.set_key("listen", f'["127.0.0.1:0", "127.0.0.2:{port}"]')
        self.set_key("workers", "3" if self.workers == 1 else "1")
        if self.workers == 1:  # which they take
            text = self.config.read_text(encoding="utf-8")
            for line in STRICT:
                self.assertIn(line + "\n", text)
                text = text.replace(line + "\n", "")
            self.config.write_text(text, encoding="utf-8")
        self.assertEqual(self.upgrade("restart")["opens"], 1)
        self.assertEqual(len(self.workers_now()), 3 if self.workers == 1 else 1)
        client = self.connect()
        self.assertEqual(self.server.port, old_port)
        self.back(client, opened, guid, lease=KEY)
        self.back(self.connect(share="kept"), kept, kept_guid, flags=p.PERSISTENT)
        Peer("127.0.0.2", port).close()
        self.set_key("listen", '["127.0.0.1:0"]')
        self.set_key("workers", f"{self.workers}")
        self.upgrade("restart")
        self.wait_for(lambda: self.is_refused("127.0.0.2", port), "nobody to listen there")
        self.back(self.connect(), opened, guid, lease=KEY)
        self.assertEqual(len(self.workers_now()), self.workers)

    def test_a_worker_that_dies_afterwards_is_started_again(self):
        self.upgrade()
        self.server.expects_deaths = True
        victim = self.workers_now()[0]
        os.kill(victim, 9)
        self.wait_for(lambda: victim not in self.workers_now()
                      and len(self.workers_now()) == self.workers, "another")
        self.connect().close()
        self.set_key("log_level", '"debug"')
        done = self.ctl("reload")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.upgrade()
        self.connect().close()

    def test_supervisor_that_dies_meanwhile_is_told_at_once(self):
        good = str(self.config) + ".good"
        os.rename(self.config, good)
        os.mkfifo(self.config)  # for which the new program waits
        asking = subprocess.Popen([self.server.braidctl, "--config", good, "upgrade"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        self.addCleanup(asking.kill)
        self.wait_for(lambda: "upgrading to" in self.server.log_text(), "upgrading")
        began = time.monotonic()
        os.kill(self.server.process.pid, 9)
        self.server.process.wait()
        said, complaint = asking.communicate(timeout=240)
        self.assertEqual((asking.returncode, said), (2, ""))
        self.assertRegex(complaint, "the server has ended meanwhile")
        self.assertLess(time.monotonic() - began, 60)  # and not 180
        os.rename(good, self.config)
        self.wait_for(lambda: not self.server.worker_pids(), "the end of its processes")
        self.wait_for(lambda: not self.running(), "the end of the new program")
        again = servers.Braidd(self.program)
        again.start(self.scratch, self.options, "again")
        self.server = again

    def test_a_worker_that_dies_meanwhile(self):
        """Whoever asked is told so, by a worker that was not there when it was over."""
        good = str(self.config) + ".good"
        os.rename(self.config, good)
        os.mkfifo(self.config)  # for which the new program waits
        self.server.expects_deaths = True
        asking = subprocess.Popen([self.server.braidctl, "--config", good, "upgrade"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        self.addCleanup(asking.kill)
        self.wait_for(lambda: "upgrading to" in self.server.log_text(), "upgrading")
        os.kill(self.workers_now()[0], 9)
        said, complaint = asking.communicate(timeout=240)
        self.assertEqual((asking.returncode, said), (2, ""))
        self.assertRegex(complaint, "the server goes on as it was: the worker 0 was ended by signal 9 "
                                    "meanwhile")
        os.rename(good, self.config)


class GoesOn(Upgraded):
    """Who is connected sees a pause."""

    def stay(self, **fields):
        return self.connect(stays=True, **fields)

    def test_opens_with_and_without_promise(self):
        client, guid = self.stay(), number()
        kept = self.opened(client, guid, lease=KEY)
        plain = client.plain_open(self.name + "-plain")
        self.assertEqual(client.lock(kept.file, 5), "SUCCESS")
        for i in range(5):
            self.install(self.server.program)
            self.assertEqual(self.upgrade()["opens"], 2)
            self.assertEqual(client.lock(kept.file, 5), LOCK_NOT_GRANTED)
            self.write(client, kept.file, b"figures")
            self.write(client, plain.file, b"%d" % i, i)
        # The lease is the client's, and breaks where another one comes.
        other = self.stay(user=ALICE, guid=number())
        asked = other.send(raw.CREATE, raw.create(self.name, access=0x001F01FF, disposition=1))
        self.assertEqual(client.next_break()[:2], b"\x2c\0")
        self.assertEqual(client.close_file(kept.file), "SUCCESS")
        self.assertEqual(other.wait_for(asked).status, "SUCCESS")
        self.assertEqual(pathlib.Path(self.root, self.name + "-plain").read_bytes(), b"01234")

    def test_waits(self):
        """They are granted by whoever serves when it is their turn, under the ids that they had."""
        holder, client = self.stay(), self.stay(guid=number())
        locked, own = (each.plain_open(self.name).file for each in (holder, client))
        self.assertEqual(holder.lock(locked, 5), "SUCCESS")
        lock = client.send(raw.LOCK, raw.lock(own, ((5, 1, p.EXCLUSIVE),)))
        leased = self.opened(holder, number(), name=self.name + "-leased", lease=KEY)
        create = client.send(raw.CREATE, raw.create(self.name + "-leased", access=0x001F01FF,
                                                    disposition=1))
        client.wait_until_pending([lock, create])
        self.assertEqual(holder.next_break()[:2], b"\x2c\0")
        for _ in range(3):
            self.assertEqual(self.upgrade()["opens"], 3)
            # The CREATE was asked again.
            self.assertEqual(holder.next_break()[:2], b"\x2c\0")
        self.assertEqual(holder.close_file(leased.file), "SUCCESS")
        self.assertEqual(client.wait_for(create).status, "SUCCESS")
        self.assertEqual(holder.lock(locked, 5, flags=p.UNLOCK), "SUCCESS")
        self.assertEqual(client.wait_for(lock).status, "SUCCESS")
        self.assertEqual(holder.lock(locked, 5), LOCK_NOT_GRANTED)

    def test_what_administrators_see_of_a_session_stays(self):
        self.stay()
        shown = [{key: row[key] for key in ("user", "session", "method", "machine", "logged_on")}
                 for row in self.rows("sessions")]
        self.assertTrue(shown[0]["method"])
        self.upgrade()
        self.assertEqual([{key: row[key] for key in shown[0]} for row in self.rows("sessions")], shown)

    def test_what_the_kernel_guards(self):
        """Nobody local gets at what clients cache, before or after, and whoever waits is let in by the next."""
        client = self.stay(share="strict")
        opened = self.opened(client, number(), lease=KEY)
        if opened.lease != RWH:
            self.skipTest("the file system knows no leases")
        self.assertEqual(client.lock(opened.file, 5), "SUCCESS")
        path = os.path.join(self.strict, self.name)
        for _ in range(2):
            self.assertEqual(self.upgrade()["opens"], 1)
            self.write(client, opened.file, b"cached")
        # With O_NONBLOCK who would wait is told so, and the break goes out.
        self.assertRaises(BlockingIOError, os.open, path, os.O_RDONLY | os.O_NONBLOCK)
        self.assertEqual(client.next_break()[:2], b"\x2c\0")
        self.upgrade()
        self.assertRaises(BlockingIOError, os.open, path, os.O_RDONLY | os.O_NONBLOCK)
        self.assertEqual(client.next_break()[:2], b"\x2c\0")
        acknowledged = client.status(raw.OPLOCK_BREAK, struct.pack("<HHI16sIQ", 36, 0, 0, KEY, 0, 0))
        self.assertEqual(acknowledged, "SUCCESS")

        def let_in():
            with contextlib.suppress(BlockingIOError):
                return os.open(path, os.O_RDWR | os.O_NONBLOCK)
            return None
        descriptor = self.wait_for(let_in, "the file, opened by a local program")
        self.addCleanup(os.close, descriptor)
        # The lock of the client is there still.
        with self.assertRaises(BlockingIOError):
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 5)
        self.assertEqual(client.close_file(opened.file), "SUCCESS")
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 5)

    def test_durable_open_that_the_kernel_guards(self):
        client, guid = self.connect(share="strict"), number()
        opened = self.opened(client, guid, lease=KEY)
        if opened.lease != RWH:
            self.skipTest("the file system knows no leases")
        self.upgrade()
        path = os.path.join(self.strict, self.name)
        # It gives way, soon: nobody asks its client.
        begun = time.monotonic()
        os.close(os.open(path, os.O_RDONLY))
        self.assertLess(time.monotonic() - begun, 20)

    def test_half_a_request(self):
        client = self.stay()
        file = client.plain_open(self.name).file
        message = client.message(raw.WRITE, raw.write(file, b"x" * 300_000, 0), charge=5)
        frame = raw.frame(message)
        client.send_bytes(frame[:100_000])
        self.upgrade()
        client.send_bytes(frame[100_000:])
        self.assertEqual(client.wait_for(client.next_id - 5).status, "SUCCESS")
        self.assertEqual(os.path.getsize(os.path.join(self.root, self.name)), 300_000)

    def test_who_fails_to_take_over_changes_nothing(self):
        client = self.stay()
        file = client.plain_open(self.name).file
        self.good = self.config.read_text(encoding="utf-8")
        self.set_key("keytab", json.dumps(os.path.join(self.root, self.name)))
        self.refused(r"the new worker \d ended with code 1; the log says why")
        self.write(client, file, b"goes on")
        self.config.write_text(self.good, encoding="utf-8")
        self.upgrade()
        self.write(client, file, b"goes on")

    def test_what_fails_late_changes_nothing(self):
        """All was handed over, and nobody took it: whoever waits is told so, and the next one can be."""
        client = self.stay()
        file = client.plain_open(self.name).file
        control = self.scratch.file("server.state/control/0")
        # As long as its wait for the pipe may take, there is time to stop whoever is to take over.
        for _ in range(10):
            self.connect(guid=number())
            before = set(self.workers_now())
            asking = subprocess.Popen([self.server.braidctl, "--config", self.server.config,
                                       "upgrade"], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.addCleanup(asking.kill)
            self.wait_for(lambda: not os.path.exists(control) or asking.poll() is not None,
                          "the end of the requests")
            new = set(self.workers_now()) - before
            for each in new:
                os.kill(each, signal.SIGSTOP)
            try:
                said, complaint = asking.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                # It had taken everything before.
                for each in new:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(each, signal.SIGCONT)
                said, complaint = asking.communicate(timeout=240)
            if asking.returncode != 0:
                break
        self.assertEqual((asking.returncode, said), (2, ""), self.server.log_text())
        self.assertRegex(complaint, "the server goes on as it was: what is open was not handed over")
        self.assertEqual(set(self.workers_now()), before)
        self.assertNotIn("will not see this worker", self.server.log_text())
        self.write(client, file, b"goes on")
        self.assertIn("alice", self.ctl("sessions").stdout)
        self.upgrade()
        self.write(client, file, b"goes on")

    def test_share_that_is_gone_ends_it(self):
        client, other = self.stay(), self.stay(guid=number(), share="unwatched")
        file = other.plain_open(self.name).file
        elsewhere = self.scratch.directory("elsewhere", owner=ids_of(ALICE))
        text = self.config.read_text(encoding="utf-8")
        self.config.write_text(text.replace(json.dumps(self.root), json.dumps(elsewhere)),
                               encoding="utf-8")
        self.upgrade("restart")
        self.assertTrue(client.is_closed_within(20))
        self.write(other, file, b"goes on")

    def test_who_may_not_use_a_share_any_more_loses_it(self):
        alice, bob = self.stay(), self.stay(user=BOB, guid=number(), share="unwatched")
        file = alice.plain_open(self.name).file
        text = self.config.read_text(encoding="utf-8")
        self.config.write_text(text.replace("[[share]]", '[[share]]\nallow = ["bob"]'), "utf-8")
        self.upgrade()
        self.assertEqual(alice.status(raw.WRITE, raw.write(file, b"late")), "NETWORK_NAME_DELETED")
        self.assertEqual(alice.status(raw.CREATE, raw.create("late", disposition=3)),
                         "NETWORK_NAME_DELETED")
        self.assertEqual(alice.status(raw.ECHO, raw.plain()), "SUCCESS")
        self.assertEqual(bob.status(raw.CREATE, raw.create("", options=1)), "SUCCESS")
        self.assertIn("share 'share': the connection of 'alice' is ended: allow, hosts, guest or ",
                      self.server.log_text())

    def test_account_that_was_disabled_while_nobody_listened(self):
        alice, bob = self.stay(), self.stay(user=BOB, guid=number(), share="unwatched")
        state = pathlib.Path(self.scratch.file("server.state"))
        for name in ("control", "lock"):
            os.rename(state / name, state / (name + ".away"))
        done = self.ctl("user", "disable", "alice")
        self.assertEqual(done.stdout, "user alice cannot log on; sessions ended: 0\n", done.stderr)
        for name in ("control", "lock"):
            os.rename(state / (name + ".away"), state / name)
        self.upgrade()
        self.wait_for(lambda: alice.status(raw.CREATE, raw.create("", options=1)) ==
                      "USER_SESSION_DELETED", "the end of the session")
        self.assertIn("a session of 'alice' is ended: the account was disabled or removed",
                      self.server.log_text())
        self.assertEqual(bob.status(raw.CREATE, raw.create("", options=1)), "SUCCESS")

    def test_who_asks_meanwhile_is_answered_by_the_next(self):
        """While old workers come to an end, and while there is none."""
        for _ in range(3):
            client = self.stay(guid=number())
            asking = subprocess.Popen([self.server.braidctl, "--config", self.server.config,
                                       "upgrade"], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL)
            answers = []
            while asking.poll() is None:
                answers.append(self.ctl("sessions"))
            self.assertEqual(asking.returncode, 0)
            self.assertEqual({(each.returncode, each.stderr) for each in answers}, {(0, "")})
            self.assertFalse([each.stdout for each in answers if "alice" not in each.stdout])
            client.close()

    def test_what_local_programs_change_meanwhile_breaks_the_lease(self):
        client, guid = self.stay(), number()
        self.opened(client, guid, lease=KEY)
        self.upgrade()
        pathlib.Path(self.root, self.name).write_bytes(b"others")
        self.assertEqual(client.next_break()[:2], b"\x2c\0")

    def test_connection_without_a_logon(self):
        peer = Peer(self.server.host, self.server.port)
        self.addCleanup(peer.close)
        self.upgrade()
        self.assertEqual(peer.log_on(ALICE.name, ALICE.password), "SUCCESS")

    def test_pipe_is_closed(self):
        client = self.stay()
        file, tree = client.plain_open(self.name).file, client.tree_id
        client.tree("IPC$")
        pipe = client.open_pipe()
        self.upgrade()
        self.assertEqual(client.status(raw.READ, raw.read(pipe, 64, 0)), "FILE_CLOSED")
        client.open_pipe()
        client.tree_id = tree
        self.write(client, file, b"goes on")

    def test_persistent_opens(self):
        client, guid = self.stay(share="kept"), number()
        kept = self.opened(client, guid, flags=p.PERSISTENT, lease=KEY)
        plain = client.plain_open(self.name + "-plain")
        self.assertEqual(client.lock(kept.file, 5), "SUCCESS")
        for i in range(3):
            self.upgrade()
            self.assertEqual(client.lock(kept.file, 5), LOCK_NOT_GRANTED, self.server.log_text())
            self.write(client, kept.file, b"%d" % i, i)
            self.write(client, plain.file, b"%d" % i, i)
        # It is persistent still: a dead worker costs a connection.
        self.server.expects_deaths = True
        victim = p.worker_with(self.server, client)
        os.kill(victim, 9)
        self.assertTrue(client.is_closed_within(20))
        p.await_worker(self.server, victim, self.workers)
        client = self.stay(share="kept")
        again = self.back(client, kept, guid, flags=p.PERSISTENT, lease=KEY)
        self.assertEqual(again.lease, RWH)
        self.assertEqual(client.lock(again.file, 5), LOCK_NOT_GRANTED)
        self.assertEqual(pathlib.Path(self.kept, self.name).read_bytes(), b"012")

    def test_shell_that_copies(self):
        """smbclient, encrypted and signed."""
        smbclient = shutil.which("smbclient")
        if not smbclient:
            self.skipTest("no smbclient")
        source = self.scratch.file("source")
        data = os.urandom(1 << 20) * 64
        pathlib.Path(source).write_bytes(data)
        clients = []
        for i, protection in enumerate(("encrypt", "sign")):
            commands = ";".join(f"put {source} {self.name}-{i}-{k}; get {self.name}-{i}-{k} {source}"
                                f".{i}.{k}" for k in range(4))
            clients.append(subprocess.Popen(
                [smbclient, f"//{self.server.host}/share", "-p", str(self.server.port), "-U",
                 f"{ALICE.name}%{ALICE.password}", f"--client-protection={protection}", "-c",
                 commands], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True))
        pauses = []
        while any(each.poll() is None for each in clients):
            pauses.append(self.upgrade()["pause_ms"])
            time.sleep(0.3)  # they are to come further
        for i, each in enumerate(clients):
            self.assertEqual(each.wait(), 0, each.stdout.read())
            each.stdout.close()
            for k in range(4):
                self.assertEqual(pathlib.Path(f"{source}.{i}.{k}").read_bytes(), data)
        print(f"{len(pauses)} upgrades, pauses in ms: {sorted(pauses)}", file=sys.stderr)


class HandedOverByFour(HandedOver):
    workers = 4


class GoesOnByFour(GoesOn):
    workers = 4
    test_waits = None  # with several they cost their connection
    test_what_fails_late_changes_nothing = None  # twenty seconds, of which one is as good
    test_what_the_kernel_guards = None
    test_durable_open_that_the_kernel_guards = None

    def test_opens_of_one_file_by_clients_of_several_workers(self):
        clients = [self.stay(guid=bytes([i]) + number()[1:]) for i in range(8)]
        opened = [each.plain_open(self.name) for each in clients]
        for i, (client, file) in enumerate(zip(clients, opened)):
            self.assertEqual(client.lock(file.file, i), "SUCCESS")
        for _ in range(3):
            self.assertEqual(self.upgrade()["opens"], 8)
            for i, (client, file) in enumerate(zip(clients, opened)):
                self.assertEqual(client.lock(file.file, (i + 1) % 8), LOCK_NOT_GRANTED)
        for client, file in zip(clients, opened):
            self.assertEqual(client.close_file(file.file), "SUCCESS")

    def test_worker_that_was_started_again(self):
        """Its number in the ids that clients have is another one."""
        self.server.expects_deaths = True
        victims = self.workers_now()
        for victim in victims:
            os.kill(victim, 9)
        self.wait_for(lambda: len(self.workers_now()) == 4 and not set(victims) & set(self.workers_now())
                      and self.ctl("sessions").returncode == 0, "others")
        self.test_opens_with_and_without_promise()


@unittest.skipUnless(os.geteuid() == 0 and os.path.exists("/dev/fuse"), "mounts")
class Hung(Upgraded):
    def setUp(self):
        super().setUp()
        folder = self.scratch.directory("disk")
        try:
            self.disk = HungDisk(folder)
        except OSError as error:
            self.skipTest(str(error))
        self.addCleanup(self.disk.close)
        with open(self.config, "a", encoding="utf-8") as config:
            config.write(f'\n[[share]]\nname = "disk"\npath = "{folder}/data"\n')
        self.assertEqual(self.ctl("reload").returncode, 0)

    @staticmethod
    def waits_for_the_disk(pid):
        with contextlib.suppress(OSError):
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):
                    if "request_wait_answer" in (task / "wchan").read_text(encoding="ascii"):
                        return True
        return False

    def test_worker_that_does_not_end_is_not_waited_for(self):
        client = self.connect(stays=True)
        file = client.plain_open(self.name).file
        other = self.connect(guid=number(), share="disk", stays=True)
        old, = self.workers_now()
        self.disk.fall_silent()
        other.send(raw.CREATE, raw.create("x", access=0x001F01FF, disposition=1))
        self.wait_for(lambda: self.waits_for_the_disk(old), "a request that hangs")
        said = self.upgrade()
        self.assertTrue(self.waits_for_the_disk(old))
        # Its requests had five seconds to come to an end.
        self.assertLess(said["pause_ms"], 10_000, self.server.log_text())
        self.write(client, file, b"goes on")
        self.disk.close()
        self.wait_for(lambda: not self.waits_for_the_disk(old), "its end")


class Refusals(Upgraded):
    def setUp(self):
        super().setUp()
        self.client = self.connect()
        opened = self.client.plain_open(self.name)
        self.assertEqual(opened.status, "SUCCESS")
        self.file = opened.file

    def tearDown(self):
        """The connection and what is open on it are as they were."""
        self.write(self.client, self.file, b"goes on")
        self.install(suite.arguments.braidd)
        with contextlib.suppress(AttributeError):
            self.config.write_text(self.good, encoding="utf-8")
        self.upgrade()

    def change(self, key, value):
        self.good = self.config.read_text(encoding="utf-8")
        self.set_key(key, value)

    def test_program_that_ends_at_once(self):
        self.install("/bin/false")
        self.refused("the new program ended with code 1 and did not say why; install it again")

    def test_program_that_is_none(self):
        pathlib.Path(self.program + ".new").write_bytes(b"nothing")
        os.chmod(self.program + ".new", 0o755)
        os.replace(self.program + ".new", self.program)
        self.refused("the new program ended with code 127")

    def test_program_that_is_not_there(self):
        os.rename(self.program, self.program + ".old")
        self.refused("bin/braidd: No such file or directory; install it again")

    def test_program_that_hangs(self):
        # It waits for its configuration.
        self.good = self.config.read_text(encoding="utf-8")
        os.rename(self.config, str(self.config) + ".good")
        os.mkfifo(self.config)
        good = str(self.config) + ".good"
        before = self.workers_now()
        done = subprocess.run([self.server.braidctl, "--config", good, "upgrade"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240,
                              check=False)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, "the new program did not say anything within 10 s")
        self.assertEqual(self.workers_now(), before)
        os.rename(good, self.config)

    def test_configuration_with_a_mistake(self):
        self.change("colour", '"blue"')
        before = self.workers_now()
        os.kill(self.server.process.pid, 12)  # SIGUSR2: braidctl would find it by itself
        self.wait_for(lambda: re.search("no upgrade: .*colour", self.server.log_text()), "a line")
        self.assertEqual(self.workers_now(), before)

    def test_another_state_dir(self):
        self.good = self.config.read_text(encoding="utf-8")
        other = self.scratch.directory("other.state", mode=0o700)
        changed = str(self.config) + ".changed"
        shutil.copy(self.config, changed)
        self.set_key("state_dir", json.dumps(other))
        os.kill(self.server.process.pid, 12)
        self.wait_for(lambda: re.search("no upgrade: state_dir is .* restart the server instead",
                                        self.server.log_text()), "a line")

    def test_keytab_that_is_none(self):
        keytab = os.path.join(self.root, "keytab")
        pathlib.Path(keytab).write_bytes(b"no keytab")
        self.change("keytab", json.dumps(keytab))
        self.refused(r"the new worker \d ended with code 1; the log says why")


class OneProcess(unittest.TestCase):
    def test_says_that_it_cannot_be(self):
        with Scratch(suite.arguments.scratch) as scratch:
            root = scratch.directory("share", owner=ids_of(ALICE))
            server = servers.start(suite.arguments, scratch,
                                   Options([Share("share", root)], [ALICE], single_process=True))
            end = time.monotonic() + 20
            while "ready" not in server.log_text() and time.monotonic() < end:
                time.sleep(0.01)
            done = subprocess.run([server.braidctl, "--config", server.config, "upgrade"],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, "cannot be upgraded while it runs; restart it")
            self.assertEqual(server.stop(), [])


if __name__ == "__main__":
    suite.main()
