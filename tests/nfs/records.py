"""NFS and SMB on the same folder: what one side has written the other reads.

A client of libnfs, which caches nothing, and a client of SMB that has what its leases let it have.
Records are numbered: an old one is a stale one. Which servers they are a suite says.
"""
import os
import random
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("lib", "persistent", "notify"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))

import persistent as p  # noqa: E402
import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from local_programs_test import Client, Local, Node  # noqa: E402
from nfs_client import NfsClient  # noqa: E402
from server import ids_of, test_users  # noqa: E402

ALICE = test_users()[0]
FILES, SIZE = 1000, 64
LOCKED = "0xC0000055"  # STATUS_LOCK_NOT_GRANTED


def record(number):
    return struct.pack("<Q", number).ljust(SIZE, b".")


class NfsCase(suite.ServerCase):
    """`server` serves `share` by SMB; `nfs_server` has it as `nfs_folder`. There are FILES files, file0
    and so on, which begin as record(0) and are `owner`'s."""
    mode = share = nfs_server = nfs_folder = nfs = None
    owner = ids_of(ALICE)

    @classmethod
    def nfs_client(cls):
        return NfsClient(cls.nfs_server, *cls.owner, cls.nfs_folder)

    def setUp(self):
        self.client = Client(self.server, self.share)
        self.addCleanup(self.client.close)
        self.nodes = {}  # the model

    def opened(self, name):
        if name not in self.nodes:
            self.nodes[name] = Node(self.nfs.read(name, SIZE))
        return self.client.open_cached(name, self.nodes[name])

    def smb_writes(self, of, data):
        self.client.write_cached(of, 0, data)
        of.node.write(0, data)

    def nfs_opens(self, client, name):
        files = []
        Local(lambda each: files.append(client.open(each, os.O_RDWR)), name).wait(self.client)
        return files[0]

    def nfs_reads(self, name):
        seen = []
        Local(lambda each: seen.append(self.nfs.read(each, SIZE)), name).wait(self.client)
        return seen[0]

    def nfs_writes(self, name, data):
        Local(lambda each: self.nfs.write(each, data), name).wait(self.client)
        self.nodes[name].write(0, data)


class Strict(NfsCase):
    mode = "strict"

    def test_no_record_is_old_in_either_direction(self):
        rng = random.Random(suite.arguments.seed)
        stale = leases = 0
        for number in range(1, suite.arguments.rounds + 1):
            name, data = f"file{rng.randrange(FILES)}", record(number)
            of = self.opened(name)
            leases += bool(of.state)
            self.client.content(of)  # into its cache, as far as it may
            if number % 2:
                self.smb_writes(of, data)
                stale += self.nfs_reads(name) != data
            else:
                self.nfs_writes(name, data)
                stale += self.client.content(of) != data
            self.client.close_cached(of)
        print(f"strict: {suite.arguments.rounds} rounds, {leases} with a lease, {stale} stale",
              file=sys.stderr)
        self.assertEqual(stale, 0)
        self.assertGreater(leases, 0)

    def test_locks_are_seen_on_both_sides(self):
        of = self.opened("file0")

        def lock(flags):
            return self.client.status(raw.LOCK, raw.lock(of.file, ((0, SIZE, flags),)))

        refused, holder = self.nfs_client(), self.nfs_client()
        theirs = self.nfs_opens(refused, "file0")
        self.assertEqual(lock(p.EXCLUSIVE | p.AT_ONCE), "SUCCESS")
        self.assertFalse(refused.lock(theirs, SIZE))
        self.assertEqual(lock(p.UNLOCK), "SUCCESS")
        theirs = self.nfs_opens(holder, "file0")
        self.assertTrue(holder.lock(theirs, SIZE))
        self.assertEqual(lock(p.EXCLUSIVE | p.AT_ONCE), LOCKED)
        holder.unlock(theirs, SIZE)
        self.assertEqual(lock(p.EXCLUSIVE | p.AT_ONCE), "SUCCESS")
        self.client.close_cached(of)

    def test_records_with_locks(self):
        """Each side reads, adds one and writes, with the record locked."""
        of, name = self.opened("file1"), "file1"
        self.smb_writes(of, record(0))
        self.client.flush(of)
        nfs = self.nfs_client()
        file = self.nfs_opens(nfs, name)
        rounds = min(suite.arguments.rounds, 1000)
        for number in range(rounds):
            if number % 2:
                self.assertTrue(nfs.lock(file, SIZE))
                was = struct.unpack_from("<Q", nfs.pread(file, SIZE))[0]
                nfs.pwrite(file, record(was + 1))
                nfs.unlock(file, SIZE)
            else:
                locks = ((0, SIZE, p.EXCLUSIVE | p.AT_ONCE),)
                self.assertEqual(self.client.status(raw.LOCK, raw.lock(of.file, locks)), "SUCCESS")
                of.cache = None
                was = struct.unpack_from("<Q", self.client.content(of))[0]
                self.client.must(raw.WRITE, raw.write(of.file, record(was + 1)))
                locks = ((0, SIZE, p.UNLOCK),)
                self.assertEqual(self.client.status(raw.LOCK, raw.lock(of.file, locks)), "SUCCESS")
            self.assertEqual(was, number)
        self.client.close_cached(of)

    def test_a_client_that_comes_back_has_what_is_there(self):
        came_back(self)


def came_back(case):
    for changed in (False, True):
        guid, key, own = os.urandom(16), os.urandom(16), os.urandom(16)
        client = p.Client(case.server, ALICE, own, case.share)
        name = f"file{2 + changed}"
        opened = client.open(name, guid, lease=key, flags=0, disposition=1)
        case.assertEqual((opened.status, opened.lease), ("SUCCESS", p.RWH))
        case.assertIsNotNone(opened.flags, "no durable handle")
        client.status(raw.WRITE, raw.write(opened.file, record(1)))
        client.close()
        again = p.Client(case.server, ALICE, own, case.share)
        if changed:
            case.nfs.write(name, record(2))
            case.assertEqual(case.nfs.read(name, SIZE), record(2))
        until = time.monotonic() + 30
        while True:
            back = again.reconnect(name, opened, guid, lease=key, flags=0)
            # The server may not have noticed yet that the connection is gone.
            if changed or back.status == "SUCCESS" or time.monotonic() > until:
                break
        case.assertEqual(back.status, "OBJECT_NAME_NOT_FOUND" if changed else "SUCCESS")
        file = again.plain_open(name).file if changed else back.file
        answer = again.call(raw.READ, raw.read(file, SIZE))
        case.assertEqual(answer.body[16:], record(2 if changed else 1))
        again.close()


class Notify(NfsCase):
    mode = "notify"

    def test_how_long_a_record_is_old(self):
        behind = []
        rng = random.Random(suite.arguments.seed)
        for number in range(1, suite.arguments.rounds + 1):
            name, data = f"file{rng.randrange(FILES)}", record(number)
            of = self.opened(name)
            self.client.content(of)
            if number % 2:
                self.smb_writes(of, data)
                self.client.flush(of)  # nobody waits for it
                self.assertEqual(self.nfs_reads(name), data)
            else:
                self.assertTrue(of.state & p.READ)
                self.nfs_writes(name, data)
                began = time.monotonic()
                while of.state & p.READ:
                    self.assertTrue(self.client.breaks or self.client.read_frame())
                    self.client.answer_breaks()
                behind.append((time.monotonic() - began) * 1000)
                self.assertEqual(self.client.content(of), data)
            self.client.close_cached(of)
        behind.sort()
        print(f"notify: {len(behind)} records of NFS were old for {behind[len(behind) // 2]:.2f} ms "
              f"(median), {behind[-1]:.2f} ms at most", file=sys.stderr)

    def test_a_client_that_comes_back_has_what_is_there(self):
        came_back(self)


def extra(parser):
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
