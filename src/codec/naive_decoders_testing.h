// The decoders of MS-XCA once more, as slow and plain as its pseudocode, to compare with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <vector>

#include "base/bytes.h"
#include "codec/codec.h"

namespace braid::codec::naive {

// What throws std::out_of_range is no compressed data, as is what becomes more than `limit`.
struct Input {
  ByteView bytes;
  size_t at = 0;

  uint64_t number(size_t count) {
    if (count > bytes.size() - at) throw std::out_of_range("input");
    uint64_t value = 0;
    for (size_t i = 0; i < count; ++i) value |= uint64_t{bytes[at + i]} << (8 * i);
    at += count;
    return value;
  }
  bool ended() const { return at == bytes.size(); }
};

struct Output {
  size_t limit;
  Bytes bytes;

  void put(uint8_t byte) {
    if (bytes.size() == limit) throw std::out_of_range("output");
    bytes.push_back(byte);
  }
  void repeat(uint64_t distance, uint64_t length, size_t begin = 0) {
    if (distance > bytes.size() - begin) throw std::out_of_range("distance");
    for (; length > 0; --length) put(bytes[bytes.size() - distance]);
  }
};

// [MS-XCA] 2.4.4 "Processing".
inline void lz77(Input in, Output& out) {
  uint64_t flags = 0;
  int flag_count = 0;
  std::optional<size_t> half_byte;
  for (;;) {
    if (flag_count == 0) {
      if (in.ended() && out.bytes.size() == out.limit) return;
      flags = in.number(4);
      flag_count = 32;
    }
    --flag_count;
    if (in.ended()) return;
    if ((flags & uint64_t{1} << flag_count) == 0) {
      out.put(static_cast<uint8_t>(in.number(1)));
      continue;
    }
    const uint64_t match = in.number(2);
    uint64_t length = match % 8;
    if (length == 7) {
      if (!half_byte) {
        half_byte = in.at;
        length = in.number(1) % 16;
      } else {
        length = in.bytes[*half_byte] / 16;
        half_byte.reset();
      }
      if (length == 15) {
        length = in.number(1);
        if (length == 255) {
          length = in.number(2);
          if (length == 0) length = in.number(4);
          if (length < 15 + 7) throw std::out_of_range("length");
          length -= 15 + 7;
        }
        length += 15;
      }
      length += 7;
    }
    out.repeat(match / 8 + 1, length + 3);
  }
}

// [MS-XCA] 2.2.4 "Processing", with the bits of a code looked for one by one.
inline void lz77_huffman(Input in, Output& out) {
  bool is_behind = false;
  for (;;) {
    if (in.bytes.size() - in.at < 256) return;
    int lengths[512];
    for (int i = 0; i < 512; i += 2) {
      const uint64_t byte = in.number(1);
      lengths[i] = static_cast<int>(byte % 16);
      lengths[i + 1] = static_cast<int>(byte / 16);
    }
    std::vector<int> table;
    for (int length = 1; length <= 15; ++length) {
      for (int symbol = 0; symbol < 512; ++symbol) {
        if (lengths[symbol] != length) continue;
        if (table.size() + (size_t{1} << (15 - length)) > 32768) throw std::out_of_range("code");
        table.insert(table.end(), size_t{1} << (15 - length), symbol);
      }
    }
    if (table.size() != 32768) throw std::out_of_range("code");
    const size_t block_end = out.bytes.size() + 65536;
    uint64_t next = in.number(2) << 16;
    next |= in.number(2);
    int extra = 16;
    const auto drop = [&](int count) {
      next = next << count & 0xFFFFFFFF;
      extra -= count;
      if (extra < 0) {
        next |= in.number(2) << -extra;
        extra += 16;
      }
    };
    while (out.bytes.size() < block_end) {
      if (out.bytes.size() == out.limit) break;
      int symbol = table[next >> 17];
      drop(lengths[symbol]);
      if (symbol < 256) {
        out.put(static_cast<uint8_t>(symbol));
        continue;
      }
      symbol -= 256;
      uint64_t length = static_cast<uint64_t>(symbol % 16);
      const int bits = symbol / 16;
      if (length == 15) {
        length = in.number(1);
        if (length == 255) {
          length = in.number(2);
          if (length == 0) length = in.number(4);
          if (length < 15) throw std::out_of_range("length");
          length -= 15;
        }
        length += 15;
      }
      const uint64_t distance = (next >> (32 - bits)) + (uint64_t{1} << bits);
      drop(bits);
      out.repeat(distance, length + 3);
    }
    if (out.bytes.size() < out.limit) continue;
    if (in.ended()) return;
    const size_t behind_block = in.at;
    const int symbol = table[next >> 17];
    try {
      drop(lengths[symbol]);
      if (symbol == 256 && in.ended()) return;
    } catch (const std::out_of_range&) {
      // No bits for it: not the end.
    }
    in.at = behind_block;
    const bool is_full = out.bytes.size() >= block_end || out.bytes.size() == block_end - 65536;
    if (!is_full || is_behind) throw std::out_of_range("more");
    is_behind = true;
  }
}

// [MS-XCA] 2.5.1 "Abstract Data Model".
inline void lznt1(Input in, Output& out) {
  while (!in.ended()) {
    const uint64_t header = in.number(2);
    if (header == 0) return;
    if ((header >> 12 & 7) != 3) throw std::out_of_range("signature");
    const size_t end = in.at + (header & 0xFFF) + 1;
    if (end > in.bytes.size()) throw std::out_of_range("chunk");
    if ((header & 0x8000) == 0) {
      while (in.at < end) out.put(static_cast<uint8_t>(in.number(1)));
      continue;
    }
    Input chunk{in.bytes.first(end), in.at};
    in.at = end;
    const size_t begin = out.bytes.size();
    while (!chunk.ended()) {
      const uint64_t flags = chunk.number(1);
      for (int i = 0; i < 8 && !chunk.ended(); ++i) {
        const size_t done = out.bytes.size() - begin;
        if ((flags >> i & 1) == 0) {
          out.put(static_cast<uint8_t>(chunk.number(1)));
        } else {
          int m = 12;
          while (m > 4 && (size_t{1} << (m - 1)) >= done) --m;
          const uint64_t word = chunk.number(2);
          out.repeat((word >> (16 - m)) + 1, (word & ((1u << (16 - m)) - 1)) + 3, begin);
        }
        if (out.bytes.size() - begin > 4096) throw std::out_of_range("chunk");
      }
    }
  }
}

// A block, as the description of the format has it.
inline void lz4(Input in, Output& out) {
  if (in.bytes.empty()) throw std::out_of_range("empty");
  for (;;) {
    const uint64_t token = in.number(1);
    const auto length_of = [&](uint64_t length) {
      uint64_t more = length == 15 ? 255 : 0;
      while (more == 255) length += more = in.number(1);
      return length;
    };
    for (uint64_t left = length_of(token >> 4); left > 0; --left) {
      out.put(static_cast<uint8_t>(in.number(1)));
    }
    if (in.ended()) return;
    const uint64_t distance = in.number(2);
    if (distance == 0) throw std::out_of_range("distance");
    out.repeat(distance, length_of(token & 15) + 4);
  }
}

// `size` bytes, or nothing.
inline std::optional<Bytes> decompress(Algorithm algorithm, ByteView in, size_t size) {
  Output out{size, {}};
  try {
    switch (algorithm) {
      case Algorithm::kLznt1:
        lznt1({in}, out);
        break;
      case Algorithm::kLz77:
        lz77({in}, out);
        break;
      case Algorithm::kLz77Huffman:
        lz77_huffman({in}, out);
        break;
      case Algorithm::kLz4:
        lz4({in}, out);
        break;
    }
  } catch (const std::out_of_range&) {
    return std::nullopt;
  }
  if (out.bytes.size() != size) return std::nullopt;
  return std::move(out.bytes);
}

}  // namespace braid::codec::naive
