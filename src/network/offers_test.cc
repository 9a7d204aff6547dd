#include "network/offers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace braid::network {
namespace {

using testing::ElementsAre;
using testing::Pair;

// A machine with a loopback, two cards in networks of their own, and one that is unplugged.
class Offers : public testing::Test {
 protected:
  Offers() {
    add_link(1, "lo", true);
    add_link(2, "eth0");
    add_link(3, "eth1");
    add_link(4, "eth2");
    state.links[1].is_loopback = true;
    state.links[4].is_up = false;
    add(1, "127.0.0.1", 8);
    add(1, "::1", 128);
    add(2, "10.0.1.1", 24);
    add(2, "fd00:1::1", 64);
    add(2, "fe80::1%2", 64);
    add(3, "10.0.2.1", 24);
    add(3, "169.254.7.1", 16);
    add(4, "10.0.3.1", 24);
    details[2] = {.speed = 25'000'000'000, .receive_queues = 8, .rdma_device = "mlx5_0"};
    details[3] = {.speed = {}, .receive_queues = 1, .rdma_device = {}};
  }

  void add_link(uint32_t index, const char* name, bool up = true) {
    state.links[index] = {.index = index, .name = name, .is_up = up};
  }
  LinkAddress& add(uint32_t link, const char* address, uint8_t prefix_length) {
    LinkAddress added;
    added.link = link;
    added.address = *IpAddress::parse(address);
    added.prefix_length = prefix_length;
    return state.addresses.emplace_back(added);
  }
  LinkAddress& find(const char* address) {
    return *std::ranges::find_if(state.addresses, [&](const LinkAddress& each) {
      return each.address == *IpAddress::parse(address);
    });
  }
  void configure(std::initializer_list<const char*> rules) {
    for (const char* rule : rules) {
      settings.interfaces.push_back(*config::parse_interface_rule(rule));
    }
  }

  std::vector<Offer> judge(const char* client = nullptr, const char* connected_to = nullptr) {
    Client who;
    if (client) who.address = IpAddress::parse(client);
    if (connected_to) who.connected_to = IpAddress::parse(connected_to);
    return judge_addresses(
        state, details, settings, who,
        [this](const IpAddress& from, const IpAddress&, uint32_t) {
          return from.to_string() == without_route ? Route::kNone : Route::kOther;
        },
        movable);
  }
  std::vector<std::string> offered(const char* client = nullptr,
                                   const char* connected_to = nullptr) {
    std::vector<std::string> addresses;
    for (const Offer& offer : judge(client, connected_to)) {
      if (offer.verdict == Verdict::kOffered) {
        addresses.push_back(offer.address.address.to_string());
      }
    }
    return addresses;
  }
  Verdict verdict(const char* address, const char* client = nullptr,
                  const char* connected_to = nullptr) {
    for (const Offer& offer : judge(client, connected_to)) {
      if (offer.address.address == *IpAddress::parse(address)) return offer.verdict;
    }
    ADD_FAILURE() << address << " is missing";
    return Verdict::kOffered;
  }

  NetworkState state;
  LinkDetailsTable details;
  config::Server settings;
  std::string without_route;
  MovableAddresses movable;
};

TEST_F(Offers, ClientOfANetworkHearsOfEveryCardThatWorks) {
  EXPECT_THAT(offered("10.0.1.9", "10.0.1.1"), ElementsAre("10.0.1.1", "fd00:1::1", "10.0.2.1"));
  EXPECT_EQ(verdict("127.0.0.1", "10.0.1.9"), Verdict::kLoopback);
  EXPECT_EQ(verdict("::1", "10.0.1.9"), Verdict::kLoopback);
  EXPECT_EQ(verdict("fe80::1%2", "10.0.1.9"), Verdict::kLinkLocal);
  EXPECT_EQ(verdict("169.254.7.1", "10.0.1.9"), Verdict::kLinkLocal);
  EXPECT_EQ(verdict("10.0.3.1", "10.0.1.9"), Verdict::kLinkDown);
}

TEST_F(Offers, ClientOnLoopbackHearsOfLoopbackToo) {
  EXPECT_THAT(offered("127.0.0.1", "127.0.0.1"),
              ElementsAre("127.0.0.1", "::1", "10.0.1.1", "fd00:1::1", "10.0.2.1"));
}

TEST_F(Offers, LinkLocalClientHearsOfTheLinkLocalAddressOfItsLink) {
  EXPECT_EQ(verdict("fe80::1%2", "fe80::9%2"), Verdict::kOffered);
  EXPECT_EQ(verdict("fe80::1%2", "fe80::9%3"), Verdict::kLinkLocal);
  EXPECT_EQ(verdict("169.254.7.1", "169.254.9.9"), Verdict::kOffered);
}

TEST_F(Offers, AddressInUseIsOfferedWhateverItIs) {
  EXPECT_EQ(verdict("fe80::1%2", "10.0.1.9", "fe80::1%2"), Verdict::kOffered);
  EXPECT_EQ(verdict("127.0.0.1", "10.0.1.9", "127.0.0.1"), Verdict::kOffered);
}

TEST_F(Offers, AddressWithoutARouteToTheClientIsNot) {
  without_route = "10.0.2.1";
  EXPECT_EQ(verdict("10.0.2.1", "192.0.2.9"), Verdict::kNoRoute);
  EXPECT_EQ(verdict("10.0.1.1", "192.0.2.9"), Verdict::kOffered);
}

TEST_F(Offers, OtherFamilyGoesWithTheLinksOwn) {
  add(3, "fd00:2::1", 64);
  without_route = "10.0.2.1";
  EXPECT_EQ(verdict("fd00:2::1", "10.0.1.9"), Verdict::kOtherFamily);
  EXPECT_EQ(verdict("fd00:1::1", "10.0.1.9"), Verdict::kOffered);
}

TEST_F(Offers, AddressesThatMayGoAreNot) {
  find("10.0.2.1").is_ready = false;
  find("fd00:1::1").is_temporary = true;
  EXPECT_EQ(verdict("10.0.2.1", "10.0.1.9"), Verdict::kNotReady);
  EXPECT_EQ(verdict("fd00:1::1", "10.0.1.9"), Verdict::kTemporary);
}

// Those of a cluster, whatever `interfaces` says; only who is connected to one is told of it.
TEST_F(Offers, AddressesOfAClusterAreMovable) {
  movable.addresses = {*IpAddress::parse("10.0.1.1"), *IpAddress::parse("fd00:1::1")};
  EXPECT_THAT(offered("10.0.2.9", "10.0.2.1"), ElementsAre("10.0.2.1"));
  EXPECT_THAT(offered("10.0.1.9", "10.0.1.1"), ElementsAre("10.0.1.1", "10.0.2.1"));
  EXPECT_EQ(verdict("fd00:1::1", "10.0.1.9", "10.0.1.1"), Verdict::kMovable);
  // Nobody has said yet which they are.
  movable = {.are_unknown = true};
  EXPECT_THAT(offered("10.0.1.9", "10.0.1.1"), ElementsAre("10.0.1.1"));
  EXPECT_THAT(offered("127.0.0.1", "127.0.0.1"), ElementsAre("127.0.0.1", "::1"));
}

TEST_F(Offers, MovableAddressIsForThoseConnectedToIt) {
  configure({"10.0.1.1;movable", "*"});
  EXPECT_EQ(verdict("10.0.1.1", "10.0.1.9", "10.0.2.1"), Verdict::kMovable);
  EXPECT_EQ(verdict("10.0.1.1", "10.0.1.9", "10.0.1.1"), Verdict::kOffered);
}

TEST_F(Offers, ConfigurationNarrowsToWhatItNames) {
  configure({"eth1"});
  EXPECT_THAT(offered("10.0.1.9"), ElementsAre("10.0.2.1"));
  EXPECT_EQ(verdict("10.0.1.1", "10.0.1.9"), Verdict::kNotConfigured);
}

TEST_F(Offers, FirstRuleThatMatchesDecides) {
  configure({"10.0.2.1;speed=40G;rss", "eth*;speed=1G;no-rss"});
  const auto offers = judge("10.0.1.9");
  for (const Offer& offer : offers) {
    if (offer.verdict != Verdict::kOffered) continue;
    const bool first = offer.address.address.to_string() == "10.0.2.1";
    EXPECT_EQ(offer.speed, first ? 40'000'000'000u : 1'000'000'000u);
    EXPECT_EQ(offer.rss, first);
    EXPECT_TRUE(offer.speed_known);
  }
}

TEST_F(Offers, DriverSaysSpeedAndQueuesAndASilentOneCountsAsAGigabit) {
  for (const Offer& offer : judge("10.0.1.9")) {
    if (offer.address.address.to_string() == "10.0.1.1") {
      EXPECT_EQ(offer.speed, 25'000'000'000u);
      EXPECT_TRUE(offer.rss);
      EXPECT_EQ(offer.rdma_device, "mlx5_0");
    } else if (offer.address.address.to_string() == "10.0.2.1") {
      EXPECT_EQ(offer.speed, kSpeedUnknown);
      EXPECT_FALSE(offer.speed_known);
      EXPECT_FALSE(offer.rss);
    }
  }
}

TEST_F(Offers, AddressNobodyListensOnIsNot) {
  settings.listen = {{"10.0.1.1", 445}, {"::", 445}};
  EXPECT_THAT(offered("10.0.1.9"), ElementsAre("10.0.1.1", "fd00:1::1"));
  EXPECT_EQ(verdict("10.0.2.1", "10.0.1.9"), Verdict::kNotListening);
}

TEST_F(Offers, WithoutAClientOnlyWhatHoldsForAllIsJudged) {
  EXPECT_THAT(offered(), ElementsAre("10.0.1.1", "fd00:1::1", "10.0.2.1"));
}

TEST_F(Offers, EveryVerdictHasWords) {
  for (int v = 0; v <= static_cast<int>(Verdict::kOtherFamily); ++v) {
    EXPECT_FALSE(explain(static_cast<Verdict>(v)).empty());
    EXPECT_FALSE(name_of(static_cast<Verdict>(v)).empty());
  }
}

}  // namespace
}  // namespace braid::network
