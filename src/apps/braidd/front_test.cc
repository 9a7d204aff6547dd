#include "apps/braidd/front.h"

#include "apps/braidd/front_testing.h"
#include "base/log.h"

namespace braid::braidd {
namespace {

TEST_F(FrontTest, FirstMessageAndSocketReachTheWorker) {
  start(1);
  const UniqueFd socket = client();
  const Bytes frame = negotiate(7);
  Bytes sent = frame;
  sent.push_back(0x55);  // the start of the next message stays in the socket
  send(socket, sent);
  const auto message = received(0);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->kind, MessageKind::kConnection);
  EXPECT_TRUE(std::ranges::equal(message->payload.view(), ByteView(frame).subspan(4)));
  uint8_t next[8];
  EXPECT_EQ(::recv(message->fd.get(), next, sizeof next, MSG_DONTWAIT), 1);
  EXPECT_EQ(next[0], 0x55);
  // Only the worker answers.
  EXPECT_FALSE(readable(socket.get()));
  EXPECT_EQ(::send(message->fd.get(), "x", 1, 0), 1);
  EXPECT_TRUE(readable(socket.get(), 1000));
}

TEST_F(FrontTest, ConnectionsOfOneNewClientThatRaceMeetInOneWorker) {
  start(8);
  for (uint8_t guid = 1; guid < 100; ++guid) {
    const UniqueFd first = client(), second = client();
    const Bytes frame = negotiate(guid);
    const ByteView bytes(frame);
    // Byte for byte in step, so that neither is the earlier one.
    send(first, bytes.first(50));
    send(second, bytes.first(50));
    send(second, bytes.subspan(50));
    send(first, bytes.subspan(50));
    int meetings = 0;
    for (size_t worker = 0; worker < 8; ++worker) {
      const auto one = received(worker);
      if (!one) continue;
      const auto other = received(worker);
      ASSERT_TRUE(other) << "worker " << worker << " got one of two";
      acknowledge(worker, *one);
      acknowledge(worker, *other);
      ++meetings;
    }
    EXPECT_EQ(meetings, 1);
  }
}

TEST_F(FrontTest, ConnectionsWithoutClientGuidAreSpread) {
  start(2);
  const UniqueFd first = client(), second = client();
  send(first, negotiate(0));
  send(second, negotiate(0));
  EXPECT_TRUE(received(0));
  EXPECT_TRUE(received(1));
}

// [MS-SMB2] 3.3.5.3.1 "SMB 2.1 or SMB 3.x Support": the client tells who it is in the message
// after the first.
TEST_F(FrontTest, ConnectionThatAWorkerPassesOnReachesTheWorkerOfItsClientOnce) {
  start(4);
  const size_t target = [] {
    ClientGuid guid;
    guid.bytes.fill(5);
    return worker_of(guid, 4);
  }();
  const size_t other = (target + 1) % 4;
  const UniqueFd socket = client();
  send(socket, negotiate(0));  // stands for an SMB1 message: any worker
  size_t first = 0;
  std::optional<Message> arrived;
  while (first < 4 && !(arrived = received(first))) ++first;
  ASSERT_TRUE(arrived);
  acknowledge(first, *arrived);
  const Bytes second = negotiate(5);
  const ByteView message = ByteView(second).subspan(4);
  ASSERT_TRUE(
      send_message(links_[other].get(), MessageKind::kPassedOn, 0, arrived->fd.get(), message));
  arrived->fd.reset();
  settle();
  const auto continued = received(target);
  ASSERT_TRUE(continued);
  EXPECT_EQ(continued->kind, MessageKind::kContinued);
  EXPECT_TRUE(std::ranges::equal(continued->payload.view(), message));
  acknowledge(target, *continued);
  settle();
  for (size_t worker = 0; worker < 4; ++worker) EXPECT_FALSE(received(worker));
  EXPECT_EQ(::send(continued->fd.get(), "x", 1, 0), 1);
  EXPECT_TRUE(readable(socket.get(), 1000));
}

TEST_F(FrontTest, WorkerThatDiesBeforeItTakesAContinuedConnectionIsReplacedToo) {
  start(2);
  const size_t target = [] {
    ClientGuid guid;
    guid.bytes.fill(5);
    return worker_of(guid, 2);
  }();
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  const Bytes second = negotiate(5);
  // The last thing the other worker did; it is gone before the front reads it.
  ASSERT_TRUE(send_message(links_[1 - target].get(), MessageKind::kPassedOn, 0, theirs.get(),
                           ByteView(second).subspan(4)));
  theirs.reset();
  links_[1 - target].reset();
  links_[target].reset();
  settle();
  EXPECT_FALSE(closed(ours.get()));
  connect_worker(target);
  const auto continued = received(target);
  ASSERT_TRUE(continued);
  EXPECT_EQ(continued->kind, MessageKind::kContinued);
}

TEST_F(FrontTest, PassedOnConnectionWithoutAClientIsDropped) {
  start(2);
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  const Bytes nobody = negotiate(0);
  ASSERT_TRUE(send_message(links_[0].get(), MessageKind::kPassedOn, 0, theirs.get(),
                           ByteView(nobody).subspan(4)));
  theirs.reset();
  settle();
  EXPECT_TRUE(closed(ours.get()));
  EXPECT_FALSE(received(0));
  EXPECT_FALSE(received(1));
}

TEST_F(FrontTest, WorkerThatDiesBeforeItsAcknowledgementIsReplacedAndTheConnectionServedOnce) {
  start(1);
  const UniqueFd taken = client(), lost = client(), unread = client();
  send(taken, negotiate(1));
  const auto first = received(0);
  ASSERT_TRUE(first);
  send(lost, negotiate(2));
  ASSERT_TRUE(received(0));  // read, and never acknowledged
  send(unread, negotiate(3));
  acknowledge(0, *first);  // the last thing it did; the front has not read it
  links_[0].reset();
  settle();
  connect_worker(0);
  const auto again = received(0);
  const auto never_read = received(0);
  ASSERT_TRUE(again && never_read);
  EXPECT_EQ(again->payload.view()[64 + 12], 2);
  EXPECT_EQ(never_read->payload.view()[64 + 12], 3);
  EXPECT_FALSE(received(0));  // not the acknowledged one
}

TEST_F(FrontTest, ConnectionThatArrivesWhileThereIsNoWorkerWaitsForTheNext) {
  start(1);
  links_[0].reset();
  settle();
  const UniqueFd socket = client();
  send(socket, negotiate(1));
  EXPECT_FALSE(closed(socket.get()));
  connect_worker(0);
  EXPECT_TRUE(received(0));
}

TEST_F(FrontTest, ConnectionThatNoWorkerTakesIsDropped) {
  start(1);
  links_[0].reset();
  const UniqueFd socket = client();
  send(socket, negotiate(1));
  clock_.advance(FrontLimits{}.handover_time);
  settle();
  EXPECT_TRUE(closed(socket.get()));
}

TEST_F(FrontTest, DrainStopsAcceptingAndEndsOnceTheWorkersHaveTheirs) {
  start(1);
  const UniqueFd silent = client(), handed = client();
  send(handed, negotiate(1));
  ASSERT_TRUE(send_message(control_.get(), MessageKind::kDrain));
  settle();
  EXPECT_TRUE(closed(silent.get()));
  EXPECT_FALSE(front_->finished());
  const auto message = received(0);
  ASSERT_TRUE(message);
  acknowledge(0, *message);
  settle();
  EXPECT_TRUE(front_->finished());
  EXPECT_FALSE(closed(handed.get()));
}

TEST_F(FrontTest, DrainDoesNotWaitForAWorkerForEver) {
  start(1);
  const UniqueFd handed = client();
  send(handed, negotiate(1));
  ASSERT_TRUE(send_message(control_.get(), MessageKind::kDrain));
  settle();
  clock_.advance(FrontLimits{}.drain_time);
  settle();
  EXPECT_TRUE(front_->finished());
}

TEST_F(FrontTest, TakesTheLogLevelOfItsSupervisor) {
  start(1);
  for (const auto level : {log::Level::kDebug, log::Level::kInfo}) {
    ASSERT_TRUE(send_message(control_.get(), MessageKind::kLogLevel, static_cast<uint64_t>(level)));
    settle();
    EXPECT_TRUE(log::enabled(level));
    EXPECT_EQ(log::enabled(log::Level::kDebug), level == log::Level::kDebug);
  }
}

TEST_F(FrontTest, EndsWithItsSupervisor) {
  start(1);
  control_.reset();
  settle();
  EXPECT_TRUE(front_->finished());
}

// A bind of RPC as far as the front reads it.
Bytes bind_pdu(uint16_t length, uint8_t byte_order = 0x10) {
  Bytes pdu(length, 0x42);
  const bool is_big = byte_order == 0;
  const uint8_t header[16] = {5,
                              0,
                              11,
                              3,
                              byte_order,
                              0,
                              0,
                              0,
                              static_cast<uint8_t>(is_big ? length >> 8 : length),
                              static_cast<uint8_t>(is_big ? length : length >> 8)};
  std::ranges::copy(header, pdu.begin());
  return pdu;
}

TEST_F(FrontTest, WholeBindOfRpcReachesTheFirstWorkerWhoeverSendsIt) {
  for (const auto& [service, kind] :
       {std::pair{Service::kWitness, MessageKind::kWitnessConnection},
        std::pair{Service::kEndpointMapper, MessageKind::kMapperConnection}}) {
    for (const uint8_t byte_order : {0x10, 0x00}) {
      links_.clear();
      start(4, {}, service);
      for (int i = 0; i < 3; ++i) {
        const UniqueFd socket = client();
        const Bytes bind = bind_pdu(200, byte_order);
        send(socket, ByteView(bind).first(10));
        EXPECT_FALSE(received(0));
        Bytes rest(bind.begin() + 10, bind.end());
        rest.push_back(0x55);  // the start of the next PDU stays in the socket
        send(socket, rest);
        const auto message = received(0);
        ASSERT_TRUE(message);
        EXPECT_EQ(message->kind, kind);
        EXPECT_TRUE(std::ranges::equal(message->payload.view(), ByteView(bind)));
        uint8_t next[8];
        EXPECT_EQ(::recv(message->fd.get(), next, sizeof next, MSG_DONTWAIT), 1);
        acknowledge(0, *message);
        settle();
      }
    }
  }
}

TEST_F(FrontTest, WhatIsNoBindOfRpcEndsTheConnection) {
  start(1, {}, Service::kWitness);
  Bytes request = bind_pdu(100);
  request[2] = 0;
  Bytes too_short = bind_pdu(100);
  too_short[8] = 15;
  for (const Bytes& bytes : {request, too_short, negotiate(7)}) {
    const UniqueFd socket = client();
    send(socket, bytes);
    EXPECT_TRUE(closed(socket.get()));
  }
  EXPECT_FALSE(received(0));
}

// Of an upgrade: no connection is lost between two fronts, however far it was.
TEST_F(FrontTest, NextFrontGetsAllConnections) {
  start(1);
  const UniqueFd silent = client();
  const UniqueFd half = client();
  const Bytes frame = negotiate(7);
  send(half, ByteView(frame).first(70));
  const UniqueFd two_bytes = client();
  send(two_bytes, ByteView(frame).first(2));
  const UniqueFd not_acknowledged = client();
  send(not_acknowledged, frame);
  ASSERT_TRUE(received(0));  // by a worker that ends before it has looked at it

  auto control = make_link();
  Front::Options options{
      .control = std::move(control->second), .workers = 1, .clock = clock_, .is_held = true};
  auto listeners = open_listeners({{"127.0.0.1", 0}});
  const uint16_t port = listeners->front().port;
  options.listeners.push_back({std::move(listeners->front().socket)});
  Front next(std::move(options));
  auto between = make_link();
  send_message(control_.get(), MessageKind::kHeir, 0, between->first.get());
  send_message(control->first.get(), MessageKind::kBefore, 0, between->second.get());
  between->first.reset();
  between->second.reset();
  settle();
  EXPECT_TRUE(front_->finished());
  front_.reset();
  auto link = make_link();
  send_message(control->first.get(), MessageKind::kLink, 0, link->second.get());
  const auto step = [&] {
    for (int i = 0; i < 8; ++i) next.step(std::chrono::milliseconds(0));
  };
  const auto arrives = [&] {
    step();
    const auto message = receive_message(link->first.get());
    if (!message) return false;
    EXPECT_TRUE(std::ranges::equal(message->payload.view(), ByteView(frame).subspan(4)));
    return message->kind == MessageKind::kConnection && bool(message->fd);
  };
  const auto say = [](const UniqueFd& socket, ByteView bytes) {
    EXPECT_EQ(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  };
  EXPECT_TRUE(arrives());
  EXPECT_EQ(next.pending(), 3u);
  say(half, ByteView(frame).subspan(70));
  EXPECT_TRUE(arrives());
  say(two_bytes, ByteView(frame).subspan(2));
  EXPECT_TRUE(arrives());
  say(silent, frame);
  EXPECT_TRUE(arrives());
  EXPECT_FALSE(arrives());

  // It accepts when it is told.
  port_ = port;
  const UniqueFd waiting(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(waiting.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  say(waiting, frame);
  EXPECT_FALSE(arrives());
  send_message(control->first.get(), MessageKind::kAccept);
  EXPECT_TRUE(arrives());
}

}  // namespace
}  // namespace braid::braidd
