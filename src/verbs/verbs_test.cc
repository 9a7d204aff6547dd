// Two ends over a network card with RDMA, where there is one: BRAID_RDMA_ADDRESS is its address. In
// a virtual machine soft-RoCE is one; tests/vm runs this there.
#include <gtest/gtest.h>

#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "runtime/one_shot.h"
#include "runtime/task_scope.h"
#include "transport/remote_memory.h"
#include "transport/smbdirect/smbdirect_transport.h"
#include "transport/transport_testing.h"
#include "verbs/connect.h"
#include "verbs/listener.h"

namespace braid::verbs {
namespace {

using namespace std::chrono_literals;
using transport::BufferDescriptors;
using transport::frame_of;
using transport::OutFrame;
using transport::SocketAddress;
using transport::TransportPtr;
using transport::smbdirect::make_smbdirect_transport;
using transport::smbdirect::QueuePair;
using transport::smbdirect::Role;
using PeerMay = QueuePair::PeerMay;

constexpr size_t kMiB = 1u << 20;
constexpr auto kPatience = 20s;

TEST(VerbsDevices, WithoutOneItSaysSo) {
  std::string why;
  if (Devices::check(why)) GTEST_SKIP() << "there is one";
  EXPECT_TRUE(why.starts_with("no RDMA device: ")) << why;
  Devices devices;
  Reactor reactor;
  const auto address = SocketAddress::parse("127.0.0.1", 0);
  EXPECT_FALSE(Listener::make(devices, reactor, *address, [](Arrived) {}));
}

Bytes counting_bytes(size_t size, uint8_t first = 0) {
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = first++;
  return bytes;
}

// On one reactor; the client's queue pair stays at hand, to lend memory with.
struct VerbsTest : testing::Test {
  void SetUp() override {
    const char* address = std::getenv("BRAID_RDMA_ADDRESS");
    std::string why;
    if (!address) GTEST_SKIP() << "BRAID_RDMA_ADDRESS names no card";
    const auto found = Devices::check(why);
    ASSERT_TRUE(found) << why;
    const auto parsed = SocketAddress::parse(address, 0);
    ASSERT_TRUE(parsed) << address;
    auto made = Listener::make(devices, reactor, *parsed, [this](Arrived arrived) {
      EXPECT_EQ(arrived.peer.host(), arrived.local.host());
      if (!is_wanted) return;
      auto made = make_smbdirect_transport(reactor, std::move(arrived.pair), Role::kPassive,
                                           {.peer = arrived.peer, .local = arrived.local});
      all_accepted.push_back(made);
      accepted.set(std::move(made));
    });
    ASSERT_TRUE(made) << made.error().message();
    listener = *std::move(made);
  }
  void TearDown() override {
    all_accepted.clear();
    server.reset();
    client.reset();
    listener.reset();
  }
  void run(Task<void> task) { transport::run(reactor, std::move(task)); }
  Task<bool> link() {
    auto connected = co_await connect(devices, reactor, listener->address(), kPatience);
    EXPECT_TRUE(connected);
    if (!connected) co_return false;
    card = connected->pair.get();
    client = make_smbdirect_transport(reactor, std::move(connected->pair), Role::kActive);
    server = co_await accepted.wait(reactor);
    // Memory is lent once there is a connection.
    client->send(frame_of({1}));
    co_return (co_await server->receive()).has_value();
  }

  Devices devices;
  Reactor reactor;
  std::unique_ptr<Listener> listener;
  OneShot<TransportPtr> accepted;  // the first
  std::vector<TransportPtr> all_accepted;
  bool is_wanted = true;
  TransportPtr server, client;
  QueuePair* card = nullptr;
};

TEST_F(VerbsTest, MessagesArriveBothWays) {
  run([](VerbsTest& test) -> Task<void> {
    if (!co_await test.link()) co_return;
    test.client->set_receive_limit(kMiB);
    test.server->set_receive_limit(kMiB);
    for (const size_t size : {1, 100, 1340, 1341, 60'000, 500'000}) {
      test.client->send(frame_of(counting_bytes(size)));
      test.server->send(frame_of(counting_bytes(size, 9)));
      const auto there = co_await test.server->receive();
      const auto back = co_await test.client->receive();
      EXPECT_TRUE(there && std::ranges::equal(there->view(), counting_bytes(size))) << size;
      EXPECT_TRUE(back && std::ranges::equal(back->view(), counting_bytes(size, 9))) << size;
    }
    co_await test.server->drained();
    EXPECT_EQ(test.server->bytes_acknowledged(), test.server->bytes_queued());
  }(*this));
}

TEST_F(VerbsTest, TheClientsMemoryIsReadAndWritten) {
  run([](VerbsTest& test) -> Task<void> {
    if (!co_await test.link()) co_return;
    Bytes source = counting_bytes(8 * kMiB, 5), target(8 * kMiB);
    const auto from = test.card->register_memory(source, PeerMay::kRead);
    const auto to = test.card->register_memory(target, PeerMay::kWrite);
    EXPECT_TRUE(from && to);
    transport::RemoteMemory& memory = *test.server->remote_memory();
    auto tail = *from;
    tail.offset += 4 * kMiB;
    tail.length = 4 * kMiB;
    auto pulled = co_await memory.pull({tail, *from}, 8 * kMiB);
    EXPECT_TRUE(pulled);
    if (!pulled) co_return;
    EXPECT_TRUE(
        std::ranges::equal(pulled->view().first(4 * kMiB), ByteView(source).subspan(4 * kMiB)));
    EXPECT_TRUE(
        std::ranges::equal(pulled->view().subspan(4 * kMiB), ByteView(source).first(4 * kMiB)));
    Bytes expected(pulled->view().begin(), pulled->view().end());
    EXPECT_TRUE(co_await memory.push(*std::move(pulled), {*to}));
    EXPECT_TRUE(target == expected);
    // What the card does not reach is copied.
    EXPECT_TRUE(co_await memory.push(Buffer::copy_of(source), {*to}));
    EXPECT_TRUE(target == source);
  }(*this));
}

TEST_F(VerbsTest, ManyTransfersOfManyPiecesArrive) {
  run([](VerbsTest& test) -> Task<void> {
    if (!co_await test.link()) co_return;
    Bytes source = counting_bytes(kMiB, 5);
    const auto all = *test.card->register_memory(source, PeerMay::kRead);
    const auto pull = [](VerbsTest& its, Bytes& data, QueuePair::Remote whole,
                         uint32_t piece) -> Task<void> {
      BufferDescriptors pieces;
      for (uint32_t at = 0; at + piece <= whole.length; at += piece) {
        pieces.push_back({whole.offset + at, whole.token, piece});
      }
      const size_t size = pieces.size() * piece;
      const auto got = co_await its.server->remote_memory()->pull(std::move(pieces), size);
      EXPECT_TRUE(got && std::ranges::equal(got->view(), ByteView(data).first(size)));
    };
    TaskScope scope;
    for (uint32_t i = 0; i < 20; ++i) {
      scope.spawn(pull(test, source, all, 1000 + 333 * i));
      test.client->send(frame_of(counting_bytes(3000)));
    }
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(co_await test.server->receive());
    co_await scope.join();
  }(*this));
}

TEST_F(VerbsTest, AnAnswerInvalidatesAKey) {
  run([](VerbsTest& test) -> Task<void> {
    if (!co_await test.link()) co_return;
    Bytes target(1000);
    const auto to = *test.card->register_memory(target, PeerMay::kWrite);
    transport::RemoteMemory& memory = *test.server->remote_memory();
    EXPECT_TRUE(co_await memory.push(memory.memory(1000), {to}));
    OutFrame frame = frame_of(counting_bytes(5000));
    frame.invalidate = to.token;
    test.server->send(std::move(frame));
    EXPECT_TRUE(co_await test.client->receive());
    // It is none now, and who uses it loses the connection.
    EXPECT_EQ((co_await memory.push(memory.memory(1000), {to})).error(),
              Error(NtStatus::kConnectionDisconnected));
    EXPECT_FALSE(co_await test.client->receive());
  }(*this));
}

TEST_F(VerbsTest, WhatTheCardRefusesEndsTheConnection) {
  run([](VerbsTest& test) -> Task<void> {
    if (!co_await test.link()) co_return;
    Bytes target(1000);
    auto to = *test.card->register_memory(target, PeerMay::kWrite);
    to.length += 1;
    transport::RemoteMemory& memory = *test.server->remote_memory();
    EXPECT_EQ((co_await memory.push(memory.memory(1001), {to})).error(),
              Error(NtStatus::kConnectionDisconnected));
    EXPECT_FALSE(co_await test.server->receive());
    EXPECT_FALSE(co_await test.client->receive());
  }(*this));
}

TEST_F(VerbsTest, APeerThatGoesIsNoticed) {
  run([](VerbsTest& test) -> Task<void> {
    if (!co_await test.link()) co_return;
    test.client->close();
    EXPECT_EQ((co_await test.server->receive()).error(), Error(NtStatus::kConnectionDisconnected));
  }(*this));
}

TEST_F(VerbsTest, WhoIsNotWantedIsRejected) {
  is_wanted = false;
  run([](VerbsTest& test) -> Task<void> {
    const auto connected =
        co_await connect(test.devices, test.reactor, test.listener->address(), kPatience);
    EXPECT_FALSE(connected);
    if (!connected) EXPECT_EQ(connected.error(), Error::os(ECONNREFUSED));
  }(*this));
}

TEST_F(VerbsTest, WhereNobodyListensItIsRefused) {
  run([](VerbsTest& test) -> Task<void> {
    const auto address = test.listener->address();
    test.listener.reset();
    const auto connected = co_await connect(test.devices, test.reactor, address, kPatience);
    EXPECT_FALSE(connected);
    if (!connected) EXPECT_EQ(connected.error(), Error::os(ECONNREFUSED));
  }(*this));
}

// Whoever says nothing has some time, and costs nobody else anything meanwhile.
TEST_F(VerbsTest, SilentConnectionsEndAndOthersAreServed) {
  constexpr size_t kSilent = 60;
  run([](VerbsTest& test) -> Task<void> {
    std::vector<Connected> silent;
    for (size_t i = 0; i < kSilent; ++i) {
      auto connected =
          co_await connect(test.devices, test.reactor, test.listener->address(), kPatience);
      EXPECT_TRUE(connected);
      if (!connected) co_return;
      silent.push_back(*std::move(connected));
    }
    auto connected =
        co_await connect(test.devices, test.reactor, test.listener->address(), kPatience);
    EXPECT_TRUE(connected);
    if (!connected) co_return;
    const auto talks =
        make_smbdirect_transport(test.reactor, std::move(connected->pair), Role::kActive);
    talks->send(frame_of(counting_bytes(100)));
    EXPECT_TRUE(co_await test.all_accepted.back()->receive());
    EXPECT_EQ(test.all_accepted.size(), kSilent + 1);
    for (size_t i = 0; i < kSilent; ++i) {
      EXPECT_EQ((co_await test.all_accepted[i]->receive()).error(), Error(NtStatus::kIoTimeout));
    }
    EXPECT_FALSE(test.all_accepted.back()->is_closed());
    talks->close();
  }(*this));
}

// A program of its own, which the next test starts and kills: it lends memory and says where.
TEST(VerbsPeer, LendsUntilItIsKilled) {
  const char* address = std::getenv("BRAID_RDMA_PEER");
  if (!address) GTEST_SKIP() << "is started by VerbsTest.APeerThatIsKilledWhileItIsReadIsNoticed";
  Devices devices;
  Reactor reactor;
  transport::run(
      reactor, [](Devices& its_devices, Reactor& its_reactor, SocketAddress server) -> Task<void> {
        auto connected = co_await connect(its_devices, its_reactor, server, kPatience);
        if (!connected) co_return;
        QueuePair& card = *connected->pair;
        const auto client =
            make_smbdirect_transport(its_reactor, std::move(connected->pair), Role::kActive);
        client->send(frame_of({1}));
        EXPECT_TRUE(co_await client->receive());
        Bytes memory = counting_bytes(4 * kMiB);
        const auto lent = card.register_memory(memory, PeerMay::kRead);
        EXPECT_TRUE(lent);
        if (lent) client->send(frame_of(wire::smbdirect::encode_channel_info({&*lent, 1})));
        (void)co_await client->receive();
      }(devices, reactor, SocketAddress::parse_with_port(address).value()));
}

TEST_F(VerbsTest, APeerThatIsKilledWhileItIsReadIsNoticed) {
  const std::string address = "BRAID_RDMA_PEER=" + listener->address().to_string();
  const char* const arguments[] = {"verbs_test", "--gtest_filter=VerbsPeer.*", nullptr};
  std::vector<char*> environment;
  for (char** each = environ; *each; ++each) environment.push_back(*each);
  environment.push_back(const_cast<char*>(address.c_str()));
  environment.push_back(nullptr);
  pid_t peer = 0;
  ASSERT_EQ(posix_spawn(&peer, "/proc/self/exe", nullptr, nullptr,
                        const_cast<char* const*>(arguments), environment.data()),
            0);
  run([](VerbsTest& test, pid_t its_peer) -> Task<void> {
    test.server = co_await test.accepted.wait(test.reactor);
    EXPECT_TRUE(co_await test.server->receive());
    test.server->send(frame_of({1}));
    const auto info = co_await test.server->receive();
    EXPECT_TRUE(info);
    if (!info) co_return;
    const auto lent = wire::smbdirect::decode_channel_info(info->view());
    EXPECT_TRUE(lent);
    if (!lent) co_return;
    transport::RemoteMemory& memory = *test.server->remote_memory();
    EXPECT_TRUE(co_await memory.pull(*lent, 4 * kMiB));
    // Some are under way when it dies.
    const auto pull = [](transport::RemoteMemory& from, BufferDescriptors what,
                         Result<Buffer>& into) -> Task<void> {
      into = co_await from.pull(std::move(what), 4 * kMiB);
    };
    std::vector<Result<Buffer>> pulled(8);
    TaskScope scope;
    for (auto& each : pulled) scope.spawn(pull(memory, *lent, each));
    kill(its_peer, SIGKILL);
    co_await scope.join();
    EXPECT_FALSE(pulled.back());
    if (!pulled.back()) {
      EXPECT_EQ(pulled.back().error(), Error(NtStatus::kConnectionDisconnected));
    }
    EXPECT_EQ((co_await test.server->receive()).error(), Error(NtStatus::kConnectionDisconnected));
  }(*this, peer));
  kill(peer, SIGKILL);
  int status = 0;
  EXPECT_EQ(waitpid(peer, &status, 0), peer);
}

// What is waited for is a file descriptor: a connection that says nothing takes no processor.
TEST_F(VerbsTest, ASilentConnectionSleeps) {
  const auto used = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return std::chrono::seconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           std::chrono::microseconds(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  };
  run([](VerbsTest& test, auto processor) -> Task<void> {
    if (!co_await test.link()) co_return;
    co_await test.reactor.sleep_for(100ms);
    const auto before = processor();
    co_await test.reactor.sleep_for(2s);
    EXPECT_LT(processor() - before, 500ms);
    test.client->send(frame_of({7}));
    EXPECT_TRUE(co_await test.server->receive());
  }(*this, used));
}

}  // namespace
}  // namespace braid::verbs
