#include "store/ctdb/cluster_look.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/ctdb/drain_notice.h"
#include "store/ctdb/fake_cluster_testing.h"
#include "store/ctdb/test_client_testing.h"

namespace braid::store::ctdb {
namespace {

using testing::ElementsAre;
using testing::Pair;

IpAddress address(const char* text) { return *IpAddress::parse(text); }

TEST(ClusterLook, SaysWhatCtdbdSays) {
  FakeCluster cluster(3);
  cluster.set_flags(2, Node::kBanned);
  cluster.move_address(1);
  cluster.set_tunable("KeepaliveLimit", 3);
  const auto look = look_at_cluster({.socket_path = cluster.socket_path(1),
                                     .tunables = {"KeepaliveLimit", "NoSuchTunable"},
                                     .leader_max = std::chrono::seconds(30)});
  ASSERT_TRUE(look) << look.error().message();
  EXPECT_EQ(look->node, 1u);
  EXPECT_EQ(look->leader, 0u);
  EXPECT_FALSE(look->is_recovering);
  ASSERT_EQ(look->nodes.size(), 3u);
  EXPECT_EQ(look->nodes[2].flags, Node::kBanned);
  EXPECT_THAT(look->addresses, ElementsAre(PublicAddress{1, FakeCluster::address()}));
  EXPECT_THAT(look->tunables, ElementsAre(Pair("KeepaliveLimit", 3u)));
}

TEST(ClusterLook, NodeIsDisabledAndEnabled) {
  FakeCluster cluster(2);
  const auto flags = [&] {
    const auto look = look_at_cluster({.socket_path = cluster.socket_path(1)});
    return look ? look->nodes.at(0).flags : ~0u;
  };
  ASSERT_TRUE(set_disabled(cluster.socket_path(0), true));
  EXPECT_EQ(flags(), Node::kDisabled);
  ASSERT_TRUE(set_disabled(cluster.socket_path(0), false));
  EXPECT_EQ(flags(), 0u);
}

TEST(ClusterLook, WhatIsSaidEveryNodeHears) {
  FakeCluster cluster(2);
  TestClient one(cluster, 0, nullptr, kDrainNumber);
  TestClient two(cluster, 1, nullptr, kDrainNumber);
  for (TestClient* each : {&one, &two}) {
    EXPECT_THAT(each->sink.next(), testing::StartsWith("connected"));
  }
  ASSERT_TRUE(say_to_cluster(cluster.socket_path(0), kDrainNumber, Bytes{'a'}));
  EXPECT_EQ(one.sink.next(), "message to 0: a");
  EXPECT_EQ(two.sink.next(), "message to 0: a");
}

TEST(ClusterLook, DrainNoticeIsOfThisVersion) {
  Bytes bytes;
  wire::Writer w(bytes);
  DrainNotice{.node = 3}.encode(w);
  wire::Reader r(bytes);
  EXPECT_EQ(DrainNotice::decode(r), DrainNotice{.node = 3});
  bytes[3] = '2';
  wire::Reader later(bytes);
  EXPECT_EQ(DrainNotice::decode(later).error(), Error::unsupported());
  wire::Reader cut(ByteView(bytes).first(7));
  EXPECT_EQ(DrainNotice::decode(cut).error(), Error::truncated());
}

TEST(ClusterLook, NobodyListens) {
  const auto look = look_at_cluster({.socket_path = "/nonexistent/ctdbd.socket"});
  ASSERT_FALSE(look);
  EXPECT_TRUE(look.error().is_os(ENOENT));
}

TEST(ClusterLook, CtdbdThatHangsIsNotWaitedForForEver) {
  FakeCluster cluster(1);
  cluster.hang(0);
  const auto look = look_at_cluster(
      {.socket_path = cluster.socket_path(0), .answer_max = std::chrono::seconds(1)});
  ASSERT_FALSE(look);
  EXPECT_TRUE(look.error().is_os(ETIMEDOUT)) << look.error().message();
}

TEST(ClusterLook, ListsOfNodesAreOne) {
  const IpAddress one = address("192.0.2.1");
  const IpAddress two = address("192.0.2.2");
  const IpAddress three = address("2001:db8::1");
  EXPECT_THAT(merge_addresses({{0, {{kNoNode, three}, {1, one}}},
                               {1, {{1, one}, {0, two}}},
                               // What a node says of itself counts.
                               {2, {{2, one}, {0, three}, {1, two}}}}),
              ElementsAre(PublicAddress{2, one}, PublicAddress{0, two}, PublicAddress{0, three}));
  EXPECT_THAT(merge_addresses({}), ElementsAre());
}

}  // namespace
}  // namespace braid::store::ctdb
