#include "smb2/compression/compressed_message.h"

#include <algorithm>
#include <cstring>
#include <variant>

#include "smb2/compression/limits.h"
#include "wire/reader.h"
#include "wire/smb2/compression_transform_header.h"
#include "wire/smb2/header.h"

namespace braid::smb2 {
namespace {

using wire::CompressionAlgorithm;
using wire::CompressionChainedPayload;
using wire::CompressionPatternPayloadV1;
using wire::CompressionTransformHeaderChained;
using wire::CompressionTransformHeaderUnchained;

// The three fields of a payload header that are always there.
constexpr size_t kPayloadHeaderSize = 8;
// [MS-SMB2] 3.3.5.2.1.2: what a message may have beside its data.
constexpr size_t kHeadersSize = 256;

}  // namespace

bool CompressedMessage::add(Payload payload, uint64_t size_max) {
  if (payloads_.size() == kPayloadsMax || payload.size > size_max - size_) return false;
  size_ += payload.size;
  payloads_.push_back(payload);
  return true;
}

std::optional<CompressedMessage> CompressedMessage::decode(ByteView message,
                                                           const NegotiatedCompression& negotiated,
                                                           size_t transfer_max, size_t size_max) {
  if (message.size() < CompressionTransformHeaderUnchained::kSize) return std::nullopt;
  wire::Reader reader(message);
  const auto header = wire::decode_compression_transform_header(reader);
  if (!header) return std::nullopt;
  const uint64_t original_max =
      kHeadersSize + CompressionTransformHeaderUnchained::kSize + transfer_max;
  CompressedMessage decoded;
  if (const auto* chained = std::get_if<CompressionTransformHeaderChained>(&*header)) {
    const uint64_t size = chained->original_compressed_segment_size;
    if (!negotiated.supports_chained_compression || size > original_max || size > size_max) {
      return std::nullopt;
    }
    if (!decoded.decode_chain(reader, negotiated, size)) return std::nullopt;
    return decoded;
  }
  const auto& unchained = std::get<CompressionTransformHeaderUnchained>(*header);
  if (!negotiated.has(unchained.compression_algorithm) ||
      !codec_of(unchained.compression_algorithm) ||
      unchained.original_compressed_segment_size > original_max) {
    return std::nullopt;
  }
  const ByteView plain = reader.bytes(unchained.offset);
  const ByteView rest = reader.rest();
  if (!reader.ok() || !decoded.add({.data = plain, .size = plain.size()}, size_max) ||
      !decoded.add({.algorithm = unchained.compression_algorithm,
                    .data = rest,
                    .size = unchained.original_compressed_segment_size},
                   size_max)) {
    return std::nullopt;
  }
  return decoded;
}

bool CompressedMessage::decode_chain(wire::Reader& reader, const NegotiatedCompression& negotiated,
                                     uint64_t original_size) {
  while (reader.remaining() > kPayloadHeaderSize) {
    const auto header = CompressionChainedPayload::decode(reader);
    if (!header) return false;
    Payload payload{.algorithm = header->compression_algorithm, .data = header->payload};
    if (payload.algorithm == CompressionAlgorithm::kNone) {
      payload.size = payload.data.size();
    } else if (!negotiated.has(payload.algorithm)) {
      return false;
    } else if (payload.algorithm == CompressionAlgorithm::kPatternV1) {
      wire::Reader within(payload.data);
      const auto pattern = CompressionPatternPayloadV1::decode(within);
      if (!pattern || within.remaining() > 0) return false;
      payload.pattern = pattern->pattern;
      payload.size = pattern->repetitions;
    } else {
      payload.size = header->original_payload_size;
    }
    if (!add(payload, original_size)) return false;
  }
  return reader.ok() && size_ == original_size;
}

bool CompressedMessage::is_quick() const {
  uint64_t work = size_;
  for (const Payload& each : payloads_) work += each.data.size() + kPayloadWork;
  return work <= kDecompressedInlineMax;
}

bool CompressedMessage::decompress(MutableByteView room) const {
  for (const Payload& each : payloads_) {
    const MutableByteView part = room.first(each.size);
    room = room.subspan(each.size);
    if (each.algorithm == CompressionAlgorithm::kPatternV1) {
      std::ranges::fill(part, each.pattern);
    } else if (const auto codec = codec_of(each.algorithm)) {
      if (!codec::decompress(*codec, each.data, part)) return false;
    } else if (!part.empty()) {
      std::memcpy(part.data(), each.data.data(), part.size());
    }
  }
  return true;
}

}  // namespace braid::smb2
