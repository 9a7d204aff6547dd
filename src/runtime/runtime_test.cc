#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "runtime/one_shot.h"
#include "runtime/reactor.h"
#include "runtime/task_scope.h"
#include "runtime/worker_pool.h"

namespace braid {
namespace {

using namespace std::chrono_literals;

Task<int> add(int a, int b) { co_return a + b; }

Task<void> hop(Reactor& reactor, WorkerPool& pool, std::vector<bool>& where) {
  where.push_back(reactor.is_current());
  co_await pool.schedule();
  where.push_back(pool.is_current());
  EXPECT_EQ(co_await add(2, 3), 5);
  co_await reactor.schedule();
  where.push_back(reactor.is_current());
  reactor.stop();
}

TEST(Runtime, TaskMovesBetweenReactorAndPool) {
  Reactor reactor;
  WorkerPool pool(2);
  TaskScope scope;
  std::vector<bool> where;
  reactor.post([&] { scope.spawn(hop(reactor, pool, where)); });
  reactor.run();
  EXPECT_EQ(where, (std::vector<bool>{true, true, true}));
  EXPECT_EQ(scope.running(), 0u);
}

Task<void> wait_for(std::shared_ptr<OneShot<int>> shot, Reactor& reactor, int& got) {
  got = co_await shot->wait(reactor);
  reactor.stop();
}

TEST(OneShot, FirstSetterWins) {
  Reactor reactor;
  TaskScope scope;
  auto shot = std::make_shared<OneShot<int>>();
  int got = 0;
  std::atomic<int> winners = 0;
  std::vector<std::jthread> setters;
  reactor.post([&] {
    scope.spawn(wait_for(shot, reactor, got));
    for (int i = 1; i <= 4; ++i) {
      setters.emplace_back([&, i] { winners += shot->set(i); });
    }
  });
  reactor.run();
  setters.clear();
  EXPECT_EQ(winners, 1);
  EXPECT_GE(got, 1);
}

Task<void> sleeper(Reactor& reactor, bool& done) {
  co_await reactor.sleep_for(1ms);
  done = true;
}
Task<void> joiner(Reactor& reactor, TaskScope& scope, const bool& done, bool& joined) {
  co_await scope.join();
  joined = done;
  reactor.stop();
}

TEST(TaskScope, JoinWaitsForTheLastTask) {
  Reactor reactor;
  TaskScope scope;
  TaskScope outer;
  bool done = false;
  bool joined = false;
  reactor.post([&] {
    scope.spawn(sleeper(reactor, done));
    outer.spawn(joiner(reactor, scope, done, joined));
  });
  reactor.run();
  EXPECT_TRUE(joined);
}

TEST(Timer, CancelledCallbackNeverRuns) {
  Reactor reactor;
  bool ran = false;
  Timer first(reactor);
  Timer second(reactor);
  reactor.post([&] {
    first.start(1ms, [&] { ran = true; });
    second.start(2ms, [&] { reactor.stop(); });
    first.cancel();
  });
  reactor.run();
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace braid
