#include "smb2/compression/compress_message.h"

#include <gtest/gtest.h>

#include <random>

#include "smb2/compression/compressed_message.h"
#include "smb2/compression/compression_load.h"
#include "smb2/compression/compression_trials.h"
#include "wire/smb2/compression_transform_header.h"

namespace braid::smb2 {
namespace {

using wire::CompressionAlgorithm;

enum class Form { kUnchained, kChained };

NegotiatedCompression with(std::optional<codec::Algorithm> codec, Form form) {
  NegotiatedCompression negotiated;
  if (codec) negotiated.add(id_of(*codec));
  negotiated.add(CompressionAlgorithm::kPatternV1);
  negotiated.supports_chained_compression = form == Form::kChained;
  negotiated.sent_with = codec;
  return negotiated;
}

Bytes text(size_t size) {
  Bytes bytes;
  for (size_t i = 0; bytes.size() < size; ++i) {
    for (const char c : "line " + std::to_string(i) + " of a file\n") {
      if (c != 0 && bytes.size() < size) bytes.push_back(static_cast<uint8_t>(c));
    }
  }
  return bytes;
}
Bytes random_bytes(size_t size) {
  std::minstd_rand random(1);
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() >> 8);
  return bytes;
}
Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes whole;
  for (const Bytes& each : parts) whole.insert(whole.end(), each.begin(), each.end());
  return whole;
}
Bytes again(ByteView message, const NegotiatedCompression& negotiated) {
  const auto decoded = CompressedMessage::decode(message, negotiated, 16u << 20, 32u << 20);
  if (!decoded) return {};
  Bytes room(decoded->size());
  return decoded->decompress(room) ? room : Bytes();
}
// Kinds of the payloads of a chain.
std::vector<CompressionAlgorithm> kinds_of(ByteView message) {
  std::vector<CompressionAlgorithm> kinds;
  wire::Reader reader(message);
  EXPECT_TRUE(wire::CompressionTransformHeaderChained::decode(reader));
  while (reader.remaining() > 0) {
    const auto payload = wire::CompressionChainedPayload::decode(reader);
    EXPECT_TRUE(payload);
    if (!payload) break;
    EXPECT_EQ(payload->flags, kinds.empty() ? 1 : 0);
    kinds.push_back(payload->compression_algorithm);
  }
  return kinds;
}

TEST(CompressMessage, EveryAlgorithmInBothForms) {
  const Bytes head(80, 0x11);
  const Bytes data = text(200'000);
  for (const auto algorithm : codec::kAlgorithms) {
    for (const Form form : {Form::kUnchained, Form::kChained}) {
      const auto negotiated = with(algorithm, form);
      CompressionTrials trials;
      const OutSegment segments[] = {{head}, {data, &trials}};
      const auto message = compress_message(segments, negotiated);
      ASSERT_TRUE(message) << static_cast<int>(algorithm);
      EXPECT_LT(message->size(), data.size() / 2);
      EXPECT_EQ(again(*message, negotiated), joined({head, data})) << static_cast<int>(algorithm);
      EXPECT_TRUE(trials.is_due());
    }
  }
}

TEST(CompressMessage, SeveralStretchesOfACompound) {
  const Bytes head(80, 0x11);
  const Bytes data = text(20'000);
  for (const Form form : {Form::kUnchained, Form::kChained}) {
    const auto negotiated = with(codec::Algorithm::kLz77, form);
    CompressionTrials trials;
    const OutSegment segments[] = {{head}, {data, &trials}, {head}, {data, &trials}, {head}};
    const auto message = compress_message(segments, negotiated);
    ASSERT_TRUE(message);
    EXPECT_EQ(again(*message, negotiated), joined({head, data, head, data, head}));
  }
}

TEST(CompressMessage, RunsAtBothEndsArePatterns) {
  const auto negotiated = with(codec::Algorithm::kLz4, Form::kChained);
  CompressionTrials trials;
  const Bytes head(80, 0x11);
  const Bytes data = joined({Bytes(5000, 0), text(5000), Bytes(64, 'z')});
  const OutSegment segments[] = {{head}, {data, &trials}};
  const auto message = compress_message(segments, negotiated);
  ASSERT_TRUE(message);
  using enum CompressionAlgorithm;
  EXPECT_EQ(kinds_of(*message), std::vector({kNone, kPatternV1, kLz4, kPatternV1}));
  EXPECT_EQ(again(*message, negotiated), joined({head, data}));
}

TEST(CompressMessage, ZerosTakeNoCodec) {
  const auto negotiated = with(std::nullopt, Form::kChained);
  CompressionTrials trials;
  const Bytes head(80, 0x11);
  const Bytes data(8u << 20, 0);
  const OutSegment segments[] = {{head}, {data, &trials}};
  const auto message = compress_message(segments, negotiated);
  ASSERT_TRUE(message);
  EXPECT_LT(message->size(), 200u);
  using enum CompressionAlgorithm;
  EXPECT_EQ(kinds_of(*message), std::vector({kNone, kPatternV1}));
  EXPECT_EQ(again(*message, negotiated), joined({head, data}));
}

TEST(CompressMessage, RunsTooShortForAPatternAreNone) {
  const auto negotiated = with(std::nullopt, Form::kChained);
  CompressionTrials trials;
  const Bytes data = joined({Bytes(63, 0), random_bytes(5000), Bytes(63, 0)});
  const OutSegment segments[] = {{data, &trials}};
  EXPECT_FALSE(compress_message(segments, negotiated));
}

TEST(CompressMessage, WhatDoesNotShrinkIsNotCompressed) {
  const Bytes head(80, 0x11);
  for (const size_t size : {5000u, 1'000'000u}) {
    const Bytes data = random_bytes(size);
    for (const auto algorithm : codec::kAlgorithms) {
      for (const Form form : {Form::kUnchained, Form::kChained}) {
        CompressionTrials trials;
        const OutSegment segments[] = {{head}, {data, &trials}};
        EXPECT_FALSE(compress_message(segments, with(algorithm, form)));
        EXPECT_FALSE(trials.is_due());
      }
    }
  }
}

// [MS-SMB2] 3.2.5.1.1.2: the client ends the connection over what is longer.
TEST(CompressMessage, NoMoreThanThePeerTakesIsCompressed) {
  const Bytes data((8u << 20) + 256 + 16 + 1, 'x');
  for (const Form form : {Form::kUnchained, Form::kChained}) {
    const auto negotiated = with(codec::Algorithm::kLz4, form);
    CompressionTrials trials;
    const OutSegment longest[] = {{ByteView(data).first(data.size() - 1), &trials}};
    EXPECT_TRUE(compress_message(longest, negotiated));
    const OutSegment longer[] = {{data, &trials}};
    EXPECT_FALSE(compress_message(longer, negotiated));
  }
}

TEST(CompressMessage, NothingMarkedIsNotCompressed) {
  const Bytes data = text(10'000);
  const OutSegment segments[] = {{data}};
  EXPECT_FALSE(compress_message(segments, with(codec::Algorithm::kLz4, Form::kChained)));
}

TEST(CompressionTrials, DataThatDoesNotShrinkIsTriedEverMoreRarely) {
  CompressionTrials trials;
  std::vector<int> untried;
  for (int i = 0; i < 8; ++i) {
    trials.note(false);
    int count = 0;
    while (!trials.is_due()) ++count;
    untried.push_back(count);
  }
  EXPECT_EQ(untried, std::vector({2, 4, 8, 16, 32, 64, 64, 64}));
  trials.note(true);
  EXPECT_TRUE(trials.is_due());
  trials.note(false);
  EXPECT_FALSE(trials.is_due());
}

TEST(CompressionLoad, MoreThanThereIsTimeForIsSentAsItIs) {
  CompressionLoad load(1000);
  auto first = load.take(900);
  auto second = load.take(900);
  EXPECT_TRUE(first);
  EXPECT_TRUE(second) << "there was room when it came";
  EXPECT_FALSE(load.take(1));
  EXPECT_EQ(load.given_up, 1u);
  first.reset();
  EXPECT_TRUE(load.take(1));
}

}  // namespace
}  // namespace braid::smb2
