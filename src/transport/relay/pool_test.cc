#include "transport/relay/pool.h"

#include <gtest/gtest.h>

namespace braid::transport::relay {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

std::shared_ptr<Pool> make_pool(size_t size = Pool::kSizeMin) {
  return std::make_shared<Pool>(SharedMemory::make(size).value());
}

TEST(RelayPool, HalvesJoinAgain) {
  const auto pool = make_pool();
  const auto memory = std::make_shared<PairMemory>(pool, "a");
  {
    std::vector<Buffer> small;
    for (int i = 0; i < 1000; ++i) small.push_back(memory->take(1364));
    EXPECT_EQ(pool->taken(), 1000 * Pool::kBlockMin);
    for (const Buffer& each : small) EXPECT_TRUE(pool->offset_of(each.view()));
  }
  EXPECT_EQ(pool->taken(), 0u);
  std::vector<Buffer> large;
  for (const char* who : {"a", "a", "b"}) {
    large.push_back(std::make_shared<PairMemory>(pool, who)->take(8 * kMiB));
    EXPECT_TRUE(pool->offset_of(large.back().view())) << who;
  }
}

TEST(RelayPool, OneLeavesSomethingForOthers) {
  const auto pool = make_pool();
  const auto greedy = std::make_shared<PairMemory>(pool, "greedy");
  std::vector<Buffer> all;
  while (all.size() < 1000) {
    all.push_back(greedy->take(kMiB));
    if (!pool->offset_of(all.back().view())) break;
  }
  EXPECT_LT(all.size(), 26u);  // two thirds of 32 MiB, and the one that was none of it
  EXPECT_GT(all.size(), 15u);
  EXPECT_TRUE(pool->offset_of(std::make_shared<PairMemory>(pool, "other")->take(kMiB).view()));
}

TEST(RelayPool, WhatIsLargerThanAnyBlockIsOrdinaryMemory) {
  const auto pool = make_pool();
  const auto memory = std::make_shared<PairMemory>(pool, "a");
  EXPECT_FALSE(pool->offset_of(memory->take(Pool::kBlockMax + 1).view()));
}

TEST(RelayPool, WhoWaitsGetsWhatIsGivenBackInHisTurn) {
  const auto pool = make_pool();
  const auto memory = std::make_shared<PairMemory>(pool, "a");
  std::vector<Buffer> held;
  while (true) {
    Buffer next = memory->take(8 * kMiB);
    if (!pool->offset_of(next.view())) break;
    held.push_back(std::move(next));
  }
  std::vector<int> order;
  std::vector<Buffer> given;
  for (int i = 0; i < 2; ++i) {
    memory->when_free(8 * kMiB, [&, i](Buffer buffer) {
      order.push_back(i);
      EXPECT_TRUE(pool->offset_of(buffer.view()));
      given.push_back(std::move(buffer));
    });
  }
  EXPECT_TRUE(order.empty());
  // What is large stands behind them, what is small does not.
  const auto other = std::make_shared<PairMemory>(pool, "b");
  EXPECT_FALSE(pool->offset_of(other->take(kMiB).view()));
  EXPECT_TRUE(pool->offset_of(other->take(1000).view()));
  while (!held.empty()) held.pop_back();
  EXPECT_EQ(order, (std::vector<int>{0, 1}));
  given.clear();
  EXPECT_EQ(pool->taken(), 0u);
}

TEST(RelayPool, WhatTheCardMayStillHaveIsNobodysUntilItIsReleased) {
  const auto pool = make_pool();
  const auto memory = std::make_shared<PairMemory>(pool, "a");
  {
    const Buffer posted = memory->take(kMiB);
    memory->close();
  }
  EXPECT_EQ(pool->taken(), kMiB);
  memory->released();
  EXPECT_EQ(pool->taken(), 0u);
}

TEST(RelayPool, OffsetsAreOfItsOwnMemory) {
  const auto pool = make_pool();
  Buffer buffer = std::make_shared<PairMemory>(pool, "a")->take(4096);
  const auto at = pool->offset_of(buffer.view());
  ASSERT_TRUE(at);
  EXPECT_EQ(pool->offset_of(buffer.view().subspan(100)), *at + 100);
  EXPECT_FALSE(pool->offset_of({buffer.data(), pool->size() + 1}));
  const Bytes elsewhere(10);
  EXPECT_FALSE(pool->offset_of(elsewhere));
}

}  // namespace
}  // namespace braid::transport::relay
