#include "store/ctdb/cluster_bus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/hex_testing.h"
#include "store/ctdb/fake_cluster_testing.h"
#include "store/ctdb/test_client_testing.h"

namespace braid::store::ctdb {
namespace {

TEST(CtdbBusPacket, IsTheSameAfterwards) {
  const Bytes payload{7, 8, 9};
  Bytes bytes;
  wire::Writer w(bytes);
  BusPacket{.from = {0x101},
            .to = {0x202},
            .lane = Lane::kChanges,
            .topic = Topic::kChanges,
            .is_fd_lost = true,
            .missed = 2,
            .position = 0x1122334455667788,
            .payload = payload}
      .encode(w);
  EXPECT_EQ(bytes, unhex("42524231 01010000 02020000 00 01 01 01 02000000 00000000"
                         "8877665544332211 070809"));
  wire::Reader r(bytes);
  const auto packet = BusPacket::decode(r);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->from, WorkerTag{0x101});
  EXPECT_EQ(packet->position, 0x1122334455667788u);
  EXPECT_TRUE(packet->is_fd_lost);
  EXPECT_EQ(packet->payload.size(), 3u);
}

TEST(CtdbBusPacket, WhatNoWorkerMakes) {
  const auto error_of = [](std::string_view text) {
    const Bytes bytes = unhex(text);
    wire::Reader r(bytes);
    const auto packet = BusPacket::decode(r);
    return packet ? std::string("none") : packet.error().message();
  };
  const std::string tail = "00000000 00000000 0100000000000000";
  EXPECT_EQ(error_of("42524231 01010000 02020000 00 00 00 00" + tail), "none");
  EXPECT_EQ(error_of("42524232 01010000 02020000 00 00 00 00" + tail), "unsupported");
  EXPECT_EQ(error_of("42524231 00000000 02020000 00 00 00 00" + tail), "malformed");  // nobody
  EXPECT_EQ(error_of("42524231 01010000 02020000 03 00 00 00" + tail), "malformed");  // kind
  EXPECT_EQ(error_of("42524231 01010000 02020000 00 02 00 00" + tail), "malformed");  // lane
  EXPECT_EQ(error_of("42524231 01010000 02020000 00 00 09 00" + tail), "malformed");  // topic
  EXPECT_EQ(error_of("42524231 01010000 02020000 00 00 01 00" + tail), "malformed");  // of another
  EXPECT_EQ(error_of("42524231 01010000 02020000 00 00 00 00 00020000 00000000"
                     "0100000000000000"),
            "malformed");
  EXPECT_EQ(error_of("42524231 01010000 02020000 00 00 00 00 00000000 00000000"), "truncated");
}

// One worker on a node of its own.
class BusWorker final : public ClientSink {
 public:
  BusWorker(const FakeCluster& cluster, size_t index, uint32_t life = 0, uint32_t refused = 0)
      : own_(WorkerTag::make(index, life)),
        reactors_(1),
        client_(reactors_.at(0),
                {.socket_path = cluster.socket_path(index),
                 .registered = {ClusterBus::number_of(index)}},
                *this),
        bus(reactors_.at(0), client_, {.own = own_, .workers = 2, .refused = refused},
            [](size_t) { return true; }) {
    for (const Topic topic : {Topic::kRecords, Topic::kChanges, Topic::kClaims}) {
      const std::string name = std::to_string(static_cast<int>(topic));
      bus.handle(
          topic,
          [this, name](BusMessage& message) {
            wait_until_let_go();
            add(name + " from " + std::to_string(message.from.index()) + ": " +
                std::string(as_text(message.payload).substr(0, 10)) +
                (message.is_fd_lost ? ", lost a descriptor" : ""));
          },
          [this, name] { add(name + " missed"); });
    }
    bus.on_room(Topic::kChanges,
                [this](size_t worker) { add("room at " + std::to_string(worker)); });
    bus.start();
    run_on(reactors_.at(0), [&] { client_.start(); });
    // Whoever comes into a cluster looks at everything.
    await("0 missed");
    await("1 missed");
  }
  ~BusWorker() override {
    hold(false);
    std::promise<void> stopped;
    run_on(reactors_.at(0), [&] { scope_.spawn(stop(client_, stopped)); });
    stopped.get_future().wait();
    scope_.wait();
    bus.stop();
    reactors_.stop();
  }

  void on_connected(uint32_t) override {
    bus.on_connected();
    is_connected = true;
  }
  void on_lost(Error) override {
    is_connected = false;
    bus.on_lost();
  }
  void on_message(uint64_t to, ByteView payload) override {
    EXPECT_EQ(to, ClusterBus::number_of(own_.index()));
    bus.on_message(payload);
  }
  void on_event(ClusterEvent event, std::optional<IpAddress>) override {
    if (event == ClusterEvent::kReconfigured) bus.on_reconfigured();
  }

  bool send(size_t to, Topic topic, std::string_view text, IfFull if_full = IfFull::kMiss) {
    return bus.send(to, topic, as_bytes(text), -1, if_full);
  }
  // Until it is heard, or at once if it was.
  void await(const std::string& what) {
    std::unique_lock lock(mutex_);
    const bool is_heard = changed_.wait_for(lock, std::chrono::seconds(30), [&] {
      const auto found = std::ranges::find(heard_, what);
      if (found == heard_.end()) return false;
      heard_.erase(found);
      return true;
    });
    EXPECT_TRUE(is_heard) << what;
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    heard_.clear();
  }
  std::vector<std::string> heard() {
    const std::lock_guard lock(mutex_);
    return heard_;
  }
  // Handlers wait while it does.
  void hold(bool holds) {
    const std::lock_guard lock(mutex_);
    holds_ = holds;
    changed_.notify_all();
  }

  std::atomic<bool> is_connected = false;

 private:
  void add(std::string what) {
    const std::lock_guard lock(mutex_);
    heard_.push_back(std::move(what));
    changed_.notify_all();
  }
  void wait_until_let_go() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !holds_; });
  }

  const WorkerTag own_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> heard_;
  bool holds_ = false;
  ReactorPool reactors_;
  Client client_;
  TaskScope scope_;

 public:
  ClusterBus bus;
};

TEST(CtdbBus, MessagesComeInOrderAndOnce) {
  FakeCluster cluster(2);
  BusWorker a(cluster, 0);
  BusWorker b(cluster, 1);
  a.await("0 missed");  // b came
  std::vector<std::string> wanted;
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(a.send(1, Topic::kRecords, std::to_string(i)));
    wanted.push_back("0 from 0: " + std::to_string(i));
  }
  EXPECT_TRUE(a.send(1, Topic::kRecords, "last"));
  b.await("0 from 0: last");
  auto heard = b.heard();
  std::erase_if(heard, [](const std::string& each) { return each.ends_with("missed"); });
  EXPECT_EQ(heard, wanted);
  a.bus.broadcast(Topic::kClaims, as_bytes("all"));
  b.await("5 from 0: all");
  EXPECT_TRUE(a.send(0, Topic::kRecords, "myself"));
  a.await("0 from 0: myself");
  EXPECT_FALSE(a.send(2, Topic::kRecords, "nobody"));
}

TEST(CtdbBus, DescriptorsDoNotCome) {
  FakeCluster cluster(2);
  BusWorker a(cluster, 0);
  BusWorker b(cluster, 1);
  EXPECT_TRUE(a.bus.send(1, Topic::kClaims, as_bytes("with"), 1));
  b.await("5 from 0: with, lost a descriptor");
}

TEST(CtdbBus, WhatIsOfOneMachineIsNotSaid) {
  FakeCluster cluster(2);
  BusWorker a(cluster, 0, 0, 1u << static_cast<unsigned>(Topic::kClaims));
  BusWorker b(cluster, 1);
  EXPECT_FALSE(a.bus.send(1, Topic::kClaims, as_bytes("secret")));
  EXPECT_TRUE(a.bus.send(1, Topic::kRecords, as_bytes("after")));
  b.await("0 from 0: after");
  // Nor heard of who says it all the same.
  EXPECT_TRUE(b.bus.send(0, Topic::kClaims, as_bytes("forged")));
  EXPECT_TRUE(b.bus.send(0, Topic::kRecords, as_bytes("after")));
  a.await("0 from 1: after");
  EXPECT_EQ(a.bus.ignored(), 1u);
}

TEST(CtdbBus, WhoIsBehindMissesOrIsWaitedFor) {
  FakeCluster cluster(2);
  BusWorker a(cluster, 0);
  BusWorker b(cluster, 1);
  b.hold(true);
  const std::string large(300'000, 'x');
  size_t sent = 0;
  while (a.send(1, Topic::kRecords, large)) ++sent;
  EXPECT_EQ(sent, 4u);  // what a window has room for, and the one that fills it
  EXPECT_TRUE(a.send(1, Topic::kClaims, "question", IfFull::kWait));
  for (int i = 0; i < 27; ++i) {
    EXPECT_TRUE(a.send(1, Topic::kClaims, large, IfFull::kWaitBounded)) << i;
  }
  EXPECT_FALSE(a.send(1, Topic::kClaims, large, IfFull::kWaitBounded));
  // The other lane has room of its own.
  EXPECT_TRUE(a.send(1, Topic::kChanges, "change"));
  b.hold(false);
  b.await("1 from 0: change");
  b.await("5 from 0: question");
  EXPECT_TRUE(a.send(1, Topic::kClaims, "last", IfFull::kWait));
  b.await("5 from 0: last");
}

TEST(CtdbBus, WhoMissedOneIsToldOfItsTopic) {
  FakeCluster cluster(2);
  BusWorker a(cluster, 0);
  BusWorker b(cluster, 1);
  b.hold(true);
  const std::string large(300'000, 'x');
  while (a.send(1, Topic::kRecords, large)) {
  }
  b.forget();
  b.hold(false);
  b.await("0 missed");
}

TEST(CtdbBus, RoomIsToldOnceThereIsSome) {
  FakeCluster cluster(2);
  BusWorker a(cluster, 0);
  BusWorker b(cluster, 1);
  b.hold(true);
  const std::string large(300'000, 'x');
  while (a.send(1, Topic::kChanges, large)) {
  }
  a.bus.want_room(1, Topic::kChanges);
  b.hold(false);
  a.await("room at 1");
  EXPECT_TRUE(a.send(1, Topic::kChanges, "after"));
  b.await("1 from 0: after");
  // With room it is told at once.
  a.bus.want_room(1, Topic::kChanges);
  a.await("room at 1");
}

TEST(CtdbBus, WhatAConnectionTookAlongIsMissed) {
  FakeCluster cluster(2);
  BusWorker a(cluster, 0);
  BusWorker b(cluster, 1);
  EXPECT_TRUE(a.send(1, Topic::kRecords, "before"));
  b.await("0 from 0: before");
  a.forget();
  b.forget();
  cluster.kill(0);
  b.await("0 missed");  // the cluster said that a node has gone
  while (a.is_connected) std::this_thread::yield();
  EXPECT_FALSE(a.send(1, Topic::kRecords, "into nothing"));
  EXPECT_TRUE(a.send(1, Topic::kClaims, "kept", IfFull::kWait));
  b.forget();
  cluster.begin(0);
  a.await("0 missed");
  b.await("0 missed");
  b.await("5 from 0: kept");
}

TEST(CtdbBus, AnotherLifeIsNoticed) {
  FakeCluster cluster(2);
  BusWorker b(cluster, 1);
  {
    BusWorker a(cluster, 0);
    EXPECT_TRUE(a.send(1, Topic::kRecords, "first life"));
    b.await("0 from 0: first life");
  }
  b.hold(true);
  const std::string large(300'000, 'x');
  while (b.send(0, Topic::kRecords, large)) {
  }
  EXPECT_TRUE(b.send(0, Topic::kClaims, "to the dead", IfFull::kWait));
  b.forget();
  b.bus.ended(0);
  b.hold(false);
  b.await("0 missed");
  BusWorker a(cluster, 0, 1);
  EXPECT_TRUE(b.send(0, Topic::kRecords, "to the second life"));
  a.await("0 from 1: to the sec");
  EXPECT_TRUE(a.send(1, Topic::kRecords, "second"));
  b.await("0 from 0: second");
}

TEST(CtdbBus, ForgedMessagesAreCountedOrMissed) {
  FakeCluster cluster(2);
  BusWorker a(cluster, 0);
  BusWorker b(cluster, 1);
  a.await("0 missed");
  b.forget();
  const auto forge = [&](const BusPacket& what) {
    Bytes payload;
    wire::Writer w(payload);
    what.encode(w);
    cluster.say(1, packet(Header{.operation = Operation::kMessage},
                          Message{.to = ClusterBus::number_of(1), .payload = payload}));
  };
  // From a worker that there is not.
  forge({.from = WorkerTag::make(9, 0)});
  cluster.say(1, packet(Header{.operation = Operation::kMessage},
                        Message{.to = ClusterBus::number_of(1), .payload = as_bytes("?")}));
  // As if it had taken what it was never sent, and as if much was lost.
  forge({.from = WorkerTag::make(0, 0),
         .to = WorkerTag::make(1, 0),
         .kind = BusPacket::Kind::kTaken,
         .position = uint64_t{1} << 63});
  forge({.from = WorkerTag::make(0, 0), .position = uint64_t{1} << 62});
  b.await("0 from 0: ");
  b.await("0 missed");
  EXPECT_EQ(b.bus.ignored(), 2u);
  // All goes on.
  EXPECT_TRUE(a.send(1, Topic::kRecords, "true"));
  b.await("0 from 0: true");
  EXPECT_TRUE(b.send(0, Topic::kRecords, "true too"));
  a.await("0 from 1: true too");
}

}  // namespace
}  // namespace braid::store::ctdb
