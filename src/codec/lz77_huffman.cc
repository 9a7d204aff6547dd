#include "codec/lz77_huffman.h"

#include <array>
#include <bit>
#include <memory>
#include <utility>
#include <vector>

#include "codec/byte_room.h"
#include "codec/huffman_code.h"
#include "codec/match.h"

namespace braid::codec {
namespace {

constexpr size_t kBlockSize = 65536;
constexpr size_t kHuffmanWindow = 65536;
constexpr size_t kHuffmanTries = 8;
constexpr size_t kEndOfFile = 256;
constexpr size_t kMatchSymbols = 256;
// What the fields of a length hold before the next one is needed.
constexpr size_t kLengthInSymbol = 15;
constexpr size_t kHuffmanLengthInByte = 255;

// A literal, with distance 0, or a match.
struct Token {
  uint16_t distance;
  uint16_t value;  // the byte, or the length less kMatchMin

  size_t symbol() const {
    if (distance == 0) return value;
    return kMatchSymbols + std::min<size_t>(value, kLengthInSymbol) + 16 * distance_bits();
  }
  size_t distance_bits() const { return static_cast<size_t>(std::bit_width(distance)) - 1; }
};

// [MS-XCA] 2.1.4.1 "LZ77 Phase". No match reaches into the next block.
void find_tokens(MatchFinder& finder, ByteView in, size_t at, size_t end,
                 std::vector<Token>& tokens) {
  size_t misses = 0;
  while (at < end) {
    const Match match = finder.find(at, 0, end);
    // Three bytes at distance 1 have the symbol of the end, and some decoders take it for that.
    if (match.length > kMatchMin || (match.length == kMatchMin && match.distance > 1)) {
      tokens.push_back(
          {static_cast<uint16_t>(match.distance), static_cast<uint16_t>(match.length - kMatchMin)});
      finder.skip(at + 1, at + match.length);
      at += match.length;
      misses = 0;
      continue;
    }
    for (size_t n = std::min(stride_after(misses++), end - at); n > 0; --n) {
      tokens.push_back({0, in[at++]});
    }
  }
}

// [MS-XCA] 2.1.4.3 "Final Encoding Phase": words of bits, with the bytes of long lengths between
// them where the reader of the words meets them.
class BitRoom {
 public:
  explicit BitRoom(ByteRoom& room) : room_(room), at1_(room.reserve(2)), at2_(room.reserve(2)) {}

  void bits(int count, uint32_t value) {
    if (free_ >= count) {
      free_ -= count;
      word_ = word_ << count | value;
      return;
    }
    word_ = word_ << free_ | value >> (count - free_);
    room_.put_at(at1_, static_cast<uint16_t>(word_));
    at1_ = at2_;
    at2_ = room_.reserve(2);
    free_ += 16 - count;
    word_ = value;
  }
  void flush() {
    room_.put_at(at1_, static_cast<uint16_t>(word_ << free_));
    room_.put_at(at2_, uint16_t{0});
  }

 private:
  ByteRoom& room_;
  size_t at1_;
  size_t at2_;
  int free_ = 16;
  uint32_t word_ = 0;
};

void put_long_length(ByteRoom& room, size_t length) {
  const size_t beyond_symbol = length - kLengthInSymbol;
  if (beyond_symbol < kHuffmanLengthInByte) return room.u8(static_cast<uint8_t>(beyond_symbol));
  room.u8(static_cast<uint8_t>(kHuffmanLengthInByte));
  room.u16(static_cast<uint16_t>(length));  // less than a block has
}

void put_block(ByteRoom& room, const std::vector<Token>& tokens, bool is_last) {
  HuffmanCounts counts{};
  for (const Token& each : tokens) ++counts[each.symbol()];
  // In every block: a code of one symbol alone is none.
  ++counts[kEndOfFile];
  const HuffmanLengths lengths = huffman_lengths(counts);
  const HuffmanCodes codes = huffman_codes(lengths);
  for (size_t i = 0; i < kHuffmanSymbols; i += 2) {
    room.u8(static_cast<uint8_t>(lengths[i] | lengths[i + 1] << 4));
  }
  BitRoom bits(room);
  for (const Token& each : tokens) {
    const size_t symbol = each.symbol();
    bits.bits(lengths[symbol], codes[symbol]);
    if (each.distance == 0) continue;
    if (each.value >= kLengthInSymbol) put_long_length(room, each.value);
    const auto count = static_cast<int>(each.distance_bits());
    bits.bits(count, each.distance - (1u << count));
  }
  if (is_last) bits.bits(lengths[kEndOfFile], codes[kEndOfFile]);
  bits.flush();
}

// [MS-XCA] 2.2.4 "Processing": the next 16 bits at least.
class BitSource {
 public:
  explicit BitSource(ByteSource& in) : in_(in) {
    next_ = uint32_t{in.u16()} << 16;
    next_ |= in.u16();
  }
  // At the same place, reading on from `in`.
  BitSource(const BitSource& other, ByteSource& in)
      : in_(in), next_(other.next_), extra_(other.extra_) {}
  uint32_t peek() const { return next_ >> (32 - kHuffmanLengthMax); }
  void take(int count) {
    next_ <<= count;
    extra_ -= count;
    if (extra_ >= 0) return;
    next_ |= uint32_t{in_.u16()} << -extra_;
    extra_ += 16;
  }
  uint32_t bits(int count) {
    const auto value = static_cast<uint32_t>(uint64_t{next_} >> (32 - count));
    take(count);
    return value;
  }

 private:
  ByteSource& in_;
  uint32_t next_;
  int extra_ = 16;
};

// Nothing when it is none.
std::optional<uint64_t> read_length(ByteSource& in, size_t in_symbol) {
  if (in_symbol < kLengthInSymbol) return in_symbol;
  const uint64_t byte = in.u8();
  if (byte < kHuffmanLengthInByte) return kLengthInSymbol + byte;
  uint64_t length = in.u16();
  if (length == 0) length = in.u32();
  if (length < kLengthInSymbol) return std::nullopt;
  return length;
}

// Whether the data ends here: with the symbol of the end, or with the bits that fill the last word.
bool ends_with(const HuffmanDecoder& code, const BitSource& bits, ByteSource in) {
  if (in.remaining() == 0) return true;
  BitSource last(bits, in);
  const auto [symbol, bit_count] = code.decode(last.peek());
  last.take(bit_count);
  return symbol == kEndOfFile && in.ok() && in.remaining() == 0;
}

enum class BlockEnd : uint8_t {
  kInvalid,
  kFull,   // another block follows, or less than a table does
  kWhole,  // it was the last one
};

// Up to the end of the block, or of `out`.
BlockEnd decompress_block(const HuffmanDecoder& code, ByteSource& in, MutableByteView out,
                          size_t& at) {
  using enum BlockEnd;
  const size_t begin = at;
  const size_t end = std::min(out.size(), at + kBlockSize);
  BitSource bits(in);
  while (at < end) {
    const auto [symbol, bit_count] = code.decode(bits.peek());
    bits.take(bit_count);
    if (symbol < kMatchSymbols) {
      if (!in.ok()) return kInvalid;
      out[at++] = static_cast<uint8_t>(symbol);
      continue;
    }
    const size_t match = symbol - kMatchSymbols;
    auto length = read_length(in, match % 16);
    if (!length) return kInvalid;
    const auto distance_bits = static_cast<int>(match / 16);
    const size_t distance = bits.bits(distance_bits) + (size_t{1} << distance_bits);
    *length += kMatchMin;
    if (!in.ok() || distance > at || *length > out.size() - at) return kInvalid;
    copy_match(out, at, distance, *length);
    at += *length;
  }
  if (!in.ok()) return kInvalid;
  if (at == out.size() && ends_with(code, bits, in)) return kWhole;
  return at - begin >= kBlockSize || begin == out.size() ? kFull : kInvalid;
}

}  // namespace

std::optional<size_t> compress_lz77_huffman(ByteView in, MutableByteView out) {
  MatchFinder finder(in, kHuffmanWindow, kHuffmanTries);
  ByteRoom room(out);
  std::vector<Token> tokens;
  tokens.reserve(std::min(in.size(), kBlockSize));
  size_t at = 0;
  do {
    const size_t end = at + std::min(kBlockSize, in.size() - at);
    tokens.clear();
    find_tokens(finder, in, at, end, tokens);
    put_block(room, tokens, end == in.size());
    if (!room.ok()) return std::nullopt;
    at = end;
  } while (at < in.size());
  return room.size();
}

bool decompress_lz77_huffman(ByteView in, MutableByteView out) {
  ByteSource source(in);
  const auto code = std::make_unique<HuffmanDecoder>();
  size_t at = 0;
  // Behind what fills the last block the symbol of the end may have a block of its own.
  bool is_behind = false;
  // [MS-XCA] 2.2.4 "Processing": less than a table behind the last block is its end.
  while (source.remaining() >= kHuffmanSymbols / 2) {
    HuffmanLengths lengths;
    const ByteView table = source.bytes(kHuffmanSymbols / 2);
    for (size_t i = 0; i < table.size(); ++i) {
      lengths[2 * i] = table[i] & 15;
      lengths[2 * i + 1] = table[i] >> 4;
    }
    if (!code->set(lengths)) return false;
    const BlockEnd end = decompress_block(*code, source, out, at);
    if (end != BlockEnd::kFull) return end == BlockEnd::kWhole;
    if (at < out.size()) continue;
    if (std::exchange(is_behind, true)) return false;
  }
  return at == out.size();
}

}  // namespace braid::codec
