// The Huffman codes of LZ77+Huffman. [MS-XCA] 2.1.4.2 "Huffman Code Construction Phase".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace braid::codec {

inline constexpr size_t kHuffmanSymbols = 512;
inline constexpr int kHuffmanLengthMax = 15;

using HuffmanCounts = std::array<uint32_t, kHuffmanSymbols>;
using HuffmanLengths = std::array<uint8_t, kHuffmanSymbols>;  // in bits; 0: it does not occur
using HuffmanCodes = std::array<uint16_t, kHuffmanSymbols>;

// The lengths of the shortest code that has none above kHuffmanLengthMax. REQUIRES: two symbols at
// least occur, and together less than 2^32 times.
HuffmanLengths huffman_lengths(const HuffmanCounts& counts);
// Canonical: ascending by length and then by symbol.
HuffmanCodes huffman_codes(const HuffmanLengths& lengths);

// Which symbol bits are. 64 KiB: not for the stack.
class HuffmanDecoder {
 public:
  struct Symbol {
    uint16_t symbol;
    uint8_t bit_count;
  };

  // False if it is no complete code: some bits would be no symbol, or several.
  bool set(const HuffmanLengths& lengths);
  // `bits`: kHuffmanLengthMax of them, the first one highest.
  Symbol decode(uint32_t bits) const {
    const uint16_t entry = table_[bits];
    return {static_cast<uint16_t>(entry >> 4), static_cast<uint8_t>(entry & 15)};
  }

 private:
  std::array<uint16_t, size_t{1} << kHuffmanLengthMax> table_;
};

}  // namespace braid::codec
