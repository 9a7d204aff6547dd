#!/usr/bin/env python3
"""Clients that try to join a session which is not theirs, or not like this.

  bind_test.py --braidd build/release/braidd                    400 attempts
  bind_test.py --braidd build/asan/braidd --attempts 5000 --seed 7

Binds without a signature, with a wrong key, with the key of another session, of a session that is
still in setup or is nobody's, given up halfway, as another user; and requests on the session without
a bind. All from connections of another client, several at a time, while the victim works with an
open file. Every attempt must be refused as docs/protocol.md says, and the victim notices nothing.

Exit status: 0 all well, 1 otherwise. Needs python3-impacket.
"""
import argparse
import os
import random
import socket
import struct
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

from impacket import crypto, ntlm  # noqa: E402
from impacket.smbconnection import SMBConnection  # noqa: E402

import server as servers  # noqa: E402
import smb2_raw as raw  # noqa: E402
from scratch import Scratch  # noqa: E402
from watch import Watch  # noqa: E402

SIGNED = 8
BINDING = 1
DIALECT = 0x0300


def signing_key(session_key):
    """[MS-SMB2] 3.1.4.2 Generating Cryptographic Keys, for 3.0"""
    return crypto.KDF_CounterMode(session_key, b"SMB2AESCMAC\0", b"SmbSign\0", 128)


class Victim(threading.Thread):
    """Works with one open file all the time."""

    def __init__(self, server, user):
        super().__init__()
        self._connection = SMBConnection(server.host, server.host, sess_port=server.port,
                                         preferredDialect=DIALECT, timeout=10)
        self._connection.login(user.name, user.password)
        smb = self._connection.getSMBServer()
        self.session_id = smb._Session["SessionID"]
        self.key = smb._Session["SigningKey"]
        self.guid = smb.ClientGuid.encode("ascii")
        self._tree = self._connection.connectTree("share")
        self._file = self._connection.createFile(self._tree, "mine")
        self._enough = threading.Event()
        self.rounds = 0
        self.complaints = []

    def run(self):
        try:
            while not self._enough.is_set():
                data = struct.pack("<Q", self.rounds) * 64
                self._connection.writeFile(self._tree, self._file, data)
                if self._connection.readFile(self._tree, self._file, 0, len(data)) != data:
                    self.complaints.append("the victim read other bytes than it wrote")
                    return
                self.rounds += 1
            self._connection.closeFile(self._tree, self._file)
            self._connection.logoff()
        except Exception as error:  # impacket has no common base for its errors
            self.complaints.append(f"the victim saw: {error!r}")

    def finish(self):
        self._enough.set()
        self.join()
        if not self.rounds:
            self.complaints.append("the victim did not get through one round")
        return self.complaints


class Stranger:
    """A connection of another client, or of one that says it is `guid`; every message is made by
    hand."""

    def __init__(self, server, rng, guid=None):
        self._socket = socket.create_connection((server.host, server.port), timeout=20)
        self._next_id = 0
        self.own_session, self.own_key = 0, None
        answer = self.exchange(raw.NEGOTIATE, raw.negotiate(
            (DIALECT,), guid=guid or rng.randbytes(16)))
        if self.status(answer) != "SUCCESS":
            raise RuntimeError(f"NEGOTIATE: {self.status(answer)}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def exchange(self, command, body, session=0, key=None):
        """The answer to one message; interim ones are passed over."""
        message = raw.header(command, self._next_id, session=session, flags=SIGNED if key else 0)
        message += body
        if key:
            signature = crypto.AES_CMAC(key, message, len(message))[:16]
            message = message[:48] + signature + message[64:]
        self._next_id += 1
        self._socket.sendall(raw.frame(message))
        while True:
            length = struct.unpack(">I", self._exactly(4))[0]
            answer = self._exactly(length)
            if self.status(answer) != "PENDING":
                return answer

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            if not more:
                raise ConnectionResetError("the server ended the connection")
            data += more
        return data

    @staticmethod
    def status(answer):
        return raw.status_name(struct.unpack_from("<I", answer, 8)[0])

    def setup(self, blob, session=0, flags=0, key=None):
        return self.exchange(raw.SESSION_SETUP, raw.session_setup(blob, flags=flags), session, key)

    def first_leg(self, session=0, flags=0, key=None):
        """(how to go on, answer)"""
        begun = ntlm.getNTLMSSPType1("", "", True, use_ntlmv2=True)
        return begun, self.setup(begun.getData(), session, flags, key)

    def authenticate(self, user, password, session=0, flags=0, key=None):
        """Both legs; (answer, session key)"""
        begun, answer = self.first_leg(session, flags, key)
        if self.status(answer) != "MORE_PROCESSING_REQUIRED":
            return answer, None
        session = struct.unpack_from("<Q", answer, 40)[0]
        offset, length = struct.unpack_from("<HH", answer, 68)
        challenge = answer[offset:offset + length]
        token, session_key = ntlm.getNTLMSSPType3(begun, challenge, user, password, "",
                                                  use_ntlmv2=True)
        return self.setup(token.getData(), session, flags, key), session_key

    def log_on(self, user):
        answer, session_key = self.authenticate(user.name, user.password)
        if self.status(answer) != "SUCCESS":
            raise RuntimeError(f"logon: {self.status(answer)}")
        self.own_session = struct.unpack_from("<Q", answer, 40)[0]
        self.own_key = signing_key(session_key)


# What is tried: (stranger, its user, the victim) -> the answer. The key of the doc string's first
# word is what must come back.

def without_signature(stranger, _user, victim):
    """INVALID_PARAMETER"""
    return stranger.first_leg(victim.session_id, BINDING)[1]


def with_a_wrong_key(stranger, _user, victim):
    """ACCESS_DENIED"""
    return stranger.first_leg(victim.session_id, BINDING, os.urandom(16))[1]


def with_the_key_of_an_own_session(stranger, user, victim):
    """ACCESS_DENIED"""
    stranger.log_on(user)
    return stranger.first_leg(victim.session_id, BINDING, stranger.own_key)[1]


def as_another_client(stranger, user, victim):
    """USER_SESSION_DELETED: even with the key"""
    return stranger.authenticate(user.name, user.password, victim.session_id, BINDING, victim.key)[0]


def as_another_user(stranger, user, victim):
    """ACCESS_DENIED: even with the key and the client's name"""
    return stranger.authenticate(user.name, user.password, victim.session_id, BINDING, victim.key)[0]


def given_up_halfway(stranger, _user, victim):
    """MORE_PROCESSING_REQUIRED: and then nothing"""
    return stranger.first_leg(victim.session_id, BINDING, victim.key)[1]


def used_halfway(stranger, _user, victim):
    """USER_SESSION_DELETED"""
    stranger.first_leg(victim.session_id, BINDING, victim.key)
    return stranger.exchange(raw.TREE_CONNECT, raw.tree_connect("\\\\host\\share"),
                             victim.session_id, victim.key)


def of_a_session_in_setup(stranger, _user, _victim):
    """REQUEST_NOT_ACCEPTED"""
    answer = stranger.first_leg()[1]
    session = struct.unpack_from("<Q", answer, 40)[0]
    return stranger.first_leg(session, BINDING, os.urandom(16))[1]


def of_no_session(stranger, _user, victim):
    """USER_SESSION_DELETED"""
    return stranger.first_leg(victim.session_id ^ 0x100, BINDING, victim.key)[1]


def of_session_zero(stranger, _user, victim):
    """INVALID_PARAMETER"""
    return stranger.first_leg(0, BINDING, victim.key)[1]


def reauthentication_from_elsewhere(stranger, _user, victim):
    """USER_SESSION_DELETED"""
    return stranger.first_leg(victim.session_id, 0, victim.key)[1]


def logoff_from_elsewhere(stranger, _user, victim):
    """USER_SESSION_DELETED"""
    return stranger.exchange(raw.LOGOFF, raw.plain(), victim.session_id, victim.key)


ATTEMPTS = (without_signature, with_a_wrong_key, with_the_key_of_an_own_session, as_another_client,
            as_another_user, given_up_halfway, used_halfway, of_a_session_in_setup, of_no_session,
            of_session_zero, reauthentication_from_elsewhere, logoff_from_elsewhere)
# A ClientGuid is no secret. Those which know it get further.
WITH_THE_GUID_OF_THE_VICTIM = (as_another_user, given_up_halfway, used_halfway)


def attack(server, user, victim, rng, attempts, trouble):
    for number in range(attempts):
        attempt = ATTEMPTS[number % len(ATTEMPTS)] if number < len(ATTEMPTS) else rng.choice(ATTEMPTS)
        expected = attempt.__doc__.split(":")[0]
        guid = victim.guid if attempt in WITH_THE_GUID_OF_THE_VICTIM else None
        try:
            with Stranger(server, rng, guid) as stranger:
                seen = stranger.status(attempt(stranger, user, victim))
        except (OSError, RuntimeError) as error:
            seen = repr(error)
        if seen != expected:
            trouble.append(f"{attempt.__name__}: {seen}, not {expected}")
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_arguments(parser)
    parser.add_argument("--attempts", type=int, default=400)
    parser.add_argument("--seed", default=str(int(time.time())))
    args = parser.parse_args()
    alice, bob = servers.test_users()
    print(f"seed {args.seed}", flush=True)
    with Scratch(args.scratch) as scratch:
        share = scratch.directory("share", owner=servers.ids_of(alice))
        server = servers.start(args, scratch, servers.Options([servers.Share("share", share)],
                                                              [alice, bob]))
        trouble = []
        victim = Victim(server, alice)
        attack(server, bob, victim, random.Random(args.seed), len(ATTEMPTS), trouble)
        watch = Watch(server)
        victim.start()
        crowd = [threading.Thread(target=attack, args=(
            server, bob, victim, random.Random(f"{args.seed} {number}"), args.attempts // 4, trouble))
            for number in range(4)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
        trouble += watch.complaints()
        trouble += victim.finish()
        trouble += server.stop()
        for sentence in trouble:
            print(sentence)
        print(f"{args.attempts} attempts, the victim wrote and read {victim.rounds} times")
        return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
