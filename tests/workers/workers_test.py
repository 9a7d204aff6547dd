#!/usr/bin/env python3
"""Clients of several workers on the same files, and workers that are killed meanwhile."""
import os
import random
import signal
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "notify"))

from impacket import smb3  # noqa: E402
from impacket.smbconnection import SMBConnection, SessionError  # noqa: E402

import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from notify_test import ADDED, NEW_NAME, OLD_NAME, REMOVED, Watcher  # noqa: E402
from server import Options, Share, ids_of, name_of, test_users  # noqa: E402
from smbclient import SmbClient  # noqa: E402
from suite import ServerCase  # noqa: E402

ALICE, _ = test_users()
WORKERS = 4
STATUSES = {0xC0000054: "FILE_LOCK_CONFLICT", 0xC0000055: "LOCK_NOT_GRANTED",
            0xC0000056: "DELETE_PENDING"}
READ, WRITE, DELETE_ACCESS = 0x00120089, 0x00120116, 0x00010000
SHARE_NONE, SHARE_ALL = 0, 7
OPEN, CREATE, OPEN_IF = 1, 2, 3
DELETE_ON_CLOSE = 0x00001000
EXCLUSIVE, UNLOCK, AT_ONCE = 0x2, 0x4, 0x10
# Nobody who does not wait for a living client may take longer; a busy machine makes it seconds.
LIMIT_S = 15


class Client:
    """An impacket connection. `worker` is the index of the worker that has it."""

    def __init__(self, server, user=ALICE):
        self.smb = SMBConnection("braid", server.host, sess_port=server.port, timeout=LIMIT_S)
        self.smb.login(user.name, user.password)
        self.tree = self.smb.connectTree("share")
        self.low = self.smb.getSMBServer()
        self.session_id = self.low._Session["SessionID"]
        self.worker = self.session_id >> 26

    def open(self, name, access=READ | WRITE, share=SHARE_NONE, disposition=OPEN_IF, options=0,
             contexts=None):
        return self.low.create(self.tree, name, access, share, options, disposition, 0,
                               createContexts=contexts)

    def close(self, file_id):
        self.low.close(self.tree, file_id)

    def lock(self, file_id, offset, length, flags):
        """impacket's own lock() cannot send one."""
        packet = self.low.SMB_PACKET()
        packet["Command"] = 10
        packet["TreeID"] = self.tree
        packet["Data"] = (struct.pack("<HHI", 48, 1, 0) + file_id +
                          struct.pack("<QQII", offset, length, flags, 0))
        answer = self.low.recvSMB(self.low.sendSMB(packet))
        if answer["Status"]:
            raise smb3.SessionError(answer["Status"], answer)

    def end(self):
        try:
            self.low.close_session()
        except Exception:  # impacket raises whatever its socket does, and the worker may be gone
            pass


class AppInstanceId:
    """[MS-SMB2] 2.2.13.2.13, as impacket wants a create context."""

    NAME = bytes.fromhex("45bca66aefa7f74a9008fa462e144d74")

    def __init__(self, instance):
        self.instance = instance

    def getData(self):  # noqa: N802
        data = struct.pack("<HH", 20, 0) + self.instance
        return struct.pack("<IHHHHI", 0, 16, len(self.NAME), 0, 32, len(data)) + self.NAME + data


def status_of(action, *arguments, **named):
    try:
        action(*arguments, **named)
    except (SessionError, smb3.SessionError) as error:
        return name_of_error(error)
    return "SUCCESS"


def name_of_error(error):
    # impacket has two classes of that name.
    code = error.getErrorCode() if isinstance(error, SessionError) else error.get_error_code()
    return STATUSES.get(code) or raw.status_name(code)


def index_of(pid):
    """Of a worker process."""
    with open(f"/proc/{pid}/cmdline", "rb") as line:
        for argument in line.read().split(b"\0"):
            if argument.startswith(b"--index="):
                return int(argument.split(b"=")[1])
    raise OSError("no worker")


class WorkersCase(ServerCase):
    @classmethod
    def setUpClass(cls):
        if suite.arguments.smbd:
            raise unittest.SkipTest("smbd has a process for each client")
        super().setUpClass()
        # A worker that dies before all are there ends the server: its start has failed.
        end = time.monotonic() + LIMIT_S
        while " ready" not in cls.server.log_text():
            if time.monotonic() > end:
                raise AssertionError("not every worker started")
            time.sleep(0.05)

    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", owner=ids_of(ALICE))
        scratch.directory("share", "watched", owner=ids_of(ALICE))
        return Options([Share("share", cls.root)], [ALICE], workers=WORKERS)

    def client(self):
        made = Client(self.server)
        self.addCleanup(made.end)
        return made

    def two_workers(self):
        """Two clients, each in another worker."""
        first = self.client()
        for _ in range(64):
            second = self.client()
            if second.worker != first.worker:
                return first, second
        raise AssertionError("all clients are in one worker")

    def workers(self):
        """Process ids by index."""
        found = {}
        for pid in self.server.worker_pids():
            try:
                if name_of(pid) == "braidd-worker":
                    found[index_of(pid)] = pid
            except OSError:
                pass
        return found


class Shared(WorkersCase):
    def test_sharing_violation(self):
        a, b = self.two_workers()
        held = a.open("exclusive")
        self.assertEqual(status_of(b.open, "exclusive"), "SHARING_VIOLATION")
        a.close(held)
        self.assertEqual(status_of(b.open, "exclusive"), "SUCCESS")

    def test_locks(self):
        a, b = self.two_workers()
        in_a, in_b = a.open("locked", share=SHARE_ALL), b.open("locked", share=SHARE_ALL)
        a.low.write(a.tree, in_a, b"x" * 100, 0, 100)
        a.lock(in_a, 0, 10, EXCLUSIVE | AT_ONCE)
        self.assertEqual(status_of(b.lock, in_b, 5, 10, EXCLUSIVE | AT_ONCE), "LOCK_NOT_GRANTED")
        self.assertEqual(status_of(b.low.read, b.tree, in_b, 0, 10), "FILE_LOCK_CONFLICT")
        waited = []
        waiter = threading.Thread(
            target=lambda: waited.append(status_of(b.lock, in_b, 5, 10, EXCLUSIVE)))
        waiter.start()
        a.lock(in_a, 0, 10, UNLOCK)
        waiter.join(LIMIT_S)
        self.assertEqual(waited, ["SUCCESS"])

    def test_delete_on_close_waits_for_the_last(self):
        a, b = self.two_workers()
        in_b = b.open("doomed", share=SHARE_ALL)
        in_a = a.open("doomed", READ | DELETE_ACCESS, SHARE_ALL, options=DELETE_ON_CLOSE)
        a.close(in_a)
        self.assertEqual(status_of(a.open, "doomed", share=SHARE_ALL), "DELETE_PENDING")
        self.assertTrue(os.path.exists(os.path.join(self.root, "doomed")))
        b.close(in_b)
        self.assertFalse(os.path.exists(os.path.join(self.root, "doomed")))

    def test_directory_with_open_files_keeps_its_name(self):
        a, b = self.two_workers()
        a.smb.createDirectory("share", "full")
        a.open("full\\file", share=SHARE_ALL)
        self.assertNotEqual(status_of(b.smb.rename, "share", "full", "elsewhere"), "SUCCESS")

    def test_stream_that_is_open_in_another_worker_keeps_its_name(self):
        """Each worker knows for itself what its streams are called."""
        a, b = self.two_workers()
        in_a, in_b = (client.open("named:old", READ | WRITE | DELETE_ACCESS, SHARE_ALL)
                      for client in (a, b))
        name = ":new".encode("utf-16-le")
        rename = struct.pack("<B7xQI", 0, 0, len(name)) + name
        self.assertEqual(status_of(a.low.setInfo, a.tree, in_a, rename, 1, 10),
                         "SHARING_VIOLATION")
        b.close(in_b)
        self.assertEqual(status_of(a.low.setInfo, a.tree, in_a, rename, 1, 10), "SUCCESS")
        self.assertEqual(os.listxattr(os.path.join(self.root, "named")).count(
            "user.DosStream.new:$DATA"), 1)

    def test_previous_session_ends_in_its_worker(self):
        a, b = self.two_workers()
        a.open("held")
        self.assertEqual(status_of(b.open, "held"), "SHARING_VIOLATION")
        again = raw_session_with_previous(self.server, a.session_id, a.worker)
        self.addCleanup(again.close)
        self.assertEqual(status_of(b.open, "held"), "SUCCESS")

    def test_application_that_moves_ends_its_open_in_another_worker(self):
        a, b = self.two_workers()
        instance = [AppInstanceId(os.urandom(16))]
        in_a = a.open("moving", contexts=instance)
        self.assertEqual(status_of(b.open, "moving", contexts=[AppInstanceId(os.urandom(16))]),
                         "SHARING_VIOLATION")
        self.assertEqual(status_of(b.open, "moving", contexts=instance), "SUCCESS")
        self.assertEqual(status_of(a.low.read, a.tree, in_a, 0, 10), "FILE_CLOSED")

    def test_changes_are_told_once_whoever_makes_them(self):
        # In different workers, most likely; a worker with none hears nothing and need not.
        watchers = [Watcher(SmbClient(self.scratch, self.server, ALICE), "watched")
                    for _ in range(6)]
        for watcher in watchers:
            self.addCleanup(watcher.stop)
        a, b = self.two_workers()
        for number in range(100):
            a.close(a.open(f"watched\\begin{number}"))
            if all(w.hear(ADDED, f"begin{number}", limit=0.5) for w in watchers):
                break
        for client, name in ((a, "from_a"), (b, "from_b")):
            client.close(client.open(f"watched\\{name}"))
            client.smb.rename("share", f"watched\\{name}", f"watched\\{name}2")
            client.smb.deleteFile("share", f"watched\\{name}2")
        # What different workers tell comes in any order.
        for client, name in ((a, "end_a"), (b, "end_b")):
            client.close(client.open(f"watched\\{name}"))
        for watcher in watchers:
            self.assertTrue(watcher.hear(ADDED, "end_a"))
            self.assertTrue(watcher.hear(ADDED, "end_b"))
            for name in ("from_a", "from_b"):
                told = [change for change in watcher.seen if change[1].startswith(name)]
                told = [change for change in told if change[0] != 3]
                self.assertEqual(told, [(ADDED, name), (OLD_NAME, name), (NEW_NAME, name + "2"),
                                        (REMOVED, name + "2")])


def raw_session_with_previous(server, previous, worker):
    """A new client of another worker that names `previous`, as one does that was restarted."""
    for _ in range(64):
        smb = SMBConnection("braid", server.host, sess_port=server.port, timeout=LIMIT_S)
        low = smb.getSMBServer()
        send, named = low.sendSMB, []

        def with_previous(packet, low=low, send=send, named=named):
            # The second message: the answer to the first has said which worker this is.
            own = low._Session["SessionID"]
            if packet["Command"] == 1 and own and own >> 26 != worker:
                packet["Data"]["PreviousSessionId"] = previous
                named.append(own)
            return send(packet)

        low.sendSMB = with_previous
        smb.login(ALICE.name, ALICE.password)
        if named:
            return smb
        smb.close()
    raise AssertionError("all clients are in one worker")


class Killed(WorkersCase):
    def setUp(self):
        self.server.expects_deaths = True

    def kill(self, index):
        pid = self.workers()[index]
        os.kill(pid, signal.SIGKILL)
        return pid

    def test_what_a_killed_worker_held_is_free_at_once(self):
        a, b = self.two_workers()
        a.open("held")
        in_a, in_b = a.open("locked", share=SHARE_ALL), b.open("locked", share=SHARE_ALL)
        a.lock(in_a, 0, 10, EXCLUSIVE | AT_ONCE)
        waited = []
        waiter = threading.Thread(
            target=lambda: waited.append(status_of(b.lock, in_b, 0, 10, EXCLUSIVE)))
        waiter.start()
        self.kill(a.worker)
        waiter.join(LIMIT_S)
        self.assertEqual(waited, ["SUCCESS"])
        self.assertEqual(status_of(b.open, "held"), "SUCCESS")


class KillsUnderLoad(WorkersCase):
    FILES = 6
    CLIENTS = 10

    def setUp(self):
        self.server.expects_deaths = True
        self.guard = threading.Lock()
        self.holders = {}  # name: (client number, worker's pid)
        self.dead = set()
        self.problems = []
        self.done = 0
        self.over = threading.Event()

    def pid_of(self, client):
        return self.workers().get(client.worker)

    def holds(self, name, number, pid):
        """`number` has the file for itself now, it says."""
        with self.guard:
            other = self.holders.get(name)
            if other and other[1] not in self.dead and pid not in self.dead:
                self.problems.append(f"{name} is open without sharing for {number} and {other[0]}")
            self.holders[name] = (number, pid)

    def lets_go(self, name, number):
        with self.guard:
            if self.holders.get(name, (None,))[0] == number:
                del self.holders[name]

    def work(self, number, seed):
        choose = random.Random(seed)
        client, pid = None, None
        while not self.over.is_set():
            try:
                if not client:
                    pid, before = None, self.workers()
                    client = Client(self.server)
                    pid = before.get(client.worker)
                    # Another worker took the place meanwhile: nobody knows which of them this is.
                    if self.pid_of(client) != pid:
                        client, pid = None, None
                    continue
                name = f"file{choose.randrange(self.FILES)}"
                began = time.monotonic()
                file_id = client.open(name)
                self.holds(name, number, pid)
                client.lock(file_id, 0, 10, EXCLUSIVE | AT_ONCE)
                client.low.write(client.tree, file_id, b"data", 0, 4)
                self.lets_go(name, number)
                client.close(file_id)
                with self.guard:
                    self.done += 1
                self.look_at(began, pid)
            except (SessionError, smb3.SessionError) as error:
                # The session may have gone with its worker before the connection is seen to.
                if name_of_error(error) not in (
                        "SHARING_VIOLATION", "USER_SESSION_DELETED"):
                    self.problems.append(f"client {number}: {error}")
            except Exception as error:  # impacket raises whatever its socket does
                with self.guard:
                    is_dead = pid in self.dead  # noted before it is killed
                if pid is not None and not is_dead and not self.over.is_set():
                    self.problems.append(f"client {number} of {pid}: {error!r}")
                client = None

    def look_at(self, began, pid):
        taken = time.monotonic() - began
        if taken > LIMIT_S and pid not in self.dead:
            self.problems.append(f"an open took {taken:.1f} s")

    def test_no_record_blocks_others_and_share_modes_hold(self):
        seed = suite.arguments.seed
        threads = [threading.Thread(target=self.work, args=(n, seed * 100 + n), daemon=True)
                   for n in range(self.CLIENTS)]
        for thread in threads:
            thread.start()
        choose = random.Random(seed)
        end = time.monotonic() + suite.arguments.seconds
        kills = 0
        while time.monotonic() < end and not self.problems:
            time.sleep(choose.uniform(0.05, 0.4))
            running = list(self.workers().items())
            if len(running) < 2:
                continue
            _, pid = choose.choice(running)
            with self.guard:
                self.dead.add(pid)
            os.kill(pid, signal.SIGKILL)
            kills += 1
        # Those who are left go on.
        with self.guard:
            done = self.done
        end = time.monotonic() + LIMIT_S
        while self.done == done and not self.problems and time.monotonic() < end:
            time.sleep(0.01)
        self.over.set()
        for thread in threads:
            thread.join(3 * LIMIT_S)
        self.assertEqual(self.problems, [])
        # Whoever comes now finds every file free, as soon as it is known who died.
        client = self.client()
        end = time.monotonic() + LIMIT_S
        for number in range(self.FILES):
            while ((status := status_of(client.open, f"file{number}")) != "SUCCESS" and
                   time.monotonic() < end):
                time.sleep(0.05)
            self.assertEqual(status, "SUCCESS")
        print(f"{kills} workers killed, {self.done} files opened, locked, written and closed",
              file=sys.stderr)
        self.assertGreater(self.done, 0)


def more_arguments(parser):
    parser.add_argument("--seconds", type=float, default=8, help="of kills under load")
    parser.add_argument("--seed", type=int, default=1)


if __name__ == "__main__":
    suite.main(more_arguments)
