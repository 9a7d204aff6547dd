#include "smb2/compression/compressed_message.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "smb2/compression/limits.h"
#include "wire/smb2/compression_transform_header.h"
#include "wire/writer.h"

namespace braid::smb2 {
namespace {

using wire::CompressionAlgorithm;
using wire::CompressionChainedPayload;

constexpr size_t kTransferMax = 1u << 16;
constexpr size_t kSizeMax = 1u << 17;
constexpr CompressionAlgorithm kAll[] = {
    CompressionAlgorithm::kLznt1, CompressionAlgorithm::kLz77, CompressionAlgorithm::kLz77Huffman,
    CompressionAlgorithm::kPatternV1, CompressionAlgorithm::kLz4};

NegotiatedCompression everything() {
  NegotiatedCompression negotiated;
  for (const auto each : kAll) negotiated.add(each);
  negotiated.supports_chained_compression = true;
  return negotiated;
}

// 300 bytes of "abc", by LZ77.
Bytes abc() { return unhex("ffffff1f61626317000fff2601"); }
Bytes abc_plain() {
  Bytes plain;
  for (int i = 0; i < 300; ++i) plain.push_back(static_cast<uint8_t>('a' + i % 3));
  return plain;
}

Bytes unchained(CompressionAlgorithm algorithm, uint32_t size, uint32_t offset, ByteView rest) {
  Bytes message;
  wire::Writer writer(message);
  wire::CompressionTransformHeaderUnchained{.original_compressed_segment_size = size,
                                            .compression_algorithm = algorithm,
                                            .offset = offset}
      .encode(writer);
  writer.bytes(rest);
  return message;
}

struct Part {
  CompressionAlgorithm algorithm;
  Bytes payload;
  uint32_t size = 0;
};
Bytes chained(uint32_t size, const std::vector<Part>& parts) {
  Bytes message;
  wire::Writer writer(message);
  wire::CompressionTransformHeaderChained header;
  header.original_compressed_segment_size = size;
  header.encode(writer);
  for (size_t i = 0; i < parts.size(); ++i) {
    CompressionChainedPayload{
        .compression_algorithm = parts[i].algorithm,
        .flags = i == 0 ? wire::CompressionFlags::kChained : wire::CompressionFlags::kNone,
        .original_payload_size = parts[i].size,
        .payload = parts[i].payload}
        .encode(writer);
  }
  return message;
}
Part run(uint8_t byte, uint32_t count) {
  Bytes payload;
  wire::Writer writer(payload);
  wire::CompressionPatternPayloadV1{.pattern = byte, .repetitions = count}.encode(writer);
  return {CompressionAlgorithm::kPatternV1, payload};
}
Part plain(std::string_view text) {
  return {CompressionAlgorithm::kNone, Bytes(text.begin(), text.end())};
}
Part abc_part() { return {CompressionAlgorithm::kLz77, abc(), 300}; }

std::optional<Bytes> decompressed(ByteView message,
                                  const NegotiatedCompression& negotiated = everything()) {
  const auto decoded = CompressedMessage::decode(message, negotiated, kTransferMax, kSizeMax);
  if (!decoded) return std::nullopt;
  EXPECT_LE(decoded->size(), kSizeMax);
  Bytes room(decoded->size(), 0xEE);
  if (!decoded->decompress(room)) return std::nullopt;
  return room;
}
// Refused before anything is allocated.
bool is_judged(ByteView message, const NegotiatedCompression& negotiated = everything()) {
  return !CompressedMessage::decode(message, negotiated, kTransferMax, kSizeMax).has_value();
}

TEST(CompressedMessage, WhatStandsBeforeTheOffsetStaysAsItIs) {
  Bytes rest = {'x', 'y'};
  const Bytes data = abc();
  rest.insert(rest.end(), data.begin(), data.end());
  Bytes expected = {'x', 'y'};
  const Bytes text = abc_plain();
  expected.insert(expected.end(), text.begin(), text.end());
  EXPECT_EQ(decompressed(unchained(CompressionAlgorithm::kLz77, 300, 2, rest)), expected);
  EXPECT_EQ(decompressed(unchained(CompressionAlgorithm::kLz77, 300, 0, data)), text);
}

TEST(CompressedMessage, PayloadsOfAllKindsFollowEachOther) {
  Bytes expected(1000, 7);
  for (const char c : std::string_view("plain")) expected.push_back(static_cast<uint8_t>(c));
  const Bytes text = abc_plain();
  expected.insert(expected.end(), text.begin(), text.end());
  expected.resize(expected.size() + 64, 0);
  EXPECT_EQ(decompressed(chained(1369, {run(7, 1000), plain("plain"), abc_part(), run(0, 64)})),
            expected);
}

TEST(CompressedMessage, WhatIsTooShortForAnotherPayloadIsLeftAside) {
  Bytes message = chained(5, {plain("plain")});
  message.resize(message.size() + 8);
  EXPECT_EQ(decompressed(message), Bytes({'p', 'l', 'a', 'i', 'n'}));
}

// On a reactor everybody waits for it.
TEST(CompressedMessage, IsQuickBySizesAndByPayloads) {
  const auto quick = [](ByteView message) {
    const auto decoded = CompressedMessage::decode(message, everything(), kSizeMax, kSizeMax);
    EXPECT_TRUE(decoded);
    return decoded && decoded->is_quick();
  };
  constexpr auto kLznt1 = CompressionAlgorithm::kLznt1;
  const size_t most = kDecompressedInlineMax - 2 * kPayloadWork;
  EXPECT_TRUE(quick(unchained(kLznt1, 100, 0, Bytes(most - 100))));
  EXPECT_FALSE(quick(unchained(kLznt1, 100, 0, Bytes(most - 99)))) << "many bytes become few";
  EXPECT_FALSE(quick(unchained(kLznt1, kDecompressedInlineMax, 0, Bytes(10))));
  std::vector<Part> parts(kDecompressedInlineMax / kPayloadWork - 1,
                          {.algorithm = CompressionAlgorithm::kLz77Huffman, .payload = Bytes(10)});
  EXPECT_TRUE(quick(chained(0, parts)));
  parts.resize(parts.size() + 1, parts.back());
  EXPECT_FALSE(quick(chained(0, parts))) << "many tables for nothing";
}

TEST(CompressedMessage, WhatWasNotNegotiatedIsRefused) {
  const Bytes one = unchained(CompressionAlgorithm::kLz77, 300, 0, abc());
  const Bytes chain = chained(300, {abc_part()});
  ASSERT_TRUE(decompressed(one));
  ASSERT_TRUE(decompressed(chain));
  NegotiatedCompression other = everything();
  other.compression_ids &= ~NegotiatedCompression::bit_of(CompressionAlgorithm::kLz77);
  EXPECT_TRUE(is_judged(one, other));
  EXPECT_TRUE(is_judged(chain, other));
  NegotiatedCompression unchained_only = everything();
  unchained_only.supports_chained_compression = false;
  EXPECT_TRUE(decompressed(one, unchained_only));
  EXPECT_TRUE(is_judged(chain, unchained_only));
  EXPECT_TRUE(is_judged(one, {}));
}

TEST(CompressedMessage, AlgorithmsThatNobodyKnowsAreRefused) {
  for (const uint16_t number : {6, 31, 32, 33, 64, 0xFFFF}) {
    const auto algorithm = static_cast<CompressionAlgorithm>(number);
    EXPECT_TRUE(is_judged(unchained(algorithm, 300, 0, abc()))) << number;
    EXPECT_TRUE(is_judged(chained(300, {{algorithm, abc(), 300}}))) << number;
  }
  // [MS-SMB2] 2.2.42.1: neither of these alone.
  EXPECT_TRUE(is_judged(unchained(CompressionAlgorithm::kNone, 13, 0, abc())));
  EXPECT_TRUE(is_judged(unchained(CompressionAlgorithm::kPatternV1, 13, 0, abc())));
}

TEST(CompressedMessage, SizesAreJudgedBeforeAnythingIsAllocated) {
  const uint32_t original_max = 256 + 16 + kTransferMax;
  EXPECT_FALSE(is_judged(unchained(CompressionAlgorithm::kLz77, original_max, 0, abc())));
  EXPECT_TRUE(is_judged(unchained(CompressionAlgorithm::kLz77, original_max + 1, 0, abc())));
  EXPECT_TRUE(is_judged(unchained(CompressionAlgorithm::kLz77, 0xFFFFFFFF, 0, abc())));
  EXPECT_FALSE(is_judged(chained(original_max, {run(1, original_max)})));
  EXPECT_TRUE(is_judged(chained(original_max + 1, {run(1, original_max + 1)})));
  // 4 GiB in 8 bytes.
  EXPECT_TRUE(is_judged(chained(0xFFFFFFFF, {run(1, 0xFFFFFFFF)})));
  EXPECT_TRUE(is_judged(chained(1000, {run(1, 0xFFFFFFFF)})));
  EXPECT_TRUE(is_judged(chained(1000, {run(1, 0xFFFFFFFF), run(1, 1001)})));
  EXPECT_TRUE(is_judged(chained(300, {{CompressionAlgorithm::kLz77, abc(), 0xFFFFFFFF}})));
}

TEST(CompressedMessage, SizesThatDoNotAddUpAreRefused) {
  EXPECT_TRUE(is_judged(chained(299, {abc_part()})));
  EXPECT_TRUE(is_judged(chained(301, {abc_part()})));
  EXPECT_TRUE(is_judged(chained(4, {plain("plain")})));
  EXPECT_FALSE(decompressed(unchained(CompressionAlgorithm::kLz77, 299, 0, abc())));
  EXPECT_FALSE(decompressed(unchained(CompressionAlgorithm::kLz77, 301, 0, abc())));
}

TEST(CompressedMessage, OffsetsPastTheEndAreRefused) {
  for (const uint32_t offset : {14u, 1000u, 0x7FFFFFFFu, 0xFFFFFFFFu}) {
    EXPECT_TRUE(is_judged(unchained(CompressionAlgorithm::kLz77, 300, offset, abc()))) << offset;
  }
}

TEST(CompressedMessage, LengthsPastTheEndAreRefused) {
  Bytes message = chained(300, {abc_part()});
  for (const uint8_t length : {18, 19, 255}) {
    message[12] = length;  // Length of the first payload
    EXPECT_TRUE(is_judged(message)) << int{length};
  }
  message[12] = 3;  // less than OriginalPayloadSize
  EXPECT_TRUE(is_judged(message));
  // Pattern_V1 is 8 bytes.
  Part odd = run(1, 100);
  odd.payload.pop_back();
  EXPECT_TRUE(is_judged(chained(100, {odd})));
  odd.payload.resize(9);
  EXPECT_TRUE(is_judged(chained(100, {odd})));
}

TEST(CompressedMessage, WhatIsShorterThanAHeaderIsRefused) {
  const Bytes message = unchained(CompressionAlgorithm::kLz77, 300, 0, abc());
  for (size_t size = 0; size < 16; ++size) EXPECT_TRUE(is_judged(ByteView(message).first(size)));
  Bytes other_flags = message;
  other_flags[10] = 2;
  EXPECT_TRUE(is_judged(other_flags));
}

TEST(CompressedMessage, AChainHasAnEnd) {
  const std::vector<Part> most(kPayloadsMax, plain(""));
  EXPECT_TRUE(decompressed(chained(0, most)));
  const std::vector<Part> more(kPayloadsMax + 2, plain("x"));
  EXPECT_TRUE(is_judged(chained(kPayloadsMax + 2, more)));
}

}  // namespace
}  // namespace braid::smb2
