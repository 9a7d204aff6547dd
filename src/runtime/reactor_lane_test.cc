#include "runtime/reactor_lane.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/task_scope.h"

namespace braid {
namespace {

using namespace std::chrono_literals;

// Turns that end with the first piece, so that nothing depends on how fast this machine is.
struct Lanes : testing::Test {
  // A frame of so many pieces.
  static Task<void> frame(Lanes& test, std::shared_ptr<ReactorLane> lane, std::string name,
                          int pieces) {
    for (int i = 0; i < pieces; ++i) {
      co_await lane->next_piece();
      test.done += name;
    }
  }
  static Task<void> elsewhere(Lanes& test, std::shared_ptr<ReactorLane> lane) {
    co_await test.reactor.next_turn();
    test.done += 'a';
    co_await lane->next_piece();
    test.done += 'b';
    co_await lane->next_piece();
    test.done += 'c';
  }
  void begin(const std::shared_ptr<ReactorLane>& lane, const std::string& name, int pieces) {
    const ReactorLane::Work work(lane);
    scope.spawn(frame(*this, lane, name, pieces));
  }
  void run(const std::function<void()>& first) {
    reactor.post(first);
    reactor.post([this] { stop_when_done(); });
    reactor.run();
  }
  void stop_when_done() {
    if (scope.running() == 0) return reactor.stop();
    reactor.post([this] { stop_when_done(); });
  }

  Reactor reactor;
  ReactorLanes lanes{0ns};
  TaskScope scope;
  std::string done;
};

TEST_F(Lanes, OneOfAUserForAllHisConnectionsOnAReactor) {
  Reactor other;
  const auto lane = lanes.lane_of(reactor, 1);
  EXPECT_EQ(lanes.lane_of(reactor, 1), lane);
  EXPECT_NE(lanes.lane_of(reactor, 2), lane);
  EXPECT_NE(lanes.lane_of(other, 1), lane);
}

// However many there are: after each turn of theirs the other has one.
TEST_F(Lanes, ManyConnectionsOfAUserHaveATurnTogether) {
  run([&] {
    for (const char* name : {"a", "b", "c", "d"}) begin(lanes.lane_of(reactor, 1), name, 2);
    begin(lanes.lane_of(reactor, 2), "X", 4);
  });
  EXPECT_EQ(done, "aXbXcXdXabcd");
}

TEST_F(Lanes, ATurnThatLastsIsNotInterrupted) {
  lanes.set_turn(1h);
  run([&] {
    begin(lanes.lane_of(reactor, 1), "a", 3);
    begin(lanes.lane_of(reactor, 2), "X", 3);
  });
  EXPECT_EQ(done, "aaaXXX");
}

// What has been on the pool goes on with what follows in a turn, so that it counts.
TEST_F(Lanes, WhoComesFromElsewhereBeginsATurn) {
  lanes.set_turn(1h);
  run([&] {
    const auto lane = lanes.lane_of(reactor, 1);
    {
      const ReactorLane::Work work(lane);
      scope.spawn(elsewhere(*this, lane));
    }
    reactor.post([this] { done += 'X'; });
  });
  EXPECT_EQ(done, "aXbc");
}

TEST_F(Lanes, TimeIsCountedInWorkOnly) {
  lanes.set_turn(1ms);
  const auto spend = [](std::chrono::nanoseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
    }
  };
  const auto lane = lanes.lane_of(reactor, 1);
  run([&] {
    spend(2ms);
    EXPECT_TRUE(lane->turn().await_ready());
    const ReactorLane::Work work(lane);
    spend(2ms);
    EXPECT_FALSE(lane->turn().await_ready());
  });
  EXPECT_FALSE(lane->turn().await_ready());
}

}  // namespace
}  // namespace braid
