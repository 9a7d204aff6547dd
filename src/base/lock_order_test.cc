#include "base/lock_order.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/guarded.h"

namespace braid {
namespace {

#ifdef BRAID_CHECK_LOCK_ORDER

struct LockOrder : ::testing::Test {
  Guarded<int, LockRank::kFiles> files;
  Guarded<int, LockRank::kWatches> watches;
  Guarded<int> other;
};

TEST_F(LockOrder, LaterRanksAreTakenInside) {
  const auto first = files.lock();
  const auto second = watches.lock();
  const auto third = other.lock();
}

TEST_F(LockOrder, WhatWasLetGoOfMayBeTakenAgain) {
  watches.lock();
  auto second = watches.lock();
  second.mutex_lock().unlock();
  const auto first = files.lock();
  watches.lock();
}

TEST_F(LockOrder, LocksAreLetGoOfInAnyOrder) {
  auto first = files.lock();
  const auto second = watches.lock();
  first.mutex_lock().unlock();
  other.lock();
  EXPECT_DEATH(watches.lock(), "kWatches is taken while kWatches is held");
}

TEST_F(LockOrder, AnEarlierRankInsideEndsTheProcess) {
  const auto held = watches.lock();
  EXPECT_DEATH(files.lock(), "kFiles is taken while kWatches is held");
}

TEST_F(LockOrder, NothingIsTakenInsideTheLast) {
  const auto held = other.lock();
  Guarded<int> another;
  EXPECT_DEATH(another.lock(), "kLast is taken while kLast is held");
}

TEST_F(LockOrder, EveryThreadHasItsOwn) {
  const auto held = watches.lock();
  std::thread([this] { files.lock(); }).join();
}

TEST_F(LockOrder, AnotherThreadThatLetsGoEndsTheProcess) {
  take_rank(LockRank::kLast);
  EXPECT_DEATH(std::thread([] { drop_rank(LockRank::kLast); }).join(),
               "kLast is let go of by a thread that does not hold it");
  drop_rank(LockRank::kLast);
}

#else

static_assert(sizeof(RankedMutex<LockRank::kLast>) == sizeof(std::mutex));

#endif

}  // namespace
}  // namespace braid
