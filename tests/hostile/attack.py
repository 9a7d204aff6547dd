#!/usr/bin/env python3
"""Plays one attack against a running server until it is told to stop (SIGTERM, or end of input).

  attack.py --server 127.0.0.1:4450 --user alice --password secret unread_reads connections=3
  attack.py --list

Prints one line of JSON with what it saw after each round. Parameters are those of the function of
that name in attacks_memory.py, attacks_work.py and attacks_logon.py.
"""
import argparse
import inspect
import ipaddress
import json
import os
import signal
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import attacks_logon  # noqa: E402
import attacks_memory  # noqa: E402
import attacks_work  # noqa: E402
from peer import Refused, Target  # noqa: E402

ATTACKS = attacks_memory.ATTACKS | attacks_work.ATTACKS | attacks_logon.ATTACKS


def show_list():
    for name, (point, attack) in sorted(ATTACKS.items()):
        parameters = [f"{p.name}={p.default}" for p in
                      list(inspect.signature(attack).parameters.values())[1:]]
        print(f"{point:3} {name:22} {' '.join(parameters)}")


def tell(seen):
    """One line, whole: the attacks of several addresses are threads."""
    os.write(sys.stdout.fileno(), json.dumps(seen).encode() + b"\n")


def play(args, user, source, parameters):
    """The attack by one user from one address. What it holds goes with this process, so it stays for its time."""
    host, port = args.server.rsplit(":", 1)
    target = Target(host, int(port), user, args.password, args.share, source, args.folder)
    rounds = 0
    try:
        for seen in ATTACKS[args.name][1](target, **parameters):
            tell(seen)
            rounds += 1
            if rounds == args.rounds:
                return
    except (Refused, OSError) as error:
        tell({"ended": f"{type(error).__name__}: {error}"})
    while not args.rounds:
        time.sleep(60)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--server", help="ADDRESS:PORT")
    parser.add_argument("--user", default="", help="or several, with commas, for several addresses")
    parser.add_argument("--password", default=os.environ.get("BRAID_ATTACK_PASSWORD", ""))
    parser.add_argument("--share", default="share")
    parser.add_argument("--folder", help="the share's, where the attack moves things locally")
    parser.add_argument("--source", default="127.9.0.1", help="the attacker's address")
    parser.add_argument("--addresses", type=int, default=1,
                        help="so many at once, each from an address of its own")
    parser.add_argument("--rounds", type=int, default=0, help="0: until SIGTERM")
    parser.add_argument("name", nargs="?")
    parser.add_argument("parameters", nargs="*", help="NAME=NUMBER or NAME=TEXT")
    args = parser.parse_args()
    if args.list or not args.name:
        show_list()
        return 0
    parameters = {}
    for parameter in args.parameters:
        key, value = parameter.split("=", 1)
        parameters[key] = int(value, 0) if value[:1].isdigit() else value
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    first = ipaddress.ip_address(args.source)
    users = args.user.split(",")
    threads = [threading.Thread(target=play, daemon=True, args=(
        args, users[number % len(users)], str(first + number), parameters))
        for number in range(args.addresses)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
