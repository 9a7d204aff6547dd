#!/usr/bin/env python3
"""Connections on their way to their worker: those of one client meet in one, whenever they say whose
they are, and each request is answered once, whichever process dies meanwhile."""
import collections
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import server as servers  # noqa: E402
import smb2_raw  # noqa: E402
import suite  # noqa: E402
from case import ALICE, BOB, ServerCase  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Options, Share, children, ids_of  # noqa: E402
from smb2_raw import RawConnection  # noqa: E402
from smbclient import SmbClient  # noqa: E402


def guid(number):
    return b"braid-handover" + struct.pack(">H", number)


def negotiate(client, message_id=0):
    return smb2_raw.frame(smb2_raw.header(smb2_raw.NEGOTIATE, message_id=message_id) +
                          smb2_raw.negotiate(guid=client))


SMB1_NEGOTIATE = smb2_raw.frame(smb2_raw.smb1_negotiate(["NT LM 0.12", "SMB 2.002", "SMB 2.???"]))


class HandoverCase(ServerCase):
    workers = 4
    more_options = {"min_dialect": "2.0.2", "signing": "enabled"}

    def connect(self):
        connection = RawConnection(self.server)
        self.addCleanup(connection.socket.close)
        return connection

    def connections(self):
        """How many connections each worker has."""
        done = subprocess.run([self.server.braidctl, "--config", self.server.config, "--json",
                               "metrics"], capture_output=True, text=True, timeout=60, check=True)
        return collections.Counter({each["worker"]: each["value"]
                                    for each in json.loads(done.stdout)
                                    if each["name"] == "braid_connections"})

    def assert_answers_once(self, connection, message_id=0, dialect=0x0311):
        answer = connection.receive()
        self.assertEqual(smb2_raw.status_of(answer), "SUCCESS")
        self.assertEqual(struct.unpack_from("<Q", answer, 24)[0], message_id)
        self.assertEqual(struct.unpack_from("<H", answer, 68)[0], dialect)
        return answer

    def assert_nothing_more(self, connection):
        # An ECHO has its answer behind whatever else was sent.
        status = connection.ask(smb2_raw.header(smb2_raw.ECHO, message_id=self.next_id) +
                                smb2_raw.plain())
        self.assertIn(status, ("SUCCESS", "USER_SESSION_DELETED"))

    next_id = 1

    def worker_pid(self, index):
        for pid in children(self.server.process.pid):
            command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if f"--index={index}".encode() in command:
                return pid
        return None

    def one_client_of_each_worker(self):
        """For each worker a ClientGuid whose connections go there."""
        found = {}
        for number in range(1, 200):
            before = self.connections()
            with RawConnection(self.server) as connection:
                connection.send(negotiate(guid(number)))
                self.assert_answers_once(connection)
                worker, = self.connections() - before
                found.setdefault(worker, guid(number))
            self.wait_for(lambda: self.connections() == before, "the end of the connection")
            if len(found) == self.workers:
                return found
        raise AssertionError(f"not every worker has clients: {found}")


class ManyAtOnce(HandoverCase):
    def test_connections_of_one_new_client_meet(self):
        clients = [self.connect() for _ in range(100)]
        request = negotiate(guid(1))
        for half in (request[:50], request[50:]):
            for connection in clients:
                connection.send(half)
        for connection in clients:
            self.assert_answers_once(connection)
        self.assertEqual(list((+self.connections()).values()), [100])
        for connection in clients:
            self.assert_nothing_more(connection)

    def test_clients_are_spread(self):
        clients = [self.connect() for _ in range(64)]
        for number, connection in enumerate(clients):
            connection.send(negotiate(guid(number)))
        for connection in clients:
            self.assert_answers_once(connection)
        found = self.connections()
        self.assertEqual(sum(found.values()), 64)
        self.assertEqual(len(+found), self.workers, "some worker has no client at all")


class MultiProtocol(HandoverCase):
    """[MS-SMB2] 3.3.5.3.1: an SMB1 message first, which names no client."""

    next_id = 2

    def begin(self):
        connection = self.connect()
        connection.send(SMB1_NEGOTIATE)
        self.assert_answers_once(connection, dialect=0x02FF)
        return connection

    def test_client_is_with_its_worker_afterwards(self):
        for number in range(16):
            before = self.connections()
            # Whichever worker answers the SMB1 message.
            clients = [self.begin() for _ in range(self.workers + 1)]
            for connection in clients:
                connection.send(negotiate(guid(number), message_id=1))
            direct = self.connect()
            direct.send(negotiate(guid(number)))
            self.assert_answers_once(direct)
            for connection in clients:
                self.assert_answers_once(connection, message_id=1)
            gained = self.connections()
            gained.subtract(before)
            self.assertEqual(list((+gained).values()), [len(clients) + 1], gained)
            for connection in clients:
                self.assert_nothing_more(connection)

    def test_requests_sent_together_are_each_answered_once(self):
        for _ in range(2 * self.workers):
            connection = self.connect()
            connection.send(SMB1_NEGOTIATE + negotiate(guid(1), message_id=1))
            self.assert_answers_once(connection, dialect=0x02FF)
            self.assert_answers_once(connection, message_id=1)
            self.assert_nothing_more(connection)

    def test_wrong_message_id_ends_the_connection(self):
        for message_id in (0, 2):
            for _ in range(self.workers):
                connection = self.begin()
                connection.send(negotiate(guid(1), message_id=message_id))
                self.assertEqual(connection.receive(), b"")

    def test_more_than_the_one_credit_allows_ends_the_connection(self):
        for _ in range(self.workers):
            connection = self.begin()
            echo = smb2_raw.frame(smb2_raw.header(smb2_raw.ECHO, message_id=2) + smb2_raw.plain())
            connection.send(negotiate(guid(1), message_id=1) + echo[:20])
            # With its worker the first is answered; else neither is. Never is anything twice.
            answer = connection.receive()
            if answer:
                self.assertEqual(struct.unpack_from("<Q", answer, 24)[0], 1)

    def test_damaged_second_message_hurts_nobody(self):
        for size in (8, 64, 70, 90):
            connection = self.begin()
            whole = negotiate(guid(1), message_id=1)[4:]
            connection.send(smb2_raw.frame(whole[:size]))
            connection.receive()
        self.assertEqual(self.server.trouble(), [])

    def test_smbclient_logs_on(self):
        client = SmbClient(self.scratch, self.server, ALICE, protection="sign",
                           extra=["--option=client min protocol=NT1",
                                  "--option=client max protocol=SMB3"])
        for _ in range(2 * self.workers):  # each with a ClientGuid of its own
            answer = client.run("ls")
            self.assertTrue(answer.ok, answer.text)

    def test_dialect_2_0_2_has_no_client_guid(self):
        connections = []
        for _ in range(2 * self.workers):
            connection = self.connect()
            connection.send(smb2_raw.frame(smb2_raw.smb1_negotiate(["SMB 2.002"])))
            self.assert_answers_once(connection, dialect=0x0202)
            connections.append(connection)
        self.assertEqual(set(self.connections().values()), {2})
        answer = SmbClient(self.scratch, self.server, ALICE, dialect="SMB2_02").run("ls")
        self.assertTrue(answer.ok, answer.text)


class Killed(HandoverCase):
    """A worker that dies between the choice and the hand-over. It is stopped, so that it takes
    nothing, and killed when the front has been given the connection: a later connection that was
    answered tells, as the front has one thread."""

    workers = 2

    def setUp(self):
        super().setUp()
        self.server.expects_deaths = True
        clients = self.one_client_of_each_worker()
        self.victim, self.other = clients[0], clients[1]

    def fence(self):
        for _ in range(2):
            connection = self.connect()
            connection.send(negotiate(self.other))
            self.assert_answers_once(connection)

    def test_connection_is_served_by_the_next_worker(self):
        for kill in (True, False):
            with self.subTest(kill=kill):
                pid = self.worker_pid(0)
                os.kill(pid, signal.SIGSTOP)
                clients = [self.connect() for _ in range(10)]
                for connection in clients:
                    connection.send(negotiate(self.victim))
                self.fence()
                os.kill(pid, signal.SIGKILL if kill else signal.SIGCONT)
                for connection in clients:
                    self.assert_answers_once(connection)
                self.next_id = 1
                for connection in clients:
                    self.assert_nothing_more(connection)
                self.assertEqual(self.worker_pid(0) == pid, not kill)

    def test_connection_that_was_passed_on_is_served_by_the_next_worker(self):
        # One of two is answered by the worker that is not its client's.
        passing = None
        while not passing:
            connection = self.connect()
            before = self.connections()
            connection.send(SMB1_NEGOTIATE)
            self.assert_answers_once(connection, dialect=0x02FF)
            if list(self.connections() - before) == [1]:
                passing = connection
        pid = self.worker_pid(0)
        os.kill(pid, signal.SIGSTOP)
        passing.send(negotiate(self.victim, message_id=1))
        self.fence()
        os.kill(pid, signal.SIGKILL)
        self.assert_answers_once(passing, message_id=1)
        self.next_id = 2
        self.assert_nothing_more(passing)

    def test_connection_in_a_worker_that_dies_ends_with_it(self):
        connection = self.connect()
        connection.send(negotiate(self.victim))
        self.assert_answers_once(connection)
        os.kill(self.worker_pid(0), signal.SIGKILL)
        self.assertEqual(connection.receive(), b"")

    def test_front_that_dies_is_passed_on_to_all_the_same(self):
        passing = self.connect()
        passing.send(SMB1_NEGOTIATE)
        self.assert_answers_once(passing, dialect=0x02FF)
        front, = [pid for pid in children(self.server.process.pid)
                  if pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
                  == "braidd-front"]
        os.kill(front, signal.SIGKILL)
        self.wait_for(lambda: "the front was ended" in self.server.log_text(), "its end")
        for client in (self.victim, self.other):  # one of them is the other worker's
            if client is self.other:
                passing = self.connect()
                passing.send(SMB1_NEGOTIATE)
                self.assert_answers_once(passing, dialect=0x02FF)
            passing.send(negotiate(client, message_id=1))
            self.assert_answers_once(passing, message_id=1)


def find_wrapper():
    found = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False)
    match = re.search(r"libsocket_wrapper\.so\b.*=> (\S+)", found.stdout)
    return match.group(1) if match else None


class SocketWrapper(unittest.TestCase):
    """Descriptors passed on where sockets are those of libsocket_wrapper, which has to know of each."""

    @unittest.skipUnless(find_wrapper(), "libsocket-wrapper is not installed")
    def test_smbclient(self):
        if servers.is_sanitized(suite.arguments.braidd):
            self.skipTest("libsocket_wrapper opens libraries in a way that sanitizers refuse")
        with Scratch(suite.arguments.scratch) as scratch:
            environment = {"LD_PRELOAD": find_wrapper(),
                           "SOCKET_WRAPPER_DIR": scratch.directory("sockets", mode=0o777),
                           "SOCKET_WRAPPER_DEFAULT_IFACE": "1"}
            root = scratch.directory("share", owner=ids_of(ALICE))
            pathlib.Path(root, "here.txt").write_text("x" * 100_000, encoding="ascii")
            for single_process, workers in ((True, 1), (False, 4)):
                with self.subTest(workers=workers):
                    self.check(scratch, environment, root, single_process, workers)

    def check(self, scratch, environment, root, single_process, workers):
        options = Options([Share("share", root)], [ALICE, BOB], workers=workers,
                          min_dialect="2.0.2", signing="enabled", env=environment,
                          single_process=single_process)
        server = servers.start(suite.arguments, scratch, options, name=f"server{workers}")
        self.assertFalse(server.answers(), "the server listens on a real socket")
        for extra in ([], ["--option=client min protocol=NT1",
                           "--option=client max protocol=SMB3"]):
            client = SmbClient(scratch, server, ALICE, protection="sign", env=environment,
                               local_dir=scratch.directory("client"), extra=extra)
            for turn in range(workers + 1):
                answer = client.run(["ls", "get here.txt",
                                     f"put here.txt copy{turn}.txt", "rm copy*.txt"])
                self.assertTrue(answer.ok, answer.text + server.log_text())
        self.assertEqual(server.stop(), [])


if __name__ == "__main__":
    suite.main()
