// A worker and the process with the cards, both in this one: rings, memory and descriptors are as
// between two.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include "transport/relay/card_end.h"
#include "transport/relay/doorbell.h"
#include "transport/relay/messages.h"
#include "transport/relay/ring.h"
#include "transport/relay/worker_end.h"
#include "transport/smbdirect/queue_pair_testing.h"

namespace braid::transport::relay {
namespace {

using smbdirect::Arrived;
using smbdirect::QueuePair;
using smbdirect::TestQueuePair;
using namespace std::chrono_literals;

const SocketAddress kPeer = SocketAddress::parse("192.0.2.7", 1000).value();
const SocketAddress kLocal = SocketAddress::parse("192.0.2.1", 445).value();

// A value from another thread.
template <class T>
class Arrival {
 public:
  void set(T value) {
    std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    came_.notify_all();
  }
  T take() {
    std::unique_lock lock(mutex_);
    came_.wait(lock, [this] { return !values_.empty(); });
    T value = std::move(values_.front());
    values_.pop_front();
    return value;
  }
  bool has_come() {
    std::lock_guard lock(mutex_);
    return !values_.empty();
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<T> values_;
};

struct RelayEnds : testing::Test {
  RelayEnds() : thread([this] { reactor.run(); }) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    life = UniqueFd(ends[0]);
    worker = WorkerEnd::make(Pool::kSizeMin,
                             {.arrived = [this](Arrived who) { arrived.set(std::move(who)); },
                              .listening = [this](const auto& at) { listening.set(at); },
                              .lost = [this] { lost.set(true); }})
                 .value();
    EXPECT_TRUE(worker->start(UniqueFd(ends[1])));
    on_reactor([this] {
      std::array<UniqueFd, CardEnd::kDescriptors> fds;
      for (size_t i = 0; i < fds.size(); ++i) {
        fds[i] = UniqueFd(::fcntl(worker->descriptors()[i], F_DUPFD_CLOEXEC, 0));
      }
      cards = CardEnd::make(reactor, std::move(fds), Pool::kSizeMin, [this] {
                broken.set(true);
              }).value();
    });
  }
  ~RelayEnds() override {
    on_reactor([this] { cards.reset(); });
    worker.reset();
    reactor.stop();
    thread.join();
  }
  template <class Work>
  void on_reactor(Work work) {
    std::promise<void> done;
    reactor.post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  // A client's card, and what the worker has of the server's.
  std::unique_ptr<TestQueuePair> connect() {
    auto [ours, theirs] = TestQueuePair::make({.own_memory_only = false});
    on_reactor([&, &pair = theirs] {
      cards->arrived({.pair = std::move(pair), .peer = kPeer, .local = kLocal, .accept = [this] {
                        accepted.set(true);
                      }});
    });
    return std::move(ours);
  }
  // The next `count` that complete.
  static std::vector<QueuePair::Completion> complete(QueuePair& pair, size_t count) {
    std::vector<QueuePair::Completion> all(count);
    size_t have = 0;
    while (have < count) {
      std::promise<void> some;
      pair.when_completed([&] { some.set_value(); });
      some.get_future().wait();
      have += pair.poll(std::span(all).subspan(have));
    }
    return all;
  }

  Reactor reactor;
  std::jthread thread;
  UniqueFd life;
  Arrival<Arrived> arrived;
  Arrival<SocketAddress> listening;
  Arrival<bool> lost, broken, accepted;
  std::unique_ptr<WorkerEnd> worker;
  std::shared_ptr<CardEnd> cards;
};

TEST_F(RelayEnds, WhatIsPostedIsDoneByTheCard) {
  const auto client = connect();
  Arrived here = arrived.take();
  EXPECT_EQ(here.peer, kPeer);
  EXPECT_EQ(here.local, kLocal);
  Buffer received = here.pair->memory(100);
  ASSERT_TRUE(here.pair->post_receive(7, received.view()));
  EXPECT_TRUE(accepted.take());

  ASSERT_TRUE(client->post_send(1, as_bytes("hello"), {}));
  auto done = complete(*here.pair, 1);
  EXPECT_EQ(done[0].id, 7u);
  EXPECT_EQ(done[0].kind, QueuePair::Kind::kReceive);
  EXPECT_EQ(done[0].status, QueuePair::Status::kDone);
  EXPECT_EQ(as_text(received.view().first(done[0].size)), "hello");

  Bytes lent = {1, 2, 3, 4};
  const auto key =
      client->register_memory(lent, QueuePair::PeerMay::kRead | QueuePair::PeerMay::kWrite);
  Buffer own = here.pair->memory(4);
  ASSERT_TRUE(here.pair->post_read(8, own.view(), *key));
  done = complete(*here.pair, 1);
  EXPECT_EQ(done[0].id, 8u);
  EXPECT_EQ(done[0].kind, QueuePair::Kind::kRead);
  EXPECT_EQ(Bytes(own.view().begin(), own.view().end()), (Bytes{1, 2, 3, 4}));
  own.data()[0] = 9;
  ASSERT_TRUE(here.pair->post_write(9, own.view(), *key));
  done = complete(*here.pair, 1);
  EXPECT_EQ(done[0].kind, QueuePair::Kind::kWrite);
  // Whose thread has written it: what passes through shared memory orders nothing that checkers
  // see.
  on_reactor([&] { EXPECT_EQ(lent[0], 9); });
  // What is not of the memory they share cannot be posted.
  Bytes elsewhere(10);
  EXPECT_EQ(here.pair->post_receive(1, elsewhere).error(), Error::os(EFAULT));
}

TEST_F(RelayEnds, ManyMessagesGoThroughARingThatIsFull) {
  const auto client = connect();
  Arrived here = arrived.take();
  Bytes lent(64);
  const auto key = client->register_memory(lent, QueuePair::PeerMay::kWrite);
  Buffer own = here.pair->memory(64);
  for (uint64_t round = 0; round < 200; ++round) {
    for (uint64_t i = 0; i < 200; ++i) {
      ASSERT_TRUE(here.pair->post_write(i, own.view(), *key));
    }
    const auto done = complete(*here.pair, 200);
    for (uint64_t i = 0; i < 200; ++i) ASSERT_EQ(done[i].id, i);
  }
  on_reactor([] {});  // who has written to `lent`
}

TEST_F(RelayEnds, WhatWasPostedIsFlushedWhenTheOtherProcessEnds) {
  const auto client = connect();
  Arrived here = arrived.take();
  Buffer received = here.pair->memory(100);
  ASSERT_TRUE(here.pair->post_receive(7, received.view()));
  EXPECT_TRUE(accepted.take());
  life.reset();
  const auto done = complete(*here.pair, 1);
  EXPECT_EQ(done[0].status, QueuePair::Status::kFlushed);
  EXPECT_TRUE(lost.take());
  EXPECT_EQ(here.pair->post_receive(8, received.view()).error(), Error::os(ENOTCONN));
}

TEST_F(RelayEnds, WhatTheCardMayHaveComesBackWhenItHasLetGo) {
  const auto client = connect();
  Arrived here = arrived.take();
  Buffer received = here.pair->memory(100);
  ASSERT_TRUE(here.pair->post_receive(7, received.view()));
  here.pair.reset();
  received = {};
  // The card has let go of it when the client sees the end.
  Bytes nothing(10);
  while (client->post_receive(1, nothing)) std::this_thread::yield();
  while (worker->pool().taken() != 0) std::this_thread::yield();
}

TEST_F(RelayEnds, TheWorkerHearsWhereIsListened) {
  on_reactor([this] { cards->listening(kLocal); });
  EXPECT_EQ(listening.take(), kLocal);
}

TEST_F(RelayEnds, OnePeerHasNotAllConnections) {
  std::vector<std::unique_ptr<TestQueuePair>> clients;
  for (size_t i = 0; i < CardEnd::kPairsMax; ++i) clients.push_back(connect());
  Bytes memory(10);
  size_t refused = 0;
  for (const auto& client : clients) refused += !client->post_receive(1, memory).has_value();
  EXPECT_GT(refused, CardEnd::kPairsMax / 4);
  EXPECT_LT(refused, CardEnd::kPairsMax / 2);
}

// A worker that says what it likes.
struct RelayedNonsense : RelayEnds {
  RelayedNonsense()
      : rings(SharedMemory::make(2 * ring_size(kRingCapacity)).value()),
        memory(SharedMemory::make(Pool::kSizeMin).value()),
        bell(Doorbell::make().value()),
        orders(rings.view().first(ring_size(kRingCapacity))) {
    on_reactor([this] {
      std::array<UniqueFd, CardEnd::kDescriptors> fds;
      const int from[] = {rings.fd(), memory.fd(), bell.hear_fd(), bell.ring_fd()};
      for (size_t i = 0; i < fds.size(); ++i) {
        fds[i] = UniqueFd(::fcntl(from[i], F_DUPFD_CLOEXEC, 0));
      }
      other = CardEnd::make(reactor, std::move(fds), Pool::kSizeMin, [this] {
                broken.set(true);
              }).value();
      auto pairs = TestQueuePair::make({.own_memory_only = false});
      client = std::move(pairs.first);
      other->arrived({.pair = std::move(pairs.second), .peer = kPeer, .local = kLocal});
    });
  }
  ~RelayedNonsense() override {
    on_reactor([this] { other.reset(); });
  }
  void say(ByteView message) {
    ASSERT_TRUE(orders.put(message).value());
    bell.ring();
  }

  SharedMemory rings;
  SharedMemory memory;
  Doorbell bell;
  RingWriter orders;
  std::unique_ptr<TestQueuePair> client;
  std::shared_ptr<CardEnd> other;
};

TEST_F(RelayedNonsense, EndsTheWorkersConnectionsAndNobodyElses) {
  const auto neighbour = connect();
  Arrived here = arrived.take();
  say(Order{.kind = Order::Kind::kSend, .pair = 1, .at = Pool::kSizeMin - 10, .size = 11}.encode());
  EXPECT_TRUE(broken.take());
  Bytes nothing(10);
  EXPECT_EQ(client->post_receive(1, nothing).error(), Error::os(ENOTCONN));
  EXPECT_TRUE(neighbour->post_receive(1, nothing));
}

TEST_F(RelayedNonsense, SizesThatWrapAreNone) {
  say(Order{.kind = Order::Kind::kSend, .pair = 1, .at = UINT64_MAX - 5, .size = 10}.encode());
  EXPECT_TRUE(broken.take());
}

TEST_F(RelayedNonsense, APairOfNobodyIsNone) {
  say(Order{.kind = Order::Kind::kSend, .pair = 2, .size = 10}.encode());
  EXPECT_TRUE(broken.take());
}

TEST_F(RelayedNonsense, BytesThatAreNoOrder) {
  const Bytes bytes(44, 0xFF);
  say(bytes);
  EXPECT_TRUE(broken.take());
}

TEST_F(RelayedNonsense, MoreReceivesThanAConnectionMayHave) {
  const Bytes order = Order{.kind = Order::Kind::kReceive, .pair = 1, .size = 10}.encode();
  for (size_t i = 0; i <= CardEnd::kReceivesMax; ++i) say(order);
  EXPECT_TRUE(broken.take());
}

// Cards of another process that say what they like, and a worker that goes on without them.
struct CardsOfNonsense : testing::Test {
  CardsOfNonsense() {
    end = WorkerEnd::make(Pool::kSizeMin, {.arrived =
                                               [this](Arrived each) {
                                                 const std::lock_guard lock(mutex);
                                                 pairs.push_back(std::move(each.pair));
                                               },
                                           .listening = [](const SocketAddress&) {},
                                           .lost = [this] { lost.set(true); }})
              .value();
    const auto fds = end->descriptors();
    rings.emplace(SharedMemory::map(UniqueFd(::fcntl(fds[0], F_DUPFD_CLOEXEC, 0)),
                                    2 * ring_size(kRingCapacity))
                      .value());
    notices.emplace(rings->view().subspan(ring_size(kRingCapacity)));
    worker_bell.emplace(Doorbell::to_ring(UniqueFd(::fcntl(fds[3], F_DUPFD_CLOEXEC, 0))));
    int life_fds[2];
    EXPECT_EQ(::pipe2(life_fds, O_CLOEXEC), 0);
    life = UniqueFd(life_fds[1]);
    EXPECT_TRUE(end->start(UniqueFd(life_fds[0])));
  }
  // False: the worker has given up, and reads no more.
  bool say(const Notice& notice) {
    const Bytes message = notice.encode();
    while (!notices->put(message).value()) {
      if (lost.has_come()) return false;
      worker_bell->ring();
      std::this_thread::yield();
    }
    worker_bell->ring();
    return true;
  }
  static Notice arrival(uint32_t number) {
    return {.kind = Notice::Kind::kArrived,
            .pair = number,
            .size = 100,
            .local = kLocal,
            .peer = kPeer};
  }

  std::mutex mutex;
  std::vector<std::unique_ptr<QueuePair>> pairs;
  Arrival<bool> lost;
  UniqueFd life;
  std::optional<SharedMemory> rings;
  std::optional<RingWriter> notices;
  std::optional<Doorbell> worker_bell;
  std::unique_ptr<WorkerEnd> end;
};

TEST_F(CardsOfNonsense, MorePairsThanThereMayBeEndIt) {
  for (uint32_t i = 1; i <= kPairsMax; ++i) ASSERT_TRUE(say(arrival(i)));
  say(arrival(kPairsMax + 1));
  EXPECT_TRUE(lost.take());
  const std::lock_guard lock(mutex);
  EXPECT_EQ(pairs.size(), kPairsMax);
}

TEST_F(CardsOfNonsense, APeerWithoutAnAddressIsNone) {
  Notice nobody = arrival(1);
  nobody.peer = {};
  say(nobody);
  EXPECT_TRUE(lost.take());
}

// Says that all is done, and reads no order.
TEST_F(CardsOfNonsense, OrdersThatNobodyReadsHaveALimit) {
  ASSERT_TRUE(say(arrival(1)));
  std::unique_ptr<QueuePair> pair;
  while (!pair) {
    const std::lock_guard lock(mutex);
    if (!pairs.empty()) pair = std::move(pairs.back());
  }
  for (size_t i = 0; !lost.has_come(); ++i) {
    ASSERT_LT(i, size_t{2} << 20);
    pair->disconnect();
  }
  EXPECT_TRUE(lost.take());
}

// Whoever has an end of the bell may fill it, and take back that it does not wait.
TEST(Doorbell, RingingWaitsForNobody) {
  const Doorbell bell = Doorbell::make().value();
  for (const int fd : {bell.ring_fd(), bell.hear_fd()}) {
    ASSERT_EQ(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
  }
  bell.clear();
  for (int i = 0; i < 100'000; ++i) bell.ring();
  pollfd wait{bell.hear_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&wait, 1, 0), 1);
  while (::poll(&wait, 1, 0) == 1) bell.clear();
}

TEST(RelayMessages, SayTheSameAgain) {
  const Order order{.kind = Order::Kind::kRead,
                    .pair = 3,
                    .at = 1u << 20,
                    .size = 77,
                    .invalidate = 5,
                    .remote = {.offset = 99, .token = 4, .length = 77}};
  EXPECT_EQ(Order::decode(order.encode()).value(), order);
  const Notice notice{.kind = Notice::Kind::kReceived,
                      .pair = 3,
                      .status = QueuePair::Status::kLengthError,
                      .size = 8,
                      .invalidated = 6,
                      .local = kLocal,
                      .peer = SocketAddress::parse("2001:db8::1", 7).value(),
                      .heard = {{1, 2, 3}, {}, Bytes(8192, 9)}};
  const auto again = Notice::decode(notice.encode());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->kind, notice.kind);
  EXPECT_EQ(again->pair, notice.pair);
  EXPECT_EQ(again->status, notice.status);
  EXPECT_EQ(again->size, notice.size);
  EXPECT_EQ(again->invalidated, notice.invalidated);
  EXPECT_EQ(again->local, notice.local);
  EXPECT_EQ(again->peer, notice.peer);
  EXPECT_EQ(again->heard, notice.heard);
}

TEST(RelayMessages, WhatIsCutOrTooLongIsNone) {
  const Bytes order = Order{.kind = Order::Kind::kAccept, .pair = 1}.encode();
  const Bytes notice =
      Notice{.kind = Notice::Kind::kArrived, .local = kLocal, .peer = kPeer}.encode();
  for (size_t size = 0; size < order.size(); ++size) {
    EXPECT_FALSE(Order::decode(ByteView(order).first(size))) << size;
  }
  for (size_t size = 0; size < notice.size(); ++size) {
    EXPECT_FALSE(Notice::decode(ByteView(notice).first(size))) << size;
  }
  Bytes longer = order;
  longer.push_back(0);
  EXPECT_FALSE(Order::decode(longer));
  for (const uint8_t kind : {0, 8, 255}) {
    Bytes other = order;
    other[0] = kind;
    EXPECT_FALSE(Order::decode(other)) << int{kind};
  }
}

}  // namespace
}  // namespace braid::transport::relay
