#!/usr/bin/env python3
"""Links fail while a client works on four channels: what was acknowledged must have happened once.

  fault_test.py --braidd build/release/braidd --program build/release/fault_client --seconds 300
  fault_test.py ... --seed 17 --mode leases      one mode, the same faults as in another run

Two modes of so many seconds each: `plain`, and `leases`, where a second client keeps breaking the
leases of the first. A third one, `blackout`, is run when it is named: like `leases`, with all links but
one dead at once. Faults come from the seed: links down, packets dropped in one direction or both
or one in three, connections reset, workers killed that serve neither client. One channel of the
client is always left alone. Then everything is checked on the server's disk and by a fresh client.
"""
import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import networks as nets  # noqa: E402
import server as servers  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402

LINKS = 4
MODES = ("plain", "leases", "blackout")
WORKERS = {"plain": 4, "leases": 1, "blackout": 1}  # 1: so that both clients meet in any case
SKIPPED = 77
RECOVERY_LIMIT_S = 30  # all channels are back so long after the last fault
END_LIMIT_S = 60
# An open that waits for another client's lease takes no longer. A channel that is dead costs a break
# up to 6 s, and all but one may be; a break that got lost costs 35 s. When they die at the same moment
# the server soon sees which one does not.
OPEN_MS_MAX = {"leases": 30_000, "blackout": 10_000}
BREAK_EVERY_S = 2  # at least, or the second client does not disturb the first


BLACKOUT_S = 8
BETWEEN_BLACKOUTS_S = 6
DOUBT_S = 2  # a link that has just healed is not the one that is left alone


class Client:
    """fault_client; follows what it says."""

    def __init__(self, scratch, networks, namespace, name, args, *command):
        alice = test_users()[0]
        self.log = scratch.file(f"{name}.err")
        with open(self.log, "wb") as errors:
            self.process = subprocess.Popen(
                networks.command(namespace, os.path.abspath(args.program), "--user", alice.name,
                                 "--seed", str(args.seed), *command),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
                env=os.environ | {"BRAID_FAULT_PASSWORD": alice.password})
        self.name = name
        self.addresses = networks.addresses()
        self.live = ""
        self.summary = ""
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                if line.startswith("channels "):
                    self.live = self._links(line.split()[1:])
                else:
                    self.summary = line.strip()
                self.changed.notify_all()
        with self.changed:
            self.live = "ended"
            self.changed.notify_all()

    def _links(self, channels):
        """"1011" from the server's addresses in any order; those on no link come behind."""
        state = dict(channel.split("=") for channel in channels)
        own = [state.pop(address, "-") for address in self.addresses]
        return "".join(own + list(state.values()))

    def live_links(self):
        with self.changed:
            return {link for link, state in enumerate(self.live) if state == "1"}

    def wait_for(self, live, limit):
        with self.changed:
            return self.changed.wait_for(lambda: self.live in (live, "ended"), limit) and \
                self.live == live

    def count(self, kind):
        """Of what the client counted, at its end."""
        found = re.search(rf'\("{kind}", (\d+)\)', self.summary)
        return int(found.group(1)) if found else 0

    def ended(self):
        return self.process.poll() is not None

    def stop(self):
        """SIGTERM; sentences about what was wrong."""
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
        return [f"{self.name}: {line}" for line in errors] + \
            ([f"{self.name}: exit status {status}"] if status else [])


class Faults:
    """What goes wrong, from the seed; never on all links with a live channel at once."""

    def __init__(self, random_, networks, server, client):
        self.random = random_
        self.networks = networks
        self.server = server
        self.client = client
        self.attacked = {}  # link: (until when, how it ends)
        self.doubted = {}   # link: until when
        self.rules = {}     # link: nft rules
        self.counts = {}
        self.start = time.monotonic()

    def say(self, text):
        print(f"{time.monotonic() - self.start:7.2f} [{self.client.live}] {text}", flush=True)

    def run(self, seconds):
        while time.monotonic() - self.start < seconds and not self.client.ended():
            self._heal()
            self._attack()
            time.sleep(self.random.uniform(0.1, 1.0))
        for link in list(self.attacked):
            self._end(link)

    def _heal(self):
        for link, (until, _) in list(self.attacked.items()):
            if time.monotonic() >= until:
                self._end(link)

    def _end(self, link):
        _, heal = self.attacked.pop(link)
        heal()
        self.doubted[link] = time.monotonic() + DOUBT_S
        self.say(f"link {link} healed")

    def _attack(self):
        kinds = [self._link_down, self._drop, self._drop, self._lose_some, self._refuse,
                 self._reset, self._kill_worker]
        kind = self.random.choice(kinds)
        link = self.random.randrange(LINKS)
        length = self.random.choice([0.3, 1, 3, 8]) * self.random.uniform(0.5, 1.5)
        detail = self.random.random()
        if kind == self._kill_worker:
            return self._kill_worker()
        # What a client has not noticed yet, or gives up in this moment, it still calls live.
        doubted = {each for each, until in self.doubted.items() if time.monotonic() < until}
        left = self.client.live_links() - self.attacked.keys() - doubted - {link}
        if link in self.attacked or not left:
            return None
        self.counts[kind.__name__] = self.counts.get(kind.__name__, 0) + 1
        name, heal = kind(link, detail)
        self.attacked[link] = (time.monotonic() + length, heal)
        return self.say(f"link {link} {name} for {length:.1f} s")

    def _link_down(self, link, detail):
        side = self.networks.server if detail < 0.5 else self.networks.client
        self.networks.set_link(side, link, "down")
        return ("down at the " + ("server" if detail < 0.5 else "client"),
                lambda: self.networks.set_link(side, link, "up"))

    def _filter(self, link, rules):
        self.rules[link] = rules
        self.networks.filter(sum(self.rules.values(), []))

        def heal():
            del self.rules[link]
            self.networks.filter(sum(self.rules.values(), []))
        return heal

    def _drop(self, link, detail):
        rules = [("in", f'iifname "s{link}" drop'), ("out", f'oifname "s{link}" drop')]
        if detail < 0.33:
            return "drops requests", self._filter(link, rules[:1])
        if detail < 0.67:
            return "drops answers", self._filter(link, rules[1:])
        return "drops all", self._filter(link, rules)

    def _lose_some(self, link, _):
        lose = "numgen random mod 100 < 30 drop"
        return "loses a third", self._filter(link, [("in", f'iifname "s{link}" {lose}'),
                                                    ("out", f'oifname "s{link}" {lose}')])

    def _refuse(self, link, _):
        return "answers with resets", self._filter(
            link, [("in", f'iifname "s{link}" meta l4proto tcp reject with tcp reset')])

    def _reset(self, link, _):
        self.networks.reset_connections(link)
        return "connections reset", lambda: None

    def _kill_worker(self):
        busy = self.networks.connection_owners()
        idle = [pid for pid in self.server.worker_pids()
                if servers.name_of(pid) == "braidd-worker" and pid not in busy]
        if not idle:
            return
        pid = self.random.choice(idle)
        os.kill(pid, signal.SIGKILL)
        self.counts["_kill_worker"] = self.counts.get("_kill_worker", 0) + 1
        self.say(f"worker {pid} killed, of {len(idle)} without clients")


class Blackouts(Faults):
    """All links but one carry nothing, at the same moment; which one is left comes from the seed."""

    def run(self, seconds):
        while time.monotonic() - self.start < seconds and not self.client.ended():
            if not self.client.wait_for("1" * LINKS, RECOVERY_LIMIT_S):
                return
            time.sleep(BETWEEN_BLACKOUTS_S * self.random.uniform(0.5, 1.5))
            left = self.random.randrange(LINKS)
            self.networks.filter([(way, f'{name} "s{link}" drop') for link in range(LINKS)
                                  for way, name in (("in", "iifname"), ("out", "oifname"))
                                  if link != left])
            self.counts["blackout"] = self.counts.get("blackout", 0) + 1
            self.say(f"only link {left} is left")
            time.sleep(BLACKOUT_S)
            self.networks.filter([])
            self.say("all links healed")


def check_disk(root, expectations):
    """Sentences about what is on the disk and should not be, or the other way round."""
    found = []
    with open(expectations, encoding="utf-8") as file:
        expected = json.load(file)
    there = {os.path.relpath(os.path.join(folder, name), root)
             for folder, _, names in os.walk(root) for name in names}
    found += [f"on disk but not expected: {name}" for name in sorted(there - expected.keys())]
    found += [f"not on disk: {name}" for name in sorted(expected.keys() - there)]
    for name in sorted(there & expected.keys()):
        want = expected[name]
        with open(os.path.join(root, name), "rb") as file:
            content = file.read()
        if len(content) != want["size"]:
            found.append(f"{name}: {len(content)} bytes on disk, not {want['size']}")
        elif want["record_size"]:
            found += check_records(name, content, want)
        elif zlib.crc32(content) != want["crc32"]:
            found.append(f"{name}: another checksum on disk")
    return found


def check_records(name, content, want):
    found = []
    for slot, generation in enumerate(want["generations"]):
        record = content[slot * want["record_size"]:(slot + 1) * want["record_size"]]
        if not generation:
            continue
        header = [int.from_bytes(record[at:at + size], "little")
                  for at, size in ((0, 4), (8, 4), (12, 4), (16, 8))]
        if header[0] != 0x44524352 or header[1] != slot or zlib.crc32(record[32:]) != header[2]:
            found.append(f"{name} slot {slot}: no whole record on disk")
        elif header[3] != generation:
            found.append(f"{name} slot {slot}: generation {header[3]} on disk, not {generation}")
    return found


def run_mode(args, mode):
    print(f"mode {mode}, seed {args.seed}, {args.seconds} s", flush=True)
    with Scratch(args.scratch) as scratch, nets.Networks(LINKS) as networks:
        alice = test_users()[0]
        root = scratch.directory("share", owner=ids_of(alice))
        # smbd calls a veth pair slower than it calls the loopback interface, unless it is told.
        options = Options([Share("share", root)], [alice], networks=networks,
                          workers=args.workers or WORKERS[mode], rss=bool(args.smbd))
        server = servers.start(args, scratch, options)
        server.expects_deaths = True
        expectations = scratch.file("expectations.json")
        client = Client(scratch, networks, networks.client, "client", args,
                        f"--server={networks.address(0)}:445",
                        "work", "--expectations", expectations,
                        *(["--leases"] if mode != "plain" else []))
        clients = [client]
        trouble = []
        if not client.wait_for("1" * LINKS, 20):
            trouble.append(f"no channel on every link at the start: {client.live}")
        if mode != "plain":  # not through the links
            clients.append(Client(scratch, networks, networks.server, "second client", args,
                                  "--server=127.0.0.1:445", "disturb",
                                  "--open-ms-max", str(OPEN_MS_MAX[mode])))
            if not clients[-1].wait_for(f"{'-' * LINKS}1", 20):  # its worker is not to be killed
                trouble.append("the second client does not connect")
        if not trouble:
            kind = Blackouts if mode == "blackout" else Faults
            faults = kind(random.Random(f"{args.seed} {mode}"), networks, server, client)
            faults.run(args.seconds)
            print("faults: " + ", ".join(f"{name.strip('_')} {count}"
                                         for name, count in sorted(faults.counts.items())))
            healed = time.monotonic()
            if not client.ended() and not client.wait_for("1" * LINKS, RECOVERY_LIMIT_S):
                trouble.append(f"channels that did not come back: {client.live}")
            print(f"all channels back after {time.monotonic() - healed:.1f} s")
        for each in reversed(clients):
            trouble += each.stop()
            print(f"{each.name}: {each.summary}")
        if mode != "plain" and client.count("break") < args.seconds / BREAK_EVERY_S:
            trouble.append(f"only {client.count('break')} breaks")
        if not trouble:
            trouble += check_disk(root, expectations)
        trouble += server.stop()
    for sentence in trouble:
        print(sentence)
    print(f"mode {mode}, seed {args.seed}: {'FAILED' if trouble else 'passed'}", flush=True)
    return not trouble


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_arguments(parser)
    parser.add_argument("--program", required=True, help="the built fault_client")
    parser.add_argument("--seconds", type=float, default=300, help="of faults in each mode")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--workers", type=int, help="the server's, in every mode")
    parser.add_argument("--mode", choices=MODES, action="append")
    args = parser.parse_args()
    reason = nets.missing()
    if reason:
        print(f"skipped: {reason}")
        return SKIPPED
    results = [run_mode(args, mode) for mode in args.mode or ("plain", "leases")]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
