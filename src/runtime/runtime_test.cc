#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "runtime/one_shot.h"
#include "runtime/reactor.h"
#include "runtime/task_scope.h"
#include "runtime/turn_guarded.h"
#include "runtime/turns.h"
#include "runtime/virtual_timers.h"
#include "runtime/worker_pool.h"

namespace braid {
namespace {

using namespace std::chrono_literals;

Task<int> add(int a, int b) { co_return a + b; }

Task<void> hop(Reactor& reactor, WorkerPool& workers, std::vector<bool>& where) {
  WorkerPool::Seat pool(workers, {});
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

// What its turns keep apart, and the order they came in.
struct Visitors {
  std::atomic<int> inside = 0;
  std::atomic<int> most_inside = 0;
  std::vector<int> came;
};
Task<void> visit(Turns<int>& turns, int key, WorkerPool& workers, Visitors& visitors, int who) {
  WorkerPool::Seat pool(workers, {});
  co_await pool.schedule();
  const auto turn = co_await turns.take(key, pool);
  EXPECT_TRUE(turn);
  EXPECT_TRUE(pool.is_current());
  const int inside = ++visitors.inside;
  if (inside > visitors.most_inside) visitors.most_inside = inside;
  visitors.came.push_back(who);
  std::this_thread::yield();
  --visitors.inside;
}
Task<void> stop_after(Reactor& reactor, TaskScope& scope) {
  co_await scope.join();
  co_await reactor.schedule();
  reactor.stop();
}

TEST(Turns, OneAtATime) {
  Reactor reactor;
  WorkerPool pool(4);
  Turns<int> turns;
  TaskScope scope, outer;
  std::array<Visitors, 3> visitors;
  constexpr int kVisits = 600;
  reactor.post([&] {
    for (int i = 0; i < kVisits; ++i) {
      const int key = i % 3;
      scope.spawn(visit(turns, key, pool, visitors[static_cast<size_t>(key)], i));
    }
    outer.spawn(stop_after(reactor, scope));
  });
  reactor.run();
  pool.stop();
  for (const Visitors& each : visitors) {
    EXPECT_EQ(each.most_inside, 1);
    EXPECT_EQ(each.came.size(), static_cast<size_t>(kVisits / 3));
  }
}

Task<void> visit_as(Turns<int>& turns, WorkerPool& workers, uint64_t owner,
                    std::vector<uint64_t>& came) {
  WorkerPool::Seat pool(workers, {.user = owner});
  co_await pool.schedule();
  const auto turn = co_await turns.take(0, pool, owner);
  came.push_back(owner);
}
Task<void> busy_turn(WorkerPool& workers, uint64_t owner, std::atomic<int>& done) {
  WorkerPool::Seat pool(workers, {.user = owner});
  co_await pool.schedule();
  ++done;
}
Task<void> hold_while_others_come(Turns<int>& turns, WorkerPool& workers, TaskScope& scope,
                                  std::vector<uint64_t>& came) {
  WorkerPool::Seat pool(workers, {.user = 9});
  co_await pool.schedule();
  const auto turn = co_await turns.take(0, pool, 9);
  for (const uint64_t owner : {1, 1, 1, 2, 3, 2}) {
    scope.spawn(visit_as(turns, workers, owner, came));
  }
  // Until all have come and wait: there is one thread, and they take turns on it with this.
  WorkerPool::Seat behind(workers, {.user = 9});
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(co_await behind.next_turn());
}

TEST(Turns, OwnersTakeTurns) {
  Reactor reactor;
  WorkerPool pool(1);
  Turns<int> turns;
  TaskScope scope, outer;
  std::vector<uint64_t> came;
  reactor.post([&] {
    scope.spawn(hold_while_others_come(turns, pool, scope, came));
    outer.spawn(stop_after(reactor, scope));
  });
  reactor.run();
  pool.stop();
  EXPECT_EQ(came, (std::vector<uint64_t>{1, 2, 3, 1, 2, 1}));
}

// Two wait, of whom the first has much else to do on the pool.
Task<void> hold_while_one_gets_busy(Turns<int>& turns, WorkerPool& workers, TaskScope& scope,
                                    std::vector<uint64_t>& came, std::atomic<int>& done) {
  WorkerPool::Seat pool(workers, {.user = 9});
  co_await pool.schedule();
  const auto turn = co_await turns.take(0, pool, 9);
  scope.spawn(visit_as(turns, workers, 1, came));
  scope.spawn(visit_as(turns, workers, 2, came));
  WorkerPool::Seat behind(workers, {.user = 9});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(co_await behind.next_turn());
  for (int i = 0; i < 100; ++i) scope.spawn(busy_turn(workers, 1, done));
}

TEST(Turns, WhoWaitsForThePoolKeepsNobodyWaiting) {
  Reactor reactor;
  WorkerPool pool(1);
  Turns<int> turns;
  TaskScope scope, outer;
  std::vector<uint64_t> came;
  std::atomic<int> done = 0;
  reactor.post([&] {
    scope.spawn(hold_while_one_gets_busy(turns, pool, scope, came, done));
    outer.spawn(stop_after(reactor, scope));
  });
  reactor.run();
  pool.stop();
  EXPECT_EQ(done, 100);
  EXPECT_EQ(came, (std::vector<uint64_t>{2, 1}));
}

// For who holds it no longer than he runs.
TEST(Turns, OneThatIsFreeIsTakenWithoutWaiting) {
  WorkerPool workers(1);
  WorkerPool::Seat seat(workers, {});
  Turns<int> turns;
  {
    const auto first = turns.take_free(1, seat);
    ASSERT_TRUE(first);
    EXPECT_TRUE(seat.holds_something());
    EXPECT_FALSE(turns.take_free(1, seat));
    EXPECT_TRUE(turns.take_free(2, seat));
  }
  EXPECT_FALSE(seat.holds_something());
  EXPECT_TRUE(turns.take_free(1, seat));
}

Task<void> hold_two(Turns<int>& turns, WorkerPool& workers, Reactor& reactor, bool& went_on) {
  WorkerPool::Seat pool(workers, {});
  co_await pool.schedule();
  auto first = co_await turns.take(1, pool);
  const auto second = co_await turns.take(2, pool);
  first.end();
  EXPECT_FALSE(first);
  first = co_await turns.take(1, pool);  // free again, though another is held
  went_on = true;
  reactor.stop();
}

TEST(Turns, EndsEarlyAndKeysAreApart) {
  Reactor reactor;
  WorkerPool pool(1);
  Turns<int> turns;
  TaskScope scope;
  bool went_on = false;
  reactor.post([&] { scope.spawn(hold_two(turns, pool, reactor, went_on)); });
  reactor.run();
  pool.stop();
  EXPECT_TRUE(went_on);
}

// Holds its turn while it is elsewhere.
Task<void> use(TurnGuarded<Visitors>& data, WorkerPool& workers, int who) {
  WorkerPool::Seat pool(workers, {});
  co_await pool.schedule();
  auto turn = co_await data.take(pool);
  EXPECT_TRUE(pool.is_current());
  EXPECT_EQ(++turn->inside, 1);
  turn->came.push_back(who);
  EXPECT_TRUE(co_await pool.next_turn());
  --turn->inside;
}

Task<void> look(TurnGuarded<Visitors>& data, Executor& executor, size_t& came) {
  const auto turn = co_await data.take(executor);
  came = turn->came.size();
}

TEST(TurnGuarded, IsHeldAcrossSuspensionsWithoutAThread) {
  WorkerPool pool(4);
  TurnGuarded<Visitors> data;
  TaskScope scope;
  for (int i = 0; i < 200; ++i) scope.spawn(use(data, pool, i));
  scope.wait();
  WorkerPool::Seat seat(pool, {});
  size_t came = 0;
  scope.spawn(look(data, seat, came));
  scope.wait();
  EXPECT_EQ(came, 200u);
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

Task<void> sleep_then(Reactor& reactor, std::chrono::nanoseconds how_long, std::string& seen) {
  co_await reactor.sleep_for(how_long);
  seen += 's';
}

TEST(VirtualTimers, RunOutInTheirOrderWhenToldTo) {
  VirtualClock clock;
  VirtualTimers timers(clock);
  ReactorPool reactors(1, &timers);
  Reactor& reactor = reactors.at(0);
  std::string seen;
  std::optional<Timer> late;
  std::optional<Timer> early;
  std::optional<Timer> cancelled;
  TaskScope scope;
  const auto on_reactor = [&](std::move_only_function<void()> work) {
    std::promise<void> done;
    reactor.post([&] {
      if (work) work();
      done.set_value();
    });
    done.get_future().wait();
  };
  on_reactor([&] {
    late.emplace(reactor).start(35s, [&] { seen += 'l'; });
    early.emplace(reactor).start(1h, [&] { seen += 'x'; });
    early->start(10s, [&] { seen += 'e'; });
    cancelled.emplace(reactor).start(5s, [&] { seen += 'x'; });
    cancelled.reset();
    scope.spawn(sleep_then(reactor, 20s, seen));
  });
  ASSERT_TRUE(timers.await(35s));
  timers.advance(10s - 1ns);
  on_reactor(nullptr);
  EXPECT_EQ(seen, "");
  timers.advance(1ns);
  on_reactor(nullptr);
  EXPECT_EQ(seen, "e");
  timers.advance(1min);
  on_reactor(nullptr);
  EXPECT_EQ(seen, "esl");
  scope.wait();
  on_reactor([&] {
    late.reset();
    early.reset();
  });
}

TEST(ReactorPool, BusyReactorsHoldUpNoTimerOfAll) {
  ReactorPool pool(1);
  std::promise<void> busy, enough, ran;
  pool.at(0).post([&] {
    busy.set_value();
    enough.get_future().wait();
  });
  busy.get_future().wait();
  std::optional<Timer> timer;
  pool.timers().post([&] {
    timer.emplace(pool.timers());
    timer->start(1ms, [&] {
      timer.reset();
      ran.set_value();
    });
  });
  ran.get_future().wait();
  enough.set_value();
}

}  // namespace
}  // namespace braid
