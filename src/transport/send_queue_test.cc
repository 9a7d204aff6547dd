#include "transport/send_queue.h"

#include <gtest/gtest.h>

namespace braid::transport {
namespace {

// Sends everything, `step` bytes at a time.
Bytes take_all(SendQueue& queue, size_t places_max, size_t step) {
  Bytes stream;
  while (!queue.empty()) {
    std::vector<iovec> places(places_max);
    const size_t used = queue.gather(places);
    size_t sent = 0;
    for (size_t i = 0; i < used && sent < step; ++i) {
      EXPECT_GT(places[i].iov_len, 0u);
      const size_t n = std::min(places[i].iov_len, step - sent);
      const auto* bytes = static_cast<const uint8_t*>(places[i].iov_base);
      stream.insert(stream.end(), bytes, bytes + n);
      sent += n;
    }
    queue.sent(sent);
  }
  return stream;
}

OutFrame text_frame_of(std::string_view head, std::vector<std::string_view> parts = {}) {
  OutFrame frame{.head = Bytes(head.begin(), head.end()), .parts = {}};
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i % 2 == 0) {
      frame.parts.emplace_back(Buffer::copy_of(as_bytes(parts[i])));
    } else {
      frame.parts.emplace_back(Bytes(parts[i].begin(), parts[i].end()));
    }
  }
  return frame;
}

TEST(SendQueue, StreamIsTheSameHoweverItIsSent) {
  using std::string_view_literals::operator""sv;
  const std::string_view expected = "\0\0\0\7headAB1\0\0\0\0\0\0\0\3xyzraw"sv;
  for (size_t places : {1, 2, 3, 64}) {
    for (size_t step : {1, 2, 5, 100}) {
      SendQueue queue;
      queue.push(text_frame_of("head", {"AB", "", "", "1"}));
      queue.push(text_frame_of(""));
      queue.push(text_frame_of("", {"", "xyz"}));
      OutFrame raw = text_frame_of("raw");
      raw.framing = Framing::kNone;
      queue.push(std::move(raw));
      EXPECT_EQ(as_text(take_all(queue, places, step)), expected);
    }
  }
}

TEST(SendQueue, EmptyRawFrameIsNothing) {
  SendQueue queue;
  OutFrame raw;
  raw.framing = Framing::kNone;
  queue.push(std::move(raw));
  EXPECT_TRUE(queue.empty());
}

TEST(SendQueue, LengthTakesThreeBytes) {
  SendQueue queue;
  OutFrame frame;
  frame.parts.emplace_back(Buffer(0x123456));
  EXPECT_EQ(SendQueue::size_on_wire(frame), 0x123456u + 4);
  queue.push(std::move(frame));
  std::array<iovec, 4> places;
  ASSERT_EQ(queue.gather(places), 2u);
  const auto* header = static_cast<const uint8_t*>(places[0].iov_base);
  EXPECT_EQ(Bytes(header, header + 4), (Bytes{0, 0x12, 0x34, 0x56}));
}

TEST(OutFrame, FlattenJoinsAllParts) {
  EXPECT_EQ(as_text(flatten(text_frame_of("a", {"bc", "", "d"})).view()), "abcd");
}

}  // namespace
}  // namespace braid::transport
