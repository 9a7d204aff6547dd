// READ and WRITE over a network card with RDMA: BRAID_RDMA_ADDRESS is its address.
#include <gtest/gtest.h>

#include <cstdlib>
#include <future>

#include "runtime/one_shot.h"
#include "smb2/rdma_client_testing.h"
#include "verbs/connect.h"
#include "verbs/listener.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/read.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using namespace std::chrono_literals;
using transport::SocketAddress;
using transport::TransportPtr;
using transport::smbdirect::make_smbdirect_transport;
using transport::smbdirect::Role;
using wire::Command;
using wire::Header;
using PeerMay = RdmaClient::PeerMay;
using Descriptor = RdmaClient::Descriptor;

constexpr uint32_t kMiB = 1u << 20;

Bytes counting_bytes(size_t size, uint8_t first) {
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = first++;
  return bytes;
}

struct RdmaTest : testing::Test {
  void SetUp() override {
    const char* address = std::getenv("BRAID_RDMA_ADDRESS");
    if (!address) GTEST_SKIP() << "BRAID_RDMA_ADDRESS names no card";
    std::promise<RdmaEnds> made;
    const auto parsed = SocketAddress::parse(address, 0);
    ASSERT_TRUE(parsed) << address;
    engine.reactor().post([&] {
      auto listening =
          verbs::Listener::make(devices, engine.reactor(), *parsed, [this](verbs::Arrived arrived) {
            accepted.set(make_smbdirect_transport(engine.reactor(), std::move(arrived.pair),
                                                  Role::kPassive,
                                                  {.peer = arrived.peer, .local = arrived.local}));
          });
      if (!listening) return made.set_value({});
      listener = *std::move(listening);
      scope.spawn(link(made));
    });
    RdmaEnds ends = made.get_future().get();
    ASSERT_TRUE(ends.card) << "no connection over " << address;
    client = std::make_unique<RdmaClient>(engine, std::move(ends));
    ASSERT_TRUE(client->log_on(wire::Dialect::kSmb302));
    file = client->create("file");
    const auto ask = [](Header& header) { header.credits = 1000; };
    ASSERT_EQ(client->status_of(client->request(Command::kEcho, wire::EchoRequest{}, ask)),
              NtStatus::kSuccess);
  }
  void TearDown() override {
    scope.wait();
    client.reset();
    std::promise<void> gone;
    engine.reactor().post([&] {
      listener.reset();
      gone.set_value();
    });
    gone.get_future().wait();
  }
  Task<void> link(std::promise<RdmaEnds>& made) {
    auto connected = co_await verbs::connect(devices, engine.reactor(), listener->address(), 20s);
    if (!connected) {
      made.set_value({});
      co_return;
    }
    RdmaEnds ends;
    ends.card = connected->pair.get();
    ends.transports.first =
        make_smbdirect_transport(engine.reactor(), std::move(connected->pair), Role::kActive);
    ends.transports.second = co_await accepted.wait(engine.reactor());
    made.set_value(std::move(ends));
  }

  Bytes read(uint32_t length, ByteView info, wire::Channel channel, uint64_t offset = 0) {
    const auto charge = static_cast<uint16_t>((length + 65535) / 65536);
    Bytes message = client->request(Command::kRead,
                                    wire::ReadRequest{.length = length,
                                                      .offset = offset,
                                                      .file_id = file,
                                                      .channel = channel,
                                                      .read_channel_info = info},
                                    [&](Header& header) { header.credit_charge = charge; });
    client->next_message_id += charge - 1u;
    return message;
  }
  Bytes write(uint32_t length, ByteView info, wire::Channel channel, uint64_t offset = 0) {
    return client->request(Command::kWrite, wire::WriteRequest{.offset = offset,
                                                               .file_id = file,
                                                               .channel = channel,
                                                               .remaining_bytes = length,
                                                               .write_channel_info = info});
  }
  static Bytes info_of(std::vector<Descriptor> descriptors) {
    return wire::smbdirect::encode_channel_info(descriptors);
  }

  verbs::Devices devices;
  Engine engine;
  OneShot<TransportPtr> accepted;
  TaskScope scope;
  std::unique_ptr<verbs::Listener> listener;
  std::unique_ptr<RdmaClient> client;
  FileId file;
};

TEST_F(RdmaTest, TheLargestTransfersArrive) {
  Bytes data = counting_bytes(8 * kMiB, 3), back(8 * kMiB);
  const Descriptor source = client->lend(data, PeerMay::kRead);
  const Descriptor target = client->lend(back, PeerMay::kWrite);
  const auto written = client->exchange(write(8 * kMiB, info_of({source}), wire::Channel::kRdmaV1));
  ASSERT_TRUE(written);
  EXPECT_EQ(written->status(), NtStatus::kSuccess);
  EXPECT_EQ(written->as<wire::WriteResponse>().count, 8 * kMiB);
  Descriptor first = target, rest = target;
  first.length = 3 * kMiB + 5;
  rest.offset += first.length;
  rest.length -= first.length;
  const auto answer =
      client->exchange(read(8 * kMiB, info_of({first, rest}), wire::Channel::kRdmaV1));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(answer->as<wire::ReadResponse>().data_remaining, 8 * kMiB);
  EXPECT_TRUE(data == back);
}

TEST_F(RdmaTest, ManyAreUnderWayAndEachAnswerInvalidatesItsKey) {
  constexpr size_t kCount = 24;
  constexpr uint32_t kSize = 100'000;
  std::vector<Bytes> sources, targets(kCount, Bytes(kSize));
  std::vector<Descriptor> keys;
  for (size_t i = 0; i < kCount; ++i) {
    sources.push_back(counting_bytes(kSize, static_cast<uint8_t>(i)));
    keys.push_back(client->lend(sources[i], PeerMay::kRead));
    client->send(write(kSize, info_of({keys[i]}), wire::Channel::kRdmaV1Invalidate, i * kSize));
  }
  const auto await_all = [&] {
    for (size_t left = kCount; left > 0;) {
      const auto answer = client->receive();
      ASSERT_TRUE(answer);
      if (answer->status() == NtStatus::kPending) continue;
      EXPECT_EQ(answer->status(), NtStatus::kSuccess);
      --left;
    }
  };
  await_all();
  for (size_t i = 0; i < kCount; ++i) {
    const Descriptor target = client->lend(targets[i], PeerMay::kWrite);
    client->send(read(kSize, info_of({target}), wire::Channel::kRdmaV1Invalidate, i * kSize));
  }
  await_all();
  EXPECT_TRUE(sources == targets);
  // A key that was invalidated is none any more.
  client->send(write(kSize, info_of({keys[0]}), wire::Channel::kRdmaV1));
  EXPECT_TRUE(client->is_dropped());
}

}  // namespace
}  // namespace braid::smb2
