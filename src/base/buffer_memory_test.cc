#include "base/buffer_memory.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/bytes.h"

namespace braid {
namespace {

TEST(BufferMemory, LargeBlockIsUsedAgain) {
  if (!BufferMemory::kKeeps) GTEST_SKIP() << "a sanitizer watches every block";
  for (const size_t size : {BufferMemory::kKeptMin, (size_t{1} << 20) + 112, size_t{8} << 20,
                            BufferMemory::kBlockMax}) {
    const uint8_t* first = Buffer(size).data();
    Buffer again(size);
    EXPECT_EQ(again.data(), first) << size;
  }
}

TEST(BufferMemory, BlockHoldsWhatWasAskedFor) {
  for (size_t size = BufferMemory::kKeptMin - 2; size <= BufferMemory::kBlockMax + 2;
       size += size / 5 + 1) {
    Buffer buffer(size);
    ASSERT_EQ(buffer.size(), size);
    ASSERT_EQ(buffer.capacity(), size);
    std::memset(buffer.data(), 0xA5, size);
    const Buffer other(size);
    ASSERT_NE(other.data(), buffer.data());
  }
}

TEST(BufferMemory, NoMoreThanTheLimitIsKept) {
  {
    std::vector<Buffer> many;
    for (size_t held = 0; held < 2 * BufferMemory::kKeptMax; held += 8u << 20) {
      many.emplace_back(8u << 20);
    }
  }
  EXPECT_LE(BufferMemory::kept(), BufferMemory::kKeptMax);
  if (BufferMemory::kKeeps) EXPECT_GT(BufferMemory::kept(), BufferMemory::kKeptMax / 2);
}

TEST(BufferMemory, LargeBlockBeginsAtAPage) {
  for (const size_t size : {BufferMemory::kKeptMin, size_t{1} << 20, BufferMemory::kBlockMax + 1}) {
    const Buffer buffer(size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % BufferMemory::kPage, 0u) << size;
  }
}

// Memory of somebody else, of which each piece is given once at a time.
struct Lender final : BufferOwner {
  void take_back(uint8_t* data, size_t size) noexcept override {
    EXPECT_EQ(data, memory);
    EXPECT_EQ(size, sizeof memory);
    ++returned;
  }
  Buffer lend() { return Buffer(memory, sizeof memory, *this); }
  uint8_t memory[100] = {1, 2, 3};
  int returned = 0;
};

TEST(BufferMemory, WhatWasLentGoesBackOnce) {
  Lender lender;
  {
    Buffer buffer = lender.lend();
    EXPECT_EQ(buffer.data(), lender.memory);
    EXPECT_EQ(buffer.view()[2], 3);
    buffer.resize_within(10);
    Buffer moved(std::move(buffer));
    EXPECT_EQ(moved.data(), lender.memory);
    buffer = Buffer(5);
    EXPECT_EQ(lender.returned, 0);
  }
  EXPECT_EQ(lender.returned, 1) << "the whole of it, once";
  Buffer other(7);
  {
    Buffer buffer = lender.lend();
    other = std::move(buffer);
  }
  EXPECT_EQ(lender.returned, 1);
  other = Buffer(1 << 20);
  EXPECT_EQ(lender.returned, 2) << "when something else took its place";
}

TEST(BufferMemory, CopyOfWhatWasLentIsOnesOwn) {
  Lender lender;
  Buffer copy;
  {
    const Buffer buffer = lender.lend();
    copy = Buffer::copy_of(buffer.view());
  }
  EXPECT_EQ(lender.returned, 1);
  EXPECT_NE(copy.data(), lender.memory);
  EXPECT_EQ(copy.view()[1], 2);
}

TEST(BufferMemory, MovedFromBufferIsEmpty) {
  Buffer from(100'000);
  const uint8_t* data = from.data();
  Buffer to = std::move(from);
  EXPECT_EQ(to.data(), data);
  EXPECT_EQ(from.size(), 0u);
  EXPECT_EQ(from.capacity(), 0u);
  from = std::move(to);
  EXPECT_EQ(from.capacity(), 100'000u);
}

// Under a sanitizer, what it says; otherwise that nobody gets another's block.
TEST(BufferMemory, ThreadsShareIt) {
  std::vector<std::thread> threads;
  for (uint8_t number = 1; number <= 4; ++number) {
    threads.emplace_back([number] {
      for (int round = 0; round < 500; ++round) {
        Buffer buffer(BufferMemory::kKeptMin + static_cast<size_t>(round % 3) * 20'000);
        std::memset(buffer.data(), number, 64);
        std::this_thread::yield();
        for (int i = 0; i < 64; ++i) ASSERT_EQ(buffer.data()[i], number);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace braid
