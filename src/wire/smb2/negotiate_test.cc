#include "wire/smb2/negotiate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/smb2/captures_testing.h"
#include "wire/smb2/codec_testing.h"
#include "wire/smb2/header.h"
#include "wire/smb2/smb1_negotiate.h"

namespace braid::wire {
namespace {

using ::testing::ElementsAre;

NegotiateRequest request_311() {
  NegotiateRequest request;
  request.dialects = {Dialect::kSmb210, Dialect::kSmb311};
  request.contexts.emplace();
  request.contexts->preauth_integrity_capabilities =
      PreauthIntegrityCapabilities{{HashAlgorithm::kSha512}, {}};
  return request;
}

TEST(NegotiateRequest, SmbclientOffersAllDialectsAndFourContexts) {
  const Bytes message = unhex(captures::kNegotiateRequest);
  const auto request = decode_body<NegotiateRequest>(message);
  ASSERT_TRUE(request);
  EXPECT_THAT(request->dialects, ElementsAre(Dialect::kSmb202, Dialect::kSmb210, Dialect::kSmb300,
                                             Dialect::kSmb302, Dialect::kSmb311));
  EXPECT_EQ(request->security_mode, SecurityMode::kSigningEnabled);
  EXPECT_EQ(request->capabilities, 0x7Fu);
  ASSERT_TRUE(request->contexts);
  const NegotiateContexts& contexts = *request->contexts;
  EXPECT_EQ(contexts.count(), 4);
  ASSERT_TRUE(contexts.preauth_integrity_capabilities);
  EXPECT_THAT(contexts.preauth_integrity_capabilities->hash_algorithms,
              ElementsAre(HashAlgorithm::kSha512));
  EXPECT_EQ(contexts.preauth_integrity_capabilities->salt.size(), 32u);
  EXPECT_THAT(
      contexts.encryption_capabilities.value(),
      ElementsAre(Cipher::kAes128Gcm, Cipher::kAes128Ccm, Cipher::kAes256Gcm, Cipher::kAes256Ccm));
  EXPECT_THAT(contexts.signing_capabilities.value(),
              ElementsAre(SigningAlgorithm::kAesGmac, SigningAlgorithm::kAesCmac,
                          SigningAlgorithm::kHmacSha256));
  EXPECT_EQ(contexts.netname, "127.0.0.1");
}

// [MS-SMB2] 4.3 "Connecting to a Share by Using an SMB2 Negotiate".
TEST(NegotiateRequest, ExampleWithOneDialectEncodes) {
  NegotiateRequest request;
  request.security_mode = SecurityMode::kSigningEnabled;
  request.dialects = {Dialect::kSmb202};
  Bytes out;
  Writer w(out);
  request.encode(w);
  EXPECT_EQ(out, unhex("2400 0100 0100 0000 00000000 00000000000000000000000000000000"
                       "0000000000000000 0202"));
}

// [MS-SMB2] 4.10 "Negotiating Transport Level Encryption": the contexts start at 0x70.
TEST(NegotiateRequest, ContextsStartAtTheNextMultipleOfEight) {
  NegotiateRequest request = request_311();
  request.dialects = {Dialect::kSmb202, Dialect::kSmb210, Dialect::kSmb300, Dialect::kSmb302,
                      Dialect::kSmb311};
  request.contexts->transport_capabilities =
      TransportCapabilities{TransportCapabilities::kAcceptTransportLevelSecurity};
  const Bytes message = encode_body(request);
  EXPECT_EQ(message[Header::kSize + 28], 0x70);
  const auto again = decode_body<NegotiateRequest>(message);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->contexts->transport_capabilities->flags,
            TransportCapabilities::kAcceptTransportLevelSecurity);
}

TEST(NegotiateRequest, EveryContextGoesBothWays) {
  NegotiateRequest request = request_311();
  NegotiateContexts& contexts = *request.contexts;
  contexts.encryption_capabilities = {Cipher::kAes256Gcm, static_cast<Cipher>(0x7777)};
  contexts.compression_capabilities =
      CompressionCapabilities{CompressionCapabilities::kFlagChained,
                              {CompressionAlgorithm::kPatternV1, CompressionAlgorithm::kLz77}};
  contexts.netname = "server";
  contexts.transport_capabilities = TransportCapabilities{1};
  contexts.rdma_transform_capabilities =
      RdmaTransformCapabilities{{RdmaTransformId::kEncryption, RdmaTransformId::kSigning}};
  contexts.signing_capabilities = {SigningAlgorithm::kAesGmac};
  contexts.posix_extensions_available = true;
  EXPECT_EQ(contexts.count(), 8);
  const auto again = decode_body<NegotiateRequest>(encode_body(request));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->contexts->count(), 8);
  EXPECT_EQ(again->contexts->encryption_capabilities, contexts.encryption_capabilities);
  EXPECT_EQ(again->contexts->compression_capabilities->flags, 1u);
  EXPECT_EQ(again->contexts->compression_capabilities->compression_algorithms,
            contexts.compression_capabilities->compression_algorithms);
  EXPECT_EQ(again->contexts->netname, "server");
  EXPECT_EQ(again->contexts->rdma_transform_capabilities->rdma_transform_ids,
            contexts.rdma_transform_capabilities->rdma_transform_ids);
}

TEST(NegotiateRequest, NoDialectIsMalformed) {
  NegotiateRequest request;
  EXPECT_EQ(decode_body<NegotiateRequest>(encode_body(request)).error(), Error::malformed());
}

TEST(NegotiateRequest, MoreDialectsThanBytesIsTruncated) {
  NegotiateRequest request;
  request.dialects = {Dialect::kSmb202};
  Bytes message = encode_body(request);
  message[Header::kSize + 2] = 2;
  EXPECT_EQ(decode_body<NegotiateRequest>(message).error(), Error::truncated());
}

TEST(NegotiateRequest, ContextOffsetOffItsAlignmentOrInsideTheBodyIsMalformed) {
  const Bytes good = encode_body(request_311());
  for (uint8_t offset : {0x6C, 0x40, 0x00}) {
    Bytes message = good;
    message[Header::kSize + 28] = offset;
    EXPECT_EQ(decode_body<NegotiateRequest>(message).error(), Error::malformed()) << int{offset};
  }
}

TEST(NegotiateRequest, ContextOffsetPastTheEndIsTruncated) {
  Bytes message = encode_body(request_311());
  message[Header::kSize + 30] = 0x10;
  EXPECT_EQ(decode_body<NegotiateRequest>(message).error(), Error::truncated());
}

Result<NegotiateContexts> decode_contexts(std::string_view hex, uint16_t count) {
  const Bytes bytes = unhex(hex);
  Reader r(bytes);
  auto contexts = NegotiateContexts::decode(r, count);
  if (contexts) contexts->preauth_integrity_capabilities.reset();  // its salt views `bytes`
  return contexts;
}

TEST(NegotiateContexts, SameTypeTwiceIsMalformed) {
  EXPECT_EQ(decode_contexts("0200 0400 00000000 0100 0200 00000000"
                            "0200 0400 00000000 0100 0200 00000000",
                            2)
                .error(),
            Error::malformed());
}

TEST(NegotiateContexts, UnknownTypesAreSkipped) {
  const auto contexts = decode_contexts(
      "0400 0300 00000000 010203 0000000000"
      "0800 0400 00000000 0100 0200 00000000",
      2);
  ASSERT_TRUE(contexts);
  EXPECT_THAT(contexts->signing_capabilities.value(), ElementsAre(SigningAlgorithm::kAesGmac));
}

TEST(NegotiateContexts, EmptyListsAreMalformed) {
  EXPECT_EQ(decode_contexts("0200 0200 00000000 0000", 1).error(), Error::malformed());
  EXPECT_EQ(decode_contexts("0100 0400 00000000 0000 0000", 1).error(), Error::malformed());
}

// [MS-SMB2] 3.3.5.4: whoever does not compress ignores it, whatever is in it.
TEST(NegotiateContexts, CompressionIsForTheReceiverToJudge) {
  for (const char* hex : {"0300 0800 00000000 0000 0000 00000000",
                          "0300 0A00 00000000 0200 0000 00000000 0100", "0300 0000 00000000"}) {
    const auto contexts = decode_contexts(hex, 1);
    ASSERT_TRUE(contexts) << hex;
    EXPECT_FALSE(contexts->compression_capabilities->is_valid) << hex;
  }
  const auto good = decode_contexts("0300 0A00 00000000 0100 0000 01000000 0500", 1);
  ASSERT_TRUE(good);
  EXPECT_TRUE(good->compression_capabilities->is_valid);
  EXPECT_EQ(good->compression_capabilities->compression_algorithms,
            std::vector({CompressionAlgorithm::kLz4}));
}

// The same: it means nothing without a network card.
TEST(NegotiateContexts, RdmaTransformsAreForTheReceiverToJudge) {
  for (const char* hex : {"0700 0800 00000000 0000 0000 00000000",
                          "0700 0A00 00000000 0200 0000 00000000 0100", "0700 0000 00000000"}) {
    const auto contexts = decode_contexts(hex, 1);
    ASSERT_TRUE(contexts) << hex;
    EXPECT_FALSE(contexts->rdma_transform_capabilities->is_valid) << hex;
  }
  const auto good = decode_contexts("0700 0A00 00000000 0100 0000 00000000 0100", 1);
  ASSERT_TRUE(good);
  EXPECT_TRUE(good->rdma_transform_capabilities->is_valid);
}

TEST(NegotiateContexts, ListLongerThanItsContextIsMalformed) {
  EXPECT_EQ(decode_contexts("0200 0400 00000000 0200 0200 0100 0000", 1).error(),
            Error::malformed());
}

TEST(NegotiateContexts, PosixIdsAreOfSixteenBytesAndOneOfThemIsKnown) {
  const std::string known = "93AD25509CB411E7B42383DE968BCD7C";
  const std::string other = "A0A1A2A3A4A5A6A7A8A9AAABACADAEAF";
  EXPECT_TRUE(decode_contexts("0001 1000 00000000" + known, 1)->posix_extensions_available);
  EXPECT_TRUE(decode_contexts("0001 2000 00000000" + other + known, 1)->posix_extensions_available);
  EXPECT_FALSE(decode_contexts("0001 1000 00000000" + other, 1)->posix_extensions_available);
  EXPECT_FALSE(decode_contexts("0001 0000 00000000", 1)->posix_extensions_available);
  for (const std::string bad :
       {"0001 0100 00000000 93", "0001 0F00 00000000 93AD25509CB411E7B42383DE968BCD",
        "0001 1100 00000000 93AD25509CB411E7B42383DE968BCD7C00"}) {
    EXPECT_EQ(decode_contexts(bad, 1).error(), Error::malformed()) << bad;
  }
}

TEST(NegotiateContexts, FewerThanCountedIsTruncated) {
  EXPECT_EQ(decode_contexts("0800 0400 00000000 0100 0200", 2).error(), Error::truncated());
}

TEST(NegotiateContexts, MoreThanTheLimitIsMalformed) {
  EXPECT_EQ(decode_contexts("", NegotiateContexts::kCountMax + 1).error(), Error::malformed());
}

TEST(NegotiateResponse, SmbdChooses311) {
  const Bytes message = unhex(captures::kNegotiateResponse);
  const auto response = decode_body<NegotiateResponse>(message);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->dialect_revision, Dialect::kSmb311);
  EXPECT_EQ(response->max_read_size, 8u << 20);
  EXPECT_EQ(response->security_buffer.size(), 74u);
  EXPECT_EQ(response->security_buffer[0], 0x60);
  EXPECT_THAT(response->contexts->encryption_capabilities.value(), ElementsAre(Cipher::kAes128Gcm));
}

TEST(NegotiateResponse, WildcardHasNoContexts) {
  const Bytes message = unhex(captures::kNegotiateResponseWildcard);
  const auto response = decode_body<NegotiateResponse>(message);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->dialect_revision, Dialect::kWildcard);
  EXPECT_FALSE(response->contexts);
}

TEST(NegotiateResponse, SecurityBufferInsideTheFixedPartIsMalformed) {
  Bytes message = unhex(captures::kNegotiateResponse);
  message[Header::kSize + 56] = 0x40;
  EXPECT_EQ(decode_body<NegotiateResponse>(message).error(), Error::malformed());
}

TEST(Smb1Negotiate, UnterminatedDialectIsMalformed) {
  Bytes message = unhex(captures::kSmb1Negotiate);
  message.back() = 'x';
  Reader r(message);
  EXPECT_EQ(Smb1NegotiateRequest::decode(r).error(), Error::malformed());
}

TEST(Smb1Negotiate, OtherCommandsAreMalformed) {
  Bytes message = unhex(captures::kSmb1Negotiate);
  message[4] = 0x73;
  Reader r(message);
  EXPECT_EQ(Smb1NegotiateRequest::decode(r).error(), Error::malformed());
}

TEST(NegotiateContexts, AsManyAsTheLimitAreTaken) {
  std::string unknown;
  for (uint16_t i = 0; i <= NegotiateContexts::kCountMax; ++i) unknown += "0400 0000 00000000";
  EXPECT_TRUE(decode_contexts(unknown, NegotiateContexts::kCountMax));
  EXPECT_EQ(decode_contexts(unknown, NegotiateContexts::kCountMax + 1).error(), Error::malformed());
}

TEST(NegotiateContexts, EachTypeTwiceIsMalformed) {
  for (const std::string once :
       {"0100 0600 00000000 0100 0000 0100 0000", "0200 0400 00000000 0100 0200 00000000",
        "0300 0A00 00000000 0100 0000 00000000 0200 000000000000", "0500 0000 00000000",
        "0600 0400 00000000 00000000 00000000",
        "0700 0A00 00000000 0100 0000 00000000 0200 000000000000",
        "0800 0400 00000000 0100 0200 00000000",
        "0001 1000 00000000 93AD25509CB411E7B42383DE968BCD7C"}) {
    EXPECT_TRUE(decode_contexts(once, 1)) << once;
    const auto twice = decode_contexts(once + once, 2);
    ASSERT_FALSE(twice) << once;
    EXPECT_EQ(twice.error(), Error::malformed()) << once;
  }
}

TEST(Smb1Negotiate, AsManyDialectsAsTheLimitAreTaken) {
  Smb1NegotiateRequest request;
  request.dialects.assign(Smb1NegotiateRequest::kDialectsMax, "X");
  EXPECT_EQ(decode_payload<Smb1NegotiateRequest>(encode_payload(request)).value().dialects,
            request.dialects);
  request.dialects.emplace_back("X");
  EXPECT_EQ(decode_payload<Smb1NegotiateRequest>(encode_payload(request)).error(),
            Error::malformed());
}

}  // namespace
}  // namespace braid::wire
