// Two cards made of TCP, on one reactor: what a queue pair promises, between sockets.
#include "transport/smbdirect/tcp_card.h"

#include <gtest/gtest.h>

#include "runtime/one_shot.h"
#include "runtime/task_scope.h"

namespace braid::transport::smbdirect {
namespace {

using namespace std::chrono_literals;
using PeerMay = QueuePair::PeerMay;
using Completion = QueuePair::Completion;

struct TcpCards {
  QueuePair* server = nullptr;
  QueuePair* client = nullptr;
  std::unique_ptr<QueuePair> pairs[2];
};

// The next `count` that complete.
Task<std::vector<Completion>> tcp_completed(Reactor& reactor, QueuePair& pair, size_t count) {
  std::vector<Completion> all(count);
  for (size_t have = 0; have < count;) {
    const auto some = std::make_shared<OneShot<bool>>();
    pair.when_completed([some] { some->set(true); });
    co_await some->wait(reactor);
    have += pair.poll(std::span(all).subspan(have));
  }
  co_return all;
}

template <class Body>
void over_tcp_cards(Body body) {
  Reactor reactor;
  TaskScope scope;
  const auto whole = [](Reactor& on, Body what) -> Task<void> {
    const auto arrived = std::make_shared<OneShot<bool>>();
    TcpCards cards;
    auto listener =
        TcpCardListener::make(on, SocketAddress::parse("127.0.0.1", 0).value(), [&](Arrived who) {
          cards.pairs[0] = std::move(who.pair);
          who.accept();
          arrived->set(true);
        });
    EXPECT_TRUE(listener);
    auto connected = co_await connect_tcp_card(on, (*listener)->address(), 20s);
    EXPECT_TRUE(connected);
    co_await arrived->wait(on);
    cards.pairs[1] = std::move(*connected);
    cards.server = cards.pairs[0].get();
    cards.client = cards.pairs[1].get();
    co_await what(on, cards);
    cards = {};
    on.stop();
  };
  reactor.post([&] { scope.spawn(whole(reactor, body)); });
  reactor.run();
}

Task<void> send_before_there_is_a_receive(Reactor& reactor, TcpCards& cards) {
  Bytes data(100'000, 7);
  Bytes into(100'000);
  EXPECT_TRUE(cards.client->post_send(1, data, {}));
  co_await reactor.sleep_for(1ms);
  EXPECT_TRUE(cards.server->post_receive(2, into));
  const auto received = co_await tcp_completed(reactor, *cards.server, 1);
  EXPECT_EQ(received[0].id, 2u);
  EXPECT_EQ(received[0].size, data.size());
  EXPECT_EQ(into, data);
  const auto sent = co_await tcp_completed(reactor, *cards.client, 1);
  EXPECT_EQ(sent[0].status, QueuePair::Status::kDone);
}

TEST(TcpCard, ASendWaitsForItsReceive) { over_tcp_cards(&send_before_there_is_a_receive); }

Task<void> reach_lent_memory(Reactor& reactor, TcpCards& cards) {
  Bytes lent(1000, 3);
  const auto key = cards.client->register_memory(lent, PeerMay::kRead | PeerMay::kWrite);
  auto middle = *key;
  middle.offset += 400;
  middle.length = 10;
  Bytes own(10, 9);
  EXPECT_TRUE(cards.server->post_write(1, own, middle));
  Bytes back(1000);
  EXPECT_TRUE(cards.server->post_read(2, back, *key));
  const auto done = co_await tcp_completed(reactor, *cards.server, 2);
  EXPECT_EQ(done[1].kind, QueuePair::Kind::kRead);
  EXPECT_EQ(back, lent);
  EXPECT_EQ(lent[399], 3);
  EXPECT_EQ(lent[400], 9);
  EXPECT_EQ(lent[410], 3);
  // A send invalidates the key, and what comes after it is refused.
  Bytes into(10);
  EXPECT_TRUE(cards.client->post_receive(3, into));
  EXPECT_TRUE(cards.server->post_send(4, {}, key->token));
  const auto received = co_await tcp_completed(reactor, *cards.client, 1);
  EXPECT_EQ(received[0].invalidated, key->token);
  EXPECT_TRUE(cards.server->post_read(5, back, *key));
  const auto refused = co_await tcp_completed(reactor, *cards.server, 2);
  EXPECT_EQ(refused[1].status, QueuePair::Status::kRemoteRefused);
  EXPECT_EQ(cards.server->post_send(6, own, {}).error(), Error::os(ENOTCONN));
}

TEST(TcpCard, LentMemoryIsReachedUntilItsKeyIsInvalidated) { over_tcp_cards(&reach_lent_memory); }

Task<void> go_beyond(Reactor& reactor, TcpCards& cards) {
  Bytes lent(1000);
  auto key = *cards.client->register_memory(lent, PeerMay::kRead);
  key.offset += 1;
  Bytes into(1000), posted(10);
  EXPECT_TRUE(cards.client->post_receive(1, posted));
  EXPECT_TRUE(cards.server->post_read(2, into, key));
  const auto refused = co_await tcp_completed(reactor, *cards.server, 1);
  EXPECT_EQ(refused[0].status, QueuePair::Status::kRemoteRefused);
  const auto flushed = co_await tcp_completed(reactor, *cards.client, 1);
  EXPECT_EQ(flushed[0].status, QueuePair::Status::kFlushed);
}

TEST(TcpCard, BeyondItsBoundsIsTheEndOfBoth) { over_tcp_cards(&go_beyond); }

}  // namespace
}  // namespace braid::transport::smbdirect
