#include "network/network_state.h"

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include <cerrno>

#include "network/captured_testing.h"

namespace braid::network {
namespace {

constexpr uint32_t kSequence = 7;  // of the captured dumps

Bytes from_hex(std::string_view text) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

NetworkState captured() {
  NetworkState state;
  for (const std::string_view dump : {kCapturedLinks, kCapturedAddresses}) {
    const auto outcome = apply_netlink(from_hex(dump), kSequence, state);
    EXPECT_TRUE(outcome);
    EXPECT_TRUE(outcome && outcome->done);
    EXPECT_TRUE(outcome && !outcome->interrupted && outcome->error == 0);
  }
  return state;
}

const LinkAddress* find(const NetworkState& state, const char* address) {
  for (const LinkAddress& each : state.addresses) {
    if (each.address.same_address(*IpAddress::parse(address))) return &each;
  }
  return nullptr;
}

TEST(NetworkState, CapturedLinksAreRead) {
  const NetworkState state = captured();
  ASSERT_EQ(state.links.size(), 3u);
  EXPECT_EQ(state.links.at(1),
            (Link{.index = 1, .name = "lo", .is_up = true, .is_loopback = true}));
  EXPECT_EQ(state.links.at(3), (Link{.index = 3, .name = "v0", .is_up = true, .lower = 2}));
}

TEST(NetworkState, CapturedAddressesAreRead) {
  const NetworkState state = captured();
  ASSERT_EQ(state.addresses.size(), 7u);
  const LinkAddress* plain = find(state, "10.7.1.1");
  ASSERT_NE(plain, nullptr);
  EXPECT_EQ(plain->link, 3u);
  EXPECT_EQ(plain->prefix_length, 24);
  EXPECT_TRUE(plain->is_ready);
  EXPECT_FALSE(plain->is_temporary);
  // Of a pair of addresses the peer's is not this machine's.
  EXPECT_NE(find(state, "10.7.1.2"), nullptr);
  EXPECT_EQ(find(state, "10.7.9.9"), nullptr);
  EXPECT_TRUE(find(state, "fd00:7::1")->is_ready);
  const LinkAddress* link_local = find(state, "fe80::4c18:b1ff:fea7:10f4");
  ASSERT_NE(link_local, nullptr);
  EXPECT_EQ(link_local->address.scope_id(), 3u);
  EXPECT_FALSE(link_local->is_ready);  // captured while it was being checked
}

TEST(NetworkState, HearingTheSameAgainChangesNothing) {
  NetworkState state = captured();
  ASSERT_TRUE(apply_netlink(from_hex(kCapturedLinks), kSequence, state));
  ASSERT_TRUE(apply_netlink(from_hex(kCapturedAddresses), kSequence, state));
  EXPECT_EQ(state, captured());
}

// The first message of a dump, as another type.
Bytes first_message_as(std::string_view dump, uint16_t type) {
  Bytes bytes = from_hex(dump);
  bytes.resize(bytes[0] | bytes[1] << 8);
  bytes[4] = static_cast<uint8_t>(type);
  bytes[5] = static_cast<uint8_t>(type >> 8);
  return bytes;
}

TEST(NetworkState, DeletedAddressIsGone) {
  NetworkState state = captured();
  const size_t before = state.addresses.size();
  ASSERT_TRUE(apply_netlink(first_message_as(kCapturedAddresses, RTM_DELADDR), 0, state));
  EXPECT_EQ(state.addresses.size(), before - 1);
  EXPECT_EQ(find(state, "127.0.0.1"), nullptr);
}

TEST(NetworkState, DeletedLinkTakesItsAddressesAlong) {
  NetworkState state = captured();
  ASSERT_TRUE(apply_netlink(first_message_as(kCapturedLinks, RTM_DELLINK), 0, state));
  EXPECT_FALSE(state.links.contains(1));
  EXPECT_EQ(find(state, "127.0.0.1"), nullptr);
  EXPECT_EQ(find(state, "::1"), nullptr);
  EXPECT_NE(find(state, "10.7.1.1"), nullptr);
}

TEST(NetworkState, AnswersToAnotherRequestEndNothing) {
  NetworkState state;
  const auto outcome = apply_netlink(from_hex(kCapturedLinks), kSequence + 1, state);
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(outcome->done);
}

TEST(NetworkState, ErrorIsTold) {
  Bytes refused = {36, 0, 0, 0, NLMSG_ERROR, 0, 0, 0, kSequence, 0, 0, 0, 0, 0, 0, 0};
  refused.insert(refused.end(), {0xA1, 0xFF, 0xFF, 0xFF});  // -EOPNOTSUPP
  refused.resize(36);
  NetworkState state;
  const auto outcome = apply_netlink(refused, kSequence, state);
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->done);
  EXPECT_EQ(outcome->error, EOPNOTSUPP);
}

TEST(NetworkState, EveryCutIsToldFromAWholeDatagram) {
  const Bytes whole = from_hex(kCapturedAddresses);
  for (size_t size = 1; size < 80; ++size) {
    NetworkState state;
    EXPECT_FALSE(apply_netlink(ByteView(whole).first(size), kSequence, state)) << size;
    if (size == 75) break;  // the first message is 76 bytes long
  }
}

}  // namespace
}  // namespace braid::network
