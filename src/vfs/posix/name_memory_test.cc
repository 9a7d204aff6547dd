#include "vfs/posix/name_memory.h"

#include <gtest/gtest.h>

namespace braid::vfs {
namespace {

constexpr size_t kMiB = 1u << 20;

TEST(NameMemory, AllMayHaveWhatTheyLikeUntilItIsTooMuch) {
  NameMemory memory(10 * kMiB);
  EXPECT_EQ(memory.allowed(8 * kMiB), 8 * kMiB);
  memory.change(0, 4 * kMiB);
  memory.change(0, 6 * kMiB);
  EXPECT_EQ(memory.bytes(), 10 * kMiB);
  EXPECT_EQ(memory.allowed(8 * kMiB), 8 * kMiB);
  memory.change(6 * kMiB, 7 * kMiB);
  EXPECT_EQ(memory.allowed(8 * kMiB), 5 * kMiB);
  EXPECT_EQ(memory.allowed(2 * kMiB), 2 * kMiB);
  memory.change(4 * kMiB, 0);
  memory.change(7 * kMiB, 11 * kMiB);
  EXPECT_EQ(memory.allowed(16 * kMiB), 10 * kMiB);  // one is left that holds any
}

TEST(NameMemory, CountsInTheBudgetThatThereIs) {
  const auto budget = MemoryBudget::make(1024 * kMiB);
  const auto other = MemoryBudget::make(1024 * kMiB);
  NameMemory memory(kMiB);
  memory.change(0, 3 * kMiB);
  memory.count_in(budget);
  EXPECT_EQ(budget->used(), 3 * kMiB);
  memory.change(3 * kMiB, 5 * kMiB);
  EXPECT_EQ(budget->used(), 5 * kMiB);
  memory.count_in(other);
  EXPECT_EQ(budget->used(), 0u);
  EXPECT_EQ(other->used(), 5 * kMiB);
  memory.change(5 * kMiB, 1 * kMiB);
  EXPECT_EQ(other->used(), 1 * kMiB);
  memory.count_in(nullptr);
  EXPECT_EQ(other->used(), 0u);
  EXPECT_EQ(memory.bytes(), 1 * kMiB);
}

TEST(NameMemory, IsASixteenthOfTheBudgetAndLittleWhileMemoryIsShort) {
  const auto budget = MemoryBudget::make(1024 * kMiB);
  NameMemory memory(kMiB);
  EXPECT_EQ(memory.bytes_max(), kMiB);
  memory.count_in(budget);
  EXPECT_EQ(memory.bytes_max(), 64 * kMiB);
  budget->set_limit(64 * kMiB);
  EXPECT_EQ(memory.bytes_max(), 16 * kMiB);
  budget->set_limit(uint64_t{1} << 40);
  EXPECT_EQ(memory.bytes_max(), 512 * kMiB);
  budget->set_limit(1024 * kMiB);
  budget->count_cached(769 * kMiB);
  EXPECT_EQ(memory.bytes_max(), 16 * kMiB);
  budget->count_cached(-2 * static_cast<int64_t>(kMiB));
  EXPECT_EQ(memory.bytes_max(), 64 * kMiB);
}

}  // namespace
}  // namespace braid::vfs
