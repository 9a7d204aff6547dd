// Who connects and is heard first, and who goes on from there.
#include "transport/smbdirect/lobby.h"

#include <gtest/gtest.h>

#include <deque>

#include "runtime/virtual_timers.h"
#include "transport/smbdirect/queue_pair_testing.h"
#include "transport/smbdirect/smbdirect_transport.h"
#include "transport/transport_testing.h"
#include "wire/smbdirect/messages.h"

namespace braid::transport::smbdirect {
namespace {

using namespace std::chrono_literals;
using wire::smbdirect::DataTransfer;
using wire::smbdirect::NegotiateRequest;
using wire::smbdirect::NegotiateResponse;

const SocketAddress kPeer = SocketAddress::parse("192.0.2.7", 1000).value();

// One reactor, on which all of it lives.
struct Place {
  Place()
      : reactor(&timers),
        lobby(
            reactor, server_settings(),
            [this](Arrived who, ByteView first) {
              begins.emplace_back(first.begin(), first.end());
              served.push_back(std::move(who));
            },
            LobbyLimits{.guests_max = 6}, clock) {}
  // What is posted by now, and what that posts.
  Task<void> turn() {
    for (int i = 0; i < 50; ++i) co_await reactor.next_turn();
  }
  std::unique_ptr<TestQueuePair> connect(TestLink link = {}) {
    auto [ours, theirs] = TestQueuePair::make(link);
    lobby.add({.pair = std::move(theirs), .peer = kPeer, .local = kPeer});
    return std::move(ours);
  }

  VirtualClock clock;
  VirtualTimers timers{clock};
  Reactor reactor;
  std::vector<Bytes> begins;
  std::deque<Arrived> served;
  Lobby lobby;
};

// A peer by hand.
struct Stranger {
  explicit Stranger(std::unique_ptr<TestQueuePair> its) : card(std::move(its)) {
    for (uint64_t i = 0; i < 8; ++i) {
      receives.push_back(card->memory(2048));
      EXPECT_TRUE(card->post_receive(i, receives.back().view()));
    }
  }
  template <class Message>
  void say(const Message& message) {
    Bytes bytes;
    wire::Writer writer(bytes);
    message.encode(writer);
    sends.push_back(card->memory(bytes.size()));
    std::ranges::copy(bytes, sends.back().data());
    EXPECT_TRUE(card->post_send(100, sends.back().view(), {}));
  }
  void greet() {
    say(NegotiateRequest{.credits_requested = 10,
                         .preferred_send_size = 1364,
                         .max_receive_size = 1364,
                         .max_fragmented_size = 1u << 20});
  }
  std::vector<Bytes> heard() {
    std::vector<Bytes> all;
    std::array<QueuePair::Completion, 16> done;
    while (const size_t count = card->poll(done)) {
      for (const auto& each : std::span(done).first(count)) {
        if (each.status != QueuePair::Status::kDone) {
          is_lost = true;
        } else if (each.kind == QueuePair::Kind::kReceive) {
          const ByteView packet = receives[each.id].view().first(each.size);
          all.emplace_back(packet.begin(), packet.end());
        }
      }
    }
    return all;
  }
  std::vector<Buffer> receives, sends;
  bool is_lost = false;
  std::unique_ptr<TestQueuePair> card;
};

Task<void> talk(TransportPtr client, TransportPtr server, size_t first) {
  client->set_receive_limit(1u << 20);
  server->set_receive_limit(1u << 20);
  const auto received = co_await server->receive();
  EXPECT_TRUE(received);
  if (!received) co_return;
  EXPECT_EQ(received->size(), first);
  for (const size_t size : {1u, 100u, 5000u, 100'000u}) {
    server->send(frame_of(Bytes(size, 3)));
    const auto there = co_await client->receive();
    EXPECT_TRUE(there && there->size() == size);
    client->send(frame_of(Bytes(size, 4)));
    const auto back = co_await server->receive();
    EXPECT_TRUE(back && back->size() == size);
  }
}

Task<void> who_serves_goes_on_from_what_was_heard(Place& place) {
  for (uint64_t seed = 1; seed < 20; ++seed) {
    for (const size_t size : {size_t{100}, size_t{1340}, size_t{50'000}}) {
      auto client = make_smbdirect_transport(place.reactor, place.connect({.seed = seed}),
                                             Role::kActive, {.clock = &place.clock});
      client->send(frame_of(Bytes(size, 7)));
      co_await place.turn();
      EXPECT_EQ(place.served.size(), 1u);
      if (place.served.size() != 1u) co_return;
      // Of a long message its beginning.
      EXPECT_EQ(place.begins.back(), Bytes(std::min<size_t>(size, 1340), 7));
      Arrived who = std::move(place.served.front());
      place.served.pop_front();
      EXPECT_EQ(who.peer, kPeer);
      EXPECT_EQ(place.lobby.guests(), 0u);
      auto server = make_smbdirect_transport(
          place.reactor, std::move(who.pair), Role::kPassive,
          {.settings = server_settings(), .clock = &place.clock, .heard = std::move(who.heard)});
      co_await talk(client, server, size);
      client->close();
      server->close();
    }
  }
}
TEST(LobbyTest, WhoServesGoesOnFromWhatWasHeard) {
  Place place;
  run(place.reactor, who_serves_goes_on_from_what_was_heard(place));
}

Task<void> who_grants_credits_first_is_answered_with_one(Place& place) {
  Stranger peer(place.connect());
  peer.greet();
  co_await place.turn();
  auto heard = peer.heard();
  EXPECT_EQ(heard.size(), 1u);
  if (heard.size() != 1u) co_return;
  wire::Reader reader(heard[0]);
  EXPECT_EQ(NegotiateResponse::decode(reader)->credits_granted, 1);
  for (int i = 0; i < 5; ++i) {
    peer.say(DataTransfer{.credits_requested = 10, .credits_granted = 2});
    co_await place.turn();
    heard = peer.heard();
    EXPECT_EQ(heard.size(), 1u) << i;
    if (heard.size() != 1u) co_return;
    wire::Reader grant(heard[0]);
    EXPECT_EQ(DataTransfer::decode(grant)->credits_granted, 1);
  }
  EXPECT_TRUE(place.served.empty());
  const Bytes data = {1, 2, 3};
  peer.say(DataTransfer{.credits_requested = 10, .credits_granted = 3, .data = data});
  co_await place.turn();
  EXPECT_EQ(place.served.size(), 1u);
  if (place.served.size() != 1u) co_return;
  EXPECT_EQ(place.begins[0], data);
  EXPECT_EQ(place.served[0].heard.size(), 7u);
  auto server =
      make_smbdirect_transport(place.reactor, std::move(place.served[0].pair), Role::kPassive,
                               {.settings = server_settings(),
                                .clock = &place.clock,
                                .heard = std::move(place.served[0].heard)});
  co_await place.turn();
  // Now he has what he has asked for.
  heard = peer.heard();
  EXPECT_EQ(heard.size(), 1u);
  if (heard.size() != 1u) co_return;
  wire::Reader grant(heard[0]);
  EXPECT_EQ(DataTransfer::decode(grant)->credits_granted, 10);
  EXPECT_FALSE(server->is_closed());
  server->close();
}
TEST(LobbyTest, WhoGrantsCreditsFirstIsAnsweredWithOne) {
  Place place;
  run(place.reactor, who_grants_credits_first_is_answered_with_one(place));
}

Task<void> who_says_nonsense_or_too_much_is_let_go(Place& place) {
  Stranger another(place.connect());
  another.say(NegotiateRequest{.min_version = 0x200, .max_version = 0x200});
  Stranger cut(place.connect());
  cut.say(wire::smbdirect::BufferDescriptorV1{});  // 16 bytes, and a request has 20
  Stranger long_winded(place.connect());
  long_winded.greet();
  co_await place.turn();
  // He hears why, and then it is over.
  const auto heard = another.heard();
  EXPECT_EQ(heard.size(), 1u);
  if (heard.size() != 1u) co_return;
  wire::Reader reader(heard[0]);
  EXPECT_EQ(NegotiateResponse::decode(reader)->status, NtStatus::kNotSupported);
  EXPECT_TRUE(another.is_lost);
  cut.heard();
  EXPECT_TRUE(cut.is_lost);
  for (size_t i = 0; i < Lobby::kHeardPacketsMax && !long_winded.is_lost; ++i) {
    long_winded.say(DataTransfer{.credits_requested = 10, .credits_granted = 2});
    co_await place.turn();
    for (const Bytes& packet : long_winded.heard()) {
      // So that there is always a receive.
      EXPECT_LE(packet.size(), 40u);
      EXPECT_TRUE(long_winded.card->post_receive(0, long_winded.receives[0].view()));
    }
  }
  EXPECT_TRUE(long_winded.is_lost);
  EXPECT_EQ(place.lobby.guests(), 0u);
  EXPECT_TRUE(place.served.empty());
}
TEST(LobbyTest, WhoSaysNonsenseOrTooMuchIsLetGo) {
  Place place;
  run(place.reactor, who_says_nonsense_or_too_much_is_let_go(place));
}

Task<void> who_stays_silent_has_so_much_time_and_one_has_not_all_places(Place& place) {
  std::vector<std::unique_ptr<TestQueuePair>> silent;
  for (int i = 0; i < 10; ++i) silent.push_back(place.connect());
  EXPECT_EQ(place.lobby.guests(), 4u);
  place.timers.advance(9'999ms);
  co_await place.turn();
  EXPECT_EQ(place.lobby.guests(), 4u);
  place.timers.advance(1ms);
  co_await place.turn();
  EXPECT_EQ(place.lobby.guests(), 0u);
  // Also one who begins.
  Stranger begun(place.connect());
  begun.greet();
  co_await place.turn();
  EXPECT_EQ(begun.heard().size(), 1u);
  place.timers.advance(10s);
  co_await place.turn();
  begun.heard();
  EXPECT_TRUE(begun.is_lost);
  EXPECT_TRUE(place.served.empty());
}
TEST(LobbyTest, WhoStaysSilentHasSoMuchTimeAndOneHasNotAllPlaces) {
  Place place;
  run(place.reactor, who_stays_silent_has_so_much_time_and_one_has_not_all_places(place));
}

Task<void> what_another_process_says_was_heard_is_judged_again(Place& place) {
  for (const std::vector<Bytes>& heard : std::initializer_list<std::vector<Bytes>>{
           {{}}, {{1, 2, 3}}, {Bytes(20), Bytes(20)}, std::vector<Bytes>(100, Bytes(20, 1))}) {
    auto [ours, theirs] = TestQueuePair::make();
    auto server = make_smbdirect_transport(
        place.reactor, std::move(theirs), Role::kPassive,
        {.settings = server_settings(), .clock = &place.clock, .heard = heard});
    co_await place.turn();
    EXPECT_TRUE(server->is_closed());
  }
}
TEST(LobbyTest, WhatAnotherProcessSaysWasHeardIsJudgedAgain) {
  Place place;
  run(place.reactor, what_another_process_says_was_heard_is_judged_again(place));
}

}  // namespace
}  // namespace braid::transport::smbdirect
