#!/usr/bin/env python3
"""Damaged requests with valid signatures: what a client with a password can do to the server.

  mutation_test.py --braidd build/release/braidd                      2,000 requests
  mutation_test.py --braidd build/asan/braidd --requests 100000 --seed 7

Requests of all commands, alone, compounded and several at a time, are damaged before they are
signed, so they reach the decoders and handlers behind the signature check. As in proxy_test.py the
server must not crash or leak, and another client must notice nothing.

Exit status: 0 all well, 1 otherwise. Needs python3-impacket for the login.
"""
import argparse
import hashlib
import hmac
import os
import random
import select
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

from impacket.smbconnection import SMBConnection  # noqa: E402

import server as servers  # noqa: E402
import smb2_raw as raw  # noqa: E402
from scratch import Scratch  # noqa: E402
from watch import Innocent, Watch  # noqa: E402

SILENCE_S = 0.3  # after that no answer is waited for: a CHANGE_NOTIFY may never get one
NUMBERS = (0, 1, 7, 8, 63, 64, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000,
           0xFFFFFFF8, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


class Attacker:
    """One connection with a session, a tree, an open file and an open directory."""

    def __init__(self, server, user, rng):
        self._rng = rng
        connection = SMBConnection(server.host, server.host, sess_port=server.port,
                                   preferredDialect=0x0210, timeout=10)
        connection.login(user.name, user.password)
        smb = connection.getSMBServer()
        self._connection = connection  # keeps the socket
        self._tree = smb.connectTree("share")
        self._pipes = smb.connectTree("IPC$")
        self._session = smb._Session["SessionID"]
        self._key = smb._Session["SessionKey"][:16]
        self._next_id = smb._Connection["SequenceWindow"]
        self._socket = smb._NetBIOSSession.get_socket()
        self._socket.settimeout(10)
        self.file = self._open("target", 0x0012019F)
        self.folder = self._open("", 0x00120089, options=1)
        self.alive = True

    def close(self):
        self._socket.close()

    def _open(self, name, access, options=0):
        answer = self.exchange([self.message(raw.CREATE, raw.create(
            name, access=access, disposition=3 if name else 1, options=options))])
        return answer[-1][64 + 64:64 + 80] if answer and len(answer[-1]) >= 144 else raw.NO_FILE

    def message(self, command, body, **fields):
        fields = {"session": self._session, "tree": self._tree, "flags": 8, "credits": 64} | fields
        message = raw.header(command, self._next_id, **fields) + body
        self._next_id += 1
        return message

    def sign(self, message):
        """[MS-SMB2] 3.1.4.1 Signing An Outgoing Message, dialect 2.1"""
        blank = message[:48] + bytes(16) + message[64:]
        return blank[:48] + hmac.new(self._key, blank, hashlib.sha256).digest()[:16] + blank[64:]

    def chain(self, messages, related):
        """A compound of messages, each signed."""
        parts = []
        for number, message in enumerate(messages):
            data = bytearray(message)
            if number + 1 < len(messages):
                data += bytes(-len(data) % 8)
                struct.pack_into("<I", data, 20, len(data))
            if related and number:
                struct.pack_into("<I", data, 16, struct.unpack_from("<I", data, 16)[0] | 4)
            parts.append(self.sign(bytes(data)))
        return b"".join(parts)

    def exchange(self, messages):
        """Sends signed messages; the answers that came, final or interim."""
        answers = []
        try:
            self._socket.sendall(b"".join(raw.frame(self.sign(m)) for m in messages))
            answers = self.receive(len(messages))
        except OSError:
            self.alive = False
        return answers

    def send_frame(self, data, wanted):
        try:
            self._socket.sendall(raw.frame(data))
            self.receive(wanted)
        except OSError:
            self.alive = False

    def receive(self, wanted):
        answers = []
        while len(answers) < wanted and select.select([self._socket], [], [], SILENCE_S)[0]:
            length = self._exactly(4)
            answers.append(self._exactly(struct.unpack(">I", length)[0]))
        return answers

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            if not more:
                raise ConnectionResetError
            data += more
        return data

    def valid_request(self):
        """(command, body) of some request that makes sense."""
        rng, file, folder = self._rng, self.file, self.folder
        contexts = raw.create_context(b"MxAc", b"") if rng.random() < 0.5 else raw.create_context(
            rng.choice((b"RqLs", b"DHnQ", b"AlSi", b"ExtA", b"SecD", b"QFid", b"TWrp")),
            rng.randbytes(rng.choice((8, 16, 32, 52))))
        rename = struct.pack("<B7xQI", 1, 0, 8) + "back".encode("utf-16-le")
        return rng.choice((
            (raw.CREATE, raw.create(rng.choice(("target", "a\\b", "x" * 200, "", "t:s:$DATA")),
                                    disposition=rng.randrange(6), options=rng.choice((0, 1, 0x40)),
                                    contexts=contexts)),
            (raw.CLOSE, raw.close(raw.NO_FILE, flags=1)),
            (raw.FLUSH, raw.flush(file)),
            (raw.READ, raw.read(file, rng.choice((1, 100, 65536)))),
            (raw.WRITE, raw.write(file, rng.randbytes(rng.choice((1, 100, 5000))))),
            (raw.LOCK, raw.lock(file, ((0, 10, 0x12), (20, 5, 0x11)))),
            (raw.IOCTL, raw.ioctl(rng.choice((0x140078, 0x1401FC, 0x140204, 0x0900C0, 0x098208,
                                              0x0980C8, 0x1440F2, 0x144064, 0x060194, 0x0900A8,
                                              0x11C017, 0x1400B0)),
                                  rng.choice((file, raw.NO_FILE)), rng.randbytes(40))),
            (raw.QUERY_DIRECTORY, raw.query_directory(folder, rng.choice(("*", "t*", "<.>", "?" * 50)),
                                                      rng.choice((1, 2, 3, 0x0C, 0x25, 0x26)),
                                                      rng.randrange(32))),
            (raw.CHANGE_NOTIFY, raw.change_notify(folder)),
            (raw.QUERY_INFO, raw.query_info(file, rng.randrange(1, 5), rng.randrange(70))),
            (raw.SET_INFO, raw.set_info(file, rng.randbytes(rng.choice((8, 40, 100))),
                                        rng.randrange(1, 5), rng.choice((4, 13, 19, 20, 15, 11)))),
            (raw.SET_INFO, raw.set_info(file, rename, 1, 10)),
            (raw.ECHO, raw.plain()),
            (raw.OPLOCK_BREAK, struct.pack("<HBBI16s", 24, 1, 0, 0, file)),
            (raw.TREE_CONNECT, raw.tree_connect("\\\\host\\share")),
            (raw.SESSION_SETUP, raw.session_setup(rng.randbytes(60))),
            (raw.CANCEL, raw.plain()),
        ))

    def damaged(self):
        """A request with something wrong in it, most of the time in the body."""
        rng = self._rng
        command, body = self.valid_request()
        data = bytearray(body)
        for _ in range(rng.choice((0, 1, 1, 1, 2, 5))):
            kind = rng.randrange(5)
            if kind == 0 and data:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            elif kind in (1, 2) and len(data) > 8:
                size = rng.choice((2, 4, 8))
                at = rng.randrange(0, len(data) - size + 1)
                data[at:at + size] = (rng.choice(NUMBERS) & ((1 << 8 * size) - 1)).to_bytes(
                    size, "little")
            elif kind == 3:
                del data[rng.randrange(len(data) + 1):]
            else:
                data += rng.randbytes(rng.choice((1, 8, 300)))
        tree = self._pipes if rng.random() < 0.1 else self._tree
        charge = rng.choice((1, 1, 1, 1, 0, 2, 0xFFFF))
        return self.message(command, bytes(data), tree=tree, credit_charge=charge)

    def attack(self):
        """One to eight requests; returns how many."""
        rng = self._rng
        count = rng.choice((1, 1, 2, 4, 8))
        messages = [self.damaged() for _ in range(count)]
        if rng.random() < 0.3:
            self.send_frame(self.chain(messages, rng.random() < 0.7), 1)
        else:
            self.exchange(messages)
        return count


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_arguments(parser)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seed", default=str(int(time.time())))
    args = parser.parse_args()
    alice, bob = servers.test_users()
    rng = random.Random(args.seed)
    print(f"seed {args.seed}", flush=True)
    with Scratch(args.scratch) as scratch:
        share = scratch.directory("share", owner=servers.ids_of(alice))
        server = servers.start(args, scratch, servers.Options(
            [servers.Share("share", share),
             servers.Share("innocent", scratch.directory("other", owner=servers.ids_of(bob)))],
            [alice, bob], min_dialect="2.0.2"))
        innocent = Innocent(scratch, server, bob, "innocent")
        innocent.start()
        sent = connections = 0
        trouble = []
        watch = None
        try:
            while sent < args.requests and not server.trouble():
                attacker = Attacker(server, alice, rng)
                connections += 1
                while attacker.alive and sent < args.requests and rng.random() > 0.02:
                    sent += attacker.attack()
                attacker.close()
                if not watch and sent > args.requests // 10:
                    watch = Watch(server)
        except Exception as error:  # impacket has no common base for its errors
            trouble.append(f"a login failed after {sent} requests: {error!r}")
        trouble += innocent.finish()
        if watch:
            trouble += watch.complaints()
        trouble += server.stop()
        for sentence in trouble:
            print(sentence)
        print(f"{sent} requests on {connections} connections; the other client did "
              f"{innocent.rounds} rounds; {'trouble' if trouble else 'no trouble'} "
              f"(seed {args.seed})")
        return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
