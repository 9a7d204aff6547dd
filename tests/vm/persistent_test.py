#!/usr/bin/env python3
"""The Linux kernel's SMB client with the mount option `persistenthandles`, whose server is killed.

  persistent_test.py --braidd build/release/braidd [--mib 4]

A file is opened, locked and written to its half. Another client reads it, so that the first tells the server of its
lock, which it keeps to itself while nobody else has the file. Then the worker that serves them dies by SIGKILL. The
client has to come back to the same FileId.Persistent (/proc/fs/cifs/open_files), the server to have the lock still, and
the whole file to be what was written by that one descriptor.

Exit status: 0 all went well, 1 otherwise, 2 the machine could not be made.
"""
import argparse
import json
import os
import subprocess
import sys
import threading
import time

import vm_test

sys.path.insert(0, os.path.join(vm_test.HERE, "..", "lib"))
sys.path.insert(0, os.path.join(vm_test.HERE, "..", "persistent"))

import server as servers  # noqa: E402
from persistent import Client, kill_worker  # noqa: E402
from scratch import Scratch  # noqa: E402

MOUNTS = ["vers=3.1.1", "vers=3.0,seal"]
LOCK = (100, 50, True)
LIMIT_S = 120


def sequence(size):
    """As guest/persistent.c writes it."""
    state, mask, out = 1, 2**64 - 1, bytearray()
    while len(out) < size:
        state ^= state >> 12
        state = (state ^ state << 25) & mask
        state ^= state >> 27
        out += (state * 2685821657736338717 & mask).to_bytes(8, "little")
    return bytes(out[:size])


class Exercise:
    """What is done and looked at on this side, while the guest says how far it is."""

    def __init__(self, server, user, share, half):
        self.server, self.user = server, user
        self.path, self.half = os.path.join(share, "file"), half
        self.options = self.before = None
        self.trouble, self.whole = [], []
        self.threads = []

    def ask(self, what):
        done = subprocess.run([self.server.braidctl, "--config", self.server.config, "--json", what],
                              capture_output=True, text=True, check=True, timeout=60)
        return [row for row in json.loads(done.stdout) if row["path"] == "file"]

    def hear(self, line):
        word, _, rest = line.partition(" ")
        if word == "mounted":
            self.options = rest
        elif word in ("half", "whole"):
            step = self.half_written if word == "half" else self.whole_written
            # The console is read on.
            thread = threading.Thread(target=self.run, args=(step, rest))
            self.threads.append(thread)
            thread.start()

    def run(self, step, file_id):
        try:
            step(int(file_id, 16))
        except Exception as error:  # of a thread: nobody else would hear of it
            self.trouble.append(f"{self.options}: {error!r}")
            self.go(step == self.half_written)  # the guest waits

    def go(self, is_there):
        name = self.path + ".go"
        if is_there:
            with open(name, "w", encoding="ascii"):
                os.chmod(name, 0o666)
        elif os.path.exists(name):
            os.unlink(name)

    def look(self, file_id, when):
        """The open as the server has it, and its lock, once they are there."""
        end = time.monotonic() + LIMIT_S
        while True:
            rows = [row for row in self.ask("opens") if row.get("session")]
            locks = [(row["offset"], row["length"], row["exclusive"]) for row in self.ask("locks")]
            if (rows and locks) or time.monotonic() > end:
                break
            time.sleep(0.1)
        kept = [(int(row["open"], 16), row["durability"]) for row in rows]
        if kept != [(file_id, "persistent")]:
            self.trouble.append(f"{self.options}, {when}: {kept} is open, not {file_id:#x}")
        if locks != [LOCK]:
            self.trouble.append(f"{self.options}, {when}: {locks} is locked")

    def half_written(self, file_id):
        self.before = file_id
        reader = Client(self.server, self.user, os.urandom(16))
        opened = reader.plain_open("file", access=1, disposition=1)
        if opened.status != "SUCCESS":
            self.trouble.append(f"{self.options}: another client hears {opened.status}")
        reader.close_file(opened.file)
        reader.close()
        self.look(file_id, "before")
        kill_worker(self.server)
        self.go(True)

    def whole_written(self, file_id):
        if file_id != self.before:
            self.trouble.append(f"{self.options}: {self.before:#x} is {file_id:#x} now")
        self.look(file_id, "after")
        with open(self.path, "rb") as file:
            if file.read() != sequence(2 * self.half):
                self.trouble.append(f"{self.options}: the file is another one")
        os.unlink(self.path)
        self.whole.append(self.options)
        self.go(False)


def run(args, vmlinuz, initramfs):
    alice = servers.test_users()[0]
    half = args.mib << 19
    with Scratch(args.scratch) as scratch:
        share = scratch.directory("share", owner=servers.ids_of(alice))
        server = servers.start(args, scratch, servers.Options(
            [servers.Share("share", share, lines=("continuous_availability = true",))], [alice],
            signing="enabled"))
        server.expects_deaths = True
        subprocess.run(["clang-19", "-O1", "-static", "-o",
                        os.path.join(scratch.directory("job", "job"), "persistent"),
                        os.path.join(vm_test.HERE, "guest", "persistent.c")], check=True)
        job = vm_test.pack_job(scratch, "persistent.sh", {
            "HOST": vm_test.HOST, "PORT": server.port, "NAME": alice.name,
            "PASSWORD": alice.password, "HALF": half, "MOUNTS": " ".join(MOUNTS)})
        exercise = Exercise(server, alice, share, half)
        text, ended = vm_test.boot(scratch, vmlinuz, initramfs, job, args.limit, hear=exercise.hear)
        for thread in exercise.threads:
            thread.join()
        trouble = exercise.trouble + vm_test.judge(text, ended, args.limit)
        if exercise.whole != MOUNTS:
            trouble.append(f"only these were written to the end: {exercise.whole}")
        trouble += server.stop()
        for sentence in trouble:
            print(sentence)
        return 1 if trouble else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_arguments(parser)
    parser.add_argument("--cache", default=os.path.join(vm_test.HERE, "..", "..", "build", "vm"))
    parser.add_argument("--mib", type=int, default=4, help="size of the file")
    parser.add_argument("--limit", type=int, default=900, help="seconds for the machine")
    args = parser.parse_args()
    try:
        vmlinuz, initramfs = vm_test.prepare(os.path.abspath(args.cache))
    except subprocess.CalledProcessError as error:
        print(f"persistent_test: {error}", file=sys.stderr)
        return 2
    return run(args, vmlinuz, initramfs)


if __name__ == "__main__":
    sys.exit(main())
