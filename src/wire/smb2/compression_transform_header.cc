#include "wire/smb2/compression_transform_header.h"

#include "wire/smb2/header.h"
#include "wire/smb2/variable_part.h"

namespace braid::wire {
namespace {

// Where Flags stands in the unchained header and in a chained one's first payload header.
constexpr size_t kFlagsOffset = 10;

}  // namespace

Result<CompressionTransformHeaderUnchained> CompressionTransformHeaderUnchained::decode(Reader& r) {
  CompressionTransformHeaderUnchained header;
  r.expect(r.u32() == ProtocolId::kCompressionTransform);
  header.original_compressed_segment_size = r.u32();
  header.compression_algorithm = r.as<CompressionAlgorithm>();
  r.expect(r.u16() == CompressionFlags::kNone);
  header.offset = r.u32();
  return r.finish(header);
}

void CompressionTransformHeaderUnchained::encode(Writer& w) const {
  w.u32(ProtocolId::kCompressionTransform);
  w.u32(original_compressed_segment_size);
  w.value(compression_algorithm);
  w.u16(CompressionFlags::kNone);
  w.u32(offset);
}

Result<CompressionTransformHeaderChained> CompressionTransformHeaderChained::decode(Reader& r) {
  CompressionTransformHeaderChained header;
  r.expect(r.u32() == ProtocolId::kCompressionTransform);
  header.original_compressed_segment_size = r.u32();
  return r.finish(header);
}

void CompressionTransformHeaderChained::encode(Writer& w) const {
  w.u32(ProtocolId::kCompressionTransform);
  w.u32(original_compressed_segment_size);
}

Result<CompressionTransformHeader> decode_compression_transform_header(Reader& r) {
  const size_t at = r.position();
  r.skip(kFlagsOffset);
  const uint16_t flags = r.u16();
  r.expect(flags == CompressionFlags::kNone || flags == CompressionFlags::kChained);
  if (!r.ok()) return fail(r.error());
  r.seek(at);
  if (flags == CompressionFlags::kChained) return CompressionTransformHeaderChained::decode(r);
  return CompressionTransformHeaderUnchained::decode(r);
}

bool CompressionChainedPayload::has_original_payload_size(CompressionAlgorithm algorithm) {
  return algorithm != CompressionAlgorithm::kNone && algorithm != CompressionAlgorithm::kPatternV1;
}

Result<CompressionChainedPayload> CompressionChainedPayload::decode(Reader& r) {
  CompressionChainedPayload payload;
  payload.compression_algorithm = r.as<CompressionAlgorithm>();
  payload.flags = r.u16();
  Reader counted(r.bytes(r.u32()));
  if (has_original_payload_size(payload.compression_algorithm)) {
    payload.original_payload_size = counted.u32();
  }
  payload.payload = counted.rest();
  if (!counted.ok()) r.fail(Error::malformed());
  return r.finish(payload);
}

void CompressionChainedPayload::encode(Writer& w) const {
  const bool sized = has_original_payload_size(compression_algorithm);
  w.value(compression_algorithm);
  w.u16(flags);
  w.u32(narrow_u32(payload.size() + (sized ? 4 : 0)));
  if (sized) w.u32(original_payload_size);
  w.bytes(payload);
}

Result<CompressionPatternPayloadV1> CompressionPatternPayloadV1::decode(Reader& r) {
  CompressionPatternPayloadV1 payload;
  payload.pattern = r.u8();
  r.skip(1 + 2);
  payload.repetitions = r.u32();
  return r.finish(payload);
}

void CompressionPatternPayloadV1::encode(Writer& w) const {
  w.u8(pattern);
  w.zeros(1 + 2);
  w.u32(repetitions);
}

}  // namespace braid::wire
