#include "filestate/held_locks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "filestate/byte_range_locks_testing.h"

namespace braid::filestate {
namespace {

using Wide = unsigned __int128;

struct Plain {
  OpenToken owner;
  LockRange range;
  HeldLocks::Slot slot;
};

// Of no length: meets what it lies strictly inside of, and {0, 0} nothing.
bool meet(const LockRange& a, const LockRange& b) {
  return Wide{a.offset} + a.length > b.offset && Wide{b.offset} + b.length > a.offset;
}

LockRange random_range(std::mt19937_64& random) {
  const bool exclusive = random() % 2 == 0;
  if (random() % 10 == 0) return {~uint64_t{0} - random() % 4, random() % 2, exclusive};
  return {random() % 60, random() % 12, exclusive};
}

// So that a file that is locked again and again takes no more room for it.
TEST(HeldLocks, RoomIsUsedAgain) {
  HeldLocks held;
  const auto insert = [&](uint64_t offset) { return held.insert({1}, {offset, 1, true}); };
  const HeldLocks::Slot first = insert(0), second = insert(1);
  held.erase(first);
  EXPECT_EQ(insert(2), first);
  held.erase(first);
  held.erase(second);
  EXPECT_EQ(insert(3), first);
  EXPECT_EQ(insert(4), second);
}

// Locks that a client could never hold together, too: the trees do not know the rules.
TEST(HeldLocks, FindsWhatAPlainListFinds) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    std::mt19937_64 random(seed);
    HeldLocks held;
    std::vector<Plain> plain;
    const auto any = [&](auto meets) { return std::ranges::any_of(plain, meets); };
    for (int i = 0; i < 3000; ++i) {
      const OpenToken owner{random() % 4};
      const LockRange range = random_range(random);
      const bool grows = plain.size() < 10 || (plain.size() < 250 && (i / 500) % 2 == 0);
      if (grows || random() % 3 == 0) {
        plain.push_back({owner, range, held.insert(owner, range)});
      } else {
        const auto gone = plain.begin() + static_cast<ptrdiff_t>(random() % plain.size());
        held.erase(gone->slot);
        plain.erase(gone);
      }
      ASSERT_EQ(held.size(), plain.size());
      ASSERT_EQ(held.met_by_lock(owner, range) != HeldLocks::kNone, any([&](const Plain& each) {
                  return meet(each.range, range) &&
                         (range.exclusive || (each.range.exclusive && each.owner != owner));
                }))
          << "seed " << seed << ", step " << i;
      const bool write = random() % 2 == 0;
      ASSERT_EQ(
          held.met_by_io(owner, range, write) != HeldLocks::kNone, any([&](const Plain& each) {
            return meet(each.range, range) && (each.range.exclusive ? each.owner != owner : write);
          }))
          << "seed " << seed << ", step " << i;
      ASSERT_EQ(held.find(owner, range.offset, range.length, range.exclusive) != HeldLocks::kNone,
                any([&](const Plain& each) {
                  return each.owner == owner && each.range.offset == range.offset &&
                         each.range.length == range.length &&
                         each.range.exclusive == range.exclusive;
                }));
      size_t own = 0;
      held.for_each_of(owner, [&](const LockRange&) { ++own; });
      ASSERT_EQ(own, std::ranges::count(plain, owner, &Plain::owner));
    }
  }
}

// The largest LOCK there is. A path has 20 nodes at most; a range is looked for, found or not, and
// put in or taken out.
constexpr size_t kMany = 16383;
constexpr uint64_t kStepsOfOne = 100;

enum class Order { kUp, kDown, kMixed };

std::vector<LockRange> many_ranges(Order order, bool exclusive) {
  std::vector<LockRange> ranges;
  for (size_t i = 0; i < kMany; ++i) ranges.push_back({4 * i, 2, exclusive});
  if (order == Order::kDown) std::ranges::reverse(ranges);
  if (order == Order::kMixed) std::ranges::shuffle(ranges, std::mt19937_64(1));
  return ranges;
}

TEST(HeldLocks, ManyRangesCostAPathEach) {
  for (const Order order : {Order::kUp, Order::kDown, Order::kMixed}) {
    for (const bool exclusive : {true, false}) {
      ByteRangeLocks locks;
      const auto ranges = many_ranges(order, exclusive);
      ASSERT_EQ(locks.lock({1}, ranges), NtStatus::kSuccess);
      EXPECT_LT(locks.steps(), kMany * kStepsOfOne);
      const uint64_t before = locks.steps();
      ASSERT_EQ(locks.unlock({1}, ranges), NtStatus::kSuccess);
      EXPECT_LT(locks.steps() - before, kMany * kStepsOfOne);
      EXPECT_TRUE(locks.empty());
    }
  }
}

TEST(HeldLocks, ReadsAndWritesCostAPath) {
  ByteRangeLocks locks;
  ASSERT_EQ(locks.lock({1}, many_ranges(Order::kUp, true)), NtStatus::kSuccess);
  const uint64_t before = locks.steps();
  EXPECT_FALSE(locks.blocks_io({1}, 0, 4 * kMany, true)) << "past all its own";
  EXPECT_FALSE(locks.blocks_io({2}, 2, 2, true));
  EXPECT_TRUE(locks.blocks_io({2}, 3, 2, false));
  EXPECT_FALSE(locks.blocks_io({2}, 4 * kMany, 1, true));
  EXPECT_LT(locks.steps() - before, 4 * kStepsOfOne);
}

TEST(HeldLocks, RefusedListCostsAPathForEachRange) {
  ByteRangeLocks locks;
  auto ranges = many_ranges(Order::kMixed, true);
  const LockRange last = ranges.back();
  ASSERT_EQ(locks.lock({2}, {&last, 1}), NtStatus::kSuccess);
  EXPECT_EQ(locks.lock({1}, ranges), NtStatus::kLockNotGranted);
  EXPECT_LT(locks.steps(), kMany * kStepsOfOne);
  EXPECT_TRUE(locks.locks_of({1}).held.empty());
}

// One lock goes: those who wait for others are not looked at.
TEST(HeldLocks, ReleaseLooksAtThoseWhoWaitForIt) {
  ByteRangeLocks locks;
  ASSERT_EQ(locks.lock({1}, many_ranges(Order::kUp, true)), NtStatus::kSuccess);
  for (uint64_t i = 0; i < ByteRangeLocks::kWaitersAlone; ++i) {
    ASSERT_TRUE(locks.wait({{2}, {i}, {4 * i, 2, true}, {}, Account{2}}));
  }
  const uint64_t before = locks.steps();
  const LockRange third{8, 2};
  ASSERT_EQ(locks.unlock({1}, {&third, 1}), NtStatus::kSuccess);
  const auto granted = locks.grant_waiting();
  ASSERT_EQ(granted.size(), 1u);
  EXPECT_EQ(granted[0].id, LockId{2});
  EXPECT_LT(locks.steps() - before, 2 * kStepsOfOne);
}

TEST(HeldLocks, WaitersAreGrantedInTheOrderTheyCame) {
  ByteRangeLocks locks;
  const LockRange low{0, 10, true}, high{20, 10, true}, both{5, 20, false}, inside{8, 1, false};
  ASSERT_EQ(locks.lock({1}, std::vector{low, high}), NtStatus::kSuccess);
  ASSERT_TRUE(locks.wait({{2}, {9}, both, {}}));
  ASSERT_TRUE(locks.wait({{3}, {8}, inside, {}}));
  ASSERT_TRUE(locks.wait({{3}, {7}, high, {}}));
  ASSERT_EQ(locks.unlock({1}, {&high, 1}), NtStatus::kSuccess);
  auto granted = locks.grant_waiting();
  ASSERT_EQ(granted.size(), 1u) << "the first still waits for the low one";
  EXPECT_EQ(granted[0].id, LockId{7});
  ASSERT_EQ(locks.unlock({3}, {&high, 1}), NtStatus::kSuccess);
  ASSERT_EQ(locks.unlock({1}, {&low, 1}), NtStatus::kSuccess);
  granted = locks.grant_waiting();
  ASSERT_EQ(granted.size(), 2u);
  EXPECT_EQ(granted[0].id, LockId{9});
  EXPECT_EQ(granted[1].id, LockId{8});
}

TEST(HeldLocks, ComesBackFromBytesWithItsWaiters) {
  SharedLocks here, there;
  ByteRangeLocks& locks = here.locks;
  const LockRange low{0, 10, true}, high{20, 10, true};
  ASSERT_EQ(locks.lock({1}, std::vector{low, high}), NtStatus::kSuccess);
  ASSERT_EQ(locks.lock({4}, std::vector{LockRange{40, 1, false}}), NtStatus::kSuccess);
  ASSERT_TRUE(locks.wait({{2}, {9}, low, {}}));
  ASSERT_TRUE(locks.wait({{2}, {3}, high, {}}));
  ASSERT_TRUE(there.take(here));
  EXPECT_EQ(there.image(), here.image());
  ByteRangeLocks& copy = there.locks;
  EXPECT_TRUE(copy.grant_waiting().empty());
  ASSERT_EQ(copy.unlock({1}, std::vector{high, low}), NtStatus::kSuccess);
  const auto granted = copy.grant_waiting();
  ASSERT_EQ(granted.size(), 2u);
  EXPECT_EQ(granted[0].id, LockId{9});
}

TEST(HeldLocks, RoomOfWhatWasErasedIsUsedAgain) {
  HeldLocks held;
  held.insert({1}, {0, 1, true});
  const HeldLocks::Slot gone = held.insert({1}, {5, 1, true});
  held.erase(gone);
  EXPECT_EQ(held.insert({1}, {9, 1, true}), gone);
}

}  // namespace
}  // namespace braid::filestate
