#include "apps/braidd/cluster_witness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace braid::braidd {
namespace {

using rpc::witness::Completion;
using rpc::witness::State;
using store::ctdb::kNoNode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

// A witness with a client that watches one of two addresses.
class ClusterWitnessTest : public testing::Test {
 protected:
  ClusterWitnessTest()
      : service_(
            {"fs"}, [] { return rpc::witness::TimePoint{}; },
            [this](rpc::witness::Completions completions) { take(completions); }),
        cluster_(service_) {
    view_.own = 0;
    for (uint32_t pnn = 0; pnn < 2; ++pnn) view_.nodes.push_back({.pnn = pnn});
    view_.addresses = {{0, *IpAddress::parse("192.0.2.1")}, {1, *IpAddress::parse("192.0.2.2")}};
    cluster_.take(view_, 0b11);
    rpc::witness::RegisterRequest request{.version = rpc::witness::RegisterRequest::kVersion2,
                                          .net_name = "fs",
                                          .share_name = {},
                                          .ip_address = "192.0.2.2",
                                          .client_name = "client",
                                          .keep_alive_s = 120};
    const auto [error, handle] = service_.register_client(request, 7, {"S-1-1-0", "alice", ""});
    EXPECT_EQ(error, rpc::witness::error::kSuccess);
    handle_ = handle;
    ask();
  }
  void ask() {
    while (!is_waiting_) {
      const auto told = service_.async_notify(handle_, {7, ++calls_});
      is_waiting_ = !told;
      if (told) take({*told});
    }
  }
  void take(const rpc::witness::Completions& completions) {
    for (const Completion& each : completions) {
      ASSERT_TRUE(each.notice);
      is_waiting_ = false;
      for (const auto& change : each.notice->changes) {
        told_.emplace_back(change.resource_name, change.state);
      }
    }
  }
  // What the client of 192.0.2.2 was told.
  auto told(uint32_t serving) {
    cluster_.take(view_, serving);
    ask();
    return std::exchange(told_, {});
  }

  std::vector<std::pair<std::string, State>> told_;
  rpc::witness::Service service_;
  ClusterWitness cluster_;
  ClusterView view_;
  rpc::witness::Handle handle_;
  uint64_t calls_ = 0;
  bool is_waiting_ = false;
};

TEST_F(ClusterWitnessTest, NothingIsToldTwice) { EXPECT_THAT(told(0b11), IsEmpty()); }

TEST_F(ClusterWitnessTest, AddressThatHasMovedWasAwayInBetween) {
  view_.addresses[1].pnn = 0;
  EXPECT_THAT(told(0b11),
              ElementsAre(Pair("node1", State::kUnavailable), Pair("node0", State::kAvailable)));
  view_.addresses[1].pnn = kNoNode;
  EXPECT_THAT(told(0b11), ElementsAre(Pair("node0", State::kUnavailable)));
  view_.addresses[1].pnn = 0;
  EXPECT_THAT(told(0b11), ElementsAre(Pair("node0", State::kAvailable)));
  // Whose it is does not matter to who is connected to another.
  view_.addresses[0].pnn = 1;
  EXPECT_THAT(told(0b11), IsEmpty());
}

TEST_F(ClusterWitnessTest, AddressOfANodeThatDoesNotServeCannotBeUsed) {
  EXPECT_THAT(told(0b01), ElementsAre(Pair("node1", State::kUnavailable)));
  EXPECT_THAT(told(0b11), ElementsAre(Pair("node1", State::kAvailable)));
  view_.nodes[1].flags = store::ctdb::Node::kBanned;
  EXPECT_THAT(told(0b11), ElementsAre(Pair("node1", State::kUnavailable)));
  view_.nodes.pop_back();
  EXPECT_THAT(told(0b11), IsEmpty());
  view_.addresses.pop_back();
  EXPECT_THAT(told(0b11), ElementsAre(Pair("node1", State::kUnavailable)));
}

}  // namespace
}  // namespace braid::braidd
