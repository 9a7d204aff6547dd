#include "apps/braidctl/announce_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace braid::braidctl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

network::NetworkState state() {
  network::NetworkState state;
  state.links[1] = {.index = 1, .name = "lo", .is_up = true, .is_loopback = true};
  state.links[2] = {.index = 2, .name = "eth0", .is_up = true};
  state.links[3] = {.index = 3, .name = "eth1", .is_up = false};
  const auto add = [&](uint32_t link, const char* address, uint8_t length) -> auto& {
    auto parsed = *IpAddress::parse(address);
    state.addresses.push_back(
        {.link = link, .address = IpAddress(parsed.bytes(), link), .prefix_length = length});
    return state.addresses.back();
  };
  add(1, "127.0.0.1", 8);
  add(2, "2001:db8::1", 64);
  add(2, "2001:db8::2", 64).is_temporary = true;
  add(2, "2001:db8::3", 64).is_ready = false;
  add(2, "fe80::1", 64);
  add(2, "192.0.2.1", 24);
  add(3, "198.51.100.1", 24);
  return state;
}

std::vector<std::string> shown(const std::vector<config::Endpoint>& listen) {
  std::vector<std::string> out;
  for (const ServedLink& each : served_links(state(), listen)) out.push_back(each.show());
  return out;
}

TEST(AnnouncePlaces, OnlyWhatIsServedOnThePortThatIsTried) {
  EXPECT_THAT(shown({{"0.0.0.0", 445}, {"::", 445}}),
              ElementsAre("192.0.2.1, fe80::1, 2001:db8::1 (eth0)"));
  EXPECT_THAT(shown({{"0.0.0.0", 445}}), ElementsAre("192.0.2.1 (eth0)"));
  EXPECT_THAT(shown({{"2001:db8::1", 445}}), ElementsAre("2001:db8::1 (eth0)"));
  EXPECT_THAT(shown({{"0.0.0.0", 4450}}), IsEmpty());
  EXPECT_THAT(shown({{"198.51.100.1", 445}}), IsEmpty());
}

TEST(AnnouncePlaces, Neighbours) {
  const auto links = served_links(state(), {{"0.0.0.0", 445}, {"::", 445}});
  ASSERT_EQ(links.size(), 1u);
  for (const auto& [peer, is_beside] :
       {std::pair("192.0.2.200", true), std::pair("192.0.3.1", false), std::pair("fe80::9", true),
        std::pair("2001:db8::9", true), std::pair("2001:db8:1::9", false)}) {
    EXPECT_EQ(links[0].is_beside(*IpAddress::parse(peer)), is_beside) << peer;
  }
}

}  // namespace
}  // namespace braid::braidctl
