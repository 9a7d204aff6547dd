#include "wire/smb2/rdma_transform.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/hex_testing.h"
#include "wire/golden_testing.h"

namespace braid::wire {
namespace {

// A WRITE's, encrypted with AES-GCM: 16 bytes of signature, 12 of nonce, one descriptor.
constexpr const char* kOfWrite =
    "3800 1000 02000000 0100 0000 00000000"
    "0100 1000 0c00 0000"
    "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
    "b0b1b2b3b4b5b6b7b8b9babb"
    "00000000"
    "0010000000000000 44332211 00200000";
// A READ's, signed with AES-GMAC.
constexpr const char* kOfRead =
    "0000 0000 00000000 0100 0000 00000000"
    "0200 1000 0c00 0000"
    "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
    "b0b1b2b3b4b5b6b7b8b9babb";

Result<RdmaTransform> decoded(ByteView bytes) {
  Reader reader(bytes);
  return RdmaTransform::decode(reader);
}

Bytes encoded(const RdmaTransform& transform) {
  Bytes out;
  Writer writer(out);
  transform.encode(writer);
  return out;
}

// As kOfWrite, with `value` at `offset`.
Result<RdmaTransform> with(size_t offset, uint8_t value) {
  Bytes bytes = unhex(kOfWrite);
  bytes.at(offset) = value;
  return decoded(bytes);
}

TEST(RdmaTransform, OfAWriteHasDescriptorsBehindIt) {
  const Bytes bytes = unhex(kOfWrite);
  const auto transform = decoded(bytes);
  ASSERT_TRUE(transform);
  EXPECT_EQ(transform->channel, Channel::kRdmaV1Invalidate);
  EXPECT_EQ(transform->crypto_transform.transform_type, RdmaTransformType::kEncryption);
  EXPECT_EQ(transform->crypto_transform.signature.size(), 16u);
  EXPECT_EQ(transform->crypto_transform.signature[0], 0xA0);
  EXPECT_EQ(transform->crypto_transform.nonce.size(), 12u);
  EXPECT_EQ(transform->crypto_transform.nonce[0], 0xB0);
  ASSERT_EQ(transform->rdma_descriptors.size(), 16u);
  EXPECT_EQ(transform->rdma_descriptors[1], 0x10);
  EXPECT_EQ(encoded(*transform), bytes);
}

TEST(RdmaTransform, OfAReadHasNone) {
  Bytes bytes = unhex(kOfRead);
  const auto transform = decoded(bytes);
  ASSERT_TRUE(transform);
  EXPECT_EQ(transform->channel, Channel::kNone);
  EXPECT_EQ(transform->crypto_transform.transform_type, RdmaTransformType::kSigning);
  EXPECT_TRUE(transform->rdma_descriptors.empty());
  EXPECT_EQ(encoded(*transform), bytes);
  // Whatever those fields say then, and with the padding that others may send.
  bytes[0] = bytes[2] = 0xFF;
  bytes.resize(bytes.size() + 4);
  const auto again = decoded(bytes);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->rdma_descriptors.empty());
}

TEST(Golden, RdmaTransform) {
  const Bytes bytes = unhex("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf b0b1b2b3b4b5b6b7b8b9babb");
  const ByteView signature = ByteView(bytes).first(16), nonce = ByteView(bytes).subspan(16);
  golden<RdmaTransform>({.channel = Channel::kRdmaV1Invalidate,
                         .crypto_transform = {RdmaTransformType::kEncryption, signature, nonce},
                         .rdma_descriptors = signature},
                        "3800 1000 02000000 0100 (0000 00000000) 0100 1000 0C00 (0000)"
                        "A0A1A2A3A4A5A6A7A8A9AAABACADAEAF B0B1B2B3B4B5B6B7B8B9BABB (00000000)"
                        "A0A1A2A3A4A5A6A7A8A9AAABACADAEAF");
  golden<RdmaTransform>({.crypto_transform = {RdmaTransformType::kSigning, signature, nonce}},
                        "(0000 0000) 00000000 0100 (0000 00000000) 0200 1000 0C00 (0000)"
                        "A0A1A2A3A4A5A6A7A8A9AAABACADAEAF B0B1B2B3B4B5B6B7B8B9BABB");
}

TEST(RdmaTransform, ShortOfAnyByteItIsNone) {
  for (const char* hex : {kOfWrite, kOfRead}) {
    const Bytes bytes = unhex(hex);
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(decoded(ByteView(bytes).first(size))) << size;
    }
  }
}

TEST(RdmaTransform, OneTransformOfAKnownTypeIsAllThatMayFollow) {
  EXPECT_EQ(with(8, 0).error(), Error::malformed());  // TransformCount
  EXPECT_EQ(with(8, 2).error(), Error::malformed());
  EXPECT_EQ(with(9, 1).error(), Error::malformed());
  EXPECT_EQ(with(16, 0).error(), Error::malformed());  // TransformType
  EXPECT_EQ(with(16, 3).error(), Error::malformed());
  EXPECT_EQ(with(17, 1).error(), Error::malformed());
  EXPECT_EQ(with(4, 3).error(), Error::malformed());  // Channel
  EXPECT_EQ(with(7, 0x80).error(), Error::malformed());
  EXPECT_TRUE(with(4, 1));
  // Reserved.
  for (const size_t offset : {10u, 11u, 12u, 15u, 22u, 23u}) EXPECT_TRUE(with(offset, 0xFF));
}

TEST(RdmaTransform, DescriptorsAreAtTheNextMultipleOfEightAndNowhereElse) {
  for (int offset = 0; offset < 256; ++offset) {
    EXPECT_EQ(with(0, static_cast<uint8_t>(offset)).has_value(), offset == 0x38) << offset;
  }
  EXPECT_FALSE(with(1, 1));
  // A nonce of 11 bytes, as of AES-CCM, moves nothing, and one of 17 does.
  EXPECT_TRUE(with(20, 11));
  EXPECT_FALSE(with(20, 17));
  // Longer than there is.
  EXPECT_FALSE(with(2, 17));
  EXPECT_FALSE(with(3, 0xFF));
  // None: for who looks at descriptors to refuse.
  const auto none = with(2, 0);
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->rdma_descriptors.empty());
}

TEST(RdmaTransform, SizesOfSignatureAndNonceAreNotJudged) {
  Bytes signature(300, 1), nonce(0);
  const RdmaTransform transform{.channel = Channel::kRdmaV1,
                                .crypto_transform = {RdmaTransformType::kSigning, signature, nonce},
                                .rdma_descriptors = {}};
  const Bytes bytes = encoded(transform);
  const auto again = decoded(bytes);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->crypto_transform.signature.size(), 300u);
  EXPECT_TRUE(again->crypto_transform.nonce.empty());
}

}  // namespace
}  // namespace braid::wire
