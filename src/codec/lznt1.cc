#include "codec/lznt1.h"

#include <bit>

#include "codec/byte_room.h"
#include "codec/match.h"

namespace braid::codec {
namespace {

// [MS-XCA] 2.5.1.2 "Buffers and Chunks".
constexpr size_t kChunkSize = 4096;
constexpr size_t kChunkHeaderSize = 2;
constexpr uint16_t kChunkCompressed = 0x8000;
constexpr uint16_t kChunkSignature = 0x3000;
constexpr uint16_t kChunkSignatureMask = 0x7000;
constexpr uint16_t kChunkSizeMask = 0x0FFF;
constexpr size_t kChunkTries = 4;

// [MS-XCA] 2.5.1.4 "Data Elements": how many bits of a word are its length, behind `done` bytes of
// the chunk.
int length_bits(size_t done) {
  const int displacement = done == 0 ? 0 : static_cast<int>(std::bit_width(done - 1));
  return 16 - std::clamp(displacement, 4, 12);
}

// The flag groups of a chunk. False without room.
bool compress_chunk(MatchFinder& finder, ByteView in, size_t begin, size_t end, ByteRoom& room) {
  size_t at = begin;
  size_t misses = 0;
  size_t flags_at = 0;
  int flag = 8;
  const auto element = [&](bool is_word) {
    if (flag == 8) {
      flags_at = room.reserve(1);
      room.put_at(flags_at, uint8_t{0});
      flag = 0;
    }
    if (is_word) room.or_at(flags_at, static_cast<uint8_t>(1 << flag));
    ++flag;
  };
  while (at < end && room.ok()) {
    const int bits = length_bits(at - begin);
    Match match = finder.find(at, begin, end);
    if (match.length > 0) {
      match.length = std::min(match.length, (size_t{1} << bits) - 1 + kMatchMin);
      element(true);
      room.u16(static_cast<uint16_t>((match.distance - 1) << bits | (match.length - kMatchMin)));
      finder.skip(at + 1, at + match.length);
      at += match.length;
      misses = 0;
      continue;
    }
    for (size_t n = std::min(stride_after(misses++), end - at); n > 0; --n) {
      element(false);
      room.u8(in[at++]);
    }
  }
  return room.ok();
}

bool decompress_chunk(ByteView in, MutableByteView out, size_t& at) {
  const size_t begin = at;
  const size_t end = std::min(out.size(), begin + kChunkSize);
  ByteSource source(in);
  while (source.remaining() > 0) {
    uint8_t flags = source.u8();
    // Flags without data behind them mean nothing.
    for (int i = 0; i < 8 && source.remaining() > 0; ++i, flags >>= 1) {
      if (at == end) return false;
      if ((flags & 1) == 0) {
        out[at++] = source.u8();
        continue;
      }
      const uint16_t word = source.u16();
      const int bits = length_bits(at - begin);
      const size_t length = (word & ((size_t{1} << bits) - 1)) + kMatchMin;
      const size_t distance = (size_t{word} >> bits) + 1;
      if (!source.ok() || distance > at - begin || length > end - at) return false;
      copy_match(out, at, distance, length);
      at += length;
    }
  }
  return true;
}

}  // namespace

std::optional<size_t> compress_lznt1(ByteView in, MutableByteView out) {
  MatchFinder finder(in, kChunkSize, kChunkTries);
  size_t written = 0;
  for (size_t begin = 0; begin < in.size(); begin += kChunkSize) {
    const size_t size = std::min(kChunkSize, in.size() - begin);
    const MutableByteView rest = out.subspan(written);
    // One byte less than it would be as it is.
    ByteRoom room(rest.first(std::min(rest.size(), kChunkHeaderSize + size - 1)));
    const size_t header_at = room.reserve(kChunkHeaderSize);
    uint16_t header = kChunkSignature;
    if (compress_chunk(finder, in, begin, begin + size, room)) {
      header |= kChunkCompressed | static_cast<uint16_t>(room.size() - 3);
      room.put_at(header_at, header);
      written += room.size();
      continue;
    }
    ByteRoom plain(rest);
    plain.u16(header | static_cast<uint16_t>(size - 1));
    plain.bytes(in.subspan(begin, size));
    if (!plain.ok()) return std::nullopt;
    written += plain.size();
  }
  return written;
}

bool decompress_lznt1(ByteView in, MutableByteView out) {
  ByteSource source(in);
  size_t at = 0;
  while (source.remaining() > 0) {
    const uint16_t header = source.u16();
    if (header == 0 || !source.ok()) break;  // End_of_buffer
    if ((header & kChunkSignatureMask) != kChunkSignature) return false;
    const ByteView data = source.bytes((header & kChunkSizeMask) + size_t{1});
    if (!source.ok()) return false;
    if ((header & kChunkCompressed) != 0) {
      if (!decompress_chunk(data, out, at)) return false;
      continue;
    }
    if (data.size() > out.size() - at) return false;
    std::memcpy(out.data() + at, data.data(), data.size());
    at += data.size();
  }
  return source.ok() && at == out.size();
}

}  // namespace braid::codec
