#include "client/compression.h"

#include <algorithm>
#include <cstring>
#include <variant>

#include "codec/byte_run.h"
#include "codec/codec.h"
#include "wire/smb2/compression_transform_header.h"

namespace braid::client {

namespace {

using wire::CompressionAlgorithm;

constexpr size_t kRunMin = 64;  // [MS-SMB2] 3.1.4.4.1

std::optional<codec::Algorithm> codec_for(CompressionAlgorithm algorithm) {
  switch (algorithm) {
    case CompressionAlgorithm::kLznt1:
      return codec::Algorithm::kLznt1;
    case CompressionAlgorithm::kLz77:
      return codec::Algorithm::kLz77;
    case CompressionAlgorithm::kLz77Huffman:
      return codec::Algorithm::kLz77Huffman;
    case CompressionAlgorithm::kLz4:
      return codec::Algorithm::kLz4;
    default:
      return std::nullopt;
  }
}

CompressionAlgorithm first_codec(const Compression& compression) {
  const auto found = std::ranges::find_if(compression.algorithms,
                                          [](auto each) { return codec_for(each).has_value(); });
  return found == compression.algorithms.end() ? CompressionAlgorithm::kNone : *found;
}

bool has(const Compression& compression, CompressionAlgorithm algorithm) {
  return std::ranges::find(compression.algorithms, algorithm) != compression.algorithms.end();
}

std::optional<Bytes> packed(CompressionAlgorithm algorithm, ByteView data) {
  const auto codec = codec_for(algorithm);
  if (!codec || data.empty()) return std::nullopt;
  Bytes out(data.size() - 1);
  const auto size = codec::compress(*codec, data, out);
  if (!size) return std::nullopt;
  out.resize(*size);
  return out;
}

// What is written so far, and the payloads that follow.
struct Chain {
  Bytes message;
  uint16_t flags = wire::CompressionFlags::kChained;

  void put(CompressionAlgorithm algorithm, ByteView payload, size_t original_size = 0) {
    wire::Writer writer(message, message.size());
    wire::CompressionChainedPayload{.compression_algorithm = algorithm,
                                    .flags = std::exchange(flags, wire::CompressionFlags::kNone),
                                    .original_payload_size = static_cast<uint32_t>(original_size),
                                    .payload = payload}
        .encode(writer);
  }
  void put_run(uint8_t byte, size_t count) {
    Bytes payload;
    wire::Writer writer(payload);
    wire::CompressionPatternPayloadV1{.pattern = byte, .repetitions = static_cast<uint32_t>(count)}
        .encode(writer);
    put(CompressionAlgorithm::kPatternV1, payload);
  }
};

std::optional<Bytes> compress_chained(ByteView head, ByteView data,
                                      const Compression& compression) {
  Chain chain;
  {
    wire::Writer writer(chain.message);
    wire::CompressionTransformHeaderChained header;
    header.original_compressed_segment_size = static_cast<uint32_t>(head.size() + data.size());
    header.encode(writer);
  }
  chain.put(CompressionAlgorithm::kNone, head);
  if (has(compression, CompressionAlgorithm::kPatternV1)) {
    if (const size_t run = codec::leading_run(data); run >= kRunMin) {
      chain.put_run(data.front(), run);
      data = data.subspan(run);
    }
  }
  const CompressionAlgorithm algorithm = first_codec(compression);
  if (const auto smaller = packed(algorithm, data)) {
    chain.put(algorithm, *smaller, data.size());
  } else if (!data.empty()) {
    chain.put(CompressionAlgorithm::kNone, data);
  }
  return std::move(chain.message);
}

std::optional<Buffer> decompress_chained(wire::Reader& reader, size_t size,
                                         const Compression& compression) {
  Buffer whole(size);
  MutableByteView rest = whole.view();
  while (reader.remaining() > 0) {
    const auto payload = wire::CompressionChainedPayload::decode(reader);
    if (!payload) return std::nullopt;
    const ByteView data = payload->payload;
    if (payload->compression_algorithm == CompressionAlgorithm::kNone) {
      if (data.size() > rest.size()) return std::nullopt;
      std::ranges::copy(data, rest.begin());
      rest = rest.subspan(data.size());
      continue;
    }
    if (!has(compression, payload->compression_algorithm)) return std::nullopt;
    if (payload->compression_algorithm == CompressionAlgorithm::kPatternV1) {
      wire::Reader within(data);
      const auto pattern = wire::CompressionPatternPayloadV1::decode(within);
      if (!pattern || pattern->repetitions > rest.size()) return std::nullopt;
      std::ranges::fill(rest.first(pattern->repetitions), pattern->pattern);
      rest = rest.subspan(pattern->repetitions);
      continue;
    }
    if (payload->original_payload_size > rest.size() ||
        !codec::decompress(*codec_for(payload->compression_algorithm), data,
                           rest.first(payload->original_payload_size))) {
      return std::nullopt;
    }
    rest = rest.subspan(payload->original_payload_size);
  }
  if (!rest.empty()) return std::nullopt;
  return whole;
}

}  // namespace

std::optional<Bytes> compress(ByteView head, ByteView data, const Compression& compression) {
  if (compression.is_chained) {
    auto message = compress_chained(head, data, compression);
    if (message->size() >= head.size() + data.size()) return std::nullopt;
    return message;
  }
  const CompressionAlgorithm algorithm = first_codec(compression);
  const auto smaller = packed(algorithm, data);
  if (!smaller) return std::nullopt;
  Bytes message;
  wire::Writer writer(message);
  wire::CompressionTransformHeaderUnchained{
      .original_compressed_segment_size = static_cast<uint32_t>(data.size()),
      .compression_algorithm = algorithm,
      .offset = static_cast<uint32_t>(head.size())}
      .encode(writer);
  writer.bytes(head);
  writer.bytes(*smaller);
  return message;
}

std::optional<Buffer> decompress(ByteView message, const Compression& compression,
                                 size_t size_max) {
  wire::Reader reader(message);
  const auto header = wire::decode_compression_transform_header(reader);
  if (!header) return std::nullopt;
  if (const auto* chained = std::get_if<wire::CompressionTransformHeaderChained>(&*header)) {
    const size_t size = chained->original_compressed_segment_size;
    if (!compression.is_chained || size > size_max) return std::nullopt;
    return decompress_chained(reader, size, compression);
  }
  const auto& unchained = std::get<wire::CompressionTransformHeaderUnchained>(*header);
  const auto codec = codec_for(unchained.compression_algorithm);
  const ByteView head = reader.bytes(unchained.offset);
  const ByteView rest = reader.rest();
  const size_t size = head.size() + size_t{unchained.original_compressed_segment_size};
  if (!reader.ok() || !codec || !has(compression, unchained.compression_algorithm) ||
      size > size_max) {
    return std::nullopt;
  }
  Buffer whole(size);
  std::ranges::copy(head, whole.data());
  if (!codec::decompress(*codec, rest, whole.view().subspan(head.size()))) return std::nullopt;
  return whole;
}

}  // namespace braid::client
