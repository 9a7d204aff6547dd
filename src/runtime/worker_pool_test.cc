#include "runtime/worker_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "runtime/quick_turns.h"
#include "runtime/reactor.h"
#include "runtime/task_scope.h"
#include "runtime/way_back.h"

namespace braid {
namespace {

using Seat = WorkerPool::Seat;

// Something that hangs until it is let go.
class Hang {
 public:
  // Runs on the pool.
  void operator()() {
    ++begun_;
    begun_.notify_all();
    ended_.wait();
  }
  void let_go() { end_.set_value(); }
  // Returns when so many hang.
  void await(int count) const {
    for (int now = begun_; now < count; now = begun_) begun_.wait(now);
  }
  int begun() const { return begun_; }

 private:
  std::atomic<int> begun_ = 0;
  std::promise<void> end_;
  std::shared_future<void> ended_ = end_.get_future().share();
};

// Posts from several owners and notes the order things run in.
class Order {
 public:
  explicit Order(WorkerPool& pool) : pool_(pool) {}
  void post(WorkOwner owner, char name) {
    seats_.emplace_back(pool_, owner).post([this, name] { *text_.lock() += name; });
  }
  void post(WorkOwner owner, Hang& hang) {
    seats_.emplace_back(pool_, owner).post([&hang] { hang(); });
  }
  std::string text() const { return *text_.lock(); }

 private:
  WorkerPool& pool_;
  std::deque<Seat> seats_;
  Guarded<std::string> text_;
};

TEST(WorkerPool, UsersTakeTurnsHoweverMuchOneAsks) {
  WorkerPool pool(1);
  Order order(pool);
  Hang hang;
  order.post({1, 1}, hang);
  hang.await(1);
  for (int i = 0; i < 300; ++i) order.post({1, 1}, 'a');
  order.post({2, 1}, 'b');
  order.post({3, 1}, 'c');
  order.post({2, 1}, 'b');
  hang.let_go();
  pool.stop();
  EXPECT_EQ(order.text().substr(0, 6), "abcaba");
  EXPECT_EQ(order.text().size(), 303u);
}

TEST(WorkerPool, OneUserTakesTurnsBetweenHisShares) {
  WorkerPool pool(1);
  Order order(pool);
  Hang hang;
  order.post({9, 9}, hang);
  hang.await(1);
  for (int i = 0; i < 3; ++i) order.post({1, 1}, 'a');
  for (int i = 0; i < 3; ++i) order.post({1, 2}, 'b');
  for (int i = 0; i < 3; ++i) order.post({2, 1}, 'x');
  hang.let_go();
  pool.stop();
  EXPECT_EQ(order.text(), "axbxaxbab");
}

TEST(WorkerPool, ShareThatHangsHoldsOnlyItsThreads) {
  WorkerPool pool({.threads = 6, .per_user = 4, .per_share = 4, .spare = 1});
  Order order(pool);
  Hang hang;
  for (uint64_t user = 1; user <= 10; ++user) order.post({user, 1}, hang);
  hang.await(4);
  EXPECT_EQ(pool.load().running, 4u);
  EXPECT_EQ(pool.load().waiting, 6u);
  // Its users are served elsewhere.
  std::promise<void> served;
  Seat seat(pool, {1, 2});
  seat.post([&served] { served.set_value(); });
  served.get_future().wait();
  EXPECT_EQ(hang.begun(), 4);
  hang.let_go();
  pool.stop();
  EXPECT_EQ(hang.begun(), 10);
}

TEST(WorkerPool, TheLastThreadsAreForSharesThatHoldNone) {
  WorkerPool pool({.threads = 6, .per_user = 6, .per_share = 4, .spare = 2});
  Order order(pool);
  Hang hang;
  for (int i = 0; i < 10; ++i) order.post({1, 1}, hang);
  hang.await(4);
  for (int i = 0; i < 10; ++i) order.post({2, 2}, hang);
  hang.await(5);  // one of the two that are left
  EXPECT_EQ(pool.load().running, 5u);
  std::promise<void> served;
  Seat seat(pool, {3, 3});
  seat.post([&served] { served.set_value(); });
  served.get_future().wait();
  EXPECT_EQ(hang.begun(), 5);
  hang.let_go();
  pool.stop();
  EXPECT_EQ(hang.begun(), 20);
}

TEST(WorkerPool, UserHoldsOnlyHisThreads) {
  WorkerPool pool({.threads = 4, .per_user = 2, .per_share = 4, .spare = 0});
  Order order(pool);
  Hang hang;
  for (uint64_t i = 0; i < 10; ++i) order.post({1, i}, hang);
  hang.await(2);
  std::promise<void> served;
  Seat seat(pool, {2, 1});
  seat.post([&served] { served.set_value(); });
  served.get_future().wait();
  EXPECT_EQ(hang.begun(), 2);
  hang.let_go();
  pool.stop();
  EXPECT_EQ(hang.begun(), 10);
}

TEST(WorkerPool, ManyOwnersAreForgottenAgain) {
  WorkerPool pool(2);
  Order order(pool);
  for (uint64_t i = 0; i < 5000; ++i) order.post({i, i % 7}, 'x');
  pool.stop();
  EXPECT_EQ(order.text().size(), 5000u);
}

// Work in pieces, each of which notes its owner.
Task<void> work_in_pieces(Seat& seat, Guarded<std::string>& text, char name, int pieces) {
  for (int i = 0; i < pieces; ++i) {
    EXPECT_TRUE(co_await seat.next_turn());
    EXPECT_TRUE(seat.is_current());
    *text.lock() += name;
  }
}

TEST(WorkerPool, PiecesOfLongWorkTakeTurnsWithOthers) {
  WorkerPool pool(1);
  Order order(pool);
  Hang hang;
  order.post({9, 9}, hang);
  hang.await(1);
  TaskScope scope;
  Guarded<std::string> text;
  Seat a(pool, {1, 1}), b(pool, {2, 1});
  scope.spawn(work_in_pieces(a, text, 'a', 4));
  scope.spawn(work_in_pieces(b, text, 'b', 2));
  hang.let_go();
  scope.wait();
  EXPECT_EQ(*text.lock(), "ababaa");
  // One has the pool for himself and goes on without a detour: a turn each, and two for every two.
  EXPECT_LE(pool.load().turns_taken, 1u + 4 + 2);
}

// Wanted until told otherwise.
class Wish final : public Seat {
 public:
  using Seat::Seat;
  std::atomic<bool> is_over = false;
  Result<void> check_wanted() const override {
    if (is_over) return fail(NtStatus::kCancelled);
    return {};
  }
};
Task<void> come(Seat& seat, std::atomic<int>& served, std::atomic<int>& refused) {
  ++(co_await seat.turn() ? served : refused);
}

TEST(WorkerPool, WhatNobodyWantsLeavesTheQueue) {
  WorkerPool pool(1);
  Order order(pool);
  Hang hang;
  order.post({9, 9}, hang);
  hang.await(1);
  WorkerPool::Group lost, other;
  std::deque<Wish> wishes;
  TaskScope scope;
  std::atomic<int> served = 0, refused = 0;
  for (int i = 0; i < 10; ++i) {
    wishes.emplace_back(pool, WorkOwner{1, 1}, i % 2 ? &lost : &other);
    scope.spawn(come(wishes.back(), served, refused));
  }
  // What another waiter continues with gets its turn whatever happens.
  Wish continuation(pool, {1, 1}, &lost);
  std::atomic<bool> continued = false;
  continuation.post([&continued] { continued = true; });
  EXPECT_EQ(pool.withdraw(lost).size(), 0u);
  for (Wish& each : wishes) each.is_over = true;
  continuation.is_over = true;
  for (auto& work : pool.withdraw(lost)) work();
  EXPECT_EQ(refused, 5);
  EXPECT_EQ(pool.load().withdrawn, 5u);
  EXPECT_EQ(pool.load().waiting, 6u);
  // Too late to begin.
  Wish late(pool, {2, 1}, &lost);
  late.is_over = true;
  scope.spawn(come(late, served, refused));
  EXPECT_EQ(refused, 6);
  hang.let_go();
  scope.wait();
  pool.stop();
  EXPECT_TRUE(continued);
  EXPECT_EQ(served, 0);
  EXPECT_EQ(refused, 11);
}

TEST(WorkerPool, WithdrawnUserIsSkippedAndComesBack) {
  WorkerPool pool(1);
  Order order(pool);
  Hang hang;
  order.post({9, 9}, hang);
  hang.await(1);
  WorkerPool::Group lost;
  Wish wish(pool, {1, 1}, &lost);
  TaskScope scope;
  std::atomic<int> served = 0, refused = 0;
  scope.spawn(come(wish, served, refused));
  wish.is_over = true;
  for (auto& work : pool.withdraw(lost)) work();
  order.post({1, 1}, 'a');
  order.post({2, 1}, 'b');
  hang.let_go();
  pool.stop();
  EXPECT_EQ(order.text(), "ab");
  EXPECT_EQ(refused, 1);
}

// Enough quick turns for the pool to know that they are, and all its threads at rest again.
void make_known(WorkerPool& pool, WorkOwner owner) {
  Hang hang;
  std::deque<Seat> seats;
  const auto threads = static_cast<int>(pool.limits().threads);
  for (int i = 0; i < threads; ++i) {
    seats.emplace_back(pool, WorkOwner{99, 99}).post([&hang] { hang(); });
  }
  hang.await(threads);
  hang.let_go();
  for (int i = 0; i < 60; ++i) {
    std::promise<void> done;
    Seat seat(pool, owner);
    seat.post([&done] { done.set_value(); });
    done.get_future().wait();
  }
  while (pool.load().running != 0) std::this_thread::yield();
}

// Whatever the machine is doing meanwhile: every turn is a quick one, and none is ever stuck.
class WorkerPoolInAMoment : public testing::Test {
 protected:
  void SetUp() override {
    set_quick_turns({.moment = std::chrono::hours(1), .look_every = std::chrono::hours(1)});
  }
  void TearDown() override { set_quick_turns({}); }
};

TEST_F(WorkerPoolInAMoment, WhatAThreadThatIsAwakeTakesSoonWakesNoOther) {
  WorkerPool pool(4);
  make_known(pool, {1, 1});
  std::deque<Seat> seats;
  Guarded<std::vector<std::thread::id>> ran_on;
  std::promise<void> all_ran;
  const auto note = [&] {
    auto threads = ran_on.lock();
    threads->push_back(std::this_thread::get_id());
    if (threads->size() == 9) all_ran.set_value();
  };
  seats.emplace_back(pool, WorkOwner{1, 1}).post([&] {
    note();
    for (int i = 0; i < 8; ++i) seats.emplace_back(pool, WorkOwner{1, 1}).post(note);
  });
  all_ran.get_future().wait();
  pool.stop();
  auto threads = ran_on.lock();
  EXPECT_EQ(std::ranges::count(*threads, threads->front()), 9);
}

Task<void> go_and_return(Seat& seat, Reactor& home, std::string& text, char name, bool is_last) {
  EXPECT_TRUE(co_await seat.turn());
  co_await WayBack(home);
  EXPECT_TRUE(home.is_current());
  text += name;
  text += Returns::come_behind() ? '+' : '.';
  if (is_last) home.stop();
}

TEST_F(WorkerPoolInAMoment, ThoseThatAreDoneOneBehindAnotherReturnTogether) {
  WorkerPool pool(4);
  make_known(pool, {1, 1});
  Reactor home;
  TaskScope scope;
  std::deque<Seat> seats;
  std::string text;
  seats.emplace_back(pool, WorkOwner{1, 1}).post([&] {
    for (const char name : {'a', 'b', 'c'}) {
      scope.spawn(
          go_and_return(seats.emplace_back(pool, WorkOwner{1, 1}), home, text, name, name == 'c'));
    }
  });
  home.run();
  scope.wait();
  pool.stop();  // its thread may still be in home.post()
  EXPECT_EQ(text, "a+b+c.");
}

// As it is in use: what was thought to be quick may hang.
TEST(WorkerPool, WhatComesBehindAHangThatCameSuddenlyIsTakenByOthers) {
  WorkerPool pool(4);
  make_known(pool, {1, 1});
  Hang hang;
  Reactor home;
  TaskScope scope;
  std::deque<Seat> seats;
  std::string text;
  std::promise<void> behind_ran;
  seats.emplace_back(pool, WorkOwner{1, 1}).post([&] {
    // The first is done and would wait for the second before it returns.
    scope.spawn(go_and_return(seats.emplace_back(pool, WorkOwner{1, 1}), home, text, 'a', true));
    seats.emplace_back(pool, WorkOwner{1, 1}).post([&hang] { hang(); });
    seats.emplace_back(pool, WorkOwner{1, 1}).post([&behind_ran] { behind_ran.set_value(); });
  });
  hang.await(1);
  behind_ran.get_future().wait();
  home.run();
  EXPECT_EQ(text, "a.");
  hang.let_go();
  scope.wait();
  pool.stop();
}

// Requests as a busy server has them: many more than threads, of several owners, most of them short
// and some that last; each goes home, and to the pool again.
class ManyRounds {
 public:
  static constexpr size_t kInFlight = 64;
  static constexpr std::chrono::seconds kStandstill{20};

  ManyRounds(WorkerPool& pool, Reactor& home, size_t rounds)
      : pool_(pool), home_(home), rounds_(rounds) {}

  // False: nothing goes on any more.
  bool run() {
    for (unsigned i = 0; i < kInFlight; ++i) scope_.spawn(go(i));
    for (size_t before = 0; !scope_.wait_until(std::chrono::steady_clock::now() + kStandstill);) {
      if (std::exchange(before, done()) == done()) return false;
    }
    return true;
  }
  size_t done() const { return done_; }

 private:
  Task<void> go(unsigned number) {
    std::minstd_rand random(number + 1);
    Seat seat(pool_, {number % 3, number % 2});
    for (size_t round = 0; round < rounds_; ++round) {
      EXPECT_TRUE(co_await seat.turn());
      if (random() % 512 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      if (random() % 32 == 0) std::this_thread::sleep_for(std::chrono::microseconds(100));
      if (random() % 16 == 0) {
        EXPECT_TRUE(co_await seat.next_turn());
      }
      co_await WayBack(home_);
      EXPECT_TRUE(home_.is_current());
      ++done_;
    }
  }

  WorkerPool& pool_;
  Reactor& home_;
  const size_t rounds_;
  std::atomic<size_t> done_ = 0;
  TaskScope scope_;
};

TEST(WorkerPool, NothingIsLostWithManyOnTheirWay) {
  WorkerPool pool(WorkerPoolLimits::for_files(8));
  ReactorPool reactors(1);
  ManyRounds rounds(pool, reactors.at(0), 500);
  if (!rounds.run()) {
    std::fprintf(stderr, "%zu rounds are done, and nothing goes on\n", rounds.done());
    std::abort();  // what is lost never ends
  }
  EXPECT_EQ(rounds.done(), 500 * ManyRounds::kInFlight);
  pool.stop();
}

}  // namespace
}  // namespace braid
