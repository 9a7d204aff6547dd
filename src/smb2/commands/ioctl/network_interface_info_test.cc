#include "wire/smb2/network_interface_info.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "smb2/raw_client_testing.h"
#include "wire/smb2/ioctl.h"

namespace braid::smb2 {
namespace {

std::optional<Answer> ask(RawClient& client, FileId file_id = FileId::all_ones(),
                          uint32_t room = 65536) {
  wire::IoctlRequest body;
  body.ctl_code = wire::Fsctl::kQueryNetworkInterfaceInfo;
  body.file_id = file_id;
  body.max_output_response = room;
  body.flags = wire::IoctlRequest::kFlagIsFsctl;
  return client.exchange(client.request(wire::Command::kIoctl, body));
}

std::vector<wire::NetworkInterfaceInfo> records(const Answer& answer) {
  const auto response = answer.as<wire::IoctlResponse>();
  wire::Reader reader(response.output);
  const auto list = wire::NetworkInterfaceInfoResponse::decode(reader);
  EXPECT_TRUE(list);
  return list ? list->interfaces : std::vector<wire::NetworkInterfaceInfo>{};
}

// A memory transport has no addresses, so this is what holds for every client.
std::vector<network::Offer> offers(Engine& engine) {
  auto all = engine.server().interfaces().judge({}).value();
  std::erase_if(all, [](const auto& each) { return each.verdict != network::Verdict::kOffered; });
  return all;
}

TEST(NetworkInterfaceInfo, EveryOfferIsARecord) {
  Engine engine;
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  const auto answer = ask(client);
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(answer->as<wire::IoctlResponse>().file_id, FileId::all_ones());
  const auto list = records(*answer);
  const auto expected = offers(engine);
  ASSERT_EQ(list.size(), expected.size());
  for (size_t i = 0; i < list.size(); ++i) {
    EXPECT_EQ(list[i].if_index, expected[i].address.link);
    EXPECT_EQ(list[i].link_speed, expected[i].speed);
    EXPECT_TRUE(std::ranges::equal(
        expected[i].address.address.bytes(),
        ByteView(list[i].address).first(expected[i].address.address.bytes().size())));
  }
}

TEST(NetworkInterfaceInfo, RdmaIsSaidWhereItIsListenedTo) {
  Engine engine;
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  const auto expected = offers(engine);
  if (expected.empty()) GTEST_SKIP() << "this machine has no address";
  for (const bool listens : {false, true, false}) {
    engine.server().rdma.clear();
    if (listens) engine.server().rdma.add(expected[0].address.address);
    const auto answer = ask(client);
    ASSERT_TRUE(answer);
    const auto list = records(*answer);
    ASSERT_EQ(list.size(), expected.size());
    for (size_t i = 0; i < list.size(); ++i) {
      EXPECT_EQ((list[i].capability & wire::NetworkInterfaceInfo::kRdmaCapable) != 0,
                listens && i == 0);
    }
  }
}

TEST(NetworkInterfaceInfo, ConfiguredAwayIsAnEmptyList) {
  auto settings = Engine::lenient();
  settings.interfaces = {{.match = "no-such-link"}};
  Engine engine(settings);
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  const auto answer = ask(client);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_TRUE(answer->as<wire::IoctlResponse>().output.empty());
}

TEST(NetworkInterfaceInfo, FileIdOfAFileIsRefused) {
  Engine engine;
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  const auto answer = ask(client, client.create("file"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kInvalidParameter);
}

TEST(NetworkInterfaceInfo, DialectsWithoutChannelsAreTold) {
  Engine engine;
  for (const auto dialect : {wire::Dialect::kSmb202, wire::Dialect::kSmb210}) {
    RawClient client(engine);
    ASSERT_TRUE(client.log_on(dialect));
    const auto answer = ask(client);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), NtStatus::kSuccess);
    EXPECT_EQ(records(*answer).size(), offers(engine).size());
  }
}

TEST(NetworkInterfaceInfo, WhatDoesNotFitIsCutAtAWholeRecord) {
  Engine engine;
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  const size_t all = offers(engine).size();
  if (all < 2) GTEST_SKIP() << "this machine has too few addresses";
  constexpr uint32_t kSize = wire::NetworkInterfaceInfo::kSize;
  auto answer = ask(client, FileId::all_ones(), kSize * 2 - 1);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kBufferOverflow);
  EXPECT_EQ(answer->as<wire::IoctlResponse>().output.size(), kSize);
  answer = ask(client, FileId::all_ones(), kSize - 1);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kBufferTooSmall);
}

}  // namespace
}  // namespace braid::smb2
