#!/usr/bin/env python3
"""The attacks of attack.py, small, and counted instead of timed: the worker lives, so much memory is
held, so many requests were answered before somebody else's."""
import contextlib
import dataclasses
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import attacks_logon  # noqa: E402
import attacks_memory  # noqa: E402
import attacks_work  # noqa: E402
import meters  # noqa: E402
import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from peer import GENERIC_ALL, GENERIC_READ, OPEN_IF, Refused, Target  # noqa: E402
from server import Options, Share, is_sanitized, test_users  # noqa: E402
from suite import ServerCase  # noqa: E402

ALICE, BOB = test_users()
MIB = 1 << 20


class AttackCase(ServerCase):
    WORKERS = 1

    @classmethod
    def setUpClass(cls):
        if suite.arguments.smbd:
            raise unittest.SkipTest("about braidd's own limits")
        super().setUpClass()
        cls.workers = meters.wait_for_workers(cls.server)

    @classmethod
    def options(cls, scratch):
        cls.root = scratch.directory("share", mode=0o777)
        # Attackers are on the wire as they are: without signatures.
        return Options([Share("share", cls.root),
                        Share("other", scratch.directory("other", mode=0o777))],
                       [ALICE, BOB], signing="enabled", workers=cls.WORKERS)

    addresses = (f"127.9.{high}.{low}" for high in range(256) for low in range(1, 255))

    def setUp(self):
        # Limits count by address; one test's must not meet another's.
        self.target = Target(self.server.host, self.server.port, ALICE.name, ALICE.password,
                             source=next(self.addresses), folder=self.root)
        self.victim = Target(self.server.host, self.server.port, BOB.name, BOB.password,
                             source=next(self.addresses))

    def tearDown(self):
        super().tearDown()
        self.assertEqual(meters.workers(self.server), self.workers, "a worker was replaced")

    def first(self, attack, **parameters):
        """What the attack saw in its first round; it goes on until the test ends."""
        rounds = attack(self.target, **parameters)
        self.addCleanup(rounds.close)
        return next(rounds)

    def grown(self, before):
        """MiB that the workers have grown by; a sanitizer keeps what was freed."""
        if is_sanitized(self.server.program):
            return 0
        return (meters.resident_bytes(self.workers) - before) / MIB

    def memory(self):
        return meters.resident_bytes(self.workers)


class Sizes(AttackCase):
    """What a peer chooses meets no assertion."""

    def test_answers_that_do_not_fit_one_frame(self):
        self.assertEqual(self.first(attacks_memory.compound_reads), {"SUCCESS": 64})

    def test_two_of_the_largest_answers(self):
        self.assertEqual(self.first(attacks_memory.compound_reads, count=2, size=8 * MIB),
                         {"SUCCESS": 2})


class HalfDead(AttackCase):
    """A path that is no longer there meets no null."""

    def test_a_directory_that_was_moved(self):
        # The kernel knows where it is now.
        self.assertEqual(self.first(attacks_work.moved_folder, way="rename"),
                         {"SET_INFO": "SUCCESS", "CLOSE": "SUCCESS", "there": False})

    def test_a_directory_that_was_removed(self):
        self.assertEqual(self.first(attacks_work.moved_folder, way="remove"),
                         {"SET_INFO": "SUCCESS", "CLOSE": "SUCCESS", "there": False})

    def test_a_directory_that_moves_to_and_fro(self):
        seen = self.first(attacks_work.moved_in_compound, tries=300)
        self.assertLessEqual(set(seen), {"SUCCESS", "OBJECT_NAME_NOT_FOUND"})


class Memory(AttackCase):
    """Nothing is held without being counted."""

    def test_session_requests_of_netbios(self):
        before = self.memory()
        self.first(attacks_memory.netbios_flood, size=8 * MIB)
        self.assertLess(self.grown(before), 16)

    def test_credits_before_a_logon(self):
        self.assertEqual(self.first(attacks_logon.early_echoes), {"credits": 1, "hung up": False})

    def test_answers_that_nobody_reads(self):
        before = self.memory()
        self.first(attacks_memory.unread_reads, connections=3, count=62)
        meters.wait_until_idle(self.server)  # all that it would take has been taken
        self.assertLess(self.grown(before), 400)

    def test_waiting_locks_keep_no_frames(self):
        before = self.memory()
        seen = self.first(attacks_memory.waiting_locks, connections=3)
        self.assertEqual(seen, {"waiting": 24})
        self.assertLess(self.grown(before), 96)

    def test_pipes_with_half_a_request(self):
        before = self.memory()
        self.first(attacks_memory.half_pipes, count=300)
        self.assertLess(self.grown(before), 200)


class Budget(AttackCase):
    """However much is asked for, by however many."""

    LIMIT_MIB = 256
    ATTACKERS = 6
    ATTACKS = (
        (attacks_memory.netbios_flood, {"size": 2 * MIB}),
        (attacks_memory.unread_reads, {"connections": 2, "count": 24}),
        (attacks_memory.half_pipes, {"count": 100, "patience": 1.0}),
        (attacks_memory.waiting_locks, {"connections": 2, "patience": 0.5}),
        (attacks_logon.half_logons, {"connections": 20, "each": 3}),
    )

    @classmethod
    def options(cls, scratch):
        options = super().options(scratch)
        options.server_lines = (f"memory_limit = {cls.LIMIT_MIB}",)
        options.users += [dataclasses.replace(ALICE, name=f"mallory{number}")
                          for number in range(cls.ATTACKERS)]
        return options

    def test_all_at_once(self):
        meter = meters.Meter(self.server)
        self.addCleanup(meter.finish)
        for number in range(self.ATTACKERS):
            for attack, parameters in self.ATTACKS:
                target = Target(self.server.host, self.server.port, f"mallory{number}",
                                ALICE.password, source=next(self.addresses), folder=self.root)
                rounds = attack(target, **parameters)
                self.addCleanup(rounds.close)
                # Which of them is refused, and with what, depends on what the others hold.
                with contextlib.suppress(Refused, OSError):
                    next(rounds)
        with self.victim.peer(share="other") as peer:
            file = peer.open("file", access=GENERIC_ALL, disposition=OPEN_IF)
            peer.want_credits(64)
            for number in range(64):
                answer = peer.call(raw.WRITE, raw.write(file, bytes(MIB), offset=number * MIB),
                                   charge=16)
                self.assertEqual(answer.status, "SUCCESS")
                answer = peer.call(raw.READ, raw.read(file, MIB, offset=number * MIB), charge=16)
                self.assertEqual(answer.status, "SUCCESS")
        meter.finish()
        if not is_sanitized(self.server.program):
            self.assertLess(meter.resident_max / MIB, self.LIMIT_MIB)

    def test_half_logons(self):
        # One address gets a part of what those without a logon have, 64 KiB for each exchange.
        seen = self.first(attacks_logon.half_logons, connections=20)
        self.assertLessEqual(seen["MORE_PROCESSING_REQUIRED"], 128)
        self.assertGreater(seen["INSUFFICIENT_RESOURCES"], 0)


class Turns(AttackCase):
    """Another user's request is not behind all of somebody's."""

    @classmethod
    def options(cls, scratch):
        options = super().options(scratch)
        attacks_work.make_names(os.path.join(cls.root, "many"), 10_000)
        attacks_work.make_names(os.path.join(cls.root, "long"), 300, "x" * 200)
        return options

    def overtaken(self, attack, waits_for_first=True, **parameters):
        """Of the attack's requests, how many were answered while the victim's CREATE waited."""
        with self.victim.peer() as victim:
            victim.open("victim", access=GENERIC_READ, disposition=OPEN_IF)
            self.first(attack, **parameters)
            if waits_for_first:
                self.target.peers[-1].read_frame()
            # On a slow machine many are done before the last of them is sent.
            before = sum(peer.arrived() for peer in self.target.peers)
            self.assertEqual(victim.call(raw.CREATE, raw.create("victim")).status, "SUCCESS")
            return sum(peer.arrived() for peer in self.target.peers) - before

    def test_listings_of_one_handle(self):
        self.assertLess(self.overtaken(attacks_work.listings, count=300), 100)

    def test_zeros_in_a_large_stream(self):
        # A hole is zeroed in a moment, so that one request alone may be done before the CREATE.
        self.assertLess(self.overtaken(attacks_work.zero_data, waits_for_first=False,
                                       size=1 << 40, count=300), 100)

    def cpu_until_idle(self):
        """Processor time the workers take until they have nothing to do."""
        before = meters.cpu_seconds(self.workers)
        meters.wait_until_idle(self.server)
        return meters.cpu_seconds(self.workers) - before

    def test_requests_of_a_lost_connection_are_stopped(self):
        before = meters.cpu_seconds(self.workers)
        rounds = attacks_work.listings(self.target, count=20)
        self.assertEqual((next(rounds), next(rounds)), ({"asked": 20}, {"NO_SUCH_FILE": 20}))
        cost = max(0.05, meters.cpu_seconds(self.workers) - before)
        self.first(attacks_work.listings, count=300)
        self.target.peers[-1].close()
        self.assertLess(self.cpu_until_idle(), 3 * cost)


class Parts(AttackCase):
    """Who takes all he can of what there is so much of, and no more, leaves others their part."""

    def test_locks_of_one_file(self):
        self.assertEqual(self.first(attacks_work.held_locks),
                         {"SUCCESS": 1, "INSUFFICIENT_RESOURCES": 2})
        with self.victim.peer() as victim:
            file = victim.open("held-locks", access=GENERIC_READ)
            flags = attacks_work.SHARED_LOCK | attacks_work.FAIL_IMMEDIATELY
            locks = [(start, 1, flags) for start in range(100)]
            self.assertEqual(victim.call(raw.LOCK, raw.lock(file, locks)).status, "SUCCESS")

    def test_watches_of_one_directory(self):
        self.assertEqual(self.first(attacks_work.root_watches, count=300),
                         {"PENDING": 128, "INSUFFICIENT_RESOURCES": 172})
        rounds = attacks_work.root_watches(self.victim, count=1)
        self.addCleanup(rounds.close)
        self.assertEqual(next(rounds), {"PENDING": 1})


class Guesses(AttackCase):
    """Passwords are judged slowly, however many are under way; more in logon_test.py."""

    def test_on_many_connections(self):
        seen = self.first(attacks_logon.passwords, connections=64, seconds=3)
        self.assertNotIn("SUCCESS", seen)
        self.assertLessEqual(seen.get("LOGON_FAILURE", 0), 8)

    def test_others_log_on_meanwhile(self):
        rounds = attacks_logon.passwords(self.target, connections=64, seconds=1)
        next(rounds)
        with self.victim.connect() as peer:
            self.assertEqual(peer.log_on(BOB.name, BOB.password), "SUCCESS")


class ManyOpens(AttackCase):
    """What an open costs does not depend on how many there are."""

    WORKERS = 4
    COUNT = 500
    # As far as a user's share of a worker's descriptors goes, where there are 20,000.
    MANY = 4000

    def cost(self):
        """Processor time of so many opens of the share's root, by another user."""
        before = meters.cpu_seconds(self.workers)
        rounds = attacks_work.root_opens(self.victim, count=self.COUNT)
        self.assertEqual(next(rounds), {"SUCCESS": self.COUNT})
        rounds.close()
        return meters.cpu_seconds(self.workers) - before

    def test_opens_of_a_root(self):
        few = max(0.05, self.cost())
        self.assertEqual(self.first(attacks_work.root_opens, count=self.MANY),
                         {"SUCCESS": self.MANY})
        self.assertLess(self.cost(), 3 * few)


if __name__ == "__main__":
    suite.main()
