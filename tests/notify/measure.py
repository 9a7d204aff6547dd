#!/usr/bin/env python3
"""What each local_access costs the server, and how long a client may be behind with "notify".

No test: prints tables. On a quiet machine, with a release build: `make local-bench`.
"""
import argparse
import glob
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("lib", "persistent"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))

import server as servers  # noqa: E402
import smb2_raw as raw  # noqa: E402
import local_changes_test as changes  # noqa: E402
from persistent import worker_of  # noqa: E402
from scratch import Scratch  # noqa: E402

MODES = ("none", "notify", "strict")
RWH = 7


def cpu_of(pid):
    """Nanoseconds."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as stat:
            total += int(stat.read().split()[0])
    return total


def clients_of(server, mode):
    return changes.Client(server, share=mode)


def create_and_close(client, count, lease):
    key = changes.key_of("key")
    for _ in range(count):
        opened = client.open("file", os.urandom(16), lease=key if lease else None, flags=0)
        assert opened.status == "SUCCESS" and (not lease or opened.lease == RWH)
        client.close_file(opened.file)


def transfer(client, count, command, body):
    opened = client.open("file", os.urandom(16), lease=changes.key_of("key"), flags=0)
    for _ in range(count):
        assert client.status(command, body(opened.file)) == "SUCCESS"
    client.close_file(opened.file)


def costs(server, count, rounds):
    data = bytes(4096)
    work = (("CREATE+CLOSE, no lease", lambda c: create_and_close(c, count, False)),
            ("CREATE+CLOSE, RWH", lambda c: create_and_close(c, count, True)),
            ("WRITE 4 KiB", lambda c: transfer(c, count, raw.WRITE, lambda f: raw.write(f, data))),
            ("READ 4 KiB", lambda c: transfer(c, count, raw.READ, lambda f: raw.read(f, 4096))))
    worker = worker_of(server)
    least = {}
    for _ in range(rounds):
        for mode in MODES:
            client = clients_of(server, mode)
            for name, do in work:
                before = cpu_of(worker)
                do(client)
                spent = (cpu_of(worker) - before) / count / 1000
                least[name, mode] = min(spent, least.get((name, mode), spent))
            client.close()
    print(f"Server's CPU in us each, the least of {rounds} rounds of {count}:")
    print(f"{'':24}" + "".join(f"{mode:>9}" for mode in MODES))
    for name, _ in work:
        print(f"{name:24}" + "".join(f"{least[name, mode]:9.1f}" for mode in MODES))


def staleness(server, path, rounds):
    """From the end of a local write until the client reads the break, in ms."""
    client = clients_of(server, "notify")
    file = os.open(path, os.O_RDWR)
    behind = []
    for number in range(rounds):
        key = changes.key_of(str(number))
        opened = client.open("file", os.urandom(16), lease=key, flags=0)
        assert opened.lease == RWH
        os.pwrite(file, b"%8d" % number, 0)
        began = time.monotonic()
        assert client.next_break()[0] == key
        behind.append((time.monotonic() - began) * 1000)
        client.close_file(opened.file)
    os.close(file)
    behind.sort()
    print(f"Until a client is told of a local write, {rounds} times, ms: "
          f"median {behind[rounds // 2]:.2f}, 99 of 100 below {behind[rounds * 99 // 100]:.2f}, "
          f"longest {behind[-1]:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    servers.add_arguments(parser)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    user = servers.test_users()[0]
    with Scratch(arguments.scratch) as scratch:
        shares, paths = [], {}
        for mode in MODES:
            root = scratch.directory(mode, owner=servers.ids_of(user))
            paths[mode] = os.path.join(root, "file")
            shares.append(servers.Share(mode, root, lines=(f'local_access = "{mode}"',)))
        server = servers.start(arguments, scratch,
                               servers.Options(shares, [user], signing="enabled"))
        costs(server, arguments.count, arguments.rounds)
        staleness(server, paths["notify"], arguments.count * 2)
        server.stop()


if __name__ == "__main__":
    main()
