#include "wire/smb2/transform_header.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/smb2/compression_transform_header.h"

namespace braid::wire {
namespace {

TEST(TransformHeader, GoesBothWays) {
  const Bytes bytes = unhex(
      "FD534D42 000102030405060708090A0B0C0D0E0F 101112131415161718191A1B00000000"
      "68000000 0000 0100 1100000000040000");
  ASSERT_EQ(bytes.size(), TransformHeader::kSize);
  Reader r(bytes);
  const auto header = TransformHeader::decode(r);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->original_message_size, 0x68u);
  EXPECT_EQ(header->flags, TransformHeader::kFlagEncrypted);
  EXPECT_EQ(header->session_id.value, 0x40000000011u);
  EXPECT_EQ(header->nonce[11], 0x1B);
  EXPECT_EQ(bytes[TransformHeader::kAuthenticatedOffset], header->nonce[0]);
  Bytes again;
  Writer w(again);
  header->encode(w);
  EXPECT_EQ(again, bytes);
}

TEST(TransformHeader, ShortOneIsTruncatedAndPlainOneMalformed) {
  Bytes bytes = unhex("FD534D42");
  Reader r(bytes);
  EXPECT_EQ(TransformHeader::decode(r).error(), Error::truncated());
  bytes = unhex("FE534D42");
  bytes.resize(TransformHeader::kSize);
  Reader plain(bytes);
  EXPECT_EQ(TransformHeader::decode(plain).error(), Error::malformed());
}

TEST(CompressionTransformHeader, FlagsTellTheFormsApart) {
  const Bytes unchained = unhex("FC534D42 00100000 0200 0000 50000000 AABB");
  Reader r(unchained);
  auto header = decode_compression_transform_header(r);
  ASSERT_TRUE(header);
  const auto& one = std::get<CompressionTransformHeaderUnchained>(*header);
  EXPECT_EQ(one.compression_algorithm, CompressionAlgorithm::kLz77);
  EXPECT_EQ(one.offset, 0x50u);
  EXPECT_EQ(r.remaining(), 2u);

  const Bytes chained = unhex(
      "FC534D42 00100000"
      "0000 0100 02000000 AABB"
      "0200 0000 06000000 FE0F0000 CCDD"
      "0400 0000 08000000 2A000000 00010000");
  Reader chain(chained);
  header = decode_compression_transform_header(chain);
  ASSERT_TRUE(header);
  EXPECT_EQ(std::get<CompressionTransformHeaderChained>(*header).original_compressed_segment_size,
            0x1000u);
  const auto plain = CompressionChainedPayload::decode(chain);
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->flags, CompressionFlags::kChained);
  EXPECT_EQ(plain->payload.size(), 2u);
  const auto lz77 = CompressionChainedPayload::decode(chain);
  ASSERT_TRUE(lz77);
  EXPECT_EQ(lz77->original_payload_size, 0xFFEu);
  EXPECT_EQ(lz77->payload.size(), 2u);
  const auto pattern = CompressionChainedPayload::decode(chain);
  ASSERT_TRUE(pattern);
  Reader pattern_reader(pattern->payload);
  const auto repeated = CompressionPatternPayloadV1::decode(pattern_reader);
  ASSERT_TRUE(repeated);
  EXPECT_EQ(repeated->pattern, 0x2A);
  EXPECT_EQ(repeated->repetitions, 256u);
  EXPECT_EQ(chain.remaining(), 0u);

  Bytes again;
  Writer w(again);
  std::get<CompressionTransformHeaderChained>(*header).encode(w);
  plain->encode(w);
  lz77->encode(w);
  pattern->encode(w);
  EXPECT_EQ(again, chained);
}

TEST(CompressionTransformHeader, UnknownFlagsAreMalformed) {
  const Bytes bytes = unhex("FC534D42 00100000 0200 0200 50000000");
  Reader r(bytes);
  EXPECT_EQ(decode_compression_transform_header(r).error(), Error::malformed());
}

TEST(CompressionChainedPayload, NoRoomForTheOriginalSizeIsMalformed) {
  const Bytes bytes = unhex("0200 0000 03000000 AABBCC");
  Reader r(bytes);
  EXPECT_EQ(CompressionChainedPayload::decode(r).error(), Error::malformed());
}

}  // namespace
}  // namespace braid::wire
