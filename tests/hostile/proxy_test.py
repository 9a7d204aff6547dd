#!/usr/bin/env python3
"""Damaged messages: a bit-flipping proxy between smbclient and the server.

  proxy_test.py --braidd build/release/braidd                       400 messages
  proxy_test.py --braidd build/asan/braidd --messages 10000 --seed 7

Several smbclients work through the proxy, half of their connections damaged from the first message,
half after the login. Some sign, some do not (the server allows that here), so that damage reaches
the commands behind the signature check too. The server must not crash, leak memory or descriptors;
a client with a connection of its own reads and writes all the time and must notice nothing.

Exit status: 0 all well, 1 otherwise.
"""
import argparse
import concurrent.futures
import os
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import server as servers  # noqa: E402
from damage import DamagingProxy  # noqa: E402
from scratch import Scratch  # noqa: E402
from smbclient import SmbClient  # noqa: E402
from watch import Innocent, Watch  # noqa: E402

CLIENT_LIMIT_S = 4  # a client whose request was dropped waits for ever
COMMANDS = ("ls; mkdir {n}; put data {n}/data; allinfo {n}/data; get {n}/data {n}.got; "
            "rename {n}/data {n}/moved; ls {n}/*; setmode {n}/moved +h; del {n}/moved; rmdir {n}; du")
# Dialect and protection of the connections, in turn.
WAYS = (("SMB3_11", "off"), ("SMB2_10", "off"), ("SMB3_11", "sign"), ("SMB2_02", "off"),
        ("SMB3_00", "off"), ("SMB3_11", "encrypt"), ("SMB3_02", "off"), ("SMB2_10", "sign"))


def abuse(args, scratch, server, user, proxy, goal):
    """Runs smbclients through the proxy until `goal` messages have passed it."""
    numbers = iter(range(10**9))
    lock = threading.Lock()

    def work(worker):
        local = scratch.directory(f"client{worker}")
        with open(os.path.join(local, "data"), "wb") as out:
            out.write(os.urandom(70_000))
        while proxy.messages < goal:
            with lock:
                number = next(numbers)
            dialect, protection = WAYS[number % len(WAYS)]
            SmbClient(scratch, server, user, dialect, protection, port=proxy.port,
                      limit=CLIENT_LIMIT_S, local_dir=local).run(COMMANDS.format(n=f"n{number}"))

    with concurrent.futures.ThreadPoolExecutor(args.clients) as pool:
        for done in [pool.submit(work, worker) for worker in range(args.clients)]:
            done.result()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_arguments(parser)
    parser.add_argument("--messages", type=int, default=400)
    parser.add_argument("--seed", default=str(int(time.time())))
    parser.add_argument("--rate", type=float, default=0.15, help="share of damaged messages")
    parser.add_argument("--clients", type=int, default=4, help="at a time")
    args = parser.parse_args()
    alice, bob = servers.test_users()
    print(f"seed {args.seed}", flush=True)
    with Scratch(args.scratch) as scratch:
        server = servers.start(args, scratch, servers.Options(
            [servers.Share("share", scratch.directory("share", owner=servers.ids_of(alice))),
             servers.Share("innocent", scratch.directory("other", owner=servers.ids_of(bob)))],
            [alice, bob], min_dialect="2.0.2", signing="enabled"))
        innocent = Innocent(scratch, server, bob, "innocent")
        innocent.start()
        # Odd connections are damaged from the start, even ones after the login.
        proxy = DamagingProxy(server, args.seed, args.rate, lambda n: 0 if n % 2 else 4)
        try:
            abuse(args, scratch, server, alice, proxy, args.messages // 10)
            watch = Watch(server)
            abuse(args, scratch, server, alice, proxy, args.messages)
        finally:
            proxy.close()
            trouble = innocent.finish()
        trouble += watch.complaints()
        trouble += server.stop()
        for sentence in trouble:
            print(sentence)
        print(f"{proxy.messages} messages on {proxy.connections} connections; "
              f"the other client did {innocent.rounds} rounds; "
              f"{'no trouble' if not trouble else 'trouble'} (seed {args.seed})")
        return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
