#include "store/cluster/home_keeper.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "store/cluster/cluster_node_testing.h"
#include "store/ctdb/test_client_testing.h"

namespace braid::store::cluster {
namespace {

constexpr RecordKey kKey{RecordKind::kFile, 1, 2, 0};

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

std::string value_at(ClusterNode& node, const RecordKey& key = kKey) {
  return std::string(as_text(node.records().lock(key).value()));
}
bool put(ClusterNode& node, std::string_view value, const RecordKey& key = kKey) {
  auto held = node.records().lock(key);
  return held.replace(as_bytes(value), Urgency::kOrdinary);
}

TEST(HomeKeeper, RecordComesToWhoLocksItWithItsParts) {
  ctdb::FakeCluster cluster(2);
  ClusterNode a(cluster, 0);
  ClusterNode b(cluster, 1);
  EXPECT_EQ(a.join(), 0u);
  EXPECT_EQ(b.join(), 1u);
  const Bytes first = bytes_of("first");
  const Bytes other = bytes_of("other");
  uint64_t version = 0;
  {
    auto held = a.records().lock(kKey);
    EXPECT_TRUE(held.value().empty());
    EXPECT_EQ(held.version(), 0u);
    const std::vector<PartChange> parts{{.part = 3, .value = first}, {.part = 70, .value = other}};
    ASSERT_TRUE(held.replace(as_bytes("value"), Urgency::kOrdinary, Account::kNone, parts));
    version = held.version();
  }
  const uint64_t changes = a.records().changes(kKey);
  {
    auto held = b.records().lock(kKey);
    EXPECT_EQ(as_text(held.value()), "value");
    EXPECT_GT(held.version(), version);
    EXPECT_EQ(as_text(held.part(3)), "first");
    EXPECT_EQ(as_text(held.part(70)), "other");
    EXPECT_TRUE(held.part(4).empty());
    const std::vector<PartChange> parts{{.part = 3, .value = {}}};
    ASSERT_TRUE(held.replace(as_bytes("now"), Urgency::kOrdinary, Account::kNone, parts));
    version = held.version();
  }
  // Who goes by what he knew finds that it is not so any more.
  EXPECT_NE(a.records().changes(kKey), changes);
  EXPECT_FALSE(a.records().is_here(kKey));
  auto held = a.records().lock(kKey);
  EXPECT_EQ(as_text(held.value()), "now");
  EXPECT_GT(held.version(), version);
  EXPECT_TRUE(held.part(3).empty());
  EXPECT_EQ(as_text(held.part(70)), "other");
}

TEST(HomeKeeper, RecordThatIsGoneIsGoneEverywhere) {
  ctdb::FakeCluster cluster(2);
  ClusterNode a(cluster, 0);
  ClusterNode b(cluster, 1);
  a.join();
  b.join();
  ASSERT_TRUE(put(a, "value"));
  ASSERT_TRUE(put(a, ""));
  EXPECT_TRUE(a.records().is_here(kKey));
  EXPECT_EQ(value_at(b), "");
  EXPECT_FALSE(a.records().is_here(kKey));
  a.records().for_each([](const RecordKey&, ByteView) { ADD_FAILURE(); });
  b.records().for_each([](const RecordKey&, ByteView) { ADD_FAILURE(); });
}

TEST(HomeKeeper, WhatIsHereAsksNobody) {
  ctdb::FakeCluster cluster(2);
  ClusterNode a(cluster, 0);
  a.join();
  ASSERT_TRUE(put(a, "1"));
  cluster.hang(0);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(put(a, "12"));
  EXPECT_EQ(value_at(a), "12");
}

TEST(HomeKeeper, NoChangeIsLost) {
  ctdb::FakeCluster cluster(3);
  std::vector<std::unique_ptr<ClusterNode>> nodes;
  for (size_t i = 0; i < 3; ++i) nodes.push_back(std::make_unique<ClusterNode>(cluster, i));
  for (auto& each : nodes) each->join();
  constexpr int kTimes = 200;
  const auto add = [](ClusterNode& node, const RecordKey& key) {
    auto held = node.records().lock(key);
    const std::string before(as_text(held.value()));
    const int now = before.empty() ? 10 : std::stoi(before) + 1;  // longer than a byte
    return held.replace(as_bytes(std::to_string(now)), Urgency::kOrdinary);
  };
  {
    std::vector<std::jthread> threads;
    for (auto& node : nodes) {
      for (uint64_t key = 0; key < 2; ++key) {
        threads.emplace_back([&, key] {
          for (int i = 0; i < kTimes; ++i) {
            EXPECT_TRUE(add(*node, {RecordKind::kFile, 7, key, 0}));
          }
        });
      }
    }
  }
  for (uint64_t key = 0; key < 2; ++key) {
    EXPECT_EQ(value_at(*nodes[1], {RecordKind::kFile, 7, key, 0}), std::to_string(9 + 3 * kTimes));
  }
}

TEST(HomeKeeper, RecordIsSentInPieces) {
  ctdb::FakeCluster cluster(2);
  ClusterNode a(cluster, 0);
  ClusterNode b(cluster, 1);
  a.join();
  b.join();
  const Bytes large(100'000, 7);
  {
    auto held = a.records().lock(kKey);
    std::vector<PartChange> parts;
    for (uint32_t i = 0; i < 12; ++i) parts.push_back({.part = 5 * i, .value = large});
    ASSERT_TRUE(held.replace(as_bytes("head"), Urgency::kMustNotFail, Account::kNone, parts));
  }
  auto held = b.records().lock(kKey);
  for (uint32_t i = 0; i < 12; ++i) EXPECT_EQ(held.part(5 * i).size(), large.size());
}

TEST(HomeKeeper, HomesOfFilesThatNobodyHasOpenAreGivenUp) {
  ctdb::FakeCluster cluster(2);
  ClusterNode a(cluster, 0, 0, 20);
  ClusterNode b(cluster, 1);
  a.join();
  b.join();
  const auto key = [](uint64_t number) { return RecordKey{RecordKind::kFile, 3, number, 0}; };
  for (uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(put(a, "open", key(i)));
  // Each look makes this node its home, and every other one finds too many.
  size_t most = 0;
  for (uint64_t i = 100; i < 400; ++i) {
    EXPECT_EQ(value_at(a, key(i)), "");
    a.on_keeper([&](HomeKeeper& keeper) { most = std::max(most, keeper.homes()); });
  }
  EXPECT_LT(most, 100u);
  for (uint64_t i = 0; i < 10; ++i) EXPECT_TRUE(a.records().is_here(key(i))) << i;
  // The oldest, not what was closed a moment ago.
  EXPECT_FALSE(a.records().is_here(key(100)));
  EXPECT_TRUE(a.records().is_here(key(398)));
  // They are had again, here and there.
  EXPECT_EQ(value_at(b, key(100)), "");
  ASSERT_TRUE(put(b, "by b", key(100)));
  EXPECT_EQ(value_at(a, key(100)), "by b");
  EXPECT_EQ(value_at(a, key(101)), "");
  EXPECT_EQ(value_at(b, key(3)), "open");
}

TEST(HomeKeeper, NamesAreLookedAtAgainWhenARecordHasCome) {
  ctdb::FakeCluster cluster(2);
  ClusterNode a(cluster, 0);
  ClusterNode b(cluster, 1);
  a.join();
  b.join();
  ASSERT_TRUE(put(a, "value"));
  const uint64_t before = b.region().counter(Counter::kNamesGone);
  EXPECT_EQ(value_at(b), "value");
  EXPECT_GT(b.region().counter(Counter::kNamesGone), before);
}

TEST(HomeKeeper, WorkersOfOtherNodesAreKnownBeforeTheyServe) {
  ctdb::FakeCluster cluster(2);
  ClusterNode a(cluster, 0, 5);
  a.join();
  EXPECT_EQ(a.region().slot(1).tag, 0u);
  ClusterNode b(cluster, 1, 9);
  b.join();
  EXPECT_EQ(a.region().slot(1).tag, WorkerTag::make(1, 9).value);
  EXPECT_EQ(b.region().slot(0).tag, WorkerTag::make(0, 5).value);
  EXPECT_EQ(a.region().slot(1).watch_notice.watches, 1u);
  b.on_keeper([](HomeKeeper& keeper) { keeper.worker_ended(own_process()); });
  // Said before what was asked for after it.
  ASSERT_TRUE(put(b, "value"));
  EXPECT_EQ(value_at(a), "value");
  EXPECT_EQ(a.region().slot(1).tag, 0u);
}

// The news of its end may come behind those of the next one's beginning.
TEST(HomeKeeper, EndOfAWorkerBeforeIsNotThatOfTheOneThatIsThere) {
  ctdb::FakeCluster cluster(2);
  ClusterNode a(cluster, 0);
  ClusterNode b(cluster, 1, 9);
  a.join();
  b.join();
  b.on_keeper([](HomeKeeper& keeper) { keeper.worker_ended(own_process() + 1); });
  ASSERT_TRUE(put(b, "value"));
  EXPECT_EQ(value_at(a), "value");
  EXPECT_EQ(a.region().slot(1).tag, WorkerTag::make(1, 9).value);
}

// What is left behind must not be taken for nothing.
TEST(HomeKeeper, NodeWhoseRecordsNobodyTakesDoesNotSayGoodbye) {
  ctdb::FakeCluster cluster(2);
  ClusterNode a(cluster, 0, 0, 65'536, std::chrono::milliseconds(300));
  ClusterNode b(cluster, 1);
  a.join();
  b.join();
  ASSERT_TRUE(put(b, "value"));
  EXPECT_EQ(value_at(a), "value");
  std::promise<void> goes_on;
  std::promise<void> stands;
  auto held = std::async(std::launch::async, [&] {
    b.on_keeper([&](HomeKeeper&) {
      stands.set_value();
      goes_on.get_future().wait();
    });
  });
  stands.get_future().wait();
  a.on_keeper([](HomeKeeper& keeper) {
    keeper.worker_ended(own_process());
    keeper.leave();
  });
  EXPECT_EQ(a.end(),
            "the other nodes did not take what is open there of 1 files within 0.3 s: they close "
            "all connections");
  goes_on.set_value();
}

TEST(HomeKeeper, NodeThatLosesItsCtdbdEndsAndSoDoOthers) {
  ctdb::FakeCluster cluster(2);
  ClusterNode a(cluster, 0);
  ClusterNode b(cluster, 1);
  a.join();
  b.join();
  // From here on each has what the other's clients may rely on.
  ASSERT_TRUE(put(a, "value"));
  EXPECT_EQ(value_at(b), "value");
  cluster.kill(1);
  EXPECT_TRUE(b.end().starts_with("ctdbd at ")) << b.end();
  // The others hear it of their own ctdbd, or find nobody there.
  EXPECT_TRUE(a.end().starts_with("node 1 has left the cluster, and with it ") ||
              a.end().starts_with("node 1 serves no more, and with it "))
      << a.end();
}

TEST(HomeKeeper, NodeThatIsBannedEnds) {
  ctdb::FakeCluster cluster(2);
  ClusterNode a(cluster, 0);
  a.join();
  cluster.set_flags(0, ctdb::Node::kBanned);
  EXPECT_EQ(a.end(), "this node is not part of the cluster any more (flags 0x8)");
}

TEST(HomeKeeper, NodeThatLeavesGivesWhatItHas) {
  ctdb::FakeCluster cluster(2);
  auto a = std::make_unique<ClusterNode>(cluster, 0);
  ClusterNode b(cluster, 1);
  a->join();
  b.join();
  ASSERT_TRUE(put(*a, "value"));
  const RecordKey other{RecordKind::kFile, 1, 3, 0};
  ASSERT_TRUE(put(*a, "other", other));
  a->on_keeper([](HomeKeeper& keeper) {
    keeper.worker_ended(own_process());
    keeper.leave();
  });
  EXPECT_EQ(a->end(), "left");
  a.reset();
  EXPECT_EQ(value_at(b), "value");
  EXPECT_EQ(value_at(b, other), "other");
  // It may come back, as another life.
  ClusterNode again(cluster, 0, 3);
  again.join();
  EXPECT_EQ(value_at(again), "value");
  EXPECT_TRUE(put(again, "more"));
  EXPECT_EQ(value_at(b), "more");
}

// As a keeper on that node has said, who says nothing any more.
constexpr std::chrono::seconds kTerm{8};
constexpr std::chrono::seconds kPatience{10};
void say_member(ctdb::FakeCluster& cluster, size_t node, const Member& member) {
  // Of two.
  cluster.with_records(1 - node, [&](ctdb::FakeCluster::Records& records) {
    records.erase({0x1000, member_key(static_cast<uint32_t>(node))});
  });
  cluster.with_records(node, [&](ctdb::FakeCluster::Records& records) {
    ctdb::FakeCluster::Record& record = records[{0x1000, member_key(static_cast<uint32_t>(node))}];
    record.header = {.rsn = record.header.rsn + 1'000,
                     .dmaster = static_cast<uint32_t>(node),
                     .flags = ctdb::RecordHeader::kMigratedWithData};
    record.data.clear();
    wire::Writer w(record.data);
    member.encode(w);
  });
}
// As the newest of all copies has it.
std::optional<Member> said_member(ctdb::FakeCluster& cluster, size_t nodes, uint32_t of) {
  uint64_t newest = 0;
  std::optional<Member> member;
  for (size_t i = 0; i < nodes; ++i) {
    cluster.with_records(i, [&](ctdb::FakeCluster::Records& records) {
      const auto found = records.find({0x1000, member_key(of)});
      if (found == records.end() || found->second.header.rsn < newest) return;
      newest = found->second.header.rsn;
      wire::Reader r(found->second.data);
      const auto decoded = Member::decode(r);
      member = decoded ? std::optional(*decoded) : std::nullopt;
    });
  }
  return member;
}
const Member kSilent{.life = 5, .keeper = 6, .worker = 7, .term_ms = 8'000};

void wait_for(const std::function<bool()>& is_so) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!is_so()) {
    ASSERT_LT(std::chrono::steady_clock::now(), end);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}
void wait_until_it_is_said_to_be_over(ctdb::FakeCluster& cluster, uint32_t node) {
  wait_for([&] {
    const auto member = said_member(cluster, 2, node);
    return member && member->is_over;
  });
}

// One that serves still, and says nothing, may go on: until its term has ended, after which it may
// not.
TEST(HomeKeeper, NobodyServesBesideOneThatHasNotAnswered) {
  ctdb::FakeCluster cluster(2);
  ctdb::TestClient silent(cluster, 1, nullptr, HomeKeeper::kNumber);
  ASSERT_EQ(silent.sink.next(), "connected 1");
  say_member(cluster, 1, kSilent);
  ClusterNode a(cluster, 0);
  // It asks again and again.
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(silent.sink.next().starts_with("message")) << i;
  EXPECT_FALSE(said_member(cluster, 2, 1)->is_over);
  a.stand_still(kPatience);
  wait_until_it_is_said_to_be_over(cluster, 1);
  EXPECT_FALSE(a.has_joined());
  a.stand_still(kPatience);
  EXPECT_EQ(a.join(), 0u);
  // Nobody waits for it again.
  EXPECT_FALSE(said_member(cluster, 2, 1));
}

// It may be cut off, or stand still.
TEST(HomeKeeper, TermOfOneThatIsGoneIsWaitedFor) {
  ctdb::FakeCluster cluster(2);
  for (const uint32_t flags : {0u, ctdb::Node::kDisconnected}) {
    SCOPED_TRACE(flags);
    cluster.set_flags(1, flags);
    say_member(cluster, 1, kSilent);
    ClusterNode a(cluster, 0);
    wait_until_it_is_said_to_be_over(cluster, 1);
    a.stand_still(kTerm);
    EXPECT_FALSE(a.has_joined());
    a.stand_still(kPatience);
    EXPECT_EQ(a.join(), 0u);
    a.on_keeper([](HomeKeeper& keeper) {
      keeper.worker_ended(own_process());
      keeper.leave();
    });
    EXPECT_EQ(a.end(), "left");
    EXPECT_FALSE(said_member(cluster, 2, 0));
  }
}

TEST(HomeKeeper, NodeServesOnlyWhileItsTermLasts) {
  ctdb::FakeCluster cluster(2);
  ClusterNode a(cluster, 0);
  ClusterNode b(cluster, 1);
  a.join();
  b.join();
  EXPECT_TRUE(a.may_serve());
  EXPECT_LE(a.region().serves_until(), a.now() + std::chrono::nanoseconds(kTerm).count());
  a.stand_still(kTerm);
  // Its worker knows it before anybody else has done anything.
  EXPECT_FALSE(a.may_serve());
  EXPECT_TRUE(a.end().starts_with("this node stood still for ")) << a.end();
  EXPECT_FALSE(a.may_serve());
}

// Its ctdbd still says that all is well: what others say counts.
TEST(HomeKeeper, NodeThatHearsNothingOfAnotherEnds) {
  ctdb::FakeCluster cluster(2);
  cluster.set_tunable("KeepaliveInterval", 1);
  cluster.set_tunable("KeepaliveLimit", 2);
  ClusterNode a(cluster, 0);
  ClusterNode b(cluster, 1);
  a.join();
  b.join();
  std::promise<void> goes_on;
  auto held = std::async(std::launch::async,
                         [&] { b.on_keeper([&](HomeKeeper&) { goes_on.get_future().wait(); }); });
  // On a machine that is busy it may itself have stood still.
  EXPECT_TRUE(a.end().starts_with("node 1 has not answered for ") ||
              a.end().starts_with("this node stood still for "))
      << a.end();
  EXPECT_FALSE(a.may_serve());
  goes_on.set_value();
}

TEST(HomeKeeper, NodeThatOthersGoOnWithoutEnds) {
  ctdb::FakeCluster cluster(2);
  ClusterNode a(cluster, 0);
  a.join();
  Member own = *said_member(cluster, 2, 0);
  EXPECT_EQ(own.term_ms, 8'000u);
  own.is_over = true;
  say_member(cluster, 0, own);
  EXPECT_EQ(a.end(),
            "this node did not answer the others, who go on without it: all connections are "
            "closed");
}

TEST(HomeKeeper, CtdbThatTakesNodesForDeadAtOnceIsRefused) {
  ctdb::FakeCluster cluster(1);
  cluster.set_tunable("KeepaliveInterval", 1);
  cluster.set_tunable("KeepaliveLimit", 1);
  ClusterNode a(cluster, 0);
  EXPECT_EQ(a.end(),
            "ctdbd takes a node for dead after 1 s, and braid needs 2 s at least: raise "
            "KeepaliveInterval or KeepaliveLimit in ctdb.tunables");
  a.give_up_joining();
}

TEST(HomeKeeper, WhatIsMadeUpChangesNothing) {
  ctdb::FakeCluster cluster(3);
  ClusterNode a(cluster, 0);
  ClusterNode b(cluster, 1);
  a.join();
  b.join();
  ctdb::TestClient stranger(cluster, 2);
  ASSERT_EQ(stranger.sink.next(), "connected 2");
  ASSERT_TRUE(put(a, "value"));
  for (const auto kind :
       {KeeperPacket::Kind::kHello, KeeperPacket::Kind::kWant, KeeperPacket::Kind::kBye,
        KeeperPacket::Kind::kRecord, KeeperPacket::Kind::kGot, KeeperPacket::Kind::kTake,
        KeeperPacket::Kind::kFind, KeeperPacket::Kind::kNotHere}) {
    for (const uint32_t node : {1u, 2u}) {
      Bytes bytes;
      wire::Writer w(bytes);
      KeeperPacket{.kind = kind, .node = node, .life = 77, .key = kKey, .turn = 1}.encode(w);
      stranger.send(0, HomeKeeper::kNumber, bytes);
      stranger.send(0, HomeKeeper::kNumber, ByteView(bytes).first(bytes.size() / 2));
    }
  }
  EXPECT_EQ(value_at(b), "value");
  EXPECT_EQ(value_at(a), "value");
  EXPECT_TRUE(a.is_well());
  EXPECT_TRUE(b.is_well());
}

uint64_t turn_of(ctdb::FakeCluster& cluster, size_t nodes, const RecordKey& key) {
  uint64_t turn = 0;
  for (size_t i = 0; i < nodes; ++i) {
    cluster.with_records(i, [&](ctdb::FakeCluster::Records& records) {
      const auto found = records.find({0x1000, home_key(key)});
      if (found == records.end()) return;
      wire::Reader r(found->second.data);
      if (const auto home = Home::decode(r)) turn = std::max(turn, home->turn);
    });
  }
  return turn;
}

// A node that was away brings back what it knew, which the database takes for newer.
TEST(HomeKeeper, RecordIsFoundWhereTheDatabaseDoesNotKnowOfIt) {
  ctdb::FakeCluster cluster(3);
  ClusterNode a(cluster, 0);
  ClusterNode b(cluster, 1);
  ClusterNode c(cluster, 2);
  a.join();
  b.join();
  c.join();
  const auto bring_back = [&](const RecordKey& key, const Home& home) {
    for (size_t i = 0; i < 3; ++i) {
      cluster.with_records(i, [&](ctdb::FakeCluster::Records& records) {
        records.erase({0x1000, home_key(key)});
        if (i != 1) return;
        ctdb::FakeCluster::Record& record = records[{0x1000, home_key(key)}];
        record.header = {
            .rsn = 1'000'000, .dmaster = 1, .flags = ctdb::RecordHeader::kMigratedWithData};
        wire::Writer w(record.data);
        home.encode(w);
      });
    }
  };
  const auto life = [&](uint32_t node) { return said_member(cluster, 3, node)->life; };
  const auto key = [](uint64_t number) { return RecordKey{RecordKind::kFile, 9, number, 0}; };
  const std::vector<Home> wrong{
      {.node = 1, .life = 77, .turn = 5},       // a life that is over
      {.node = 2, .life = life(2), .turn = 5},  // which has given it away
      {.node = 1, .life = life(1), .turn = 5},  // whoever asks, who has, too
      {.node = 0, .life = life(0), .turn = 5}   // at another turn
  };
  for (uint64_t i = 0; i < wrong.size(); ++i) {
    SCOPED_TRACE(i);
    ASSERT_TRUE(put(a, "value", key(i)));
    bring_back(key(i), wrong[i]);
    EXPECT_EQ(value_at(b, key(i)), "value");
    EXPECT_FALSE(a.records().is_here(key(i)));
    ASSERT_TRUE(put(b, "other", key(i)));
    EXPECT_EQ(value_at(c, key(i)), "other");
    // Nobody has it.
    bring_back(key(100 + i), wrong[i]);
    EXPECT_EQ(value_at(b, key(100 + i)), "");
  }
}

// By somebody who listens in the network of the cluster, and knows all numbers.
TEST(HomeKeeper, RecordThatNobodyAskedForIsNotLost) {
  ctdb::FakeCluster cluster(3);
  ClusterNode a(cluster, 0);
  ClusterNode b(cluster, 1);
  a.join();
  b.join();
  ctdb::TestClient stranger(cluster, 2);
  ASSERT_EQ(stranger.sink.next(), "connected 2");
  const uint64_t life = said_member(cluster, 3, 1)->life;
  for (ClusterNode* next : {&a, &b}) {
    ASSERT_TRUE(put(a, "value"));
    Bytes bytes;
    wire::Writer w(bytes);
    KeeperPacket{.kind = KeeperPacket::Kind::kWant,
                 .node = 1,
                 .life = life,
                 .is_serving = true,
                 .key = kKey,
                 .turn = turn_of(cluster, 3, kKey) + 1}
        .encode(w);
    stranger.send(0, HomeKeeper::kNumber, bytes);
    wait_for([&] { return !a.records().is_here(kKey); });
    EXPECT_EQ(value_at(*next), "value");
  }
}

// What was sent is kept until it is known to have come, which nobody says twice unless he is asked.
TEST(HomeKeeper, ReceiptThatIsLostIsAskedFor) {
  ctdb::FakeCluster cluster(2);
  ClusterNode a(cluster, 0);
  ClusterNode b(cluster, 1);
  a.join();
  b.join();
  ASSERT_TRUE(put(a, "value"));
  std::atomic<int> lost = 0;
  cluster.lose([&](ByteView payload) {
    wire::Reader r(payload);
    const auto packet = KeeperPacket::decode(r);
    return packet && packet->kind == KeeperPacket::Kind::kGot && lost++ == 0;
  });
  EXPECT_EQ(value_at(b), "value");
  wait_for([&] {
    size_t kept = 1;
    a.on_keeper([&](HomeKeeper& keeper) { kept = keeper.kept(); });
    return kept == 0;
  });
  EXPECT_GE(lost, 2);
  cluster.lose({});
}

TEST(HomeKeeper, RestOfALargeRecordIsAskedForAlone) {
  ctdb::FakeCluster cluster(2);
  ClusterNode a(cluster, 0);
  ClusterNode b(cluster, 1);
  a.join();
  b.join();
  const Bytes large(1'000'000, 7);
  {
    auto held = a.records().lock(kKey);
    std::vector<PartChange> parts;
    for (uint32_t i = 0; i < 2; ++i) parts.push_back({.part = i, .value = large});
    ASSERT_TRUE(held.replace(as_bytes("head"), Urgency::kMustNotFail, Account::kNone, parts));
  }
  constexpr uint64_t kCome = 5 * KeeperPacket::kPieceMax;
  std::atomic<int> lost = 0;
  std::atomic<int> asked = 0;
  cluster.lose([&](ByteView payload) {
    wire::Reader r(payload);
    const auto packet = KeeperPacket::decode(r);
    if (!packet) return false;
    asked += packet->kind == KeeperPacket::Kind::kWant && packet->offset == kCome;
    return packet->kind == KeeperPacket::Kind::kRecord && packet->offset >= kCome && lost++ < 3;
  });
  EXPECT_EQ(b.records().lock(kKey).part(1).size(), large.size());
  EXPECT_GE(asked, 1);
  cluster.lose({});
}

}  // namespace
}  // namespace braid::store::cluster
