// SMB Direct over cards that are none. What every transport promises is in transport_test.cc.
#include "transport/smbdirect/smbdirect_transport.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/memory_budget.h"
#include "runtime/one_shot.h"
#include "runtime/virtual_timers.h"
#include "transport/remote_memory.h"
#include "transport/smbdirect/queue_pair_testing.h"
#include "transport/transport_testing.h"
#include "wire/smbdirect/messages.h"

namespace braid::transport::smbdirect {
namespace {

using namespace std::chrono_literals;
using PeerMay = QueuePair::PeerMay;

Bytes counting_bytes(size_t size, uint8_t first = 0) {
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = first++;
  return bytes;
}

// Two ends on one reactor; the card of the first stays at hand, to register memory with.
struct SmbDirectEnds {
  explicit SmbDirectEnds(Reactor& reactor, TestLink link = {}, TransportOptions options = {}) {
    auto [first, second] = TestQueuePair::make(link);
    card = first.get();
    // Who accepts has a receive before there is a connection.
    server = make_smbdirect_transport(reactor, std::move(second), Role::kPassive, options);
    client = make_smbdirect_transport(reactor, std::move(first), Role::kActive, options);
  }
  TestQueuePair* card;
  TransportPtr client;
  TransportPtr server;
};

Task<void> reach_memory(SmbDirectEnds& ends) {
  Bytes source = counting_bytes(3000);
  Bytes first(1000);
  Bytes second(5000);
  const auto readable = *ends.card->register_memory(source, PeerMay::kRead);
  const auto one = *ends.card->register_memory(first, PeerMay::kWrite);
  const auto two = *ends.card->register_memory(second, PeerMay::kWrite);
  RemoteMemory& memory = *ends.server->remote_memory();

  auto tail = readable;
  tail.offset += 2000;
  tail.length = 1000;
  const auto pulled = co_await memory.pull({tail, readable}, 1500);
  EXPECT_TRUE(pulled);
  Bytes expected(source.begin() + 2000, source.end());
  expected.insert(expected.end(), source.begin(), source.begin() + 500);
  if (pulled) EXPECT_TRUE(std::ranges::equal(pulled->view(), expected));

  Buffer data = memory.memory(3000);
  std::ranges::copy(source, data.data());
  auto nothing = two;
  nothing.length = 0;
  EXPECT_TRUE(co_await memory.push(std::move(data), {one, nothing, two}));
  EXPECT_TRUE(std::ranges::equal(first, ByteView(source).first(1000)));
  EXPECT_TRUE(std::ranges::equal(ByteView(second).first(2000), ByteView(source).subspan(1000)));
  EXPECT_TRUE(std::ranges::all_of(ByteView(second).subspan(2000), [](auto b) { return b == 0; }));

  // More than is there, or nowhere: nothing happens, and the connection lives.
  EXPECT_EQ((co_await memory.pull({readable, tail}, 4001)).error(),
            Error(NtStatus::kInvalidParameter));
  EXPECT_EQ((co_await memory.push(Buffer(1), {})).error(), Error(NtStatus::kInvalidParameter));
  EXPECT_EQ((co_await memory.pull({{.offset = ~0ull, .token = 1, .length = 2}}, 1)).error(),
            Error(NtStatus::kInvalidParameter));
  EXPECT_TRUE(co_await memory.pull({}, 0));
  EXPECT_FALSE(ends.server->is_closed());
}

TEST(SmbDirectTransport, ReachesTheMemoryOfThePeer) {
  for (uint64_t seed = 1; seed < 20; ++seed) {
    Reactor reactor;
    SmbDirectEnds ends(reactor, {.seed = seed});
    run(reactor, reach_memory(ends));
  }
}

Task<void> count_pull(RemoteMemory& memory, BufferDescriptors from, size_t size, int& done) {
  const auto got = co_await memory.pull(std::move(from), size);
  EXPECT_TRUE(got && got->size() == size && got->view()[0] == size % 256);
  ++done;
}

Task<void> many_pulls(SmbDirectEnds& ends) {
  Bytes source = counting_bytes(100'000);
  const auto all = *ends.card->register_memory(source, PeerMay::kRead);
  TaskScope scope;
  int done = 0;
  for (uint32_t i = 1; i <= 300; ++i) {
    BufferDescriptors pieces;
    for (uint32_t at = 0; at < i; ++at) {
      pieces.push_back({.offset = all.offset + i + at, .token = all.token, .length = 1});
    }
    scope.spawn(count_pull(*ends.server->remote_memory(), pieces, i, done));
    ends.client->send(frame_of(counting_bytes(i)));
    ends.server->send(frame_of(counting_bytes(i)));
  }
  for (size_t i = 1; i <= 300; ++i) {
    const auto at_server = co_await ends.server->receive();
    const auto at_client = co_await ends.client->receive();
    EXPECT_TRUE(at_server && at_server->size() == i);
    EXPECT_TRUE(at_client && at_client->size() == i);
  }
  co_await scope.join();
  EXPECT_EQ(done, 300);
}

TEST(SmbDirectTransport, ManyTransfersAndMessagesShareASmallQueue) {
  Reactor reactor;
  SmbDirectEnds ends(reactor, {.seed = 3, .requests_max = 8});
  run(reactor, many_pulls(ends));
}

TEST(SmbDirectTransport, APacketNeverMeetsACardWithoutAReceive) {
  for (uint64_t seed = 1; seed < 5; ++seed) {
    Reactor reactor;
    SmbDirectEnds ends(reactor, {.seed = seed, .waits_for_receives = false},
                       {.settings = {.receive_credit_max = 2}});
    run(reactor, many_pulls(ends));
  }
}

enum class Wrong { kNoKey, kUnregistered, kAccess, kBeyond, kBelow };

Task<void> refused(SmbDirectEnds& ends, Wrong wrong) {
  Bytes memory = counting_bytes(100);
  auto remote = *ends.card->register_memory(memory, PeerMay::kWrite);
  RemoteMemory& reach = *ends.server->remote_memory();
  if (wrong == Wrong::kNoKey) remote.token += 1;
  if (wrong == Wrong::kUnregistered) ends.card->unregister(remote.token);
  if (wrong == Wrong::kBeyond) remote.length += 1;
  if (wrong == Wrong::kBelow) remote.offset -= 1;
  const Error lost(NtStatus::kConnectionDisconnected);
  if (wrong == Wrong::kAccess) {
    EXPECT_EQ((co_await reach.pull({remote}, remote.length)).error(), lost);
  } else {
    EXPECT_EQ((co_await reach.push(Buffer::copy_of(Bytes(remote.length)), {remote})).error(), lost);
  }
  EXPECT_EQ(memory, counting_bytes(100));
  EXPECT_EQ((co_await ends.server->receive()).error(), lost);
  EXPECT_EQ((co_await ends.client->receive()).error(), lost);
  EXPECT_EQ((co_await reach.pull({remote}, 1)).error(), lost);
}

TEST(SmbDirectTransport, WhatTheCardRefusesEndsTheConnection) {
  for (const Wrong wrong :
       {Wrong::kNoKey, Wrong::kUnregistered, Wrong::kAccess, Wrong::kBeyond, Wrong::kBelow}) {
    Reactor reactor;
    SmbDirectEnds ends(reactor);
    run(reactor, refused(ends, wrong));
  }
}

Task<void> invalidates(SmbDirectEnds& ends) {
  Bytes memory(100);
  const auto remote = *ends.card->register_memory(memory, PeerMay::kWrite);
  OutFrame frame = frame_of(counting_bytes(5000));
  frame.invalidate = remote.token;
  ends.server->send(std::move(frame));
  EXPECT_TRUE(co_await ends.client->receive());
  EXPECT_EQ(ends.card->regions(), 0u);
  // A second time there is nothing to invalidate.
  frame = frame_of({1});
  frame.invalidate = remote.token;
  ends.server->send(std::move(frame));
  EXPECT_EQ((co_await ends.client->receive()).error(), Error(NtStatus::kConnectionDisconnected));
}

TEST(SmbDirectTransport, AnAnswerInvalidatesAKey) {
  Reactor reactor;
  SmbDirectEnds ends(reactor);
  run(reactor, invalidates(ends));
}

Task<void> breaks(SmbDirectEnds& ends, int& messages, bool& pulled) {
  Bytes memory(1000);
  const auto remote = *ends.card->register_memory(memory, PeerMay::kRead);
  for (int i = 0; i < 20; ++i) ends.client->send(frame_of(counting_bytes(3000)));
  while (co_await ends.server->receive()) ++messages;
  pulled = (co_await ends.server->remote_memory()->pull({remote}, 1000)).has_value();
  EXPECT_TRUE(ends.server->is_closed());
  EXPECT_FALSE(co_await ends.client->receive());
  co_await ends.client->drained();
}

TEST(SmbDirectTransport, EndsWhereverTheLinkBreaks) {
  for (uint64_t at = 1; at < 60; ++at) {
    Reactor reactor;
    SmbDirectEnds ends(reactor, {.seed = at, .breaks_at = at});
    int messages = 0;
    bool pulled = false;
    run(reactor, breaks(ends, messages, pulled));
    EXPECT_LT(messages, 20);
    EXPECT_FALSE(pulled);
  }
}

Task<void> last_words(SmbDirectEnds& ends) {
  for (int i = 0; i < 10; ++i) ends.server->send(frame_of(counting_bytes(100)));
  co_await ends.server->drained();
  EXPECT_EQ(ends.server->bytes_acknowledged(), ends.server->bytes_queued());
  ends.server->close();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(co_await ends.client->receive());
  EXPECT_EQ((co_await ends.client->receive()).error(), Error(NtStatus::kConnectionDisconnected));
}

TEST(SmbDirectTransport, WhatArrivedBeforeTheEndIsReceived) {
  for (uint64_t seed = 1; seed < 20; ++seed) {
    Reactor reactor;
    SmbDirectEnds ends(reactor, {.seed = seed});
    run(reactor, last_words(ends));
  }
}

Task<void> nobody_reads(SmbDirectEnds& ends, size_t& taken) {
  for (int i = 0; i < 100; ++i) ends.client->send(frame_of(counting_bytes(50'000)));
  // All that there is room for.
  uint64_t before = 1;
  while (before != ends.client->bytes_acknowledged()) {
    before = ends.client->bytes_acknowledged();
    for (int i = 0; i < 1000; ++i) co_await ends.client->reactor().next_turn();
  }
  taken = before;
  for (int i = 0; i < 100; ++i) {
    const auto message = co_await ends.server->receive();
    EXPECT_TRUE(message && std::ranges::equal(message->view(), counting_bytes(50'000)));
  }
}

TEST(SmbDirectTransport, APeerThatIsNotReadIsHeldBack) {
  Reactor reactor;
  SmbDirectEnds ends(reactor, {}, {.settings = {.receive_credit_max = 32}});
  size_t taken = 0;
  run(reactor, nobody_reads(ends, taken));
  EXPECT_GT(taken, 100'000u);
  EXPECT_LT(taken, 400'000u);
}

Task<void> short_of_memory(SmbDirectEnds& ends, std::shared_ptr<MemoryAccount> account) {
  ends.server->set_account(account);
  auto all = account->take(MemoryAccount::kConnectionMax);
  ends.client->send(frame_of(counting_bytes(10'000)));
  ends.server->send(frame_of(counting_bytes(10'000)));
  // What it sends itself is not held up.
  EXPECT_TRUE(co_await ends.client->receive());
  co_await ends.client->reactor().next_turn();
  all.release();
  {
    const auto message = co_await ends.server->receive();
    EXPECT_TRUE(message && std::ranges::equal(message->view(), counting_bytes(10'000)));
    EXPECT_GE(account->used(), 10'000u);
  }
  ends.server->close();
}

TEST(SmbDirectTransport, AMessageWaitsForMemory) {
  const auto budget = MemoryBudget::make(256u << 20);
  const auto account = budget->open_account("");
  {
    Reactor reactor;
    SmbDirectEnds ends(reactor);
    run(reactor, short_of_memory(ends, account));
  }
  EXPECT_EQ(account->used(), 0u);
}

Task<void> expect_failure(TransportPtr transport, Error error) {
  const auto message = co_await transport->receive();
  EXPECT_FALSE(message);
  if (!message) EXPECT_EQ(message.error(), error);
}

// A peer that is not one of ours: the test posts for it.
struct SmbDirectStranger {
  SmbDirectStranger(Reactor& reactor, TransportOptions options = {}) {
    auto [mine, its] = TestQueuePair::make({.own_memory_only = false});
    card = std::move(mine);
    server = make_smbdirect_transport(reactor, std::move(its), Role::kPassive, options);
    EXPECT_TRUE(card->post_receive(1, answer));
  }
  std::unique_ptr<TestQueuePair> card;
  TransportPtr server;
  Bytes answer = Bytes(512);
  Bytes request;
};

TEST(SmbDirectTransport, ARefusalArrivesBeforeTheEnd) {
  Reactor reactor;
  SmbDirectStranger peer(reactor);
  wire::Writer writer(peer.request);
  wire::smbdirect::NegotiateRequest{.min_version = 0x200, .max_version = 0x200}.encode(writer);
  ASSERT_TRUE(peer.card->post_send(2, peer.request, {}));
  run(reactor, expect_failure(peer.server, Error(NtStatus::kNotSupported)));
  wire::Reader reader(peer.answer);
  EXPECT_EQ(wire::smbdirect::NegotiateResponse::decode(reader)->status, NtStatus::kNotSupported);
}

TEST(SmbDirectTransport, NonsenseEndsTheConnection) {
  Reactor reactor;
  SmbDirectStranger peer(reactor);
  peer.request = {1, 2, 3};
  ASSERT_TRUE(peer.card->post_send(2, peer.request, {}));
  run(reactor, expect_failure(peer.server, Error::truncated()));
  EXPECT_EQ(peer.card->post_send(3, peer.request, {}).error(), Error::os(ENOTCONN));
}

TEST(SmbDirectTransport, AReceiveThatIsTooSmallIsThePeersFault) {
  Reactor reactor;
  SmbDirectStranger peer(reactor);
  peer.request.resize(10'000);
  ASSERT_TRUE(peer.card->post_send(2, peer.request, {}));
  run(reactor, expect_failure(peer.server, Error(NtStatus::kConnectionDisconnected)));
}

TEST(SmbDirectTransport, APeerThatSaysNothingHasSoMuchTime) {
  VirtualClock clock;
  VirtualTimers timers(clock);
  Reactor reactor(&timers);
  SmbDirectStranger peer(reactor, {.clock = &clock});
  timers.advance(kNegotiationMaxPassive - 1ms);
  EXPECT_FALSE(peer.server->is_closed());
  timers.advance(1ms);
  run(reactor, expect_failure(peer.server, Error(NtStatus::kIoTimeout)));
}

Task<void> idle(SmbDirectEnds& ends, VirtualTimers& timers) {
  ends.client->send(frame_of({1}));
  EXPECT_TRUE(co_await ends.server->receive());
  // Each asks the other, again and again, and both stay.
  for (int i = 0; i < 100; ++i) {
    timers.advance(kKeepaliveInterval / 3);
    for (int turns = 0; turns < 50; ++turns) co_await ends.client->reactor().next_turn();
  }
  EXPECT_FALSE(ends.client->is_closed());
  EXPECT_FALSE(ends.server->is_closed());
}

TEST(SmbDirectTransport, TwoIdleEndsKeepEachOtherAlive) {
  VirtualClock clock;
  VirtualTimers timers(clock);
  Reactor reactor(&timers);
  SmbDirectEnds ends(reactor, {}, {.clock = &clock});
  run(reactor, idle(ends, timers));
}

TEST(SmbDirectParts, ArePiecesFromAnOffset) {
  const BufferDescriptors whole = {{100, 1, 10}, {200, 2, 0}, {300, 3, 20}};
  EXPECT_EQ(*part_of(whole, 0, 30), (BufferDescriptors{{100, 1, 10}, {300, 3, 20}}));
  EXPECT_EQ(*part_of(whole, 4, 7), (BufferDescriptors{{104, 1, 6}, {300, 3, 1}}));
  EXPECT_EQ(*part_of(whole, 10, 5), (BufferDescriptors{{300, 3, 5}}));
  EXPECT_EQ(*part_of(whole, 30, 0), BufferDescriptors{});
  const Error wrong(NtStatus::kInvalidParameter);
  EXPECT_EQ(part_of(whole, 0, 31).error(), wrong);
  EXPECT_EQ(part_of(whole, 30, 1).error(), wrong);
  EXPECT_EQ(part_of(whole, ~0ull, 1).error(), wrong);
  EXPECT_EQ(part_of(whole, 1, ~0ull).error(), wrong);
  EXPECT_TRUE(part_of({{~0ull, 1, 1}}, 0, 1));
  EXPECT_EQ(part_of({{~0ull, 1, 2}}, 0, 1).error(), wrong);
}

}  // namespace
}  // namespace braid::transport::smbdirect
