#include "network/interfaces.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace braid::network {
namespace {

// The kernel of the machine that runs the test; all have a loopback.
TEST(Interfaces, KernelTellsOfTheLoopback) {
  const Interfaces interfaces(config::Server{});
  const auto offers = interfaces.judge(
      {.address = IpAddress::parse("127.0.0.1"), .connected_to = IpAddress::parse("127.0.0.1")});
  ASSERT_TRUE(offers) << offers.error().message();
  const auto loopback = std::ranges::find_if(*offers, [](const Offer& offer) {
    return offer.address.address == *IpAddress::parse("127.0.0.1");
  });
  ASSERT_NE(loopback, offers->end());
  EXPECT_EQ(loopback->link_name, "lo");
  EXPECT_EQ(loopback->verdict, Verdict::kOffered);
  EXPECT_TRUE(loopback->in_use);
  EXPECT_EQ(loopback->speed, kSpeedUnknown);
}

TEST(Interfaces, AskingAgainGivesTheSame) {
  const Interfaces interfaces(config::Server{});
  const auto first = interfaces.judge({});
  const auto second = interfaces.judge({});
  ASSERT_TRUE(first && second);
  ASSERT_EQ(first->size(), second->size());
  for (size_t i = 0; i < first->size(); ++i) {
    EXPECT_EQ((*first)[i].address, (*second)[i].address);
    EXPECT_EQ((*first)[i].verdict, (*second)[i].verdict);
  }
}

TEST(Netlink, RouteToItselfIsLocal) {
  auto netlink = Netlink::open();
  ASSERT_TRUE(netlink);
  const IpAddress loopback = *IpAddress::parse("127.0.0.1");
  EXPECT_EQ(netlink->route(loopback, loopback), Route::kLocal);
  // Not an address of this machine, so nothing could be sent from it.
  EXPECT_EQ(netlink->route(*IpAddress::parse("198.51.100.77"), loopback), Route::kNone);
  // A question in between spoils nothing.
  NetworkState state;
  ASSERT_TRUE(netlink->refresh(state));
  EXPECT_TRUE(state.links.contains(1));
  EXPECT_EQ(netlink->route(loopback, loopback), Route::kLocal);
  ASSERT_TRUE(netlink->refresh(state));
}

}  // namespace
}  // namespace braid::network
