#include "smb2/compression/compress_message.h"

#include <algorithm>
#include <array>

#include "codec/byte_run.h"
#include "smb2/common/limits.h"
#include "smb2/compression/compression_trials.h"
#include "smb2/compression/limits.h"
#include "wire/smb2/compression_transform_header.h"
#include "wire/writer.h"

namespace braid::smb2 {
namespace {

using wire::CompressionAlgorithm;
using wire::CompressionChainedPayload;

// [MS-SMB2] 3.2.5.1.1.2: the client ends the connection over more. 3.1.1 has the largest transfers.
constexpr size_t kOriginalMax =
    256 + wire::CompressionTransformHeaderUnchained::kSize + kMaxTransferSize;

size_t size_of(std::span<const OutSegment> segments) {
  size_t size = 0;
  for (const OutSegment& each : segments) size += each.bytes.size();
  return size;
}

// Whether the samples of what is long shrink.
bool looks_worth_it(codec::Algorithm algorithm, ByteView bytes) {
  if (bytes.size() < kSampledMin) return true;
  std::array<uint8_t, kSampleSize> room;
  size_t size = 0;
  for (const size_t at : {size_t{0}, bytes.size() / 2, bytes.size() - kSampleSize}) {
    size += codec::compress(algorithm, bytes.subspan(at, kSampleSize), room).value_or(kSampleSize);
  }
  return size <= worth_compressing(3 * kSampleSize);
}

// What `bytes` become, in a part of `room`; nothing if that is not worth it.
std::optional<ByteView> packed(codec::Algorithm algorithm, ByteView bytes, Buffer& room) {
  if (bytes.size() < kCodecMin || !looks_worth_it(algorithm, bytes)) return std::nullopt;
  const size_t room_size = worth_compressing(bytes.size());
  if (room.capacity() < room_size) room = Buffer(room_size);
  room.resize_within(room.capacity());
  const auto size = codec::compress(algorithm, bytes, room.view().first(room_size));
  if (!size) return std::nullopt;
  return room.view().first(*size);
}

// Payloads of a chain. What stays as it is is joined to as few of them as there may be.
class ChainWriter {
 public:
  ChainWriter(const NegotiatedCompression& negotiated, size_t original_size)
      : negotiated_(negotiated), writer_(message_) {
    wire::CompressionTransformHeaderChained header;
    header.original_compressed_segment_size = static_cast<uint32_t>(original_size);
    header.encode(writer_);
  }

  void plain(ByteView bytes) { plain_.insert(plain_.end(), bytes.begin(), bytes.end()); }
  // True if it became smaller.
  bool compressed(ByteView bytes) {
    const size_t first = negotiated_.has_patterns() ? run(codec::leading_run(bytes)) : 0;
    const ByteView behind = bytes.subspan(first);
    const size_t last = negotiated_.has_patterns() ? run(codec::trailing_run(behind)) : 0;
    const ByteView between = behind.first(behind.size() - last);
    const auto smaller =
        negotiated_.sent_with ? packed(*negotiated_.sent_with, between, room_) : std::nullopt;
    pattern(bytes.first(first));
    if (smaller) {
      payload({.compression_algorithm = id_of(*negotiated_.sent_with),
               .original_payload_size = static_cast<uint32_t>(between.size()),
               .payload = *smaller});
    } else {
      plain(between);
    }
    pattern(behind.last(last));
    return smaller || first > 0 || last > 0;
  }
  Bytes finish() && {
    flush();
    return std::move(message_);
  }

 private:
  static size_t run(size_t count) { return count < kPatternMin ? 0 : count; }

  void pattern(ByteView bytes) {
    if (bytes.empty()) return;
    Bytes encoded;
    wire::Writer writer(encoded);
    wire::CompressionPatternPayloadV1{.pattern = bytes.front(),
                                      .repetitions = static_cast<uint32_t>(bytes.size())}
        .encode(writer);
    payload({.compression_algorithm = CompressionAlgorithm::kPatternV1, .payload = encoded});
  }
  void flush() {
    if (plain_.empty()) return;
    const Bytes bytes = std::exchange(plain_, {});
    put({.payload = bytes});
  }
  void payload(CompressionChainedPayload payload) {
    flush();
    put(payload);
  }
  void put(CompressionChainedPayload payload) {
    if (std::exchange(is_first_, false)) payload.flags = wire::CompressionFlags::kChained;
    payload.encode(writer_);
  }

  const NegotiatedCompression& negotiated_;
  Bytes message_;
  wire::Writer writer_;
  Bytes plain_;
  Buffer room_;
  bool is_first_ = true;
};

std::optional<Bytes> compress_chained(std::span<const OutSegment> segments,
                                      const NegotiatedCompression& negotiated) {
  const size_t size = size_of(segments);
  if (size > kOriginalMax) return std::nullopt;
  ChainWriter chain(negotiated, size);
  bool any = false;
  for (const OutSegment& each : segments) {
    if (!each.trials) {
      chain.plain(each.bytes);
      continue;
    }
    const bool is_smaller = chain.compressed(each.bytes);
    each.trials->note(is_smaller);
    any |= is_smaller;
  }
  if (!any) return std::nullopt;
  Bytes message = std::move(chain).finish();
  if (message.size() >= size) return std::nullopt;
  return message;
}

// Only what comes last can be compressed: everything from the first that may be.
std::optional<Bytes> compress_unchained(std::span<const OutSegment> segments,
                                        const NegotiatedCompression& negotiated) {
  if (!negotiated.sent_with) return std::nullopt;
  const auto first = std::ranges::find_if(segments, [](const auto& s) { return s.trials; });
  Bytes joined;
  ByteView rest = first->bytes;
  if (first + 1 != segments.end()) {
    for (auto each = first; each != segments.end(); ++each) {
      joined.insert(joined.end(), each->bytes.begin(), each->bytes.end());
    }
    rest = joined;
  }
  if (rest.size() > kOriginalMax) return std::nullopt;
  Buffer room;
  const auto smaller = packed(*negotiated.sent_with, rest, room);
  first->trials->note(smaller.has_value());
  if (!smaller) return std::nullopt;

  Bytes message;
  wire::Writer writer(message);
  const std::span<const OutSegment> plain(segments.begin(), first);
  wire::CompressionTransformHeaderUnchained{
      .original_compressed_segment_size = static_cast<uint32_t>(rest.size()),
      .compression_algorithm = id_of(*negotiated.sent_with),
      .offset = static_cast<uint32_t>(size_of(plain))}
      .encode(writer);
  for (const OutSegment& each : plain) writer.bytes(each.bytes);
  writer.bytes(*smaller);
  return message;
}

}  // namespace

std::optional<Bytes> compress_message(std::span<const OutSegment> segments,
                                      const NegotiatedCompression& negotiated) {
  const bool any = std::ranges::any_of(segments, [](const auto& s) { return s.trials; });
  if (!any) return std::nullopt;
  return negotiated.supports_chained_compression ? compress_chained(segments, negotiated)
                                                 : compress_unchained(segments, negotiated);
}

}  // namespace braid::smb2
