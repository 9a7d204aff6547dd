// What clients can make the front hold: places, time and bytes.
#include "apps/braidd/front_testing.h"

namespace braid::braidd {
namespace {

TEST_F(FrontTest, OnlySomeConnectionsAreInFlightAtOnce) {
  start(1, {.handovers_in_flight_max = 2});
  const UniqueFd a = client(), b = client(), c = client();
  for (const auto* socket : {&a, &b, &c}) send(*socket, negotiate(1));
  const auto first = received(0);
  ASSERT_TRUE(first && received(0));
  EXPECT_FALSE(received(0));
  acknowledge(0, *first);
  settle();
  EXPECT_TRUE(received(0));
}

TEST_F(FrontTest, ConnectionsBeyondTheQueueOfAWorkerAreDropped) {
  start(1, {.handovers_max = 1});
  const UniqueFd a = client(), b = client();
  send(a, negotiate(1));
  send(b, negotiate(1));
  EXPECT_FALSE(closed(a.get()));
  EXPECT_TRUE(closed(b.get()));
}

TEST_F(FrontTest, AddressThatFillsTheQueueOfAWorkerLeavesPlacesToOthers) {
  start(1, {.handovers_max = 6, .handovers_in_flight_max = 1});
  std::vector<UniqueFd> flood;
  for (int i = 0; i < 10; ++i) {
    flood.push_back(client());
    send(flood.back(), negotiate(1));
  }
  EXPECT_EQ(std::ranges::count_if(flood, [](const auto& each) { return closed(each.get()); }), 6);
  const UniqueFd other = client("127.0.0.2");
  send(other, negotiate(2));
  EXPECT_FALSE(closed(other.get()));
}

TEST_F(FrontTest, AddressThatFillsTheListMakesRoomItself) {
  start(1, {.pending_max = 6});
  const UniqueFd other = client("127.0.0.2");
  std::vector<UniqueFd> flood;
  for (int i = 0; i < 20; ++i) flood.push_back(client());
  EXPECT_FALSE(closed(other.get()));
  EXPECT_FALSE(closed(flood.back().get()));
  EXPECT_TRUE(closed(flood.front().get()));
}

TEST_F(FrontTest, SilentClientIsDroppedWhenItsTimeIsUp) {
  start(1);
  const UniqueFd socket = client();
  clock_.advance(FrontLimits{}.first_frame_time - 1ms);
  settle();
  EXPECT_FALSE(closed(socket.get()));
  clock_.advance(1ms);
  settle();
  EXPECT_TRUE(closed(socket.get()));
}

TEST_F(FrontTest, SlowClientGetsNoMoreTimeForItsBytes) {
  start(1);
  const UniqueFd socket = client();
  const Bytes frame = negotiate(1);
  const auto slice = FrontLimits{}.first_frame_time / 10;
  for (size_t i = 0; i < 10; ++i) {
    send(socket, ByteView(frame).subspan(i, 1));
    clock_.advance(slice);
  }
  settle();
  EXPECT_TRUE(closed(socket.get()));
  EXPECT_FALSE(received(0));
}

TEST_F(FrontTest, TooLargeFirstMessageIsDroppedAtItsHeader) {
  start(1);
  const UniqueFd socket = client();
  send(socket, Bytes{0x00, 0x01, 0x00, 0x01});
  EXPECT_TRUE(closed(socket.get()));
}

TEST_F(FrontTest, LargestFirstMessageArrivesWhole) {
  start(1);
  const UniqueFd socket = client();
  Bytes frame = negotiate(9, 65'536 - 100);
  frame[1] = 1;  // the length is 0x010000
  send(socket, frame);
  const auto message = received(0);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->payload.size(), 65'536u);
}

TEST_F(FrontTest, ClientThatSpeaksSomethingElseIsDropped) {
  start(1);
  const UniqueFd http = client(), session_setup = client();
  send(http, as_bytes("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_TRUE(closed(http.get()));
  Bytes frame = negotiate(1);
  frame[4 + 12] = 1;
  send(session_setup, frame);
  EXPECT_TRUE(closed(session_setup.get()));
  EXPECT_FALSE(received(0));
}

TEST_F(FrontTest, ClientThatLeavesIsForgotten) {
  start(1);
  UniqueFd socket = client();
  EXPECT_EQ(front_->pending(), 1u);
  socket.reset();
  settle();
  EXPECT_EQ(front_->pending(), 0u);
}

TEST_F(FrontTest, OneAddressHoldsSoManyAndNoMore) {
  start(1, {.pending_per_address_max = 2});
  const UniqueFd a = client(), b = client(), c = client();
  EXPECT_FALSE(closed(a.get()));
  EXPECT_FALSE(closed(b.get()));
  EXPECT_TRUE(closed(c.get()));
  send(a, negotiate(1));
  const UniqueFd d = client();
  EXPECT_FALSE(closed(d.get()));
}

TEST_F(FrontTest, FullListDropsTheLongestSilentForTheNewest) {
  start(1, {.pending_max = 2});
  const UniqueFd a = client(), b = client(), c = client();
  EXPECT_TRUE(closed(a.get()));
  EXPECT_FALSE(closed(b.get()));
  EXPECT_FALSE(closed(c.get()));
}

}  // namespace
}  // namespace braid::braidd
