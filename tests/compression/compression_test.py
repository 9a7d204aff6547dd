#!/usr/bin/env python3
"""What goes over the wire compressed, as Wireshark reads it: braid-bench writes and reads a file through
a proxy that keeps every message, and tshark decompresses them with decoders of its own."""
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import suite  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402

ALICE = test_users()[0]
LIMIT_S = 120
_DLT_RAW = 101


class Proxy:
    """Passes one connection on and keeps its messages, both ways."""

    def __init__(self, server):
        self.messages = []
        self._target = (server.host, server.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._threads = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        client, _ = self._listener.accept()
        server = socket.create_connection(self._target)
        ways = [threading.Thread(target=self._pass_on, args=way)
                for way in ((client, server), (server, client))]
        for way in ways:
            way.start()
        for way in ways:
            way.join()
        client.close()
        server.close()

    def _pass_on(self, source, target):
        with source.makefile("rb") as stream:
            while len(head := stream.read(4)) == 4:
                message = stream.read(int.from_bytes(head[1:], "big"))
                with self._lock:
                    self.messages.append(message)
                target.sendall(head + message)
        target.shutdown(socket.SHUT_WR)

    def end(self):
        self._thread.join(LIMIT_S)
        self._listener.close()


def write_pcap(path, messages):
    """As TCP segments of one stream to port 445, without a link below."""
    address = socket.inet_aton("127.0.0.1")
    sequence = 1
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, _DLT_RAW))
        for i, message in enumerate(messages):
            data = struct.pack(">I", len(message)) + message
            tcp = struct.pack(">HHIIBBHHH", 40000, 445, sequence, 1, 5 << 4, 0x18, 65535, 0, 0)
            ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp) + len(data), i, 0, 64,
                             socket.IPPROTO_TCP, 0, address, address)
            packet = ip + tcp + data
            file.write(struct.pack("<IIII", i, 0, len(packet), len(packet)) + packet)
            sequence += len(data)


def mixed_data():
    """Text, zeros, and what does not shrink."""
    rng = random.Random(1)
    words = [b"server ", b"client ", b"lease", b" break", b"\n", b"the ", b"of ", b"123"]
    text = b"".join(rng.choice(words) for _ in range(40_000))
    return text[:100_000] + bytes(40_000) + rng.randbytes(30_000) + text[100_000:150_000] + \
        bytes(10_000) + b"aaab" * 5_000


class Wireshark(suite.ServerCase):

    @classmethod
    def options(cls, scratch):
        return Options([Share("share", scratch.directory("share", owner=ids_of(ALICE)))], [ALICE],
                       single_process=True)

    def exchanged(self, *offer):
        proxy = Proxy(self.server)
        data = self.scratch.file("data")
        with open(data, "wb") as file:
            file.write(mixed_data())
        command = [suite.arguments.client, "--server", f"127.0.0.1:{proxy.port}", "--user", ALICE.name,
                   *offer, "throughput", "--mib", "1", "--request-size", "32768", "--in-flight", "4",
                   "--data", data]
        done = subprocess.run(command, env=os.environ | {"BRAID_BENCH_PASSWORD": ALICE.password},
                              capture_output=True, text=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        proxy.end()
        return proxy.messages

    def infos(self, messages):
        """What tshark says of each message."""
        pcap = self.scratch.file("messages.pcap")
        write_pcap(pcap, messages)
        done = subprocess.run(["tshark", "-r", pcap, "-T", "fields", "-e", "_ws.col.Info"],
                              capture_output=True, text=True, timeout=LIMIT_S, check=True)
        return done.stdout.splitlines()

    def judge(self, *offer):
        messages = self.exchanged(*offer)
        packed = [message for message in messages if message.startswith(b"\xfcSMB")]
        self.assertGreater(len(packed), 20)
        infos = self.infos(packed)
        self.assertEqual([info for info in infos if "Decomp. SMB3" not in info], [])
        for what in ("Write Request", "Read Response"):
            self.assertTrue(any(what in info for info in infos), what)
        return packed

    def test_unchained(self):
        for algorithm in ("lznt1", "lz77", "lz77+huffman"):
            with self.subTest(algorithm):
                self.judge("--compression", algorithm, "--unchained")

    def test_chained_with_patterns(self):
        for algorithm in ("lznt1", "lz77", "lz77+huffman"):
            with self.subTest(algorithm):
                packed = self.judge("--compression", algorithm, "--compression", "pattern_v1")
                # Flags of the first payload.
                self.assertTrue(all(message[10:12] == b"\x01\x00" for message in packed))


if __name__ == "__main__":
    suite.main(lambda parser: parser.add_argument("--client", required=True,
                                                  help="the built braid-bench"))
