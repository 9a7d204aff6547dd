#!/usr/bin/env python3
"""The fault test with channels of both kinds in one session: TCP, and network cards made of TCP.

  mixed_test.py --braidd build/release/braidd --program build/release/fault_client --seconds 600
  mixed_test.py ... --seed 17                     the same faults as in another run

fault_client works on two channels over TCP and two over cards, each on a line of its own that this
program passes on, and cuts, holds up or closes. What was held up is delivered later, also when the client has
given that channel up and has sent the request again on another one, of the other kind perhaps: it must have
happened once. The process with the cards is killed, and so are workers that do not serve the client.
One channel is always left alone. Then everything is checked as in fault_test.py.
"""
import argparse
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import server as servers  # noqa: E402
from fault_test import END_LIMIT_S, RECOVERY_LIMIT_S, check_disk  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Options, Share, ids_of, name_of, test_users  # noqa: E402

KINDS = ("tcp", "tcp", "card", "card")
PIECE = 65_536
# How long a channel is not counted on that was done something to, unless the client says sooner that it is gone: it may
# not have seen it yet, or give up in this moment what is healed.
DOUBT_S = 30
HEALED_DOUBT_S = 2
LISTENING = r"listening on 127\.0\.0\.1:(\d+) for SMB Direct"


class Line:
    """A port that passes on to wherever target() says, as well as it does just now."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.change = threading.Condition()
        self.held = set()   # of "up", "down"
        self.closed = False
        self.pairs = []
        self.half = set()   # of which one way is over
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client):
        try:
            if self.closed:
                raise OSError
            server = socket.create_connection(("127.0.0.1", self.target()), 5)
        except OSError:
            self._abort(client)
            return
        server.settimeout(None)
        for each in client, server:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.change:
            self.pairs.append((client, server))
        for way, source, sink in (("up", client, server), ("down", server, client)):
            threading.Thread(target=self._pass_on, args=(way, source, sink), daemon=True).start()

    def _pass_on(self, way, source, sink):
        try:
            while piece := source.recv(PIECE):
                self._wait(way)
                sink.sendall(piece)
        except OSError:
            pass
        # What is held up comes before the end.
        self._wait(way)
        for each, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
            try:
                each.shutdown(how)
            except OSError:
                pass
        with self.change:
            pair = next((each for each in self.pairs if sink in each), None)
            if pair is None or pair not in self.half:
                self.half.add(pair)
                return
            self.half.discard(pair)
            self.pairs.remove(pair)
        for each in pair:
            each.close()

    def _wait(self, way):
        with self.change:
            self.change.wait_for(lambda: way not in self.held)

    @staticmethod
    def _abort(end):
        try:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def hold(self, *ways):
        with self.change:
            self.held = set(ways)
            self.change.notify_all()

    def cut(self):
        with self.change:
            pairs = list(self.pairs)
        for pair in pairs:
            for end in pair:
                self._abort(end)

    def close(self):
        self.listener.close()
        self.hold()
        self.cut()


class Client:
    def __init__(self, scratch, args, lines, expectations):
        alice = test_users()[0]
        channels = [word for line, kind in zip(lines, KINDS)
                    for word in ("--channel" if kind == "tcp" else "--card", line.address)]
        self.lines = lines
        self.log = scratch.file("client.err")
        self.live = set()
        self.doubted = {}  # of these, until when: not to be counted on
        self.summary = ""
        self.changed = threading.Condition()
        with open(self.log, "wb") as errors:
            self.process = subprocess.Popen(
                [os.path.abspath(args.program), "--user", alice.name, "--seed", str(args.seed),
                 f"--server={lines[0].address}", *channels, "work", "--expectations", expectations],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
                env=os.environ | {"BRAID_FAULT_PASSWORD": alice.password})
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for text in self.process.stdout:
            with self.changed:
                if text.startswith("channels "):
                    states = dict(word.rsplit("=", 1) for word in text.split()[1:])
                    self.live = {number for number, line in enumerate(self.lines)
                                 if states.get(line.address) == "1"}
                    self.doubted = {number: until for number, until in self.doubted.items() if number in self.live}
                else:
                    self.summary = text.strip()
                self.changed.notify_all()

    def doubt(self, numbers, seconds):
        until = time.monotonic() + seconds
        with self.changed:
            self.doubted |= {each: max(until, self.doubted.get(each, 0)) for each in numbers if each in self.live}

    def reliable(self):
        """Channels that are there, as far as one can know."""
        with self.changed:
            return {each for each in self.live if self.doubted.get(each, 0) < time.monotonic()}

    def ended(self):
        return self.process.poll() is not None

    def wait_for_all(self, limit):
        with self.changed:
            return self.changed.wait_for(
                lambda: len(self.live) == len(self.lines) or self.ended(), limit) and not self.ended()

    def count(self, kind):
        found = re.search(rf'\("{kind}", (\d+)\)', self.summary)
        return int(found.group(1)) if found else 0

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = "none in time"
        self.reader.join()
        with open(self.log, encoding="utf-8", errors="replace") as log:
            errors = log.read().splitlines()[:20]
        return [f"client: {line}" for line in errors] + \
            ([f"client: exit status {status}"] if status else [])


class Faults:
    def __init__(self, args, server, client, lines):
        self.random = random.Random(args.seed)
        self.server = server
        self.client = client
        self.lines = lines
        self.serving = connected_workers(server)
        self.until = {}  # line: when it is well again
        self.counts = {}
        self.start = time.monotonic()

    def say(self, text):
        live = "".join("1" if number in self.client.live else "0" for number in range(len(KINDS)))
        print(f"{time.monotonic() - self.start:7.2f} [{live}] {text}", flush=True)

    def run(self, seconds):
        while time.monotonic() - self.start < seconds and not self.client.ended():
            for number in [number for number, until in self.until.items() if time.monotonic() >= until]:
                self._heal(number)
            self._attack()
            time.sleep(self.random.uniform(0.1, 1.0))
        for number in list(self.until):
            self._heal(number)

    def _heal(self, number):
        del self.until[number]
        line = self.lines[number]
        line.closed = False
        # Delivered late, or lost.
        is_lost = line.held and self.random.random() < 0.3
        self.client.doubt({number}, DOUBT_S if is_lost else HEALED_DOUBT_S)
        if is_lost:
            line.cut()
        line.hold()
        self.say(f"line {number} healed")

    def _attack(self):
        kind = self.random.choice(("cut", "hold up", "hold down", "hold both", "close", "kill cards", "kill worker"))
        number = self.random.randrange(len(self.lines))
        length = self.random.choice([0.3, 1, 3, 8]) * self.random.uniform(0.5, 1.5)
        hit = {number} if not kind.startswith("kill") else \
            {each for each, its in enumerate(KINDS) if its == "card"} if kind == "kill cards" else set()
        if number in self.until or not self.client.reliable() - self.until.keys() - hit:
            return
        self.counts[kind] = self.counts.get(kind, 0) + 1
        line = self.lines[number]
        if kind == "kill cards" or kind == "kill worker":
            name = "braidd-rdma" if kind == "kill cards" else "braidd-worker"
            pids = [pid for pid in self.server.worker_pids()
                    if name_of(pid) == name and pid not in self.serving]
            if pids:
                self.client.doubt(hit, DOUBT_S)
                os.kill(self.random.choice(pids), signal.SIGKILL)
            self.say(kind)
            return
        if kind in ("cut", "close"):
            self.client.doubt(hit, DOUBT_S)
        if kind == "cut":
            line.cut()
        elif kind == "close":
            line.closed = True
            line.cut()
        else:
            line.hold(*{"hold up": ("up",), "hold down": ("down",), "hold both": ("up", "down")}[kind])
        if kind != "cut":
            self.until[number] = time.monotonic() + length
        self.say(f"line {number} ({KINDS[number]}): {kind} for {length:.1f} s")


def connected_workers(server):
    shown = subprocess.run(["ss", "-tnpH", "state", "established"], capture_output=True, text=True,
                           check=True, timeout=30).stdout
    holders = {int(part.split(",")[0]) for part in shown.split("pid=")[1:]}
    return {pid for pid in server.worker_pids() if name_of(pid) == "braidd-worker" and pid in holders}


def card_port(server):
    ports = re.findall(LISTENING, server.log_text())
    return int(ports[-1]) if ports else 0


def run(args, scratch):
    alice = test_users()[0]
    root = scratch.directory("share", owner=ids_of(alice))
    options = Options([Share("share", root)], [alice], workers=4, signing="enabled",
                      server_lines=("rdma = true", "rdma_port = 0", "rdma_memory = 32"),
                      env={"BRAID_TEST_RDMA": "tcp"})
    server = servers.start(args, scratch, options)
    server.expects_deaths = True
    lines = [Line((lambda: server.port) if kind == "tcp" else (lambda: card_port(server))) for kind in KINDS]
    expectations = scratch.file("expectations.json")
    client = Client(scratch, args, lines, expectations)
    trouble = []
    if not client.wait_for_all(RECOVERY_LIMIT_S):
        trouble.append(f"no channel on every line at the start: {client.live}")
    else:
        faults = Faults(args, server, client, lines)
        faults.run(args.seconds)
        print("faults: " + ", ".join(f"{name} {count}" for name, count in sorted(faults.counts.items())))
        healed = time.monotonic()
        if not client.ended() and not client.wait_for_all(RECOVERY_LIMIT_S):
            trouble.append(f"channels that did not come back: {client.live}")
        print(f"all channels back after {time.monotonic() - healed:.1f} s")
    trouble += client.stop()
    print(client.summary)
    if not trouble and client.count("MiB over cards") == 0:
        trouble.append("nothing went over the cards")
    if not trouble:
        trouble += check_disk(root, expectations)
    for line in lines:
        line.close()
    return trouble + server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_arguments(parser)
    parser.add_argument("--program", required=True, help="the built fault_client")
    parser.add_argument("--seconds", type=float, default=600, help="of faults")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    args = parser.parse_args()
    print(f"seed {args.seed}, {args.seconds} s", flush=True)
    with Scratch(args.scratch) as scratch:
        trouble = run(args, scratch)
    for sentence in trouble:
        print(sentence)
    print(f"seed {args.seed}: {'FAILED' if trouble else 'passed'}", flush=True)
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
