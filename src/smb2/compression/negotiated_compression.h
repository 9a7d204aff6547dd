// What NEGOTIATE settled about compression. [MS-SMB2] 3.3.1.7 "Per Transport Connection".
#pragma once

#include <cstdint>
#include <optional>

#include "codec/codec.h"
#include "wire/smb2/negotiate_context.h"

namespace braid::smb2 {

// A value. Nothing is compressed, either way, unless is_on().
struct NegotiatedCompression {
  uint32_t compression_ids = 0;  // Connection.CompressionIds, a bit for each number
  bool supports_chained_compression = false;
  // What answers are compressed with; none: only runs of a byte, or nothing.
  std::optional<codec::Algorithm> sent_with;

  static constexpr uint32_t bit_of(wire::CompressionAlgorithm id) {
    const auto number = static_cast<uint16_t>(id);
    return number < 32 ? uint32_t{1} << number : 0;
  }
  void add(wire::CompressionAlgorithm id) { compression_ids |= bit_of(id); }
  // One of Connection.CompressionIds.
  bool has(wire::CompressionAlgorithm id) const { return (compression_ids & bit_of(id)) != 0; }
  bool is_on() const { return compression_ids != 0; }
  bool has_patterns() const {
    return supports_chained_compression && has(wire::CompressionAlgorithm::kPatternV1);
  }
};

// None for what is no algorithm of its own: NONE, Pattern_V1, and numbers nobody knows.
inline std::optional<codec::Algorithm> codec_of(wire::CompressionAlgorithm id) {
  switch (id) {
    case wire::CompressionAlgorithm::kLznt1:
      return codec::Algorithm::kLznt1;
    case wire::CompressionAlgorithm::kLz77:
      return codec::Algorithm::kLz77;
    case wire::CompressionAlgorithm::kLz77Huffman:
      return codec::Algorithm::kLz77Huffman;
    case wire::CompressionAlgorithm::kLz4:
      return codec::Algorithm::kLz4;
    case wire::CompressionAlgorithm::kNone:
    case wire::CompressionAlgorithm::kPatternV1:
      break;
  }
  return std::nullopt;
}

inline wire::CompressionAlgorithm id_of(codec::Algorithm algorithm) {
  switch (algorithm) {
    case codec::Algorithm::kLznt1:
      return wire::CompressionAlgorithm::kLznt1;
    case codec::Algorithm::kLz77:
      return wire::CompressionAlgorithm::kLz77;
    case codec::Algorithm::kLz77Huffman:
      return wire::CompressionAlgorithm::kLz77Huffman;
    case codec::Algorithm::kLz4:
      return wire::CompressionAlgorithm::kLz4;
  }
  return wire::CompressionAlgorithm::kNone;
}

}  // namespace braid::smb2
