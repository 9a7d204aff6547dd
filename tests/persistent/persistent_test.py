#!/usr/bin/env python3
"""Persistent handles: the worker is killed, and clients go on. [MS-SMB2] 3.3.5.9.10, 3.3.5.9.12."""
import glob
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import persistent as p  # noqa: E402
import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from peer import Refused  # noqa: E402
from persistent import RWH, Client, kill_all, kill_worker, start_again  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402
from suite import ServerCase  # noqa: E402

ALICE, BOB = test_users()
CONTINUOUS = ("continuous_availability = true",)
PERSISTENT_HANDLES = CONTINUOUS_AVAILABILITY = 0x10
KEY, OTHER_KEY = b"lease key 000001", b"lease key 000002"
DELETE_ON_CLOSE = 0x1000
NOT_AVAILABLE = "0xC0000467"  # STATUS_FILE_NOT_AVAILABLE
LOCK_NOT_GRANTED = "0xC0000055"


def number():
    """Another each time: of a CREATE, of a client."""
    return os.urandom(16)


class Persistent(ServerCase):
    workers = 1

    @classmethod
    def setUpClass(cls):
        if suite.arguments.smbd:
            raise unittest.SkipTest("smbd is killed in another way")
        super().setUpClass()

    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", owner=ids_of(ALICE))
        shares = [Share("share", cls.root, lines=CONTINUOUS),
                  Share("plain", scratch.directory("plain", owner=ids_of(ALICE)))]
        return Options(shares, [ALICE, BOB], signing="enabled", workers=cls.workers)

    def setUp(self):
        self.server.expects_deaths = True
        self.guid = number()
        self.name = self._testMethodName
        self.client = self.connect()

    def connect(self, user=ALICE, guid=None, share="share"):
        client = Client(self.server, user, guid or self.guid, share)
        self.addCleanup(client.close)
        return client

    def kill(self):
        kill_worker(self.server)
        self.client = self.connect()

    def opened(self, guid, **fields):
        opened = self.client.open(self.name, guid, **fields)
        self.assertEqual((opened.status, opened.flags), ("SUCCESS", p.PERSISTENT))
        return opened

    def back(self, before, guid, **fields):
        again = self.client.reconnect(self.name, before, guid, **fields)
        self.assertEqual(again.status, "SUCCESS")
        self.assertEqual(again.persistent_id, before.persistent_id)
        return again

    def reload(self, old, new):
        config = pathlib.Path(self.server.config)
        text = config.read_text(encoding="utf-8")
        self.assertIn(old, text)
        config.write_text(text.replace(old, new, 1), encoding="utf-8")
        self.ctl("reload")

    def ctl(self, *command):
        ctl = os.path.join(os.path.dirname(suite.arguments.braidd), "braidctl")
        done = subprocess.run([ctl, "--config", self.server.config, *command],
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_share_has_them_again_after_a_while_without(self):
        """Nobody is connected meanwhile, so that each reload makes the share anew."""
        self.client.close()
        for _ in range(2):
            self.reload(CONTINUOUS[0], "# without")
            self.reload("# without", CONTINUOUS[0])
        self.client = self.connect()
        guid = number()
        before = self.opened(guid, lease=KEY)
        self.assertRegex(self.ctl("opens"), rf"(?m)^0x.* RHW? +persistent .*{self.name}$")
        self.kill()
        self.back(before, guid, lease=KEY)

    def test_is_told_of_where_it_is(self):
        self.assertEqual(struct.unpack_from("<I", self.client.negotiated, 24)[0] &
                         PERSISTENT_HANDLES, PERSISTENT_HANDLES)
        told = struct.unpack_from("<I", self.client.tree_answer, 8)[0]
        self.assertEqual(told & CONTINUOUS_AVAILABILITY, CONTINUOUS_AVAILABILITY)
        plain = self.connect(share="plain")
        self.assertEqual(struct.unpack_from("<I", plain.tree_answer, 8)[0], 0)
        opened = plain.open("file", number(), lease=KEY)
        self.assertEqual((opened.status, opened.flags), ("SUCCESS", 0))
        durable = self.client.open(self.name, number(), lease=OTHER_KEY, flags=0)
        self.assertEqual((durable.status, durable.flags), ("SUCCESS", 0))

    def test_comes_back_with_lease_locks_and_data(self):
        guid = number()
        before = self.opened(guid, lease=KEY, timeout=120_000)
        self.assertEqual((before.lease, before.timeout), (RWH, 120_000))
        self.assertEqual(self.client.status(raw.WRITE, raw.write(before.file, b"kept")), "SUCCESS")
        self.assertEqual(self.client.lock(before.file, 5), "SUCCESS")
        self.assertEqual(self.client.lock(before.file, 7), "SUCCESS")
        self.assertEqual(self.client.lock(before.file, 7, flags=p.UNLOCK), "SUCCESS")
        self.kill()
        again = self.back(before, guid, lease=KEY)
        self.assertEqual((again.lease, again.flags), (RWH, None))
        self.assertEqual(self.client.lock(again.file, 5), LOCK_NOT_GRANTED)
        self.assertEqual(self.client.lock(again.file, 7), "SUCCESS")
        answer = self.client.call(raw.READ, raw.read(again.file, 4))
        self.assertEqual((answer.status, answer.body[16:20]), ("SUCCESS", b"kept"))
        self.assertEqual(self.client.status(raw.WRITE, raw.write(again.file, b"more", 4)), "SUCCESS")
        # And again, as what came back is as good as what was given.
        self.kill()
        twice = self.client.reconnect(self.name, again, guid, lease=KEY)
        self.assertEqual((twice.status, twice.lease), ("SUCCESS", RWH))
        self.assertEqual(self.client.lock(twice.file, 7), LOCK_NOT_GRANTED)
        self.assertEqual(self.client.close_file(twice.file), "SUCCESS")

    def test_local_change_ends_what_came_back(self):
        """Nobody has the file open until the client comes."""
        guid = number()
        before = self.opened(guid, lease=KEY)
        self.kill()
        self.back(before, guid, lease=KEY)
        os.chmod(os.path.join(self.root, self.name), 0o640)
        self.assertEqual(struct.unpack_from("<II", self.client.next_break(), 24), (RWH, 0))

    def test_comes_back_without_any_caching(self):
        guid = number()
        before = self.opened(guid)
        self.kill()
        # Nobody gets in between, whatever he wants.
        other = self.connect(guid=number())
        self.assertEqual(other.plain_open(self.name).status, NOT_AVAILABLE)
        self.assertEqual(other.plain_open(self.name, access=0x80).status, NOT_AVAILABLE)
        self.back(before, guid)
        self.assertEqual(other.plain_open(self.name).status, "SUCCESS")

    def test_who_meets_it_waits_for_its_client(self):
        guid = number()
        before = self.opened(guid, lease=KEY)
        self.kill()
        other = self.connect(guid=number())
        waiting = other.send(raw.CREATE, raw.create(self.name, access=0x001F01FF))
        self.assertTrue(other.wait_until_pending([waiting]))
        # Breaking, and the break comes along.
        again = self.back(before, guid, lease=KEY)
        self.assertEqual(again.lease, RWH)
        body = struct.pack("<HHI16sIQ", 36, 0, 0, KEY, p.READ | p.HANDLE, 0)
        self.assertEqual(self.client.status(raw.OPLOCK_BREAK, body), "SUCCESS")
        self.assertEqual(other.wait_for(waiting).status, "SUCCESS")

    def test_who_waits_for_it_goes_on_when_its_time_is_over(self):
        before = self.opened(number(), lease=KEY, timeout=1000, share=0)
        self.assertEqual(before.timeout, 1000)
        self.kill()
        other = self.connect(guid=number())
        self.assertEqual(other.plain_open(self.name).status, "SUCCESS")

    def test_directory_comes_back(self):
        guid = number()
        before = self.opened(guid, lease=KEY, state=p.READ | p.HANDLE, options=1)
        self.assertEqual(before.lease, p.READ | p.HANDLE)
        self.kill()
        # What it has cached of the names may have been true for the last time.
        again = self.back(before, guid, lease=KEY, state=p.READ | p.HANDLE)
        self.assertEqual(again.lease, 0)

    def test_lost_answer_is_given_again(self):
        guid = number()
        before = self.opened(guid, lease=KEY)
        self.kill()
        again = self.client.open(self.name, guid, lease=KEY, header_flags=p.REPLAY)
        self.assertEqual((again.status, again.flags), ("SUCCESS", p.PERSISTENT))
        self.assertEqual((again.persistent_id, again.action), (before.persistent_id, before.action))
        self.assertEqual(self.client.close_file(again.file), "SUCCESS")

    def test_what_was_closed_stays_closed(self):
        guid = number()
        before = self.opened(guid, lease=KEY)
        self.assertEqual(self.client.close_file(before.file), "SUCCESS")
        self.kill()
        again = self.client.reconnect(self.name, before, guid, lease=KEY)
        self.assertEqual(again.status, "OBJECT_NAME_NOT_FOUND")
        self.assertEqual(self.connect(guid=number()).plain_open(self.name).status, "SUCCESS")

    def test_is_its_owners(self):
        guid = number()
        before = self.opened(guid, lease=KEY)
        self.kill()
        for what, client, fields, status in (
                ("user", self.connect(BOB), {}, "ACCESS_DENIED"),
                ("client", self.connect(guid=number()), {}, "OBJECT_NAME_NOT_FOUND"),
                ("CreateGuid", self.client, {"guid": number()}, "OBJECT_NAME_NOT_FOUND"),
                ("lease", self.client, {"lease": OTHER_KEY}, "OBJECT_NAME_NOT_FOUND"),
                ("no lease", self.client, {"lease": None}, "OBJECT_NAME_NOT_FOUND"),
                ("flag", self.client, {"flags": 0}, "OBJECT_NAME_NOT_FOUND")):
            with self.subTest(what):
                asked = {"guid": guid, "lease": KEY} | fields
                self.assertEqual(client.reconnect(self.name, before, **asked).status, status)
        self.back(before, guid, lease=KEY)

    def test_deletion_is_kept_and_carried_out(self):
        guid = number()
        before = self.opened(guid, lease=KEY, options=DELETE_ON_CLOSE)
        self.kill()
        path = os.path.join(self.root, self.name)
        self.assertTrue(os.path.exists(path))
        again = self.client.reconnect(self.name, before, guid, lease=KEY)
        self.assertEqual(again.status, "SUCCESS")
        self.assertEqual(self.client.close_file(again.file), "SUCCESS")
        self.assertFalse(os.path.exists(path))

    def test_new_name_is_kept(self):
        guid = number()
        before = self.opened(guid, lease=KEY)
        name = (self.name + "2").encode("utf-16-le")
        self.assertEqual(self.client.status(raw.SET_INFO, raw.set_info(
            before.file, struct.pack("<QQI", 0, 0, len(name)) + name, kind=10)), "SUCCESS")
        self.kill()
        self.name += "2"
        self.back(before, guid, lease=KEY)

    def test_lease_that_was_given_up_stays_so(self):
        guid = number()
        before = self.opened(guid, lease=KEY)
        other = self.connect(guid=number())
        waiting = other.send(raw.CREATE, raw.create(self.name, access=0x001F01FF))
        # The acknowledgement finds the break under way.
        other.wait_until_pending([waiting])
        body = struct.pack("<HHI16sIQ", 36, 0, 0, KEY, p.READ | p.HANDLE, 0)
        self.assertEqual(self.client.status(raw.OPLOCK_BREAK, body), "SUCCESS")
        self.assertEqual(other.wait_for(waiting).status, "SUCCESS")
        self.kill()
        again = self.back(before, guid, lease=KEY)
        self.assertEqual(again.lease, p.READ | p.HANDLE)

    def test_file_of_that_name_made_anew_is_another(self):
        guid = number()
        before = self.opened(guid, lease=KEY)
        path = os.path.join(self.root, self.name)
        os.unlink(path)
        with open(path, "w", encoding="ascii"):
            pass
        self.kill()
        again = self.client.reconnect(self.name, before, guid, lease=KEY)
        self.assertEqual(again.status, "OBJECT_NAME_NOT_FOUND")
        self.assertIn("is lost", self.server.log_text())

    def test_what_was_granted_stays_whatever_an_access_list_says_now(self):
        guid = number()
        before = self.opened(guid, lease=KEY)
        path = os.path.join(self.root, self.name)
        self.kill()
        os.chown(path, 0, 0)
        os.chmod(path, 0)
        again = self.back(before, guid, lease=KEY)
        self.assertEqual(self.client.status(raw.WRITE, raw.write(again.file, b"more")), "SUCCESS")
        with open(path, "rb") as file:
            self.assertEqual(file.read(), b"more")
        self.assertEqual(self.client.close_file(again.file), "SUCCESS")
        self.assertEqual(self.client.plain_open(self.name).status, "ACCESS_DENIED")

    def test_administrator_closes_it_for_good(self):
        guid = number()
        before = self.opened(guid, lease=KEY)
        self.assertEqual(self.client.lock(before.file, 5), "SUCCESS")
        row, = [row for row in json.loads(self.ctl("--json", "opens"))
                if row["path"] == self.name]
        self.assertEqual(int(row["open"], 16), int.from_bytes(before.persistent_id, "little"))
        self.assertEqual(row["durability"], "persistent")
        logs = glob.glob(os.path.join(self.root, ".braid", "handles", "*.log"))
        self.assertEqual(len(logs), self.workers)
        self.assertIn(row["log"], [os.path.basename(log) for log in logs])
        self.ctl("open", "close", row["open"])
        self.wait_until_gone()
        self.assertEqual(self.client.status(raw.WRITE, raw.write(before.file, b"x")), "FILE_CLOSED")
        self.kill()
        again = self.client.reconnect(self.name, before, guid, lease=KEY)
        self.assertEqual(again.status, "OBJECT_NAME_NOT_FOUND")

    def test_administrator_closes_what_waits_for_its_client(self):
        guid = number()
        before = self.opened(guid)
        self.kill()
        row, = [row for row in json.loads(self.ctl("--json", "opens"))
                if row["path"] == self.name]
        self.assertEqual(int(row["open"], 16), int.from_bytes(before.persistent_id, "little"))
        self.assertGreater(row["seconds_left"], 0)
        self.ctl("open", "close", row["open"])
        self.wait_until_gone()
        self.assertEqual(self.connect(guid=number()).plain_open(self.name).status, "SUCCESS")
        self.assertEqual(self.client.reconnect(self.name, before, guid).status,
                         "OBJECT_NAME_NOT_FOUND")
        with self.assertRaisesRegex(AssertionError, "there is no open 0x1; braidctl opens"):
            self.ctl("open", "close", "0x1")

    def wait_until_gone(self):
        """It is closed on another thread than the administrator's."""
        end = time.monotonic() + 30
        while any(row["path"] == self.name for row in json.loads(self.ctl("--json", "opens"))):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def test_log_is_below_the_share(self):
        logs = glob.glob(os.path.join(self.root, ".braid", "handles", "*.log"))
        self.assertEqual(len(logs), 1, logs)


class OfSeveralWorkers(Persistent):
    """The same with four workers, of which the one with the client is killed."""

    workers = 4
    for name in ("test_log_is_below_the_share",):
        locals()[name] = None
    del name

    def kill(self):
        p.kill_worker_with(self.server, self.client)
        self.client = self.connect()

    def of_another_worker(self, than=None):
        """A client that another worker serves."""
        than = p.worker_with(self.server, than or self.client)
        for _ in range(100):
            other = self.connect(guid=number())
            if p.worker_with(self.server, other) != than:
                return other
            other.close()
        raise AssertionError("all clients are one worker's")

    def test_nobody_gets_in_between(self):
        other = self.of_another_worker()
        guid = number()
        before = self.opened(guid, lease=KEY, share=0)
        self.assertEqual(self.client.lock(before.file, 5), "SUCCESS")
        # Without a handle to wait for he hears it at once.
        unleased = number()
        second = self.client.open(self.name + "2", unleased, share=0)
        self.assertEqual((second.status, second.flags), ("SUCCESS", p.PERSISTENT))
        killed = p.worker_with(self.server, self.client)
        os.kill(killed, signal.SIGKILL)
        seen = set()
        end = time.monotonic() + 60
        while len(p.workers_of(self.server)) < self.workers or killed in p.workers_of(self.server):
            seen.add(other.plain_open(self.name + "2").status)
            self.assertLess(time.monotonic(), end)
        self.client = self.connect()
        seen.add(other.plain_open(self.name + "2").status)
        self.assertLessEqual(seen, {NOT_AVAILABLE, "SHARING_VIOLATION"})
        again = self.back(before, guid, lease=KEY)
        self.assertEqual(again.lease, RWH)
        self.assertEqual(self.client.lock(again.file, 5), LOCK_NOT_GRANTED)
        self.assertEqual(self.client.reconnect(self.name + "2", second, unleased).status, "SUCCESS")
        self.assertEqual(other.plain_open(self.name + "2").status, "SHARING_VIOLATION")

    def test_other_workers_serve_meanwhile(self):
        other = self.of_another_worker()
        self.opened(number(), lease=KEY)
        kept = other.open(self.name + "2", number(), lease=OTHER_KEY)
        self.assertEqual((kept.status, kept.flags), ("SUCCESS", p.PERSISTENT))
        workers = len(p.workers_of(self.server))
        killed = p.worker_with(self.server, self.client)
        os.kill(killed, signal.SIGKILL)
        for i in range(20):
            written = other.status(raw.WRITE, raw.write(kept.file, b"%d" % i))
            self.assertEqual(written, "SUCCESS")
        self.assertEqual(other.close_file(kept.file), "SUCCESS")
        # Whoever asks a worker that is dying is not answered.
        p.await_worker(self.server, killed, workers)

    # What a client of one worker takes from one of another is on the disk before the first is told,
    # and all of them are killed at once.
    def test_lease_that_another_worker_took_stays_so(self):
        other = self.of_another_worker()
        guid = number()
        before = self.opened(guid, lease=KEY, state=p.READ)
        plain = other.plain_open(self.name)
        self.assertEqual(plain.status, "SUCCESS")
        self.assertEqual(other.status(raw.WRITE, raw.write(plain.file, b"x")), "SUCCESS")
        kill_all(self.server)
        start_again(self.server, self.scratch)
        self.client = self.connect()
        again = self.back(before, guid, lease=KEY, state=p.READ)
        self.assertEqual(again.lease, 0)
        self.assertEqual(self.client.close_file(again.file), "SUCCESS")

    def test_new_name_by_another_worker_is_kept(self):
        other = self.of_another_worker()
        guid = number()
        before = self.opened(guid, lease=KEY, state=p.READ)
        mover = other.plain_open(self.name)
        self.assertEqual(mover.status, "SUCCESS")
        name = (self.name + "2").encode("utf-16-le")
        self.assertEqual(other.status(raw.SET_INFO, raw.set_info(
            mover.file, struct.pack("<QQI", 0, 0, len(name)) + name, kind=10)), "SUCCESS")
        kill_all(self.server)
        start_again(self.server, self.scratch)
        self.client = self.connect()
        self.name += "2"
        again = self.back(before, guid, lease=KEY, state=p.READ)
        self.assertEqual(self.client.close_file(again.file), "SUCCESS")

    def test_another_number_of_workers_has_them_too(self):
        clients = [(number(), number()) for _ in range(8)]
        names = [f"{self.name}{i}" for i in range(len(clients))]
        opened = []
        for name, (client, guid) in zip(names, clients):
            at = self.connect(guid=client)
            opened.append(at.open(name, guid, share=0))
            self.assertEqual((opened[-1].status, opened[-1].flags), ("SUCCESS", p.PERSISTENT))
            self.assertEqual(at.lock(opened[-1].file, 5), "SUCCESS")
        config = pathlib.Path(self.server.config)
        text = config.read_text(encoding="utf-8")
        self.assertIn("workers = 4", text)
        try:
            for workers in (2, 3, 1, 4):
                kill_all(self.server)
                config.write_text(text.replace("workers = 4", f"workers = {workers}"),
                                  encoding="utf-8")
                start_again(self.server, self.scratch)
                stranger = self.connect(guid=number())
                for name in names:
                    self.assertEqual(stranger.plain_open(name).status, NOT_AVAILABLE, workers)
        finally:
            config.write_text(text, encoding="utf-8")
        for name, before, (client, guid) in zip(names, opened, clients):
            at = self.connect(guid=client)
            again = at.reconnect(name, before, guid)
            self.assertEqual((again.status, again.persistent_id), ("SUCCESS", before.persistent_id))
            self.assertEqual(at.lock(again.file, 5), LOCK_NOT_GRANTED)
            self.assertEqual(at.close_file(again.file), "SUCCESS")


class AcrossServers(Persistent):
    """The same share, and one server after the other."""

    for name in [name for name in vars(Persistent) if name.startswith("test")]:
        locals()[name] = None
    del name

    def logs(self):
        return glob.glob(os.path.join(self.root, ".braid", "handles", "*.log"))

    def begin(self):
        start_again(self.server, self.scratch)
        self.client = self.connect()

    def test_server_that_is_stopped_keeps_them(self):
        guid = number()
        before = self.opened(guid, lease=KEY)
        self.assertEqual(self.client.lock(before.file, 5), "SUCCESS")
        self.assertEqual(self.server.stop(), [])
        self.begin()
        again = self.back(before, guid, lease=KEY)
        self.assertEqual(again.lease, RWH)
        self.assertEqual(self.client.lock(again.file, 5), LOCK_NOT_GRANTED)
        self.assertEqual(self.client.close_file(again.file), "SUCCESS")
        self.assertEqual(len(self.logs()), 1)

    def test_local_change_meanwhile_ends_what_is_cached(self):
        guid = number()
        before = self.opened(guid, lease=KEY)
        self.assertEqual(self.client.status(raw.WRITE, raw.write(before.file, b"kept")), "SUCCESS")
        self.assertEqual(self.client.lock(before.file, 5), "SUCCESS")
        self.assertEqual(self.server.stop(), [])
        with open(os.path.join(self.root, self.name), "ab") as file:
            file.write(b"and more")
        self.begin()
        again = self.back(before, guid, lease=KEY)
        self.assertEqual(again.lease, 0)
        self.assertEqual(self.client.lock(again.file, 5), LOCK_NOT_GRANTED)
        self.assertRegex(self.server.log_text(),
                         r"share .share.: 1 of its open files were changed while the server was not")
        self.assertEqual(self.client.close_file(again.file), "SUCCESS")

    def test_newer_log_keeps_the_share_away(self):
        guid = number()
        before = self.opened(guid, lease=KEY)
        kill_all(self.server)
        log, = self.logs()
        with open(log, "r+b") as file:
            sector = bytearray(file.read(512))
            sector[8:12] = struct.pack("<I", 2)
            sector[508:] = struct.pack("<I", crc32c(sector[:508]))
            file.seek(0)
            file.write(sector)
        start_again(self.server, self.scratch)
        with self.assertRaisesRegex(Refused, "BAD_NETWORK_NAME"):
            self.connect()
        self.connect(share="plain")
        self.assertRegex(self.server.log_text(), r"share 'share' is absent .*of version 2")
        kill_all(self.server)
        with open(log, "r+b") as file:
            sector[8:12] = struct.pack("<I", 1)
            sector[508:] = struct.pack("<I", crc32c(sector[:508]))
            file.write(sector)
        self.begin()
        again = self.back(before, guid, lease=KEY)
        self.assertEqual(self.client.close_file(again.file), "SUCCESS")

    def test_damaged_record_is_reported_and_the_rest_kept(self):
        first, second = number(), number()
        names = [self.name + "1", self.name + "2"]
        opened = []
        for guid, key, name in ((first, KEY, names[0]), (second, OTHER_KEY, names[1])):
            self.name = name
            opened.append(self.opened(guid, lease=key))
        # A commit behind them, so that they are known to have been on the disk.
        self.assertEqual(self.client.lock(opened[1].file, 5), "SUCCESS")
        kill_all(self.server)
        log, = self.logs()
        with open(log, "r+b") as file:
            data = file.read()
            file.seek(data.index(names[0].encode()))
            file.write(b"F")
        start_again(self.server, self.scratch)
        self.client = self.connect()
        self.assertEqual(self.client.reconnect(names[0], opened[0], first, lease=KEY).status,
                         "OBJECT_NAME_NOT_FOUND")
        again = self.client.reconnect(names[1], opened[1], second, lease=OTHER_KEY)
        self.assertEqual((again.status, again.lease), ("SUCCESS", RWH))
        self.assertRegex(self.server.log_text(), r"share .share.: .*cannot be read in 1 places")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


if __name__ == "__main__":
    suite.main()
