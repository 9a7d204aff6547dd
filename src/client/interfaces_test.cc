#include "client/interfaces.h"

#include <gtest/gtest.h>

namespace braid::client {
namespace {

using transport::SocketAddress;
using wire::NetworkInterfaceInfo;

constexpr uint64_t kGigabit = 1'000'000'000;

NetworkInterfaceInfo v4(uint32_t if_index, uint8_t last, uint64_t speed = kGigabit,
                        uint32_t capability = 0) {
  NetworkInterfaceInfo info;
  info.if_index = if_index;
  info.capability = capability;
  info.link_speed = speed;
  info.address = {10, 0, 0, last};
  return info;
}

NetworkInterfaceInfo v6(uint32_t if_index, uint8_t first, uint8_t second) {
  NetworkInterfaceInfo info = v4(if_index, 0);
  info.family = wire::AddressFamily::kInterNetworkV6;
  info.address = {first, second};
  info.address[15] = 1;
  return info;
}

std::vector<std::string> hosts(const std::vector<NetworkInterfaceInfo>& interfaces,
                               PathPolicy policy = {}) {
  const auto current = SocketAddress::parse("10.0.0.1", 4450);
  std::vector<std::string> found;
  for (const SocketAddress& path : choose_paths(interfaces, *current, policy)) {
    EXPECT_EQ(path.port(), 4450);
    found.push_back(path.host());
  }
  return found;
}

using Hosts = std::vector<std::string>;

TEST(ChoosePaths, NothingOfferedIsTheAddressThereIs) { EXPECT_EQ(hosts({}), Hosts{"10.0.0.1"}); }

TEST(ChoosePaths, OneChannelAnInterfaceBeginningWithTheCurrent) {
  EXPECT_EQ(hosts({v4(3, 2), v4(4, 1), v4(5, 3)}), (Hosts{"10.0.0.1", "10.0.0.2", "10.0.0.3"}));
}

TEST(ChoosePaths, RssTakesSeveralAndBeatsSpeed) {
  EXPECT_EQ(hosts({v4(1, 1, 10 * kGigabit), v4(2, 2, kGigabit, NetworkInterfaceInfo::kRssCapable)}),
            (Hosts{"10.0.0.2", "10.0.0.2", "10.0.0.2", "10.0.0.2"}));
}

TEST(ChoosePaths, SlowerInterfacesAreLeftOut) {
  EXPECT_EQ(hosts({v4(1, 1), v4(2, 2, 10 * kGigabit)}), Hosts{"10.0.0.2"});
}

TEST(ChoosePaths, RdmaCountsOnlyForThoseWhoCan) {
  const std::vector<NetworkInterfaceInfo> both = {
      v4(1, 1, kGigabit, NetworkInterfaceInfo::kRdmaCapable), v4(2, 2, 10 * kGigabit)};
  EXPECT_EQ(hosts(both), Hosts{"10.0.0.2"});
  EXPECT_EQ(hosts(both, {.rdma = true}), Hosts{"10.0.0.1"});
}

TEST(ChoosePaths, AddressesOfAnInterfaceAreOne) {
  EXPECT_EQ(hosts({v6(1, 0xFD, 0), v4(1, 7), v4(1, 1)}), Hosts{"10.0.0.1"});
  EXPECT_EQ(hosts({v6(1, 0xFD, 0), v4(1, 7)}), Hosts{"10.0.0.7"});
}

TEST(ChoosePaths, LinkLocalAddressesAreNoPath) {
  EXPECT_EQ(hosts({v6(1, 0xFE, 0x80)}), Hosts{"10.0.0.1"});
}

TEST(ChoosePaths, LoopbackIsNoPathToAnotherMachine) {
  NetworkInterfaceInfo loopback = v4(1, 0, 100 * kGigabit);
  loopback.address = {127, 0, 0, 1};
  EXPECT_EQ(hosts({loopback, v4(2, 2)}), Hosts{"10.0.0.2"});
}

TEST(ChoosePaths, CountIsALimit) {
  EXPECT_EQ(hosts({v4(1, 1), v4(2, 2), v4(3, 3)}, {.count = 2}), (Hosts{"10.0.0.1", "10.0.0.2"}));
  EXPECT_EQ(hosts({v4(1, 1), v4(2, 2)}, {.count = 4, .per_interface = 2}),
            (Hosts{"10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.2"}));
}

}  // namespace
}  // namespace braid::client
