// What every transport promises, and TCP on real sockets.
#include "transport/transport.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "runtime/one_shot.h"
#include "runtime/task_scope.h"
#include "runtime/virtual_timers.h"
#include "runtime/way_back.h"
#include "transport/limits.h"
#include "transport/memory_transport.h"
#include "transport/smbdirect/queue_pair_testing.h"
#include "transport/smbdirect/smbdirect_transport.h"
#include "transport/tcp_transport.h"
#include "transport/transport_testing.h"

namespace braid::transport {
namespace {

using namespace std::chrono_literals;

Bytes random_bytes(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

std::pair<int, int> stream_sockets(int buffer_size = 0) {
  int fds[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  for (int fd : fds) {
    if (buffer_size == 0) break;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_size, sizeof buffer_size);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_size, sizeof buffer_size);
  }
  return {fds[0], fds[1]};
}

// A listening socket on a port of the kernel's choice.
struct Listener {
  Listener() {
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    EXPECT_EQ(listen(fd, 8), 0);
  }
  ~Listener() { close(fd); }
  int fd;
};

// Connected over the loopback interface.
std::pair<int, int> tcp_sockets() {
  Listener listener;
  const SocketAddress address = SocketAddress::local_of(listener.fd);
  const int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(connect(first, address.data(), address.size()), 0);
  return {first, accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC)};
}

enum class Carrier { kSocket, kTinySocket, kTcp, kMemory, kSmbDirect };

class EveryTransport : public testing::TestWithParam<Carrier> {
 public:
  std::pair<TransportPtr, TransportPtr> make(Reactor& first, Reactor& second) {
    if (GetParam() == Carrier::kMemory) return make_memory_transports(first, second);
    if (GetParam() == Carrier::kSmbDirect) {
      using namespace smbdirect;
      auto [active, passive] = TestQueuePair::make();
      return {make_smbdirect_transport(first, std::move(active), Role::kActive),
              make_smbdirect_transport(second, std::move(passive), Role::kPassive)};
    }
    const std::pair<int, int> fds =
        GetParam() == Carrier::kTcp ? tcp_sockets()
                                    : stream_sockets(GetParam() == Carrier::kTinySocket ? 1 : 0);
    return {make_tcp_transport(first, fds.first), make_tcp_transport(second, fds.second)};
  }
};

constexpr size_t kSizes[] = {1, 4, 100, 65'532, 65'536, 70'000, 1'000'000, 2, 300'000, 300'000};

void send_all(Transport& transport) {
  for (size_t size : kSizes) {
    OutFrame frame = frame_of(random_bytes(size / 3, static_cast<uint32_t>(size)));
    frame.parts.emplace_back(Buffer());
    frame.parts.emplace_back(
        Buffer::copy_of(random_bytes(size - size / 3, static_cast<uint32_t>(size + 1))));
    transport.send(std::move(frame));
  }
}

Task<void> expect_all(TransportPtr transport) {
  transport->set_receive_limit(kFrameSizeMax);
  for (size_t size : kSizes) {
    auto message = co_await transport->receive();
    if (!message) {
      ADD_FAILURE() << message.error().message();
      co_return;
    }
    Bytes expected = random_bytes(size / 3, static_cast<uint32_t>(size));
    const Bytes tail = random_bytes(size - size / 3, static_cast<uint32_t>(size + 1));
    expected.insert(expected.end(), tail.begin(), tail.end());
    EXPECT_TRUE(std::ranges::equal(message->view(), expected)) << size;
  }
}

Task<void> exchange(TransportPtr first, TransportPtr second) {
  send_all(*first);
  send_all(*second);
  co_await expect_all(second);
  co_await expect_all(first);
  co_await first->drained();
  EXPECT_EQ(first->bytes_sent(), first->bytes_queued());
}

TEST_P(EveryTransport, CarriesMessagesBothWays) {
  Reactor reactor;
  auto [first, second] = make(reactor, reactor);
  run(reactor, exchange(first, second));
}

int low_water_of(int fd) {
  int value = 0;
  socklen_t size = sizeof value;
  EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &value, &size), 0);
  return value;
}

// All of it, from a thread that may wait.
void write_all(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ASSERT_GT(count, 0);
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
}

Task<void> receive_into(TransportPtr transport, Result<Bytes>& into, std::atomic<bool>& done) {
  transport->set_receive_limit(kFrameSizeMax);
  auto message = co_await transport->receive();
  if (message) {
    into = Bytes(message->view().begin(), message->view().end());
  } else {
    into = std::unexpected(message.error());
  }
  done = true;
  // Goes on waiting for the next.
  co_await transport->receive();
}

// A peer that sends raw bytes, and what is received of it on a reactor of its own.
struct RawPeer {
  RawPeer() : fds(tcp_sockets()), transport(make_tcp_transport(reactor, fds.second)) {
    reactor.post([this] { scope.spawn(receive_into(transport, received, is_received)); });
    thread = std::thread([this] { reactor.run(); });
  }
  ~RawPeer() {
    transport->close();
    scope.wait();
    reactor.stop();
    thread.join();
    ::close(fds.first);
  }
  void await_low_water(int value) const {
    while (low_water_of(fds.second) != value) std::this_thread::yield();
  }
  Reactor reactor;
  std::pair<int, int> fds;
  TransportPtr transport;
  TaskScope scope;
  Result<Bytes> received = fail(NtStatus::kPending);
  std::atomic<bool> is_received = false;
  std::thread thread;
};

constexpr size_t kLargeSize = 1'000'000;
Bytes framed(const Bytes& message) {
  Bytes stream = {0, static_cast<uint8_t>(message.size() >> 16),
                  static_cast<uint8_t>(message.size() >> 8), static_cast<uint8_t>(message.size())};
  stream.insert(stream.end(), message.begin(), message.end());
  return stream;
}

TEST(TcpTransport, OfALargeMessageAWaitEndsWithWhatIsWorthReading) {
  const Bytes message = random_bytes(kLargeSize, 5);
  const Bytes stream = framed(message);
  RawPeer peer;
  write_all(peer.fds.first, ByteView(stream).first(10'000));
  peer.await_low_water(kLowWaterMax);
  // What is less than that at the end is not waited for in vain.
  write_all(peer.fds.first, ByteView(stream).first(stream.size() - 1).subspan(10'000));
  EXPECT_FALSE(peer.is_received);
  write_all(peer.fds.first, ByteView(stream).last(1));
  peer.await_low_water(1);
  while (!peer.is_received) std::this_thread::yield();
  ASSERT_TRUE(peer.received.has_value()) << peer.received.error().message();
  EXPECT_TRUE(*peer.received == message);
}

TEST(TcpTransport, AStreamThatEndsInsideALargeMessageIsNotWaitedFor) {
  const Bytes stream = framed(random_bytes(kLargeSize, 5));
  RawPeer peer;
  write_all(peer.fds.first, ByteView(stream).first(10'000));
  peer.await_low_water(kLowWaterMax);
  ASSERT_EQ(shutdown(peer.fds.first, SHUT_WR), 0);
  while (!peer.is_received) std::this_thread::yield();
  ASSERT_FALSE(peer.received.has_value());
  EXPECT_EQ(peer.received.error(), Error::truncated());
}

Task<void> return_and_send(TransportPtr transport, Reactor& reactor,
                           std::vector<uint64_t>& sent_so_far) {
  co_await WayBack(reactor);
  transport->send(frame_of(random_bytes(100, 1)));
  sent_so_far.push_back(transport->bytes_sent());
}

Task<void> expect_three(TransportPtr transport) {
  for (int i = 0; i < 3; ++i) {
    auto message = co_await transport->receive();
    EXPECT_TRUE(message && std::ranges::equal(message->view(), random_bytes(100, 1)));
  }
}

TEST(TcpTransport, WhatThoseThatReturnTogetherSendLeavesTogether) {
  Reactor reactor;
  const auto fds = stream_sockets();
  const auto first = make_tcp_transport(reactor, fds.first);
  const auto second = make_tcp_transport(reactor, fds.second);
  TaskScope scope;
  Returns returns;
  std::vector<uint64_t> sent_so_far;
  Returns::collect_into(&returns);
  for (int i = 0; i < 3; ++i) scope.spawn(return_and_send(first, reactor, sent_so_far));
  Returns::collect_into(nullptr);
  returns.send();
  run(reactor, expect_three(second));
  scope.wait();
  EXPECT_EQ(sent_so_far, (std::vector<uint64_t>{0, 0, 3 * (kLengthHeaderSize + 100)}));
}

Task<void> receive_then_reply(TransportPtr transport, Reactor& reactor) {
  co_await expect_all(transport);
  send_all(*transport);
  co_await transport->drained();
  reactor.stop();
}

TEST_P(EveryTransport, WorksAcrossReactorsAndTakesSendFromAnyThread) {
  Reactor here;
  Reactor there;
  auto [first, second] = make(here, there);
  TaskScope scope;
  there.post([&, peer = second] { scope.spawn(receive_then_reply(peer, there)); });
  std::jthread thread([&] { there.run(); });
  send_all(*first);  // not on its reactor's thread
  run(here, expect_all(first));
  thread.join();
  EXPECT_EQ(scope.running(), 0u);
}

// When whoever spawns this waits.
Task<void> close_soon(TransportPtr transport) {
  co_await transport->reactor().next_turn();
  transport->close();
  transport->close();
}

Task<void> expect_disconnected(TransportPtr transport) {
  for (int i = 0; i < 2; ++i) {
    auto message = co_await transport->receive();
    EXPECT_FALSE(message);
    if (!message) EXPECT_EQ(message.error(), Error(NtStatus::kConnectionDisconnected));
  }
  EXPECT_TRUE(transport->is_closed());
  const uint64_t before = transport->bytes_queued();
  EXPECT_GE(transport->send(frame_of({1, 2, 3})), before + 3);
  co_await transport->writable();
  co_await transport->drained();
}

Task<void> close_wakes(TransportPtr closing, TransportPtr waiting, Reactor& reactor) {
  TaskScope scope;
  scope.spawn(close_soon(closing));
  co_await expect_disconnected(waiting);
  co_await scope.join();
  co_await reactor.schedule();
}

TEST_P(EveryTransport, OwnCloseWakesReceive) {
  Reactor reactor;
  auto [first, second] = make(reactor, reactor);
  run(reactor, close_wakes(first, first, reactor));
}

TEST_P(EveryTransport, CloseOfThePeerEndsReceive) {
  Reactor reactor;
  auto [first, second] = make(reactor, reactor);
  run(reactor, close_wakes(second, first, reactor));
}

Task<void> expect_end(TransportPtr transport, Reactor& reactor) {
  EXPECT_FALSE(co_await transport->receive());
  reactor.stop();
}

TEST_P(EveryTransport, PeerIsKnownToBeGoneBeforeThatIsReceived) {
  Reactor reactor;
  auto [first, second] = make(reactor, reactor);
  EXPECT_FALSE(first->is_peer_gone());
  second->close();
  run(reactor, [](TransportPtr waiting) -> Task<void> {
    while (!waiting->is_peer_gone()) co_await waiting->reactor().next_turn();
    EXPECT_FALSE(co_await waiting->receive());
  }(first));
  EXPECT_TRUE(first->is_peer_gone() && second->is_peer_gone());
}

TEST_P(EveryTransport, CloseFromAnotherThreadWakesReceive) {
  Reactor reactor;
  auto [first, second] = make(reactor, reactor);
  TaskScope scope;
  reactor.post([&, end = first] { scope.spawn(expect_end(end, reactor)); });
  std::jthread thread([&] { reactor.run(); });
  first->close();
  thread.join();
  EXPECT_EQ(scope.running(), 0u);
}

Task<void> limit_is_enforced(TransportPtr first, TransportPtr second) {
  second->set_receive_limit(10);
  first->send(frame_of(Bytes(10)));
  first->send(frame_of(Bytes(11)));
  EXPECT_TRUE(co_await second->receive());
  auto message = co_await second->receive();
  EXPECT_FALSE(message);
  if (!message) EXPECT_EQ(message.error(), Error::malformed());
  EXPECT_TRUE(second->is_closed());
}

TEST_P(EveryTransport, MessageOverTheLimitEndsTheConnection) {
  Reactor reactor;
  auto [first, second] = make(reactor, reactor);
  run(reactor, limit_is_enforced(first, second));
}

std::string carrier_name(const testing::TestParamInfo<Carrier>& test) {
  constexpr const char* kNames[] = {"Socket", "TinySocket", "Tcp", "Memory", "SmbDirect"};
  return kNames[static_cast<int>(test.param)];
}

Task<void> watched(TransportPtr first, TransportPtr second) {
  OneShot<uint64_t> arrived;
  const uint64_t position = first->send(frame_of(Bytes(1000)));
  first->watch_acknowledgements([&](uint64_t acknowledged) {
    if (acknowledged < position) return true;
    arrived.set(acknowledged);
    return false;
  });
  EXPECT_TRUE(co_await second->receive());
  EXPECT_EQ(co_await arrived.wait(first->reactor()), position);
  EXPECT_FALSE(first->is_suspect());
  first->watch_acknowledgements(nullptr);
  first->close();
}

TEST_P(EveryTransport, WatchHearsOfWhatArrived) {
  Reactor reactor;
  auto [first, second] = make(reactor, reactor);
  run(reactor, watched(first, second));
}

INSTANTIATE_TEST_SUITE_P(Carriers, EveryTransport,
                         testing::Values(Carrier::kSocket, Carrier::kTinySocket, Carrier::kTcp,
                                         Carrier::kMemory, Carrier::kSmbDirect),
                         carrier_name);

Task<void> empty_message(TransportPtr from, TransportPtr to) {
  const uint64_t before = from->bytes_queued();
  EXPECT_EQ(from->send(frame_of({})), before + kLengthHeaderSize);
  auto message = co_await to->receive();
  EXPECT_TRUE(message && message->empty());
}

TEST(Transport, TcpCarriesAnEmptyMessage) {
  Reactor reactor;
  const auto [a, b] = stream_sockets();
  run(reactor, empty_message(make_tcp_transport(reactor, a), make_tcp_transport(reactor, b)));
}

TEST(Transport, LargestFrameGoesThrough) {
  Reactor reactor;
  const auto [a, b] = stream_sockets();
  auto first = make_tcp_transport(reactor, a);
  auto second = make_tcp_transport(reactor, b);
  struct Body {
    static Task<void> run(TransportPtr from, TransportPtr to) {
      to->set_receive_limit(kFrameSizeMax);
      OutFrame frame;
      frame.parts.emplace_back(Bytes(kFrameSizeMax, 0x5A));
      from->send(std::move(frame));
      auto message = co_await to->receive();
      EXPECT_TRUE(message && message->size() == kFrameSizeMax && message->view().back() == 0x5A);
    }
  };
  run(reactor, Body::run(first, second));
}

Task<void> back_pressure(TransportPtr first, TransportPtr second) {
  second->set_receive_limit(kFrameSizeMax);
  constexpr int kFrames = 5;
  for (int i = 0; i < kFrames; ++i) first->send(frame_of(Bytes(8 << 20)));
  EXPECT_GT(first->bytes_queued() - first->bytes_sent(), kUnsentMax);
  TaskScope scope;
  struct Body {
    static Task<void> read(TransportPtr transport) {
      for (int i = 0; i < kFrames; ++i) EXPECT_TRUE(co_await transport->receive());
    }
  };
  scope.spawn(Body::read(second));
  co_await first->writable();
  EXPECT_LE(first->bytes_queued() - first->bytes_sent(), kUnsentMax);
  co_await first->drained();
  EXPECT_EQ(first->bytes_queued(), first->bytes_sent());
  co_await scope.join();
  co_await first->reactor().schedule();
}

TEST(Transport, WritableWaitsForThePeerToRead) {
  Reactor reactor;
  const auto [a, b] = stream_sockets();
  run(reactor, back_pressure(make_tcp_transport(reactor, a), make_tcp_transport(reactor, b)));
}

Task<void> truncated_end(TransportPtr transport, int peer) {
  const uint8_t part[] = {0, 0, 0, 9, 'x'};
  EXPECT_EQ(write(peer, part, sizeof part), ssize_t{sizeof part});
  close(peer);
  auto message = co_await transport->receive();
  EXPECT_FALSE(message);
  if (!message) EXPECT_EQ(message.error(), Error::truncated());
}

TEST(Transport, EndInsideAMessageIsTruncated) {
  Reactor reactor;
  const auto [a, b] = stream_sockets();
  run(reactor, truncated_end(make_tcp_transport(reactor, a), b));
}

Task<void> already_received(TransportPtr transport, int peer) {
  auto first = co_await transport->receive();
  EXPECT_TRUE(first && as_text(first->view()) == "ab");
  EXPECT_EQ(write(peer, "\3xyz", 4), 4);
  auto second = co_await transport->receive();
  EXPECT_TRUE(second && as_text(second->view()) == "xyz");
  close(peer);
}

TEST(Transport, GoesOnWhereSomebodyElseStoppedReading) {
  Reactor reactor;
  const auto [a, b] = stream_sockets();
  const Bytes start = {0, 0, 0, 2, 'a', 'b', 0, 0, 0};
  run(reactor, already_received(make_tcp_transport(reactor, a, start), b));
}

Task<void> receive_one(TransportPtr transport, std::string* got) {
  const auto message = co_await transport->receive();
  *got = message ? as_text(message->view()) : message.error().message();
}

// The reactor has seen what came to its sockets before.
Task<void> all_is_seen(Reactor& reactor) {
  const auto [a, b] = stream_sockets();
  const TransportPtr later = make_tcp_transport(reactor, a);
  const Bytes frame = {0, 0, 0, 1, 'x'};
  EXPECT_EQ(write(b, frame.data(), frame.size()), 5);
  EXPECT_TRUE(co_await later->receive());
  co_await reactor.next_turn();
  later->close();
  close(b);
}

Task<void> held(TransportPtr transport, int peer) {
  EXPECT_TRUE(transport->hold());
  std::string got;
  TaskScope scope;
  scope.spawn(receive_one(transport, &got));
  const Bytes frame = {0, 0, 0, 2, 'a', 'b'};
  EXPECT_EQ(write(peer, frame.data(), frame.size()), 6);
  co_await all_is_seen(transport->reactor());
  EXPECT_EQ(got, "");
  EXPECT_TRUE(transport->handed());
  transport->go_on();
  co_await scope.join();
  EXPECT_EQ(got, "ab");
  // One that came in part is handed on with what is there of it.
  TaskScope another;
  another.spawn(receive_one(transport, &got));
  EXPECT_EQ(write(peer, frame.data(), 5), 5);
  co_await all_is_seen(transport->reactor());
  EXPECT_TRUE(transport->hold());
  const auto handed = transport->handed();
  EXPECT_TRUE(handed && (handed->received == Bytes{0, 0, 0, 2, 'a'} || handed->received.empty()));
  transport->close();
  co_await another.join();
  EXPECT_FALSE(transport->handed());
  EXPECT_FALSE(transport->hold());
  close(peer);
}

TEST(Transport, HeldGivesNothingAndIsHandedOnWithWhatItHas) {
  Reactor reactor;
  const auto [a, b] = stream_sockets();
  run(reactor, held(make_tcp_transport(reactor, a), b));
}

Task<void> answer_and_wait(TransportPtr transport, OneShot<bool>& goes_on) {
  EXPECT_TRUE(co_await transport->receive());
  transport->send(frame_of(Bytes{'1'}));
  co_await goes_on.wait(transport->reactor());
  const auto second = co_await transport->receive();
  EXPECT_TRUE(second && as_text(second->view()) == "b");
}

Task<void> answered_at_once(TransportPtr transport, int peer, bool is_there_before) {
  const Bytes both = {0, 0, 0, 1, 'a', 0, 0, 0, 1, 'b'};
  OneShot<bool> goes_on;
  TaskScope scope;
  if (is_there_before) EXPECT_EQ(write(peer, both.data(), both.size()), 10);
  scope.spawn(answer_and_wait(transport, goes_on));
  if (!is_there_before) EXPECT_EQ(write(peer, both.data(), both.size()), 10);
  ssize_t got = 0;
  for (int looks = 0; looks < 10 && got <= 0; ++looks) {
    std::array<uint8_t, 8> answer;
    got = recv(peer, answer.data(), answer.size(), MSG_DONTWAIT);
    if (got <= 0) co_await all_is_seen(transport->reactor());
  }
  EXPECT_EQ(got, 5) << is_there_before;
  goes_on.set(true);
  co_await scope.join();
  transport->close();
  close(peer);
}

// Answers are collected as long as requests are there; one that waits for something else, with
// another behind it, does not hold back what was answered before.
TEST(Transport, WhatWasCollectedLeavesWhenTheReceiverWaits) {
  for (const bool is_there_before : {false, true}) {
    Reactor reactor;
    const auto [a, b] = stream_sockets();
    run(reactor, answered_at_once(make_tcp_transport(reactor, a), b, is_there_before));
  }
}

Task<void> session_request(TransportPtr transport, int peer) {
  const uint8_t request[] = {0x81, 0, 0, 1, 'n', 0, 0, 0, 1, 'm'};
  EXPECT_EQ(write(peer, request, sizeof request), ssize_t{sizeof request});
  const auto message = co_await transport->receive();
  EXPECT_FALSE(message);
  if (!message) EXPECT_EQ(message.error(), Error::malformed());
  EXPECT_EQ(transport->bytes_queued(), 0u);
  close(peer);
}

// An answer made while reading would be one that nobody counts against a peer that does not read.
TEST(Transport, NetBiosSessionRequestEndsTheConnectionUnanswered) {
  Reactor reactor;
  const auto [a, b] = stream_sockets();
  run(reactor, session_request(make_tcp_transport(reactor, a), b));
}

Task<void> nothing_taken(TransportPtr transport, int peer) {
  transport->send(frame_of(Bytes(1 << 20)));
  const auto message = co_await transport->receive();
  EXPECT_FALSE(message);
  if (!message) EXPECT_TRUE(message.error().is_os(ETIMEDOUT)) << message.error().message();
  close(peer);
}

TEST(Transport, PeerThatTakesNothingIsDropped) {
  Reactor reactor;
  const auto [a, b] = stream_sockets(4096);
  run(reactor, nothing_taken(make_tcp_transport(reactor, a, {}, {.takes_nothing_max = 10ms}), b));
}

// As slow as can be, for longer than a peer may take nothing.
Task<void> little_taken(TransportPtr transport, int peer, VirtualTimers& timers) {
  int times = 0;
  transport->send(frame_of(Bytes(64 << 10)));
  Bytes taken(1024);
  uint64_t before = transport->bytes_sent();
  while (transport->bytes_sent() < transport->bytes_queued()) {
    while (transport->bytes_sent() == before) {
      (void)::recv(peer, taken.data(), taken.size(), MSG_DONTWAIT);
      co_await transport->reactor().next_turn();
    }
    before = transport->bytes_sent();
    timers.advance(100ms);
    co_await transport->reactor().next_turn();
    ++times;
  }
  EXPECT_GT(times, 6);
  EXPECT_FALSE(transport->is_closed());
  close(peer);
}

TEST(Transport, PeerThatTakesLittleIsKept) {
  VirtualClock clock;
  VirtualTimers timers(clock);
  Reactor reactor(&timers);
  const auto [a, b] = stream_sockets(4096);
  run(reactor,
      little_taken(make_tcp_transport(reactor, a, {}, {.takes_nothing_max = 600ms}), b, timers));
}

// A peer that sends more than there is room for is read from when there is.
Task<void> starved(TransportPtr transport, TransportPtr peer) {
  const auto budget = MemoryBudget::make(96u << 20);
  const auto account = budget->open_account("");
  account->became_known("user");
  std::vector<MemoryCharge> held;
  while (auto charge = account->try_take(1 << 20, MemoryUse::kFrame)) {
    held.push_back(std::move(*charge));
  }
  const uint64_t before = account->used();
  transport->set_account(account);
  transport->set_receive_limit(kFrameSizeMax);
  constexpr size_t kSize = 8 << 20;
  peer->send(frame_of(Bytes(kSize)));
  // As long as nothing is given back, the peer cannot send on.
  transport->reactor().post([&] {
    EXPECT_EQ(account->used(), before);
    EXPECT_LT(peer->bytes_sent(), kSize);
    held.clear();
  });
  const auto message = co_await transport->receive();
  EXPECT_TRUE(message && message->size() == kSize);
  EXPECT_EQ(account->used(), kSize);
  transport->close();
  peer->close();
}

TEST(Transport, NothingIsReadForWhichThereIsNoMemory) {
  Reactor reactor;
  const auto [a, b] = stream_sockets();
  run(reactor, starved(make_tcp_transport(reactor, a), make_tcp_transport(reactor, b)));
}

Task<void> acknowledged(TransportPtr first, TransportPtr second) {
  const uint64_t position = first->send(frame_of(Bytes(1000)));
  EXPECT_EQ(position, 1004u);
  EXPECT_TRUE(co_await second->receive());
  // Loopback acknowledges within the call that delivers, or shortly after.
  while (first->bytes_acknowledged() < position) {
    co_await first->reactor().next_turn();
  }
  EXPECT_FALSE(first->is_suspect());
  first->close();
  EXPECT_EQ(first->bytes_acknowledged(), position);
}

TEST(ConnectTcp, ConnectsAndCountsAcknowledgedBytes) {
  Reactor reactor;
  Listener listener;
  struct Body {
    static Task<void> run(Reactor& r, int listener_fd) {
      const SocketAddress address = SocketAddress::local_of(listener_fd);
      auto client = co_await connect_tcp(r, address);
      EXPECT_TRUE(client);
      if (!client) co_return;
      const int fd = accept4(listener_fd, nullptr, nullptr, SOCK_CLOEXEC);
      auto server = make_tcp_transport(r, fd);
      EXPECT_EQ((*client)->peer(), address);
      EXPECT_EQ((*client)->local(), server->peer());
      co_await acknowledged(*client, server);
    }
  };
  run(reactor, Body::run(reactor, listener.fd));
}

TEST(OverTcp, TransportIsMadeOnTheReactorThatServesIt) {
  Reactor reactor;
  auto [a, b] = tcp_sockets();
  MakeTransport make = over_tcp(UniqueFd(a), {.keepalive_idle = 77s});
  const auto transport = make(reactor);
  EXPECT_EQ(&transport->reactor(), &reactor);
  int idle = 0;
  socklen_t size = sizeof idle;
  EXPECT_EQ(getsockopt(a, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &size), 0);
  EXPECT_EQ(idle, 77);
  transport->close();
  close(b);
}

TEST(OverTcp, ConnectionThatNobodyServesEnds) {
  const auto [a, b] = tcp_sockets();
  {
    const MakeTransport nobody = over_tcp(UniqueFd(a));
  }
  char byte;
  EXPECT_EQ(read(b, &byte, 1), 0);
  close(b);
}

// What was sent, complete as it is, does not arrive.
TEST(ConnectTcp, AbortTakesBackWhatThePeerHasNotRead) {
  Reactor reactor;
  Listener listener;
  struct Body {
    static Task<void> run(Reactor& r, int listener_fd) {
      auto client = co_await connect_tcp(r, SocketAddress::local_of(listener_fd));
      EXPECT_TRUE(client);
      if (!client) co_return;
      auto server = make_tcp_transport(r, accept4(listener_fd, nullptr, nullptr, SOCK_CLOEXEC));
      server->set_receive_limit(kFrameSizeMax);
      (*client)->send(frame_of(Bytes(kFrameSizeMax)));
      (*client)->abort();
      const auto message = co_await server->receive();
      EXPECT_FALSE(message);
      if (!message) EXPECT_TRUE(message.error().is_os(ECONNRESET)) << message.error().message();
    }
  };
  run(reactor, Body::run(reactor, listener.fd));
}

TEST(ConnectTcp, RefusedIsAnOsError) {
  Reactor reactor;
  SocketAddress nobody;
  {
    Listener listener;
    nobody = SocketAddress::local_of(listener.fd);
  }
  struct Body {
    static Task<void> run(Reactor& r, SocketAddress address) {
      auto transport = co_await connect_tcp(r, address);
      EXPECT_FALSE(transport);
      if (!transport) EXPECT_TRUE(transport.error().is_os(ECONNREFUSED));
    }
  };
  run(reactor, Body::run(reactor, nobody));
}

}  // namespace
}  // namespace braid::transport
