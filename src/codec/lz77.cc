#include "codec/lz77.h"

#include "codec/byte_room.h"
#include "codec/match.h"

namespace braid::codec {
namespace {

constexpr size_t kLz77Window = 8192;
constexpr size_t kLz77Tries = 4;
// What the fields of a length hold before the next one is needed.
constexpr size_t kLengthInWord = 7;
constexpr size_t kLengthInHalfByte = 15;
constexpr size_t kLengthInByte = 255;

class Lz77Encoder {
 public:
  explicit Lz77Encoder(MutableByteView out) : out_(out), flags_at_(out_.reserve(4)) {}

  void literal(uint8_t byte) {
    out_.u8(byte);
    flag(0);
  }
  void match(const Match& match) {
    const size_t length = match.length - kMatchMin;
    const size_t in_word = std::min(length, kLengthInWord);
    out_.u16(static_cast<uint16_t>((match.distance - 1) << 3 | in_word));
    if (in_word == kLengthInWord) long_length(length);
    flag(1);
  }
  // Nothing if it had no room.
  std::optional<size_t> finish() {
    const int missing = 32 - flag_count_;
    const uint64_t flags = uint64_t{flags_} << missing | ((uint64_t{1} << missing) - 1);
    out_.put_at(flags_at_, static_cast<uint32_t>(flags));
    if (!out_.ok()) return std::nullopt;
    return out_.size();
  }
  bool ok() const { return out_.ok(); }

 private:
  void flag(uint32_t bit) {
    flags_ = flags_ << 1 | bit;
    if (++flag_count_ < 32) return;
    out_.put_at(flags_at_, flags_);
    flags_at_ = out_.reserve(4);
    flags_ = 0;
    flag_count_ = 0;
  }
  void long_length(size_t length) {
    const size_t beyond_word = length - kLengthInWord;
    const auto half = static_cast<uint8_t>(std::min(beyond_word, kLengthInHalfByte));
    // Two lengths share a byte.
    if (half_byte_at_) {
      out_.or_at(*half_byte_at_, static_cast<uint8_t>(half << 4));
      half_byte_at_.reset();
    } else {
      half_byte_at_ = out_.reserve(1);
      out_.put_at(*half_byte_at_, half);
    }
    if (half < kLengthInHalfByte) return;
    const size_t beyond_half = beyond_word - kLengthInHalfByte;
    if (beyond_half < kLengthInByte) return out_.u8(static_cast<uint8_t>(beyond_half));
    out_.u8(static_cast<uint8_t>(kLengthInByte));
    if (length < 1u << 16) return out_.u16(static_cast<uint16_t>(length));
    out_.u16(0);
    out_.u32(static_cast<uint32_t>(length));
  }

  ByteRoom out_;
  size_t flags_at_;
  uint32_t flags_ = 0;
  int flag_count_ = 0;
  std::optional<size_t> half_byte_at_;
};

// What follows a length of 7. As wide as the fields are: nothing when it is none.
std::optional<uint64_t> read_long_length(ByteSource& in, std::optional<uint8_t>& half_byte) {
  uint64_t half;
  if (half_byte) {
    half = *half_byte;
    half_byte.reset();
  } else {
    const uint8_t byte = in.u8();
    half = byte & 15;
    half_byte = static_cast<uint8_t>(byte >> 4);
  }
  if (half < kLengthInHalfByte) return kLengthInWord + half;
  const uint64_t byte = in.u8();
  if (byte < kLengthInByte) return kLengthInWord + kLengthInHalfByte + byte;
  uint64_t length = in.u16();
  if (length == 0) length = in.u32();
  if (length < kLengthInWord + kLengthInHalfByte) return std::nullopt;
  return length;
}

}  // namespace

std::optional<size_t> compress_lz77(ByteView in, MutableByteView out) {
  Lz77Encoder encoder(out);
  MatchFinder finder(in, kLz77Window, kLz77Tries);
  size_t at = 0;
  size_t misses = 0;
  while (at < in.size()) {
    if (!encoder.ok()) return std::nullopt;
    const Match match = finder.find(at, 0, in.size());
    if (match.length > 0) {
      encoder.match(match);
      finder.skip(at + 1, at + match.length);
      at += match.length;
      misses = 0;
      continue;
    }
    for (size_t n = std::min(stride_after(misses++), in.size() - at); n > 0; --n) {
      encoder.literal(in[at++]);
    }
  }
  return encoder.finish();
}

bool decompress_lz77(ByteView in, MutableByteView out) {
  ByteSource source(in);
  std::optional<uint8_t> half_byte;
  uint32_t flags = 0;
  int flag_count = 0;
  size_t at = 0;
  for (;;) {
    if (flag_count == 0) {
      // All is there, and what could follow is nothing.
      if (at == out.size() && source.remaining() == 0) return source.ok();
      flags = source.u32();
      flag_count = 32;
    }
    --flag_count;
    if (!source.ok()) return false;
    const bool is_match = (flags >> flag_count & 1) != 0;
    if (source.remaining() == 0) return at == out.size();
    if (at == out.size()) return false;
    if (!is_match) {
      out[at++] = source.u8();
      continue;
    }
    const uint16_t word = source.u16();
    uint64_t length = word & 7;
    const size_t distance = (word >> 3) + size_t{1};
    if (length == kLengthInWord) {
      const auto longer = read_long_length(source, half_byte);
      if (!longer) return false;
      length = *longer;
    }
    length += kMatchMin;
    if (!source.ok() || distance > at || length > out.size() - at) return false;
    copy_match(out, at, distance, length);
    at += length;
  }
}

}  // namespace braid::codec
