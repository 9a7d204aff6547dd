#include "transport/frame_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace braid::transport {
namespace {

Bytes stream_frame(ByteView message) {
  const size_t n = message.size();
  Bytes frame = {0, static_cast<uint8_t>(n >> 16), static_cast<uint8_t>(n >> 8),
                 static_cast<uint8_t>(n)};
  frame.insert(frame.end(), message.begin(), message.end());
  return frame;
}

Bytes pattern(size_t size, uint8_t start) {
  Bytes bytes(size);
  std::iota(bytes.begin(), bytes.end(), start);
  return bytes;
}

// Puts up to `most` bytes of `stream` where the reader wants them.
void feed(FrameReader& reader, ByteView& stream, size_t most) {
  FrameReader::Space places;
  const size_t count = reader.space(places);
  size_t fed = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t n = std::min({places[i].iov_len, stream.size(), most - fed});
    if (n > 0) std::memcpy(places[i].iov_base, stream.data(), n);
    stream = stream.subspan(n);
    fed += n;
  }
  reader.received(fed);
}

// Every message of `stream`, fed in steps of `step` bytes.
std::vector<Bytes> read_all(FrameReader& reader, ByteView stream, size_t step) {
  std::vector<Bytes> messages;
  for (;;) {
    auto message = reader.next();
    if (!message) return messages;
    if (*message) {
      messages.emplace_back((*message)->view().begin(), (*message)->view().end());
    } else if (stream.empty()) {
      return messages;
    } else {
      feed(reader, stream, step);
    }
  }
}

class FrameReaderSteps : public testing::TestWithParam<size_t> {};

TEST_P(FrameReaderSteps, GivesTheMessagesHoweverTheStreamIsCut) {
  std::vector<Bytes> sent;
  Bytes stream;
  for (size_t size : {0, 1, 64, 70'000, 3, 65'532, 200'000, 200'000, 12, 66'000}) {
    sent.push_back(pattern(size, static_cast<uint8_t>(sent.size())));
    const Bytes frame = stream_frame(sent.back());
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  FrameReader reader;
  reader.set_limit(kFrameSizeMax);
  EXPECT_EQ(read_all(reader, stream, GetParam()), sent);
  EXPECT_TRUE(reader.at_boundary());
}
INSTANTIATE_TEST_SUITE_P(Steps, FrameReaderSteps,
                         testing::Values(1, 3, 1448, 8192, 65'535, 65'536, 1'000'000));

TEST(FrameReader, SmallMessagesAreReadTogether) {
  Bytes stream;
  for (int i = 0; i < 60; ++i) {
    const Bytes frame = stream_frame(pattern(120, 0));
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  FrameReader reader;
  ByteView rest = stream;
  feed(reader, rest, SIZE_MAX);
  EXPECT_TRUE(rest.empty());
  for (int i = 0; i < 60; ++i) {
    EXPECT_TRUE(reader.has_message());
    EXPECT_TRUE((*reader.next()).has_value());
  }
  EXPECT_FALSE(reader.has_message());
}

TEST(FrameReader, LargeMessageIsReceivedInPlace) {
  FrameReader reader;
  reader.set_limit(kFrameSizeMax);
  const Bytes stream = stream_frame(pattern(1'000'000, 0));
  ByteView rest = stream;
  feed(reader, rest, 100);
  ASSERT_FALSE((*reader.next()).has_value());
  FrameReader::Space places;
  ASSERT_EQ(reader.space(places), 2u);
  EXPECT_EQ(places[0].iov_len, 1'000'000u - 96);
  EXPECT_EQ(places[1].iov_len, kReadAheadAfterLarge);
}

TEST(FrameReader, LimitHoldsBeforeMemoryIsTaken) {
  FrameReader reader;
  reader.set_limit(100);
  reader.seed(Bytes{0, 0, 0, 100});
  EXPECT_FALSE((*reader.next()).has_value());
  FrameReader longer;
  longer.set_limit(100);
  longer.seed(Bytes{0, 0, 0, 101});
  ASSERT_FALSE(longer.next().has_value());
  EXPECT_EQ(longer.next().error(), Error::malformed());
}

TEST(FrameReader, UnknownFrameTypeIsMalformed) {
  for (uint8_t type : {0x01, 0x81, 0x82, 0x83, 0x84, 0xFF, 0xFE}) {
    FrameReader reader;
    reader.seed(Bytes{type, 0, 0, 0});
    ASSERT_FALSE(reader.next().has_value());
    EXPECT_EQ(reader.next().error(), Error::malformed());
  }
}

TEST(FrameReader, KeepAliveIsSkipped) {
  const Bytes stream = {0x85, 0, 0, 0, 0x85, 0, 0, 0, 0, 0, 0, 1, 'z'};
  FrameReader reader;
  EXPECT_EQ(read_all(reader, stream, 1), std::vector<Bytes>{{'z'}});
}

TEST(FrameReader, KeepAliveWithAPayloadIsMalformed) {
  FrameReader reader;
  reader.seed(Bytes{0x85, 0, 0, 1, 'x'});
  EXPECT_FALSE(reader.next().has_value());
}

// A third of it is for one connection, and three quarters of that for frames.
struct CountedFrames : testing::Test {
  CountedFrames() { reader.set_account(account); }
  std::shared_ptr<MemoryBudget> budget = MemoryBudget::make(96u << 20);
  std::shared_ptr<MemoryAccount> account = [this] {
    auto made = budget->open_account("");
    made->became_known("user");
    return made;
  }();
  FrameReader reader;
};

TEST_F(CountedFrames, MessageCarriesItsCharge) {
  reader.seed(Bytes{0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd'});
  auto first = reader.next();
  auto second = reader.next();
  ASSERT_TRUE(first && *first && second && *second);
  EXPECT_EQ(account->used(), 4u);
  first->reset();
  EXPECT_EQ(account->used(), 1u);
}

TEST_F(CountedFrames, LargeMessageIsCountedBeforeThereIsMemoryForIt) {
  reader.set_limit(kFrameSizeMax);
  reader.seed(Bytes{0, 0x80, 0, 0});
  ASSERT_FALSE(*reader.next());
  EXPECT_EQ(reader.starved(), 0u);
  EXPECT_EQ(account->used(), 8u << 20);
}

TEST_F(CountedFrames, WithoutRoomNothingIsReadUntilItIsGranted) {
  std::vector<MemoryCharge> held;
  while (auto charge = account->try_take(1 << 20, MemoryUse::kFrame)) {
    held.push_back(std::move(*charge));
  }
  reader.set_limit(kFrameSizeMax);
  reader.seed(Bytes{0, 0x80, 0, 0});
  ASSERT_FALSE(*reader.next());
  EXPECT_EQ(reader.starved(), 8u << 20);
  held.clear();
  auto charge = account->try_take(reader.starved(), MemoryUse::kFrame);
  ASSERT_TRUE(charge);
  reader.grant(std::move(*charge));
  ASSERT_FALSE(*reader.next());
  EXPECT_EQ(reader.starved(), 0u);
  FrameReader::Space places;
  reader.space(places);
  EXPECT_EQ(places[0].iov_len, 8u << 20);
}

TEST(FrameReader, ReadBufferGrowsWithWhatComes) {
  FrameReader reader;
  FrameReader::Space places;
  ASSERT_EQ(reader.space(places), 1u);
  EXPECT_EQ(places[0].iov_len, kReadBufferSizeInitial);
  std::memset(places[0].iov_base, 0x85, 1);
  std::memset(static_cast<char*>(places[0].iov_base) + 1, 0, kReadBufferSizeInitial - 1);
  reader.received(kReadBufferSizeInitial);
  while (auto message = *reader.next()) EXPECT_TRUE(message->empty());
  ASSERT_EQ(reader.space(places), 1u);
  EXPECT_EQ(places[0].iov_len, kReadBufferSize);
}

// Wherever one stops, another goes on.
TEST(FrameReader, UnreadIsAllThatWasNotGiven) {
  std::vector<Bytes> sent;
  Bytes stream;
  for (const size_t size : {size_t{10}, size_t{0}, 2 * kReadBufferSize, size_t{300}}) {
    sent.push_back(pattern(size, static_cast<uint8_t>(size)));
    const Bytes frame = stream_frame(sent.back());
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  for (size_t cut = 0; cut <= stream.size(); cut += cut < 64 ? 1 : 997) {
    FrameReader first;
    first.set_limit(kFrameSizeMax);
    std::vector<Bytes> got = read_all(first, ByteView(stream).first(cut), 1000);
    FrameReader second;
    second.seed(first.unread());
    second.set_limit(kFrameSizeMax);
    for (Bytes& each : read_all(second, ByteView(stream).subspan(cut), 1000)) {
      got.push_back(std::move(each));
    }
    ASSERT_EQ(got, sent) << cut;
    FrameReader::Space places;
    ASSERT_EQ(second.space(places), 1u);
    EXPECT_LE(places[0].iov_len, kReadBufferSize);
  }
}

// [MS-SMB2] 2.2.21 "SMB2 WRITE Request": its data is 112 bytes behind the beginning of the message,
// and that 52 behind the beginning of one that came encrypted.
TEST(FrameReader, DataOfALargeWriteIsAligned) {
  for (const bool is_sealed : {false, true}) {
    Bytes message = pattern(100'000, 1);
    message[0] = is_sealed ? 0xFD : 0xFE;
    const Bytes stream = stream_frame(message);
    const uint8_t* before = nullptr;
    for (int times = 0; times < 2; ++times) {
      FrameReader reader;
      reader.set_limit(kFrameSizeMax);
      ByteView rest = stream;
      auto got = reader.next();
      while (got && !*got && !rest.empty()) {
        feed(reader, rest, 1000);
        got = reader.next();
      }
      ASSERT_TRUE(got && *got);
      EXPECT_TRUE(std::ranges::equal((*got)->view(), message));
      const uint8_t* const data = (*got)->data() + 112 + (is_sealed ? 52 : 0);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0u) << is_sealed;
      // The block is there again for the next.
      if (BufferMemory::kKeeps && before) EXPECT_EQ(data, before);
      before = data;
    }
  }
}

TEST(FrameReader, SeedMayHoldMoreThanTheReadBuffer) {
  const Bytes message = pattern(kReadBufferSize + 10, 7);
  Bytes stream = stream_frame(message);
  stream.insert(stream.end(), {0, 0});
  FrameReader reader;
  reader.seed(stream);
  reader.set_limit(kFrameSizeMax);
  auto got = reader.next();
  ASSERT_TRUE(got && *got);
  EXPECT_TRUE(std::ranges::equal((*got)->view(), message));
  EXPECT_FALSE(reader.at_boundary());
  ByteView rest = stream;
  rest = as_bytes(std::string_view("\0\1x", 3));
  feed(reader, rest, SIZE_MAX);
  auto second = reader.next();
  ASSERT_TRUE(second && *second);
  EXPECT_EQ((*second)->view()[0], 'x');
}

}  // namespace
}  // namespace braid::transport
