#include "store/ctdb/client.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>

#include "base/clock.h"
#include "runtime/virtual_timers.h"
#include "store/ctdb/fake_cluster_testing.h"
#include "store/ctdb/test_client_testing.h"

namespace braid::store::ctdb {
namespace {

using namespace std::chrono_literals;

TEST(CtdbClient, ConnectsAndKnowsTheNodes) {
  FakeCluster cluster(3);
  TestClient client(cluster, 1);
  EXPECT_EQ(client.sink.next(), "connected 1");
  cluster.set_flags(2, Node::kBanned);
  const auto nodes = client.nodes();
  ASSERT_TRUE(nodes);
  ASSERT_EQ(nodes->size(), 3u);
  EXPECT_TRUE((*nodes)[0].is_active());
  EXPECT_FALSE((*nodes)[2].is_active());
  const auto addresses = client.ask<Result<std::vector<PublicAddress>>>(
      [](Client& c) { return c.public_addresses(); });
  ASSERT_TRUE(addresses);
  EXPECT_EQ(*addresses, (std::vector<PublicAddress>{{0, FakeCluster::address()}}));
}

TEST(CtdbClient, MessagesReachWhoRegistered) {
  FakeCluster cluster(2);
  TestClient a(cluster, 0);
  TestClient b(cluster, 1);
  ASSERT_EQ(a.sink.next(), "connected 0");
  ASSERT_EQ(b.sink.next(), "connected 1");
  EXPECT_TRUE(a.send(1, kTopicTwo, as_bytes("to nobody")));
  EXPECT_TRUE(a.send(1, kTopicOne, as_bytes("to b")));
  EXPECT_EQ(b.sink.next(), "message to 1: to b");
  EXPECT_TRUE(b.send(kConnectedNodes, kTopicOne, as_bytes("to all")));
  EXPECT_EQ(a.sink.next(), "message to 1: to all");
  EXPECT_EQ(b.sink.next(), "message to 1: to all");
  const Bytes long_one(300'000, 'x');
  EXPECT_TRUE(a.send(1, kTopicOne, long_one));
  EXPECT_EQ(b.sink.next(), "message to 1: " + std::string(20, 'x'));
  EXPECT_FALSE(a.send(1, kTopicOne, Bytes(kPacketMax)));
}

TEST(CtdbClient, RecordsMove) {
  FakeCluster cluster(2);
  TestClient a(cluster, 0);
  TestClient b(cluster, 1);
  ASSERT_EQ(a.sink.next(), "connected 0");
  ASSERT_EQ(b.sink.next(), "connected 1");
  const auto attach = [](Client& c) { return c.attach("braid_files.tdb"); };
  const auto database = a.ask<Result<uint32_t>>(attach);
  ASSERT_TRUE(database);
  EXPECT_EQ(b.ask<Result<uint32_t>>(attach), *database);
  const auto file =
      a.ask<Result<Client::DatabaseFile>>([&](Client& c) { return c.file_of(*database); });
  ASSERT_TRUE(file);
  EXPECT_EQ(file->tdb_flags, 0x1c41u);
  const Bytes key{1, 2, 3};
  for (const size_t node : {size_t{0}, size_t{1}, size_t{0}}) {
    TestClient& client = node == 0 ? a : b;
    EXPECT_TRUE(client.ask<Result<void>>([&](Client& c) { return c.migrate(*database, key); }));
    cluster.with_records(node, [&](FakeCluster::Records& records) {
      EXPECT_EQ((records[{*database, key}].header.dmaster), node);
    });
  }
  EXPECT_TRUE(a.ask<Result<void>>(
      [&](Client& c) { return c.schedule_for_deletion(*database, {.dmaster = 0}, key); }));
  cluster.with_records(0, [](FakeCluster::Records& records) { EXPECT_TRUE(records.empty()); });
}

TEST(CtdbClient, ProcessThatHasRegisteredIsKnown) {
  FakeCluster cluster(2);
  TestClient a(cluster, 0);
  TestClient b(cluster, 1, nullptr, kTopicTwo);
  EXPECT_EQ(a.sink.next(), "connected 0");
  EXPECT_EQ(b.sink.next(), "connected 1");
  const auto is_there = [&](uint32_t pnn, uint64_t number) {
    return a.ask<Result<bool>>(
        [&](Client& c) { return c.is_registered(pnn, static_cast<uint32_t>(::getpid()), number); });
  };
  EXPECT_EQ(is_there(0, kTopicOne), true);
  EXPECT_EQ(is_there(1, kTopicTwo), true);
  EXPECT_EQ(is_there(1, kTopicOne), false);
  cluster.kill(0);
  EXPECT_FALSE(is_there(1, kTopicTwo));  // who cannot ask knows nothing
}

TEST(CtdbClient, WhatTheClusterSaysOfAddresses) {
  FakeCluster cluster(2);
  TestClient a(cluster, 0);
  TestClient b(cluster, 1);
  ASSERT_EQ(a.sink.next(), "connected 0");
  ASSERT_EQ(b.sink.next(), "connected 1");
  const TcpConnection connection{{*IpAddress::parse("192.0.2.9"), 4001},
                                 {FakeCluster::address(), 445}};
  const auto add = [&](Client& c) { return c.register_connection(connection); };
  EXPECT_TRUE(a.ask<Result<void>>(add));
  EXPECT_EQ(cluster.connections(0), std::vector{connection});
  // Who has not the address is refused.
  EXPECT_EQ(b.ask<Result<void>>(add), fail_os(EREMOTEIO));
  EXPECT_TRUE(a.ask<Result<void>>([&](Client& c) { return c.forget_connection(connection); }));
  EXPECT_TRUE(cluster.connections(0).empty());
  cluster.move_address(1);
  EXPECT_EQ(a.sink.next(), "event 1 192.0.2.1");
  EXPECT_EQ(b.sink.next(), "event 2 192.0.2.1");
}

TEST(CtdbClient, HearsAtOnceThatCtdbdIsGoneAndComesBack) {
  FakeCluster cluster(2);
  TestClient a(cluster, 0);
  TestClient b(cluster, 1);
  ASSERT_EQ(a.sink.next(), "connected 0");
  ASSERT_EQ(b.sink.next(), "connected 1");
  // One that is under way fails with it.
  cluster.drop_requests(0);
  auto answer = a.begin<Result<std::vector<Node>>>([](Client& c) { return c.nodes(); });
  cluster.kill(0);
  EXPECT_EQ(answer.get(), fail_os(ENOTCONN));
  EXPECT_EQ(a.sink.next(), "lost: Connection reset by peer");
  EXPECT_EQ(b.sink.next(), "event 0");
  EXPECT_EQ(a.nodes(), fail_os(ENOTCONN));
  EXPECT_FALSE(a.send(1, kTopicOne, as_bytes("lost")));
  cluster.begin(0);
  EXPECT_EQ(a.sink.next(), "connected 0");
  // It is registered as before.
  EXPECT_TRUE(b.send(0, kTopicOne, as_bytes("again")));
  EXPECT_EQ(a.sink.next(), "message to 1: again");
}

TEST(CtdbClient, WaitsForACtdbdThatIsNotThereYet) {
  FakeCluster cluster(1);
  cluster.kill(0);
  TestClient client(cluster, 0);
  EXPECT_EQ(client.nodes(), fail_os(ENOTCONN));
  EXPECT_TRUE(client.sink.is_silent());
  cluster.begin(0);
  EXPECT_EQ(client.sink.next(), "connected 0");
}

TEST(CtdbClient, OneThatSaysNothingIsAsOneThatIsGone) {
  VirtualClock clock;
  VirtualTimers timers(clock);
  FakeCluster cluster(1);
  TestClient client(cluster, 0, &timers);
  ASSERT_EQ(client.sink.next(), "connected 0");
  cluster.hang(0);
  auto answer = client.begin<Result<std::vector<Node>>>([](Client& c) { return c.nodes(); });
  for (int second = 0; second < 6; ++second) {
    EXPECT_TRUE(client.sink.is_silent());
    ASSERT_TRUE(timers.await(1s));
    timers.advance(1s);
    client.on_reactor([] {});
  }
  EXPECT_EQ(answer.get(), fail_os(ENOTCONN));
  EXPECT_EQ(client.sink.next(), "lost: Connection timed out");
}

TEST(CtdbClient, RequestThatIsDroppedTimesOut) {
  VirtualClock clock;
  VirtualTimers timers(clock);
  FakeCluster cluster(1);
  TestClient client(cluster, 0, &timers);
  ASSERT_EQ(client.sink.next(), "connected 0");
  cluster.drop_requests(0);
  auto answer = client.begin<Result<void>>([](Client& c) { return c.migrate(77, {1}); });
  // It lives: each second it is asked for what costs nothing.
  size_t asked = cluster.asked(0, Control::kGetPnn);
  for (int second = 0; second < 30; ++second) {
    ASSERT_EQ(answer.wait_for(0s), std::future_status::timeout) << second;
    ASSERT_TRUE(timers.await(1s));
    timers.advance(1s);
    client.on_reactor([] {});
    // Its answer is on the way when the fake has been asked, and read before what is asked next.
    while (cluster.asked(0, Control::kGetPnn) == asked) std::this_thread::yield();
    ++asked;
  }
  EXPECT_EQ(answer.get(), fail_os(ETIMEDOUT));
  EXPECT_TRUE(client.sink.is_silent());
}

TEST(CtdbClient, AnswersThatNobodyWaitsForChangeNothing) {
  FakeCluster cluster(1);
  TestClient client(cluster, 0);
  ASSERT_EQ(client.sink.next(), "connected 0");
  const uint64_t before = client.ignored();
  // Late, of a kind that was not asked for, an unknown packet, an event without an address.
  cluster.say(
      0, packet(Header{.operation = Operation::kControlReply, .request_id = 999}, ControlReply{}));
  cluster.say(0, packet(Header{.operation = Operation::kCallReply, .request_id = 1}, CallReply{}));
  cluster.say(0, packet(Header{.operation = Operation{10}}, CallReply{}));
  cluster.say(0, packet(Header{.operation = Operation::kMessage},
                        Message{.to = kAddressReleased, .payload = as_bytes("nowhere")}));
  // Whose length says more than there is.
  Bytes cut = packet(Header{.operation = Operation::kMessage},
                     Message{.to = kTopicOne, .payload = as_bytes("cut")});
  cut[40] = 0xff;
  cluster.say(0, cut);
  ASSERT_TRUE(client.nodes());
  EXPECT_EQ(client.ignored() - before, 5u);
  EXPECT_TRUE(client.sink.is_silent());
}

TEST(CtdbClient, AnswerThatCannotBeReadFailsItsRequestOnly) {
  FakeCluster cluster(1);
  TestClient client(cluster, 0);
  ASSERT_EQ(client.sink.next(), "connected 0");
  cluster.drop_requests(0);
  auto answer = client.begin<Result<std::vector<Node>>>([](Client& c) { return c.nodes(); });
  while (cluster.asked(0, Control::kGetNodes) == 0) std::this_thread::yield();
  // Its number is not known here; few are under way.
  for (uint32_t id = 1; id < 32; ++id) {
    Bytes reply = packet(Header{.operation = Operation::kControlReply, .request_id = id},
                         ControlReply{.data = as_bytes("some data")});
    reply[36] = 200;
    cluster.say(0, reply);
  }
  EXPECT_EQ(answer.get(), fail(Error::truncated()));
  EXPECT_TRUE(client.send(0, kTopicOne, as_bytes("alive")));
  EXPECT_EQ(client.sink.next(), "message to 1: alive");
}

TEST(CtdbClient, WhatIsNoPacketEndsTheConnection) {
  FakeCluster cluster(1);
  TestClient client(cluster, 0);
  ASSERT_EQ(client.sink.next(), "connected 0");
  cluster.say(0, Bytes(64, 0x41));
  EXPECT_EQ(client.sink.next(), "lost: malformed");
  EXPECT_EQ(client.sink.next(), "connected 0");
}

}  // namespace
}  // namespace braid::store::ctdb
