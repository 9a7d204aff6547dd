"""Damages SMB frames on their way from client to server; the same seed does the same damage."""
import random
import selectors
import socket
import struct
import threading

CHUNK = 1 << 16


class Damage:
    """Chooses what happens to each frame. `rate` is the share of frames that are touched."""

    def __init__(self, seed, rate):
        self._rng = random.Random(seed)
        self._rate = rate

    def apply(self, body):
        """The bytes to send instead of the frame with this body, length prefix included."""
        rng = self._rng
        if rng.random() >= self._rate:
            return _frame(body)
        kind = rng.choices(("flip", "flip many", "header", "number", "cut", "cut honest", "grow",
                            "twice", "drop", "length"),
                           (30, 10, 15, 20, 4, 6, 5, 4, 2, 4))[0]
        data = bytearray(body)
        if kind == "flip":
            self._flip(data, 1, len(data))
        elif kind == "flip many":
            self._flip(data, rng.randint(2, 40), len(data))
        elif kind == "header":
            self._flip(data, rng.randint(1, 4), min(64, len(data)))
        elif kind == "number" and len(data) > 8:
            # Lengths and offsets hurt most at their ends.
            size = rng.choice((2, 4, 8))
            at = rng.randrange(4, len(data) - size + 1) if len(data) > size + 4 else 0
            value = rng.choice((0, 1, 0x7F, 0x80, (1 << 8 * size) - 1, 1 << (8 * size - 1),
                                (1 << 8 * size) - 8, len(data), len(data) + 1, 0xFFFF))
            data[at:at + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
        elif kind == "cut":
            return _frame(body)[:rng.randrange(1, len(body) + 4)]  # the rest is taken from the next
        elif kind == "cut honest":
            del data[rng.randrange(len(data)):]
        elif kind == "grow":
            data += rng.randbytes(rng.choice((1, 7, 64, 5000)))
        elif kind == "twice":
            return _frame(body) * 2
        elif kind == "drop":
            return b""
        elif kind == "length":
            return struct.pack(">I", rng.getrandbits(rng.choice((16, 24, 32)))) + body
        return _frame(bytes(data))

    def _flip(self, data, count, end):
        for _ in range(count if end else 0):
            data[self._rng.randrange(end)] ^= 1 << self._rng.randrange(8)


def _frame(body):
    return struct.pack(">I", len(body)) + body


class DamagingProxy:
    """Listens on a loopback port; each connection gets a damage of its own, seeded by its number.

    messages counts the frames that came from clients; skip says how many of each connection pass
    unharmed, as a function of the connection's number (so that some get through the login).
    """

    def __init__(self, server, seed, rate, skip):
        self._server, self._seed, self._rate, self._skip = server, seed, rate, skip
        self.messages = 0
        self.connections = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._threads = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def close(self):
        # Closing alone does not wake a thread in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for thread in self._threads:
            thread.join(30)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._relay, args=(client, self.connections))
            thread.start()
            self._threads = [t for t in self._threads if t.is_alive()] + [thread]

    def _relay(self, client, number):
        damage = Damage(f"{self._seed}/{number}", self._rate)
        unharmed = self._skip(number)
        pending = b""
        try:
            server = socket.create_connection((self._server.host, self._server.port), timeout=10)
        except OSError:
            client.close()
            return
        with client, server, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ)
            ready.register(server, selectors.EVENT_READ)
            try:
                while True:
                    events = ready.select(20)
                    if not events:
                        return
                    for key, _ in events:
                        data = key.fileobj.recv(CHUNK)
                        if not data:
                            return
                        if key.fileobj is server:
                            client.sendall(data)
                            continue
                        pending += data
                        while len(pending) >= 4:
                            length = struct.unpack(">I", pending[:4])[0]
                            if len(pending) < 4 + length:
                                break
                            body, pending = pending[4:4 + length], pending[4 + length:]
                            with self._lock:
                                self.messages += 1
                            if unharmed > 0:
                                unharmed -= 1
                                server.sendall(_frame(body))
                            else:
                                server.sendall(damage.apply(body))
            except OSError:
                return  # either side hung up, as is its right
