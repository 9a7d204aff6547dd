#include "apps/braid-bench/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "base/guarded.h"

namespace braid::bench {
namespace {

TEST(Threads, EachNumberRunsOnceOnItsReactor) {
  Threads threads(3);
  Guarded<std::multiset<size_t>> seen;
  std::atomic<size_t> elsewhere = 0;
  const auto done = threads.run_all(20, 2, [&](size_t number) -> Task<Outcome<void>> {
    if (!threads.of(number).is_current()) ++elsewhere;
    co_await threads.of(number).next_turn();
    seen.lock()->insert(number);
    co_return Outcome<void>();
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(elsewhere, 0u);
  const auto all = *seen.lock();
  EXPECT_EQ(all.size(), 20u);
  EXPECT_EQ(std::set<size_t>(all.begin(), all.end()).size(), 20u);
}

TEST(Threads, NoMoreThanAllowedAreUnderWayOnAThread) {
  Threads threads(1);
  size_t under_way = 0;  // one thread has it
  size_t most = 0;
  static_cast<void>(threads.run_all(30, 4, [&](size_t) -> Task<Outcome<void>> {
    most = std::max(most, ++under_way);
    co_await threads.of(0).next_turn();
    --under_way;
    co_return Outcome<void>();
  }));
  EXPECT_EQ(most, 4u);
}

size_t begun_with_failure(AfterFailure after_failure) {
  Threads threads(1);
  size_t begun = 0;
  const auto done = threads.run_all(
      10, 1,
      [&](size_t number) -> Task<Outcome<void>> {
        ++begun;
        if (number >= 2) co_return failure("number " + std::to_string(number));
        co_return Outcome<void>();
      },
      after_failure);
  EXPECT_FALSE(done);
  EXPECT_EQ(done.error().text, "number 2");
  return begun;
}

TEST(Threads, TheFirstFailureEndsItOrNot) {
  EXPECT_EQ(begun_with_failure(AfterFailure::kStop), 3u);
  EXPECT_EQ(begun_with_failure(AfterFailure::kGoOn), 10u);
}

TEST(Threads, OneRunsAlone) {
  Threads threads(2);
  bool is_there = false;
  EXPECT_TRUE(threads.run(threads.of(1), [&]() -> Task<Outcome<void>> {
    is_there = threads.of(1).is_current();
    co_return Outcome<void>();
  }));
  EXPECT_TRUE(is_there);
  const auto failed =
      threads.run(threads.of(0), []() -> Task<Outcome<void>> { co_return failure("not today"); });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().text, "not today");
}

}  // namespace
}  // namespace braid::bench
