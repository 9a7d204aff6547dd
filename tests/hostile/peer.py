"""An attacker's connection: requests by hand, from an address of its own, answers read only when told."""
import collections
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from impacket import ntlm  # noqa: E402

import smb2_raw as raw  # noqa: E402

DIALECT = 0x0300  # the newest that needs no signature where the server does not ask for one
BYTES_PER_CREDIT = 64 << 10
RELATED, ASYNC = 4, 2
_ZEROS = memoryview(bytes(1 << 20))
GENERIC_READ, GENERIC_WRITE, GENERIC_ALL = 0x00120089, 0x0012019F, 0x001F01FF
OPEN, CREATE_NEW, OPEN_IF, OVERWRITE_IF = 1, 2, 3, 5
DIRECTORY_FILE, NON_DIRECTORY_FILE, DELETE_ON_CLOSE = 0x1, 0x40, 0x1000

Answer = collections.namedtuple("Answer", "message_id status command credits session tree body")


class Refused(Exception):
    """The server said no, or hung up, where the attack needs a yes first."""


def charge_of(size):
    return max(1, -(-size // BYTES_PER_CREDIT))


class Peer:
    """One connection, negotiated. With log_on() and tree() there is a session and a share."""

    def __init__(self, host, port, source=None, limit=60, receive_buffer=None, guid=None):
        self.socket = socket.socket(socket.AF_INET)
        if receive_buffer:  # before the connection is made, or the window is large already
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(limit)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.host = host
        self.next_id = 0
        self.granted = 1
        self.session = self.tree_id = 0
        self.answers = {}  # final ones that nobody asked for yet
        self.pending = set()  # message ids with an interim response
        self._data = bytearray()
        answer = self.call(raw.NEGOTIATE, raw.negotiate((DIALECT,), None,
                                                        guid=guid or os.urandom(16)))
        self.negotiated = self._must(answer, "NEGOTIATE").body

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    @staticmethod
    def _must(answer, what):
        if answer is None or answer.status != "SUCCESS":
            raise Refused(f"{what}: {answer.status if answer else raw.DISCONNECTED}")
        return answer

    # Sending.

    def message(self, command, body, charge=1, credits=256, flags=0, session=None, tree=None,
                next_command=0):
        """The bytes of a request; it has its message id now."""
        message = raw.header(command, self.next_id, flags=flags, credit_charge=charge,
                             session=self.session if session is None else session,
                             tree=self.tree_id if tree is None else tree, credits=credits,
                             next_command=next_command) + body
        self.next_id += charge
        self.granted -= charge
        return message

    def send(self, command, body, **fields):
        """Sends one request; its message id."""
        message_id = self.next_id
        self.socket.sendall(raw.frame(self.message(command, body, **fields)))
        return message_id

    def send_padded(self, command, body, size, **fields):
        """The same, `body` made `size` bytes long with zeros, which are not copied together."""
        message_id = self.next_id
        message = self.message(command, body, **fields)
        left = size - len(body)
        self.socket.sendall(raw.frame(message, len(message) + left))
        while left > 0:
            self.socket.sendall(_ZEROS[:left])
            left -= len(_ZEROS)
        return message_id

    def send_compound(self, requests, related=False):
        """`requests`: (command, body, charge) each; their message ids."""
        ids, data = [], b""
        for number, (command, body, charge) in enumerate(requests):
            ids.append(self.next_id)
            body += bytes(-len(body) % 8)
            last = number == len(requests) - 1
            data += self.message(command, body, charge=charge,
                                 flags=RELATED if related and number else 0,
                                 next_command=0 if last else 64 + len(body))
        self.socket.sendall(raw.frame(data))
        return ids

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send_what_fits(self, data, limit):
        """Sends as much as the server takes until it has taken nothing for `limit` seconds."""
        sent = 0
        view = memoryview(data)
        self.socket.settimeout(limit)
        try:
            while sent < len(data):
                sent += self.socket.send(view[sent:sent + (1 << 20)])
        except (TimeoutError, BlockingIOError):
            pass
        return sent

    # Receiving.

    def read_frame(self):
        """Takes in one frame. False where the server has hung up."""
        while True:
            if len(self._data) >= 4:
                length = struct.unpack_from(">I", self._data)[0]
                if len(self._data) >= 4 + length:
                    frame = bytes(self._data[4:4 + length])
                    del self._data[:4 + length]
                    self._take(frame)
                    return True
            try:
                more = self.socket.recv(1 << 20)
            except (ConnectionResetError, BrokenPipeError):
                return False
            if not more:
                return False
            self._data += more

    def _take(self, frame):
        at = 0
        while len(frame) - at >= 64:
            (_, _, _, status, command, credits, flags, following, message_id, number,
             session) = struct.unpack_from("<4sHHIHHIIQQQ", frame, at)
            self.granted += credits
            body = frame[at + 64:at + following if following else len(frame)]
            if status == 0x103 and flags & ASYNC:
                self.pending.add(message_id)
            else:
                self.answers[message_id] = Answer(message_id, raw.status_name(status), command,
                                                  credits, session, number >> 32, body)
            if not following:
                break
            at += following

    def wait_for(self, message_id):
        """The final answer, or None where the server hung up."""
        while message_id not in self.answers:
            if not self.read_frame():
                return None
        return self.answers.pop(message_id)

    def arrived(self):
        """The number of answers that are there and nobody has taken, without waiting for more."""
        limit = self.socket.gettimeout()
        self.socket.settimeout(0)
        try:
            while self.read_frame():
                pass
        except BlockingIOError:
            pass
        finally:
            self.socket.settimeout(limit)
        return len(self.answers)

    def statuses(self, ids):
        """What became of the requests: the number of each status."""
        found = collections.Counter()
        for message_id in ids:
            answer = self.wait_for(message_id)
            found[answer.status if answer else raw.DISCONNECTED] += 1
        return dict(found)

    def wait_until_pending(self, ids):
        """Returns when each has an interim or a final answer; the number that wait."""
        for message_id in ids:
            while message_id not in self.pending and message_id not in self.answers:
                if not self.read_frame():
                    return 0
        return sum(message_id not in self.answers for message_id in ids)

    def is_closed_within(self, seconds):
        """Reads and forgets what comes, until the server hangs up."""
        end = time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0:
                self.socket.settimeout(left)
                if not self.socket.recv(1 << 20):
                    return True
        except TimeoutError:
            return False
        except OSError:
            return True
        return False

    def call(self, command, body, **fields):
        return self.wait_for(self.send(command, body, **fields))

    # What an attack has to do first.

    def log_on(self, user, password):
        """NTLM; the status of the SESSION_SETUP that decides."""
        first = ntlm.getNTLMSSPType1("", "", False, use_ntlmv2=True)
        answer = self.call(raw.SESSION_SETUP, raw.session_setup(first.getData()), session=0)
        if answer is None or answer.status != "MORE_PROCESSING_REQUIRED":
            return answer.status if answer else raw.DISCONNECTED
        offset, length = struct.unpack_from("<HH", answer.body, 4)
        challenge = answer.body[offset - 64:offset - 64 + length]
        last, _ = ntlm.getNTLMSSPType3(first, challenge, user, password, "", use_ntlmv2=True)
        session = answer.session
        answer = self.call(raw.SESSION_SETUP, raw.session_setup(last.getData()), session=session)
        if answer is None:
            return raw.DISCONNECTED
        if answer.status == "SUCCESS":
            self.session = session
        return answer.status

    def tree(self, share):
        answer = self.call(raw.TREE_CONNECT, raw.tree_connect(rf"\\{self.host}\{share}"))
        self._must(answer, f"TREE_CONNECT of {share}")
        self.tree_id = answer.tree
        return answer.body

    def open(self, name, **fields):
        """The FileId."""
        answer = self.call(raw.CREATE, raw.create(name, **fields))
        return self._must(answer, f"CREATE of {name or 'the root'}").body[64:80]

    def want_credits(self, wanted):
        """Gathers credits, as far as the server grants them; what there are."""
        while self.granted < wanted:
            before = self.granted
            if self.call(raw.ECHO, raw.plain(), credits=min(8192, wanted)) is None:
                break
            if self.granted <= before:
                break
        return self.granted


class Target:
    """The server and the accounts an attack has; opens connections from addresses of its own."""

    def __init__(self, host, port, user="", password="", share="share", source="127.9.0.1",
                 folder=None):
        self.host, self.port = host, port
        self.user, self.password, self.share = user, password, share
        self.source = source
        self.folder = folder  # of the share, on the server's disk
        self.peers = []

    def connect(self, source=None, **options):
        self.peers.append(Peer(self.host, self.port, source or self.source, **options))
        return self.peers[-1]

    def peer(self, share=None, source=None, **options):
        """A connection with a session and a share."""
        peer = self.connect(source, **options)
        status = peer.log_on(self.user, self.password)
        if status != "SUCCESS":
            raise Refused(f"SESSION_SETUP of {self.user}: {status}")
        peer.tree(share or self.share)
        return peer
