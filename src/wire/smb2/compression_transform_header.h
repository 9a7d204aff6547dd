// The envelope of a compressed message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/smb2/negotiate_context.h"
#include "wire/writer.h"

namespace braid::wire {

// SMB2_COMPRESSION_FLAG_*
struct CompressionFlags {
  static constexpr uint16_t kNone = 0x0000;
  static constexpr uint16_t kChained = 0x0001;
};

// [MS-SMB2] 2.2.42.1 "SMB2_COMPRESSION_TRANSFORM_HEADER_UNCHAINED". `offset` plain bytes follow,
// then the compressed ones.
struct CompressionTransformHeaderUnchained {
  static constexpr size_t kSize = 16;

  uint32_t original_compressed_segment_size = 0;
  CompressionAlgorithm compression_algorithm = CompressionAlgorithm::kNone;
  uint32_t offset = 0;

  static Result<CompressionTransformHeaderUnchained> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.42.2 "SMB2_COMPRESSION_TRANSFORM_HEADER_CHAINED". Payload headers follow at once:
// the flags that tell the two forms apart are those of the first of them.
struct CompressionTransformHeaderChained {
  static constexpr size_t kSize = 8;

  uint32_t original_compressed_segment_size = 0;

  static Result<CompressionTransformHeaderChained> decode(Reader& r);
  void encode(Writer& w) const;
};

// Looks at the flags and decodes the form they name; leaves the Reader behind the header.
using CompressionTransformHeader =
    std::variant<CompressionTransformHeaderUnchained, CompressionTransformHeaderChained>;
Result<CompressionTransformHeader> decode_compression_transform_header(Reader& r);

// [MS-SMB2] 2.2.42.2.1 "SMB2_COMPRESSION_CHAINED_PAYLOAD_HEADER" and the payload behind it.
struct CompressionChainedPayload {
  CompressionAlgorithm compression_algorithm = CompressionAlgorithm::kNone;
  uint16_t flags = 0;                  // kChained in the first, kNone in the others
  uint32_t original_payload_size = 0;  // on the wire only for algorithms that compress
  ByteView payload;                    // without OriginalPayloadSize; into the message when decoded

  // LZNT1, LZ77, LZ77+Huffman and LZ4 carry OriginalPayloadSize; none and Pattern_V1 do not.
  static bool has_original_payload_size(CompressionAlgorithm algorithm);

  static Result<CompressionChainedPayload> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.42.2.2 "SMB2_COMPRESSION_PATTERN_PAYLOAD_V1".
struct CompressionPatternPayloadV1 {
  static constexpr size_t kSize = 8;

  uint8_t pattern = 0;
  uint32_t repetitions = 0;

  static Result<CompressionPatternPayloadV1> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
