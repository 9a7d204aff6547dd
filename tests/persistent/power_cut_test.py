#!/usr/bin/env python3
"""All processes of the server are killed at random points; what a client was told has to be true.

  power_cut_test.py --braidd build/release/braidd --kills 1000 --seed 17

A client opens, locks, writes, renames, gives up leases, closes and deletes, one request at a time, all from
a seed. When its connection ends it knows what it was told, and of one request that it may have been done or
not. It reconnects each open to the next server and compares: the handle, its lease, its locks, the data,
the name, and what was closed or deleted.
"""
import argparse
import os
import random
import signal
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import persistent as p  # noqa: E402
import smb2_raw as raw  # noqa: E402
import server as servers  # noqa: E402
from peer import Refused  # noqa: E402
from persistent import RWH, Client, kill_all, start_again  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402

ALICE, _ = test_users()
LOCKS = 4  # places in a file that may be locked, behind its data
AT = 1 << 20
SIZE = 64
OPENS_MAX = 6
DELETE_ON_CLOSE = 0x1000
GONE = "OBJECT_NAME_NOT_FOUND"
HELD = "0xC0000055"  # STATUS_LOCK_NOT_GRANTED


class Lost(Exception):
    """The connection ended."""


class Open:
    """What the client was told of one open."""

    def __init__(self, number, rng):
        self.guid = rng.randbytes(16)
        self.key = rng.randbytes(16) if rng.random() < 0.8 else None
        self.deletes = rng.random() < 0.2
        self.names = [f"file{number}"]  # one; two after a rename without an answer
        self.leases = [RWH]
        self.answer = None  # none: its CREATE was not answered
        self.data = [bytes(SIZE)]
        self.locked = set()
        self.unsure = None  # a place that may be locked or not
        self.may_be_closed = False

    @property
    def name(self):
        return self.names[0]

    def create(self, client, header_flags=0):
        return client.open(self.name, self.guid, lease=self.key, timeout=300_000,
                           options=DELETE_ON_CLOSE if self.deletes else 0,
                           header_flags=header_flags)


class Test:
    def __init__(self, args, scratch):
        self.random = random.Random(args.seed)
        self.scratch = scratch
        self.root = scratch.directory("share", owner=ids_of(ALICE))
        self.options = Options([Share("share", self.root,
                                      lines=("continuous_availability = true",))], [ALICE],
                               signing="enabled", workers=args.workers)
        self.server = servers.start(args, scratch, self.options)
        self.guid = self.random.randbytes(16)
        self.opens = []
        self.closed = []  # (Open, whether its file has to be gone)
        self.made = 0
        self.counts = {}
        self.client = self.other = None

    def connect(self):
        self.client = Client(self.server, ALICE, self.guid)
        self.other = None

    # What a client does.

    def must(self, status, what, wanted="SUCCESS"):
        if status == raw.DISCONNECTED:
            raise Lost
        assert status == wanted, f"{what}: {status} instead of {wanted}"

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def step(self):
        if len(self.opens) < 2 or (len(self.opens) < OPENS_MAX and self.random.random() < 0.2):
            return self.do_open()
        one = self.random.choice(self.opens)
        return self.random.choice((self.do_write, self.do_write, self.do_lock, self.do_lock,
                                   self.do_rename, self.do_break, self.do_close))(one)

    def do_open(self):
        self.made += 1
        one = Open(self.made, self.random)
        self.opens.append(one)
        opened = one.create(self.client)
        self.must(opened.status, "CREATE")
        assert opened.flags == p.PERSISTENT and (not one.key or opened.lease == RWH)
        one.answer = opened
        self.count("opens")

    def do_write(self, one):
        old = one.data[0]
        at = self.random.randrange(SIZE - 8)
        part = self.random.randbytes(8)
        one.data = [old, old[:at] + part + old[at + 8:]]
        self.must(self.client.status(raw.WRITE, raw.write(one.answer.file, part, at)), "WRITE")
        one.data = one.data[1:]
        self.count("writes")

    def do_lock(self, one):
        place = self.random.randrange(LOCKS)
        one.unsure = place
        unlocks = place in one.locked
        self.must(self.client.lock(one.answer.file, AT + place, 1,
                                   p.UNLOCK if unlocks else p.EXCLUSIVE | p.AT_ONCE), "LOCK")
        one.locked ^= {place}
        one.unsure = None
        self.count("locks")

    def do_rename(self, one):
        self.made += 1
        one.names.append(f"moved{self.made}")
        name = one.names[1].encode("utf-16-le")
        self.must(self.client.status(raw.SET_INFO, raw.set_info(
            one.answer.file, struct.pack("<QQI", 0, 0, len(name)) + name, kind=10)), "rename")
        del one.names[0]
        self.count("renames")

    def do_break(self, one):
        """Somebody else opens the file; the lease goes down to RH."""
        if not one.key or one.leases[0] != RWH or one.deletes:
            return
        if not self.other:
            self.other = Client(self.server, ALICE, os.urandom(16))
        waiting = self.other.send(raw.CREATE, raw.create(one.name, access=0x00120089))
        if not self.other.wait_until_pending([waiting]):
            raise Lost
        one.leases.append(p.READ | p.HANDLE)
        body = struct.pack("<HHI16sIQ", 36, 0, 0, one.key, p.READ | p.HANDLE, 0)
        self.must(self.client.status(raw.OPLOCK_BREAK, body), "acknowledgement")
        del one.leases[0]
        answer = self.other.wait_for(waiting)
        if not answer:
            raise Lost
        self.must(answer.status, "the other's CREATE")
        self.must(self.other.close_file(answer.body[64:80]), "the other's CLOSE")
        self.count("breaks")

    def do_close(self, one):
        one.may_be_closed = True
        self.must(self.client.close_file(one.answer.file), "CLOSE")
        self.opens.remove(one)
        self.closed.append(one)
        self.count("closes")

    # What is there afterwards.

    def check(self):
        for one in list(self.opens):
            self.check_open(one)
        for one in self.closed:
            again = self.client.reconnect(one.name, one.answer, one.guid, lease=one.key)
            assert again.status == GONE, f"{one.name} was closed: {again.status}"
            assert os.path.exists(self.path(one.name)) != one.deletes, f"{one.name} after its CLOSE"
        self.closed = []

    def path(self, name):
        return os.path.join(self.root, name)

    def check_open(self, one):
        if not one.answer:
            again = one.create(self.client, p.REPLAY)
            assert again.status == "SUCCESS" and again.flags == p.PERSISTENT, \
                f"{one.name}, whose CREATE was lost: {again.status} {again.flags}"
            one.answer = again
            return
        there = [name for name in one.names if os.path.exists(self.path(name))]
        if one.may_be_closed and not there:
            assert one.deletes, f"{one.names} is gone"
            self.opens.remove(one)
            return
        assert len(there) == 1, f"{one.names}: {there}"
        one.names = there
        again = self.client.reconnect(one.name, one.answer, one.guid, lease=one.key)
        if one.may_be_closed and again.status == GONE:
            assert not one.deletes, f"{one.name} was not deleted"
            self.opens.remove(one)
            return
        one.may_be_closed = False
        assert again.status == "SUCCESS", f"{one.name}: {again.status}"
        assert again.persistent_id == one.answer.persistent_id, one.name
        if one.key:
            assert again.lease in one.leases, f"{one.name}: lease {again.lease} not {one.leases}"
            one.leases = [again.lease]
        one.answer = again
        self.check_data(one)
        self.check_locks(one)

    def check_data(self, one):
        answer = self.client.call(raw.READ, raw.read(one.answer.file, SIZE))
        found = b"" if answer.status == "END_OF_FILE" else answer.body[16:]
        found += bytes(SIZE - len(found))
        assert found in one.data, f"{one.name}: {found.hex()} is none of {[d.hex() for d in one.data]}"
        one.data = [found]

    def check_locks(self, one):
        """Its own locks stand in its own way, too."""
        for place in range(LOCKS):
            status = self.client.lock(one.answer.file, AT + place)
            if place != one.unsure:
                wanted = HELD if place in one.locked else "SUCCESS"
                assert status == wanted, f"{one.name}, lock {place}: {status} instead of {wanted}"
            one.locked.add(place)
        for place in self.random.sample(range(LOCKS), LOCKS // 2):
            self.must(self.client.lock(one.answer.file, AT + place, 1, p.UNLOCK), "UNLOCK")
            one.locked.remove(place)
        one.unsure = None

    def life(self):
        """From one server to the next."""
        self.connect()
        self.check()
        # With several workers every other time only the client's own.
        victim = (p.worker_with(self.server, self.client)
                  if self.options.workers > 1 and self.random.random() < 0.5 else None)
        self.server.expects_deaths = True
        killer = threading.Timer(self.random.uniform(0, 0.06),
                                 *((os.kill, [victim, signal.SIGKILL]) if victim else
                                   (kill_all, [self.server])))
        killer.start()
        try:
            while True:
                self.step()
        except (Lost, OSError, Refused):
            pass
        killer.join()
        self.client.close()
        if self.other:
            self.other.close()
        if victim:
            p.await_worker(self.server, victim, self.options.workers)
        else:
            start_again(self.server, self.scratch)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    servers.add_arguments(parser)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    with Scratch(args.scratch) as scratch:
        test = Test(args, scratch)
        for kill in range(args.kills):
            try:
                test.life()
            except AssertionError as wrong:
                print(f"kill {kill}, seed {args.seed}: {wrong}\n{test.server.log_text()[-4000:]}",
                      file=sys.stderr)
                return 1
        print(f"{args.kills} kills, {test.counts}")
        trouble = test.server.stop()
        print("\n".join(trouble), file=sys.stderr, end="\n" if trouble else "")
        return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
