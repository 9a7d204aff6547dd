#!/usr/bin/env python3
"""local_access = "strict": local programs and clients that cache see each other's data.

The client asks for oplocks and leases in bytes of its own and answers breaks when the test says so;
the local program is a thread that opens the file.
"""
import fcntl
import os
import random
import select
import struct
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("lib", "hostile"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))

import server as servers  # noqa: E402
import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
from mutation_test import Attacker  # noqa: E402
from scratch import Scratch  # noqa: E402

R, RH, RW, RWH = 1, 3, 5, 7
READ, BOTH = 0x00120089, 0x0012019F
RESILIENCY = 0x001401D4
LIMIT_S = 30
UNASKED = 0xFFFFFFFFFFFFFFFF


class Client(Attacker):
    """Answers by message id, and the breaks that came meanwhile."""

    def __init__(self, server, user):
        self._answers, self.breaks = {}, []
        super().__init__(server, user, random.Random(1))

    def begin(self, command, body):
        message = self.message(command, body)
        self._socket.sendall(raw.frame(self.sign(message)))
        return struct.unpack_from("<Q", message, 24)[0]

    def poll(self, patience=LIMIT_S):
        """One message more, if one comes."""
        if not select.select([self._socket], [], [], patience)[0]:
            return False
        data = self._exactly(struct.unpack(">I", self._exactly(4))[0])
        number = struct.unpack_from("<Q", data, 24)[0]
        if number == UNASKED:
            self.breaks.append(data)
        elif raw.status_of(data) != "PENDING":
            self._answers[number] = data
        return True

    def finish(self, number):
        until = time.monotonic() + LIMIT_S
        while number not in self._answers:
            if not self.poll(until - time.monotonic()):
                raise TimeoutError("no answer")
        return self._answers.pop(number)

    def do(self, command, body):
        return self.finish(self.begin(command, body))

    def next_break(self):
        until = time.monotonic() + LIMIT_S
        while not self.breaks:
            if not self.poll(until - time.monotonic()):
                raise TimeoutError("no break")
        return self.breaks.pop(0)

    def begin_open(self, name, access=BOTH, state=RWH, key=b"k", **fields):
        contexts = raw.create_context(b"RqLs", struct.pack("<16sIIQ", key, state, 0, 0))
        return self.begin(raw.CREATE, raw.create(name, access=access, disposition=3, oplock=0xFF,
                                                 contexts=contexts, **fields))

    def opened(self, number):
        """(file, lease state)"""
        answer = self.finish(number)
        if raw.status_of(answer) != "SUCCESS":
            raise AssertionError(raw.status_of(answer))
        at = answer.find(b"RqLs")
        state = struct.unpack_from("<I", answer, at + 8 + 16)[0] if at > 0 else 0
        return answer[128:144], state

    def open(self, name, **fields):
        return self.opened(self.begin_open(name, **fields))

    def acknowledge(self, state, key=b"k"):
        answer = self.do(raw.OPLOCK_BREAK, struct.pack("<HHI16sIQ", 36, 0, 0, key, state, 0))
        return raw.status_of(answer)

    def close_file(self, file):
        return raw.status_of(self.do(raw.CLOSE, raw.close(file)))


class Local(threading.Thread):
    """A local program that opens the file, which may take a while."""

    def __init__(self, path, flags=os.O_RDONLY):
        super().__init__(daemon=True)
        self._path, self._flags = path, flags
        self.seen = self.error = None
        self.start()

    def run(self):
        try:
            file = os.open(self._path, self._flags)
            if self._flags == os.O_RDONLY:
                self.seen = os.read(file, 100)
            os.close(file)
        except OSError as error:
            self.error = error

    def is_held_off(self):
        return self.is_alive()

    def done(self):
        self.join(LIMIT_S)
        return not self.is_alive() and self.error is None


class StrictCase(unittest.TestCase):
    prefix = ()  # of the server's command
    keys = ('local_access = "strict"',)
    served = None  # another folder than one of the test's

    @classmethod
    def setUpClass(cls):
        cls.scratch = Scratch()
        cls.scratch.__enter__()
        cls.addClassCleanup(cls.scratch.__exit__)
        cls.user = servers.test_users()[0]
        owner = servers.ids_of(cls.user)
        cls.root = cls.scratch.directory("share", owner=owner)
        shares = [servers.Share("share", cls.served or cls.root, lines=cls.keys)]
        if not cls.has_leases():
            raise unittest.SkipTest("this file system has no leases")
        cls.server = servers.start(suite.arguments, cls.scratch, servers.Options(
            shares, servers.test_users(), min_dialect="2.0.2", prefix=cls.prefix))
        cls.addClassCleanup(cls.stop_server)

    @classmethod
    def stop_server(cls):
        trouble = cls.server.stop()
        if trouble:
            raise AssertionError(trouble)

    @classmethod
    def has_leases(cls):
        try:
            file = os.open(cls.root, os.O_TMPFILE | os.O_RDWR)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            os.close(file)
        except OSError:
            return False
        return True

    def setUp(self):
        self.name = self._testMethodName[5:25]
        self.path = os.path.join(self.root, self.name)
        with open(self.path, "wb") as out:
            out.write(b"as it was")
        os.chmod(self.path, 0o666)
        if os.geteuid() == 0:
            os.chown(self.path, *servers.ids_of(self.user))
        self.client = self.connect()

    def connect(self, user=None):
        client = Client(self.server, user or self.user)
        self.addCleanup(client.close)
        return client

    def make_files(self, count):
        """Their names; everybody may write them."""
        names = [f"{self.name} {number}" for number in range(count)]
        for name in names:
            with open(os.path.join(self.root, name), "wb"):
                os.chmod(os.path.join(self.root, name), 0o666)
        return names


class LocalAccess(StrictCase):
    def test_reader_sees_what_the_client_had_in_its_cache(self):
        file, state = self.client.open(self.name)
        self.assertEqual(state, RWH)
        local = Local(self.path)
        told = self.client.next_break()
        self.assertEqual(struct.unpack_from("<II", told, 88), (RWH, 0))
        self.assertTrue(local.is_held_off())
        self.client.do(raw.WRITE, raw.write(file, b"written back"))
        self.assertTrue(local.is_held_off())
        self.assertEqual(self.client.acknowledge(0), "SUCCESS")
        self.assertTrue(local.done())
        self.assertEqual(local.seen, b"written back")
        self.assertEqual(self.client.close_file(file), "SUCCESS")

    def test_whoever_only_reads_goes_on_reading(self):
        file, state = self.client.open(self.name, access=READ)
        self.assertEqual(state, RWH)
        local = Local(self.path)
        told = self.client.next_break()
        self.assertEqual(struct.unpack_from("<II", told, 88), (RWH, RH))
        self.assertEqual(self.client.acknowledge(RH), "SUCCESS")
        self.assertTrue(local.done())
        writer = Local(self.path, os.O_WRONLY)
        self.assertEqual(struct.unpack_from("<II", self.client.next_break(), 88), (RH, 0))
        self.assertTrue(writer.is_held_off())
        self.assertEqual(self.client.acknowledge(0), "SUCCESS")
        self.assertTrue(writer.done())
        self.client.close_file(file)

    def test_read_caching_alone_ends_without_an_answer(self):
        _, state = self.client.open(self.name, access=READ, state=R)
        self.assertEqual(state, R)
        self.assertTrue(Local(self.path).done())
        self.assertTrue(Local(self.path, os.O_WRONLY).done())
        self.assertEqual(struct.unpack_from("<II", self.client.next_break(), 88), (R, 0))

    def test_close_answers_too(self):
        file, _ = self.client.open(self.name)
        local = Local(self.path)
        self.client.next_break()
        self.client.close_file(file)
        self.assertTrue(local.done())

    def test_what_is_not_guarded_is_not_granted(self):
        for flags, access, granted in ((os.O_RDONLY, BOTH, 0), (os.O_RDONLY, READ, RH),
                                       (os.O_WRONLY, READ, 0), (os.O_RDWR, BOTH, 0)):
            with self.subTest((flags, access)):
                local = os.open(self.path, flags)
                file, state = self.client.open(self.name, access=access)
                self.assertEqual(state, granted)
                self.client.close_file(file)
                os.close(local)
        file, state = self.client.open(self.name + ":stream")
        self.assertEqual(state, 0)
        self.client.close_file(file)
        file, state = self.client.open(self.name)
        self.assertEqual(state, RWH)

    def test_oplocks_are_guarded_as_leases_are(self):
        answer = self.client.do(raw.CREATE, raw.create(self.name, access=BOTH, oplock=9))
        self.assertEqual(answer[66], 9)
        file = answer[128:144]
        local = Local(self.path)
        self.assertEqual(self.client.next_break()[66], 0)
        self.assertTrue(local.is_held_off())
        answer = self.client.do(raw.OPLOCK_BREAK, struct.pack("<HBBI16s", 24, 0, 0, 0, file))
        self.assertEqual(raw.status_of(answer), "SUCCESS")
        self.assertTrue(local.done())

    def test_a_second_client_waits_for_the_first(self):
        file, _ = self.client.open(self.name)
        other = self.connect()
        opening = other.begin_open(self.name, key=b"other")
        self.client.next_break()
        self.client.do(raw.WRITE, raw.write(file, b"of the first"))
        self.client.acknowledge(0)
        second, state = other.opened(opening)
        self.assertEqual(state, 0)
        answer = other.do(raw.READ, raw.read(second))
        self.assertIn(b"of the first", answer)
        # Two that only read cache beside each other.
        self.client.close_file(file)
        other.close_file(second)
        _, state = self.client.open(self.name, access=READ, state=RH)
        self.assertEqual(state, RH)
        _, state = other.open(self.name, access=READ, state=RH, key=b"other")
        self.assertEqual(state, RH)

    def test_a_new_file_is_guarded_too(self):
        self.name += " new"
        file, state = self.client.open(self.name)
        self.assertEqual(state, RWH)
        local = Local(self.path + " new")
        self.client.next_break()
        self.client.acknowledge(0)
        self.assertTrue(local.done())
        self.client.close_file(file)

    def test_a_program_that_opens_in_a_loop_is_not_held_for_long_and_clients_go_on(self):
        slowest, stop = [0.0], threading.Event()

        def loop():
            while not stop.is_set():
                began = time.monotonic()
                os.close(os.open(self.path, os.O_RDWR))
                slowest[0] = max(slowest[0], time.monotonic() - began)

        local = threading.Thread(target=loop, daemon=True)
        local.start()
        try:
            granted, until = [], time.monotonic() + 4 * LIMIT_S
            while len(granted) < 4:
                self.assertLess(time.monotonic(), until)
                asked = time.monotonic()
                file, state = self.client.open(self.name)
                if state:
                    # At rest for two seconds from each break on, which follows a grant.
                    if granted:
                        self.assertGreaterEqual(time.monotonic() - granted[-1], 2)
                    granted.append(asked)
                    self.client.next_break()
                self.assertEqual(self.client.close_file(file), "SUCCESS")
        finally:
            stop.set()
            local.join(LIMIT_S)
        self.assertFalse(local.is_alive())
        # Each grant held the program off until the client had closed, and no longer.
        self.assertLess(slowest[0], 20)

    def test_a_client_that_is_away_gives_way(self):
        durable = raw.create_context(b"DHnQ", bytes(16))
        answer = self.client.do(raw.CREATE, raw.create(self.name, access=BOTH, oplock=9,
                                                       contexts=durable))
        self.assertEqual((answer[66], b"DHnQ" in answer), (9, True))
        self.client.close()
        local = Local(self.path)
        self.assertTrue(local.done())
        self.assertEqual(local.seen, b"as it was")

    def test_so_does_one_with_a_resilient_handle(self):
        file, state = self.client.open(self.name)
        self.assertEqual(state, RWH)
        answer = self.client.do(raw.IOCTL, raw.ioctl(RESILIENCY, file, struct.pack("<II", 60_000, 0)))
        self.assertEqual(raw.status_of(answer), "SUCCESS")
        self.client.close()
        local = Local(self.path, os.O_RDWR)
        self.assertTrue(local.done())


class SlowClients(StrictCase):
    """Has a server of its own, since it remembers for long who was slow."""

    def test_who_never_answers_holds_local_programs_off_once(self):
        names, fresh = self.make_files(10), self.make_files(12)[10:]
        for number, name in enumerate(names):
            _, state = self.client.open(name, access=READ, state=RH, key=b"%d" % number)
            self.assertEqual(state, RH)
        began = time.monotonic()
        for name in names:
            local = Local(os.path.join(self.root, name), os.O_WRONLY)
            local.join(60)
            self.assertFalse(local.is_held_off())
            self.assertIsNone(local.error)
        # A break is given up after 35 s. One by one it would have been 350.
        self.assertLess(time.monotonic() - began, 100)
        self.assertEqual(self.client.open(fresh[0], access=READ, state=RH, key=b"fresh")[1], 0)
        other = self.connect(servers.test_users()[1])
        self.assertEqual(other.open(fresh[1], access=READ, state=RH)[1], RH)


class Storm(StrictCase):
    """More local programs at once than signals can be queued."""
    prefix = ("prlimit", "--sigpending=1")

    def test_each_of_many_programs_is_let_in(self):
        names = self.make_files(60)
        for name in names:
            self.assertEqual(self.client.open(name, key=name.encode()[-16:])[1], RWH)
        programs = [Local(os.path.join(self.root, name)) for name in names]
        for _ in names:
            told = self.client.next_break()
            key, = struct.unpack_from("<16s", told, 72)
            self.assertEqual(self.client.acknowledge(0, key), "SUCCESS")
        for program in programs:
            self.assertTrue(program.done())


class StormOfOpens(StrictCase):
    """Local programs that open many files in a loop, some of which a client caches who answers no break."""

    def test_nobody_is_starved_and_nobody_held_for_ever(self):
        names = self.make_files(64)
        lazy, eager = self.client, self.connect(servers.test_users()[1])
        for name in names[:32]:
            self.assertEqual(lazy.open(name, key=name.encode()[-16:])[1], RWH)
        for name in names[32:]:
            self.assertEqual(eager.open(name, key=name.encode()[-16:])[1], RWH)
        stop, turns = threading.Event(), [0] * 8

        def program(number):
            at = number * 8
            while not stop.is_set():
                os.close(os.open(os.path.join(self.root, names[at % len(names)]), os.O_RDWR))
                at, turns[number] = at + 7, turns[number] + 1

        programs = [threading.Thread(target=program, args=(number,), daemon=True)
                    for number in range(len(turns))]
        for each in programs:
            each.start()
        bystander, answered = self.connect(), set()
        try:
            until, rounds = time.monotonic() + 4 * LIMIT_S, 0
            # Until each program has been let in wherever it was held off.
            while min(turns) < 2 * len(names) or rounds < 200:
                self.assertLess(time.monotonic(), until, (turns, rounds))
                while eager.poll(0):
                    pass
                for told in eager.breaks:
                    key, = struct.unpack_from("<16s", told, 72)
                    self.assertEqual(eager.acknowledge(0, key), "SUCCESS")
                    answered.add(key)
                eager.breaks.clear()
                file, _ = bystander.open(f"{self.name} of another", state=0)
                self.assertEqual(raw.status_of(bystander.do(raw.WRITE, raw.write(file, b"x"))),
                                 "SUCCESS")
                self.assertEqual(bystander.close_file(file), "SUCCESS")
                rounds += 1
        finally:
            stop.set()
            for each in programs:
                each.join(2 * LIMIT_S)
        self.assertFalse(any(each.is_alive() for each in programs))
        self.assertEqual(len(answered), 32)


def local_lock(file, kind, start, length):
    """Whether it could be had."""
    data = struct.pack("hhqqi4x", kind, os.SEEK_SET, start, length, 0)
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, data)
    except BlockingIOError:
        return False
    return True


class LocalLocks(StrictCase):
    SHARED, EXCLUSIVE, UNLOCK, AT_ONCE = 1, 2, 4, 0x10

    def setUp(self):
        super().setUp()
        self.file, _ = self.client.open(self.name, state=0)
        self.local = os.open(self.path, os.O_RDWR)
        self.addCleanup(os.close, self.local)

    def lock(self, start, length, flags):
        return raw.status_of(self.client.do(
            raw.LOCK, raw.lock(self.file, ((start, length, flags),))))

    def test_locks_of_clients_are_seen_here(self):
        self.assertEqual(self.lock(10, 10, self.EXCLUSIVE | self.AT_ONCE), "SUCCESS")
        self.assertFalse(local_lock(self.local, fcntl.F_RDLCK, 15, 1))
        self.assertTrue(local_lock(self.local, fcntl.F_WRLCK, 0, 10))
        self.assertEqual(self.lock(10, 10, self.UNLOCK), "SUCCESS")
        self.assertTrue(local_lock(self.local, fcntl.F_WRLCK, 15, 1))

    def test_what_overlaps_what_was_unlocked_stays(self):
        for start in (0, 5):
            self.assertEqual(self.lock(start, 10, self.SHARED | self.AT_ONCE), "SUCCESS")
        self.assertEqual(self.lock(0, 10, self.UNLOCK), "SUCCESS")
        self.assertTrue(local_lock(self.local, fcntl.F_WRLCK, 0, 5))
        self.assertFalse(local_lock(self.local, fcntl.F_WRLCK, 5, 1))
        self.assertTrue(local_lock(self.local, fcntl.F_RDLCK, 5, 10))

    def test_local_locks_are_not_granted_to_clients(self):
        self.assertTrue(local_lock(self.local, fcntl.F_WRLCK, 100, 10))
        for flags in (self.SHARED, self.EXCLUSIVE):
            self.assertEqual(self.lock(105, 1, flags | self.AT_ONCE), "0xC0000055")
        self.assertEqual(self.lock(0, 100, self.EXCLUSIVE | self.AT_ONCE), "SUCCESS")
        # All or nothing.
        answer = self.client.do(raw.LOCK, raw.lock(
            self.file, ((200, 10, 0x12), (105, 1, 0x12))))
        self.assertEqual(raw.status_of(answer), "0xC0000055")
        self.assertTrue(local_lock(self.local, fcntl.F_WRLCK, 200, 10))

    def test_a_lock_waits_for_a_local_program(self):
        self.assertTrue(local_lock(self.local, fcntl.F_WRLCK, 0, 10))
        waiting = self.client.begin(raw.LOCK, raw.lock(self.file, ((5, 1, self.EXCLUSIVE),)))
        self.assertTrue(self.client.poll())  # the interim response
        self.assertFalse(self.client.poll(0.3))
        self.assertTrue(local_lock(self.local, fcntl.F_UNLCK, 0, 10))
        self.assertEqual(raw.status_of(self.client.finish(waiting)), "SUCCESS")
        self.assertFalse(local_lock(self.local, fcntl.F_WRLCK, 0, 10))

    def test_ranges_the_kernel_does_not_have(self):
        for start, length in ((1 << 63, 10), ((1 << 64) - 1, 1), (0, 0)):
            self.assertEqual(self.lock(start, length, self.EXCLUSIVE | self.AT_ONCE), "SUCCESS")
            self.assertTrue(local_lock(self.local, fcntl.F_WRLCK, 0, 0))
            self.assertTrue(local_lock(self.local, fcntl.F_UNLCK, 0, 0))
            self.assertEqual(self.lock(start, length, self.UNLOCK), "SUCCESS")
        self.assertEqual(self.lock((1 << 63) - 10, 1 << 62, self.EXCLUSIVE | self.AT_ONCE),
                         "SUCCESS")
        self.assertFalse(local_lock(self.local, fcntl.F_WRLCK, (1 << 63) - 1, 1))

    def test_close_gives_them_back(self):
        self.assertEqual(self.lock(0, 10, self.EXCLUSIVE | self.AT_ONCE), "SUCCESS")
        self.client.close_file(self.file)
        self.assertTrue(local_lock(self.local, fcntl.F_WRLCK, 0, 10))


class LocalLocksByKey(LocalLocks):
    keys = ("local_locks = true",)

    def test_a_lease_is_as_without(self):
        self.assertEqual(self.client.open(self.name + " leased", key=b"other")[1], RWH)


class WithoutLeases(StrictCase):
    """Of a folder in which no file can be made to try it with."""
    keys = ('local_access = "strict"', "local_locks = true")
    served = "/proc/sys/kernel"

    def setUp(self):
        self.client = self.connect()

    def test_the_log_says_what_there_is_not(self):
        for words in ('so with local_access = "strict" clients cache nothing',
                      "so local_locks = true is of no effect"):
            self.assertIn(words, self.server.log_text())


class NoLocalLocks(StrictCase):
    keys = ('local_access = "notify"',)

    def test_locks_of_clients_are_theirs_alone(self):
        file, _ = self.client.open(self.name, state=0)
        local = os.open(self.path, os.O_RDWR)
        self.addCleanup(os.close, local)
        self.assertTrue(local_lock(local, fcntl.F_WRLCK, 0, 10))
        answer = self.client.do(raw.LOCK, raw.lock(file, ((0, 10, 0x12),)))
        self.assertEqual(raw.status_of(answer), "SUCCESS")


if __name__ == "__main__":
    suite.main()
