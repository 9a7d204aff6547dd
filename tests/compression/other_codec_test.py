#!/usr/bin/env python3
"""LZ77+Huffman to and from wimlib, whose XPRESS of up to 64 KiB is the same format.

  other_codec_test.py --braidd build/release/braidd --filter build/release/codec_filter [--rounds 400]

What wimlib packs at each of its levels codec_filter unpacks, and the reverse; of text, zeros, periods, noise and
mixtures, with lengths around each bound. A packed piece that is cut short must not unpack."""
import argparse
import ctypes
import random
import struct
import subprocess
import sys

XPRESS = 1  # enum wimlib_compression_type
HUFFMAN = b"2"  # codec::Algorithm::kLz77Huffman
MOST = 65536
SKIPPED = 77


class Wimlib:
    def __init__(self):
        self.library = ctypes.CDLL("libwim.so.15")
        for name in ("wimlib_compress",):
            getattr(self.library, name).restype = ctypes.c_size_t
        self.unpacker = ctypes.c_void_p()
        self._check(self.library.wimlib_create_decompressor(
            XPRESS, ctypes.c_size_t(MOST), ctypes.byref(self.unpacker)))
        self.packers = {}

    @staticmethod
    def _check(code):
        if code != 0:
            raise RuntimeError(f"wimlib: {code}")

    def pack(self, data, level):
        """None when it does not become smaller."""
        if level not in self.packers:
            self.packers[level] = ctypes.c_void_p()
            self._check(self.library.wimlib_create_compressor(
                XPRESS, ctypes.c_size_t(MOST), level, ctypes.byref(self.packers[level])))
        room = ctypes.create_string_buffer(max(1, len(data) - 1))
        size = self.library.wimlib_compress(data, ctypes.c_size_t(len(data)), room,
                                            ctypes.c_size_t(len(data) - 1), self.packers[level])
        return room.raw[:size] if size else None

    def unpack(self, packed, size):
        """None when it is not the packed form of so much."""
        room = ctypes.create_string_buffer(size)
        code = self.library.wimlib_decompress(packed, ctypes.c_size_t(len(packed)), room,
                                              ctypes.c_size_t(size), self.unpacker)
        return room.raw if code == 0 else None


class Filter:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _ask(self, letter, data, room):
        self.process.stdin.write(letter + HUFFMAN + struct.pack("=II", len(data), room) + data)
        self.process.stdin.flush()
        well, size = struct.unpack("=BI", self.process.stdout.read(5))
        out = self.process.stdout.read(size)
        return out if well else None

    def pack(self, data):
        return self._ask(b"c", data, len(data) - 1)

    def unpack(self, packed, size):
        return self._ask(b"d", packed, size)

    def end(self):
        self.process.stdin.close()
        return self.process.wait(timeout=60)


def some_data(rng, text):
    size = rng.choice((rng.randrange(2, 300), rng.randrange(2, MOST), 4096, 32768, MOST - 1, MOST))
    kind = rng.randrange(6)
    if kind == 0:
        at = rng.randrange(len(text))
        return (text[at:] + text * (size // len(text) + 1))[:size]
    if kind == 1:
        return bytes(size)
    if kind == 2:
        period = rng.randbytes(rng.choice((1, 2, 3, 7, 255, 4097)))
        return (period * (size // len(period) + 1))[:size]
    if kind == 3:
        return rng.randbytes(size)
    if kind == 4:  # few letters
        return bytes(rng.choices(range(rng.randrange(1, 20)), k=size))
    out = bytearray()
    while len(out) < size:
        if out and rng.random() < 0.6:
            at, length = rng.randrange(len(out)), rng.choice((3, 17, 18, 272, 273, 274, 5000))
            for offset in range(length):
                out.append(out[at + offset])
        else:
            out += rng.randbytes(rng.randrange(1, 100))
    return bytes(out[:size])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--braidd", help="not used: every suite is given it")
    parser.add_argument("--filter", required=True, help="the built codec_filter")
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=19)
    args = parser.parse_args()
    try:
        wimlib = Wimlib()
    except OSError as error:
        print(f"skipped: {error}")
        return SKIPPED
    ours = Filter(args.filter)
    rng = random.Random(args.seed)
    with open(__file__, "rb") as file:
        text = file.read()
    wrong = theirs = own = 0
    for number in range(args.rounds):
        data = some_data(rng, text)
        packed = wimlib.pack(data, rng.choice((10, 30, 50, 80, 100)))
        if packed:
            theirs += 1
            if ours.unpack(packed, len(data)) != data:
                print(f"round {number}: {len(data)} bytes that wimlib packed do not unpack")
                wrong += 1
            if ours.unpack(packed[:rng.randrange(len(packed) - 2)], len(data)) is not None:
                print(f"round {number}: a packed piece that was cut unpacks")
                wrong += 1
        packed = ours.pack(data)
        if packed:
            own += 1
            if wimlib.unpack(packed, len(data)) != data:
                print(f"round {number}: wimlib does not unpack {len(data)} bytes that were packed here")
                wrong += 1
    if ours.end() != 0 or theirs < args.rounds // 4 or own < args.rounds // 4:
        print(f"only {theirs} pieces of wimlib's and {own} of our own became smaller")
        wrong += 1
    print(f"{theirs} of wimlib's, {own} of our own: {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
