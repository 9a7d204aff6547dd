#!/usr/bin/env python3
"""Local programs and a client that caches, on the same files, against a model.

The client keeps what its leases let it keep, and writes late; local programs do what editors, cp and
the like do. One step after the other, by a seed (--seed), for some seconds in each mode (--seconds):
each of them reads what the model has.
"""
import mmap
import os
import random
import select
import struct
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("lib", "persistent"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))

import smb2_raw as raw  # noqa: E402
import suite  # noqa: E402
import local_access_test as strict  # noqa: E402
import local_changes_test as changes  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402

READ, HANDLE, WRITE = 1, 2, 4
ACK_REQUIRED = 1
FILES, SIZE_MAX = 40, 20_000
LIMIT_S = 60


class Node:
    """A file of the model, whatever it is called."""

    def __init__(self, content=b""):
        self.content = bytearray(content)

    def write(self, offset, data):
        if offset > len(self.content):
            self.content.extend(bytes(offset - len(self.content)))
        self.content[offset:offset + len(data)] = data


class CachedOpen:
    """What the client has of one file that it has open."""

    def __init__(self, node, file, key, state):
        self.node, self.file, self.key, self.state = node, file, key, state
        self.cache = None
        self.dirty = []  # (offset, data), in their order


class Client(changes.Client):
    def __init__(self, server, share):
        super().__init__(server, share=share)
        self.opens = {}  # by lease key
        self.leases = self.broken = 0

    def must(self, command, body):
        answer = self.call(command, body)
        if answer.status != "SUCCESS":
            raise AssertionError(f"command {command}: {answer.status}")
        return answer

    def answer_breaks(self):
        while self.breaks:
            body = self.breaks.pop(0)
            flags, key, _, state = struct.unpack_from("<I16sII", body, 4)
            of = self.opens.get(key)
            if not of:
                continue  # it was closed meanwhile
            self.broken += 1
            if not state & WRITE:
                self.flush(of)
            if not state & READ:
                of.cache = None
            of.state = state
            if flags & ACK_REQUIRED:
                self.acknowledge(key, state)

    def flush(self, of):
        for offset, data in of.dirty:
            self.must(raw.WRITE, raw.write(of.file, data, offset))
        of.dirty.clear()

    def open_cached(self, name, node):
        key = os.urandom(16)
        opened = self.open(name, os.urandom(16), lease=key, flags=0, disposition=1)
        if opened.status != "SUCCESS":
            raise AssertionError(f"{name}: {opened.status}")
        of = CachedOpen(node, opened.file, key, opened.lease or 0)
        self.leases += bool(of.state)
        self.opens[key] = of
        return of

    def content(self, of):
        if of.cache is not None:
            return of.cache
        answer = self.call(raw.READ, raw.read(of.file, SIZE_MAX * 2))
        data = bytearray(answer.body[16:] if answer.status == "SUCCESS" else b"")
        self.answer_breaks()
        if of.state & READ:
            of.cache = data
        return data

    def write_cached(self, of, offset, data):
        if not of.state & WRITE:
            # It has no other lease that might be in its way.
            self.must(raw.WRITE, raw.write(of.file, data, offset))
            of.cache = None
            return
        of.dirty.append((offset, data))
        held = Node(self.content(of))
        held.write(offset, data)
        of.cache = held.content

    def close_cached(self, of):
        self.flush(of)
        self.close_file(of.file)
        del self.opens[of.key]


class Programs:
    """What local programs do to a path. Each returns the nodes that it has changed or renamed."""

    def __init__(self, root, owner, rng):
        self.root, self.owner, self.rng = root, owner, rng
        self.names = {}  # the model's folder

    def path(self, name):
        return os.path.join(self.root, name)

    def own(self, name):
        os.chmod(self.path(name), 0o666)
        if os.geteuid() == 0:
            os.chown(self.path(name), *self.owner)

    def some_data(self):
        return self.rng.randbytes(self.rng.randrange(1, 2000))

    def make(self, name):
        data = self.some_data()
        with open(self.path(name), "wb") as out:
            out.write(data)
        self.own(name)
        self.names[name] = Node(data)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            seen = file.read()
        if seen != self.names[name].content:
            raise AssertionError(f"a local program reads an old {name}")
        return ()

    def write(self, name):
        node, data = self.names[name], self.some_data()
        offset = self.rng.randrange(SIZE_MAX - 2000)
        with open(self.path(name), "r+b") as out:
            out.seek(offset)
            out.write(data)
        node.write(offset, data)
        return (node,)

    def append(self, name):
        node, data = self.names[name], self.some_data()
        if len(node.content) + len(data) > SIZE_MAX:
            return self.truncate(name)
        with open(self.path(name), "ab") as out:
            out.write(data)
        node.write(len(node.content), data)
        return (node,)

    def truncate(self, name):
        node, size = self.names[name], self.rng.randrange(SIZE_MAX)
        os.truncate(self.path(name), size)
        if size < len(node.content):
            del node.content[size:]
        else:
            node.write(size, b"")
        return (node,)

    def write_mapped(self, name):
        node, data = self.names[name], self.some_data()
        with open(self.path(name), "r+b") as out:
            size = os.fstat(out.fileno()).st_size
            if size < len(data):
                return (node,)  # it was open to be written
            offset = self.rng.randrange(size - len(data) + 1)
            with mmap.mmap(out.fileno(), 0) as memory:
                memory[offset:offset + len(data)] = data
        node.write(offset, data)
        return (node,)

    def save_by_rename(self, name):
        """As vim with backupcopy=no, and most others do."""
        old = self.names[name]
        self.make(name + ".tmp")
        with open(self.path(name + ".tmp"), "rb") as file:
            os.fsync(file)
        os.rename(self.path(name + ".tmp"), self.path(name))
        self.names[name] = self.names.pop(name + ".tmp")
        return (old,)

    def save_with_backup(self, name):
        """As emacs does it: the old file becomes name~."""
        old = self.names[name]
        over = self.names.pop(name + "~", None)
        os.rename(self.path(name), self.path(name + "~"))
        self.names[name + "~"] = self.names.pop(name)
        self.make(name)
        return (old, over) if over else (old,)

    def copy(self, name):
        source, node = self.rng.choice(sorted(self.names)), self.names[name]
        if source == name:
            return ()
        subprocess.run(["cp", "--reflink=auto", self.path(source), self.path(name)], check=True)
        node.content[:] = self.names[source].content
        return (node,)

    def remove_and_make(self, name):
        old = self.names[name]
        os.unlink(self.path(name))
        self.make(name)
        return (old,)

    def steps(self):
        return (self.read, self.read, self.write, self.append, self.truncate, self.write_mapped,
                self.save_by_rename, self.save_with_backup, self.copy, self.remove_and_make)


class Local(threading.Thread):
    """A step that may be held off until the client has answered."""

    def __init__(self, step, name):
        super().__init__(daemon=True)
        self._step, self._name = step, name
        self._done, self.is_done = os.pipe()
        self.changed, self.error = (), None
        self.start()

    def run(self):
        try:
            self.changed = self._step(self._name)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error
        os.close(self.is_done)

    def wait(self, client):
        until = time.monotonic() + LIMIT_S
        while True:
            ready = select.select([self._done, client.socket], [], [], until - time.monotonic())[0]
            if not ready:
                raise AssertionError(f"{self._step.__name__} of {self._name} is held off for ever")
            if client.socket in ready:
                client.read_frame()
                client.answer_breaks()
            elif self._done in ready:
                break
        os.close(self._done)
        self.join()
        if self.error:
            raise self.error
        return self.changed


class LocalPrograms(suite.ServerCase):
    seed, seconds = None, 8

    @classmethod
    def setUpClass(cls):
        if suite.arguments.smbd:
            raise unittest.SkipTest("smbd has other rules")
        cls.seconds = suite.arguments.seconds or cls.seconds
        cls.seed = suite.arguments.seed
        super().setUpClass()

    @classmethod
    def options(cls, scratch):
        cls.alice = test_users()[0]
        cls.roots = {mode: scratch.directory(mode, owner=ids_of(cls.alice))
                     for mode in ("notify", "strict")}
        cls.root = cls.roots["strict"]  # StrictCase.has_leases()
        return Options([Share(mode, root, lines=(f'local_access = "{mode}"',))
                        for mode, root in cls.roots.items()], [cls.alice], signing="enabled")

    def check(self, client, of):
        if client.content(of) != of.node.content:
            self.fail("the client reads an old file")

    def client_step(self, client, programs, rng):
        of = rng.choice(sorted(client.opens.values(), key=lambda each: each.key) or [None])
        what = rng.random()
        if not of or what < 0.4 and len(client.opens) < FILES // 2:
            name = rng.choice(sorted(programs.names))
            node = programs.names[name]
            if all(each.node is not node for each in client.opens.values()):
                of = client.open_cached(name, node)
            else:
                return
        elif what < 0.55:
            client.close_cached(of)
            return
        elif what < 0.8:
            data, offset = programs.some_data(), rng.randrange(SIZE_MAX - 2000)
            client.write_cached(of, offset, data)
            of.node.write(offset, data)
        self.check(client, of)

    def exercise(self, mode):
        seed = self.seed if self.seed is not None else random.randrange(1 << 30)
        rng = random.Random(seed)
        client = Client(self.server, mode)
        self.addCleanup(client.close)
        programs = Programs(self.roots[mode], ids_of(self.alice), rng)
        for number in range(FILES):
            programs.make(f"file{number}")
        steps, until = 0, time.monotonic() + self.seconds
        with self.subTest(seed=seed):
            while time.monotonic() < until:
                steps += 1
                client.answer_breaks()
                if rng.random() < 0.5:
                    self.client_step(client, programs, rng)
                    continue
                name = rng.choice([name for name in sorted(programs.names) if name[-1] != "~"])
                if mode == "notify":
                    # Nobody waits for what the client has not written yet.
                    for of in client.opens.values():
                        client.flush(of)
                changed = Local(rng.choice(programs.steps()), name).wait(client)
                for of in list(client.opens.values()):
                    if mode == "notify" and any(of.node is node for node in changed):
                        while of.state:
                            self.assertTrue(client.breaks or client.read_frame())
                            client.answer_breaks()
                    self.check(client, of)
            self.assertGreater(client.leases, 0)
            self.assertGreater(client.broken, 0)
        if suite.arguments.verbose_steps:
            print(f"{mode}: seed {seed}, {steps} steps, {client.leases} leases, "
                  f"{client.broken} broken", file=sys.stderr)

    def test_with_notify(self):
        self.exercise("notify")

    def test_with_strict(self):
        if not strict.StrictCase.has_leases.__func__(type(self)):
            self.skipTest("this file system has no leases")
        self.exercise("strict")


def extra(parser):
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seconds", type=float, default=0, help="in each mode (8)")
    parser.add_argument("--verbose-steps", action="store_true", help="say how much was done")


if __name__ == "__main__":
    suite.main(extra)
