#!/usr/bin/env python3
"""Two kernel clients and smbclient on one share, a day's work in minutes.

  soak_test.py --braidd build/release/braidd [--rounds 3] [--files 20000]

In two virtual machines git, saving as office programs do, rsync twice, SQLite with both journals,
find over a large folder and random writes, truncates and maps of one file; beside them smbclient
copies to and fro, and a program on the server renames folders in which the others write. Nothing may
be lost, and nothing may fail that would not on a local disk.

Exit status as vm_test.py.
"""
import argparse
import concurrent.futures
import contextlib
import os
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import server as servers  # noqa: E402
import vm_test  # noqa: E402
from guest_files import find, put_program  # noqa: E402
from scratch import Scratch  # noqa: E402
from trees import make_tree  # noqa: E402

# A lock over one's own is refused in SMB and makes one of both on Linux, which SQLite does: nobrl keeps
# locks within the client, with any server.
CLIENTS = {1: "vers=3.1.1,nobrl", 2: "vers=3.1.1,seal,nobrl"}
PROGRAMS = ["git", "rsync", "sqlite3"]
FOLDERS = 6  # that are renamed


def add_programs(root, churn):
    for program in PROGRAMS:
        put_program(root, find(program))
    put_program(root, churn)


def run_client(own, churn, server, user, args, number, images):
    """Sentences about what went wrong in the guest; `own` is its Scratch."""
    make_tree(os.path.join(own.directory("job", "job"), "tree"), seed=number, folders=2, depth=2)
    add_programs(own.directory("job"), churn)
    archive = vm_test.pack_job(own, "soak.sh", {
        "HOST": vm_test.HOST, "PORT": server.port, "SHARE": "share", "NAME": user.name,
        "PASSWORD": user.password, "OPTIONS": CLIENTS[number], "CLIENT": number,
        "FILES": args.files, "ROUNDS": args.rounds})
    text, ended = vm_test.boot(own, *images, archive, args.limit)
    return [f"client {number}: {sentence}" for sentence in vm_test.judge(text, ended, args.limit)]


def rename_folders(folder, stop):
    """Each folder is called otherwise, and as before, until `stop`; how often that was."""
    count = 0
    while not stop.wait(0.02):
        number = count % FOLDERS
        names = [os.path.join(folder, f"{letter}-{number}") for letter in "de"]
        before, after = names if os.path.exists(names[0]) else names[::-1]
        os.rename(before, after)
        count += 1
    return count


def copy_with_smbclient(scratch, server, user, stop):
    """Sentences about copies that differ, until `stop`."""
    source, back = scratch.file("copied"), scratch.file("back")
    with open(source, "wb") as out:
        out.write(os.urandom(3_000_000))
    rounds = 0
    while not stop.is_set():
        rounds += 1
        done = subprocess.run(
            ["smbclient", "//127.0.0.1/share", "-p", str(server.port),
             "-U", f"{user.name}%{user.password}", "-c",
             f"put {source} copied; rename copied renamed; get renamed {back}; rm renamed"],
            capture_output=True, text=True, check=False)
        with open(source, "rb") as one, open(back, "rb") as other:
            if done.returncode != 0 or one.read() != other.read():
                return [f"smbclient, round {rounds}: {done.stdout}{done.stderr}"]
    return [] if rounds else ["smbclient did nothing"]


def prepare_share(root, files, owner):
    many = os.path.join(root, "many")
    for number in range(files):
        folder = os.path.join(many, f"{number // 500}")
        if number % 500 == 0:
            os.makedirs(folder)
        with open(os.path.join(folder, f"file {number}"), "wb"):
            pass
    for number in range(FOLDERS):
        os.makedirs(os.path.join(root, "moving", f"d-{number}"))
    subprocess.run(["chown", "-R", f"{owner[0]}:{owner[1]}", root], check=True)


def contents_of_moved(root):
    """Sentences about files that clients wrote in folders that were renamed meanwhile."""
    found, wrong = 0, []
    for folder, _, names in os.walk(os.path.join(root, "moving")):
        for name in names:
            with open(os.path.join(folder, name), encoding="ascii") as file:
                lines = file.read().splitlines()
            found += 1
            if len(lines) != 2 or lines[1] != "end":
                wrong.append(f"{folder}/{name} has {lines}")
    return wrong if found else ["nothing was written into the moving folders"]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_arguments(parser)
    parser.add_argument("--cache", default=os.path.join(HERE, "..", "..", "build", "vm"))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--limit", type=int, default=1800, help="seconds for the machines")
    args = parser.parse_args()
    try:
        images = vm_test.prepare(os.path.abspath(args.cache))
    except subprocess.CalledProcessError as error:
        print(f"soak_test: {error}", file=sys.stderr)
        return 2
    alice = servers.test_users()[0]
    with Scratch(args.scratch) as scratch, contextlib.ExitStack() as stack:
        subprocess.run(["clang-19", "-O1", "-o", scratch.file("churn"),
                        os.path.join(HERE, "guest", "churn.c")], check=True)
        share = scratch.directory("share", owner=servers.ids_of(alice))
        prepare_share(share, args.files, servers.ids_of(alice))
        server = servers.start(args, scratch, servers.Options(
            [servers.Share("share", share)], [alice], workers=args.workers))
        stop = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            beside = pool.submit(copy_with_smbclient, scratch, server, alice, stop)
            renames = pool.submit(rename_folders, os.path.join(share, "moving"), stop)
            clients = [pool.submit(run_client, stack.enter_context(Scratch(scratch.path)),
                                   scratch.file("churn"), server, alice, args, number, images)
                       for number in CLIENTS]
            concurrent.futures.wait(clients)
            stop.set()
            trouble = [sentence for client in clients for sentence in client.result()]
            trouble += beside.result()
            print(f"folders renamed: {renames.result()}")
        trouble += contents_of_moved(share)
        trouble += [f"left in the share: {name}" for name in os.listdir(share)
                    if name not in ("many", "moving")]
        trouble += server.stop()
        for sentence in trouble:
            print(sentence)
        return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
