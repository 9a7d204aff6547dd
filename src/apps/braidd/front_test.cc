#include "apps/braidd/front.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <map>
#include <thread>

#include "apps/braidd/channel.h"
#include "apps/braidd/listen.h"
#include "apps/braidd/worker.h"
#include "base/log.h"

namespace braid::braidd {
namespace {

// An SMB2 NEGOTIATE as far as the front reads it, with its transport header.
Bytes negotiate(uint8_t guid_byte, size_t extra = 0) {
  Bytes message(64 + 36 + extra, 0);
  message[0] = 0xFE;
  message[1] = 'S';
  message[2] = 'M';
  message[3] = 'B';
  message[4] = 64;
  message[64] = 36;
  std::fill_n(message.begin() + 64 + 12, 16, guid_byte);
  Bytes frame{0, 0, static_cast<uint8_t>(message.size() >> 8),
              static_cast<uint8_t>(message.size())};
  frame.insert(frame.end(), message.begin(), message.end());
  return frame;
}

bool readable(int fd, int wait_ms = 0) {
  pollfd wait{fd, POLLIN, 0};
  return ::poll(&wait, 1, wait_ms) == 1;
}

// True once the other side has closed the connection.
bool closed(int fd) {
  char byte;
  return readable(fd) && ::recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

// A Front on a port of its own, stepped by hand, whose workers are the test.
class FrontTest : public testing::Test {
 protected:
  void start(size_t workers, FrontLimits limits = {}) {
    auto listeners = open_listeners({{"127.0.0.1", 0}});
    ASSERT_TRUE(listeners);
    const std::string& address = listeners->front().address;
    port_ = static_cast<uint16_t>(std::stoi(address.substr(address.find(':') + 1)));
    auto control = make_channel();
    control_ = std::move(control->first);
    Front::Options options{.control = std::move(control->second),
                           .workers = workers,
                           .limits = limits,
                           .clock = clock_};
    options.listeners.push_back(std::move(listeners->front().socket));
    front_.emplace(std::move(options));
    for (size_t i = 0; i < workers; ++i) connect_worker(i);
  }
  void connect_worker(size_t index) {
    auto channel = make_channel();
    channels_[index] = std::move(channel->first);
    ASSERT_TRUE(send_message(control_.get(), MessageKind::kChannel, index, channel->second.get()));
    channel->second.reset();
    settle();
  }
  // Lets the front do everything there is to do now.
  void settle() {
    for (int i = 0; i < 8 && !front_->finished(); ++i) front_->step(std::chrono::milliseconds(0));
  }
  UniqueFd client(const char* from = "127.0.0.1") {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    ::inet_pton(AF_INET, from, &address.sin_addr);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    settle();
    return socket;
  }
  void send(const UniqueFd& socket, ByteView bytes) {
    EXPECT_EQ(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    settle();
  }
  // The connection that worker `index` was given; nothing when there is none.
  std::optional<Message> received(size_t index) {
    auto message = receive_message(channels_[index].get());
    if (!message) return std::nullopt;
    return std::move(*message);
  }
  void acknowledge(size_t index, const Message& message) {
    ASSERT_TRUE(send_message(channels_[index].get(), MessageKind::kAccepted, message.number));
  }

  VirtualClock clock_;
  UniqueFd control_;
  std::map<size_t, UniqueFd> channels_;
  std::optional<Front> front_;
  uint16_t port_ = 0;
};

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
      send_message(channels_[other].get(), MessageKind::kPassedOn, 0, arrived->fd.get(), message));
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
  ASSERT_TRUE(send_message(channels_[1 - target].get(), MessageKind::kPassedOn, 0, theirs.get(),
                           ByteView(second).subspan(4)));
  theirs.reset();
  channels_[1 - target].reset();
  channels_[target].reset();
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
  ASSERT_TRUE(send_message(channels_[0].get(), MessageKind::kPassedOn, 0, theirs.get(),
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
  channels_[0].reset();
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
  channels_[0].reset();
  settle();
  const UniqueFd socket = client();
  send(socket, negotiate(1));
  EXPECT_FALSE(closed(socket.get()));
  connect_worker(0);
  EXPECT_TRUE(received(0));
}

TEST_F(FrontTest, ConnectionThatNoWorkerTakesIsDropped) {
  start(1);
  channels_[0].reset();
  const UniqueFd socket = client();
  send(socket, negotiate(1));
  clock_.advance(FrontLimits{}.handover_time);
  settle();
  EXPECT_TRUE(closed(socket.get()));
}

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
    ASSERT_TRUE(
        send_message(control_.get(), MessageKind::kLogLevel, static_cast<uint64_t>(level)));
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

// Answers each connection with the first frame it was given.
class EchoServer final : public WorkerServer {
 public:
  void adopt(UniqueFd socket, Buffer first_frame, Arrival) override {
    EXPECT_GT(::send(socket.get(), first_frame.data(), first_frame.size(), MSG_NOSIGNAL), 0);
  }
  void reload(config::Snapshot) override {}
  void drain() override { drained = true; }
  bool drained = false;
};

TEST(Worker, TakesConnectionsFromTheFrontUntilItIsDrained) {
  auto listeners = open_listeners({{"127.0.0.1", 0}});
  ASSERT_TRUE(listeners);
  auto front_control = make_channel();
  auto worker_control = make_channel();
  auto channel = make_channel();
  Front::Options options{.control = std::move(front_control->second)};
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(listeners->front().socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  options.listeners.push_back(std::move(listeners->front().socket));
  Front front(std::move(options));
  EchoServer server;
  PassedOn passed_on(0, 1);
  const config::Config config;
  std::jthread front_thread([&] { front.run(); });
  std::jthread worker_thread([&] {
    EXPECT_TRUE(run_worker(std::move(worker_control->second), server, passed_on, config));
  });
  send_message(worker_control->first.get(), MessageKind::kChannel, 0, channel->first.get());
  send_message(front_control->first.get(), MessageKind::kChannel, 0, channel->second.get());
  channel->first.reset();
  channel->second.reset();

  for (int i = 0; i < 20; ++i) {
    const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    const Bytes frame = negotiate(static_cast<uint8_t>(i));
    ASSERT_EQ(::send(socket.get(), frame.data(), frame.size(), 0),
              static_cast<ssize_t>(frame.size()));
    Bytes answer(frame.size());
    EXPECT_EQ(::recv(socket.get(), answer.data(), answer.size(), MSG_WAITALL),
              static_cast<ssize_t>(frame.size() - 4));
  }
  send_message(front_control->first.get(), MessageKind::kDrain);
  front_thread.join();
  send_message(worker_control->first.get(), MessageKind::kDrain);
  worker_thread.join();
  EXPECT_TRUE(server.drained);
}

// A worker that has run out of descriptors when the socket comes: the front holds another one of
// it, and the client must not wait until that gives up.
TEST(Worker, ConnectionWithoutRoomIsAcknowledgedAndClosed) {
  auto control = make_channel();
  auto channel = make_channel();
  EchoServer server;
  PassedOn passed_on(0, 1);
  const config::Config config;
  std::jthread worker([&] { run_worker(std::move(control->second), server, passed_on, config); });
  send_message(control->first.get(), MessageKind::kChannel, 0, channel->first.get());
  const auto hand_over = [&](uint64_t number) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const UniqueFd of_server(ends[1]);
    const Bytes frame{1, 2, 3};
    EXPECT_TRUE(send_message(channel->second.get(), MessageKind::kConnection, number,
                             of_server.get(), frame));
    return UniqueFd(ends[0]);
  };
  const auto is_accepted = [&](uint64_t number) {
    if (!readable(channel->second.get(), 10'000)) return false;
    const auto message = receive_message(channel->second.get());
    return message && message->kind == MessageKind::kAccepted && message->number == number;
  };
  const UniqueFd first = hand_over(1);
  EXPECT_TRUE(is_accepted(1));
  EXPECT_TRUE(readable(first.get(), 10'000));
  std::array<uint8_t, 3> echo;
  EXPECT_EQ(::recv(first.get(), echo.data(), echo.size(), MSG_WAITALL), 3);
  // Until its descriptor is free: otherwise the next may find room there.
  EXPECT_TRUE(readable(first.get(), 10'000) && closed(first.get()));

  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd client(ends[0]);
  UniqueFd of_server(ends[1]);
  const int lowest_free = ::dup(0);
  ::close(lowest_free);
  const rlimit none{.rlim_cur = static_cast<rlim_t>(lowest_free), .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  send_message(channel->second.get(), MessageKind::kConnection, 2, of_server.get());
  const bool accepted = is_accepted(2);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_TRUE(accepted);
  of_server.reset();  // as the front does
  EXPECT_TRUE(closed(client.get()));

  send_message(control->first.get(), MessageKind::kDrain);
  worker.join();
}

TEST(Worker, EndsWithItsSupervisor) {
  auto control = make_channel();
  control->first.reset();
  EchoServer server;
  PassedOn passed_on(0, 1);
  EXPECT_FALSE(run_worker(std::move(control->second), server, passed_on, {}));
  EXPECT_FALSE(server.drained);
}

}  // namespace
}  // namespace braid::braidd
