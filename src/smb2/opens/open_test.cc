#include "smb2/opens/open.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "runtime/task_scope.h"
#include "runtime/worker_pool.h"

namespace braid::smb2 {
namespace {

std::shared_ptr<Open> make_open(FileId id = {1, 1}) {
  return std::make_shared<Open>(OpenValues{.file_id = id}, nullptr, nullptr);
}

TEST(Open, ClosesForOneCallerOnly) {
  const auto open = make_open();
  EXPECT_TRUE(open->begin_close());
  EXPECT_FALSE(open->begin_close());
  EXPECT_TRUE(open->is_closing());
}

TEST(Open, CannotBeUsedOnceItCloses) {
  const auto open = make_open();
  open->begin_close();
  EXPECT_FALSE(Open::use(open));
}

TEST(Open, MovedUseIsGivenBackOnce) {
  const auto open = make_open();
  OpenUse use = Open::use(open);
  OpenUse other = std::move(use);
  use.release();
  EXPECT_TRUE(other);
  other = OpenUse();
  EXPECT_TRUE(open->begin_close());
}

Task<void> close_and_note(std::shared_ptr<Open> open, WorkerPool& pool, std::atomic<int>& closers,
                          std::atomic<bool>& in_use, std::atomic<bool>& overlapped) {
  if (!open->begin_close()) co_return;
  WorkerPool::Seat seat(pool, {});
  co_await open->unused(seat);
  if (in_use) overlapped = true;
  ++closers;
}

TEST(Open, CloseWaitsForTheLastUse) {
  WorkerPool pool(1);
  const auto open = make_open();
  std::atomic<int> closers = 0;
  std::atomic<bool> in_use = true, overlapped = false;
  TaskScope scope;
  OpenUse first = Open::use(open);
  OpenUse second = Open::use(open);
  scope.spawn(close_and_note(open, pool, closers, in_use, overlapped));
  first.release();
  EXPECT_EQ(closers, 0);
  in_use = false;
  second.release();
  scope.wait();
  EXPECT_EQ(closers, 1);
  EXPECT_FALSE(overlapped);
}

TEST(Open, ThreadsThatUseAndCloseAtOnceLeaveExactlyOneCloser) {
  WorkerPool pool(2);
  for (int round = 0; round < 200; ++round) {
    const auto open = make_open();
    std::atomic<int> closers = 0;
    std::atomic<int> users = 0;
    std::atomic<bool> in_use = false, overlapped = false;
    TaskScope scope;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 50; ++j) {
          OpenUse use = Open::use(open);
          if (!use) return;
          ++users;
          // Whoever waits for all uses to end must not have gone on.
          if (closers != 0) overlapped = true;
          --users;
        }
      });
    }
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back(
          [&] { scope.spawn(close_and_note(open, pool, closers, in_use, overlapped)); });
    }
    threads.clear();
    scope.wait();
    ASSERT_EQ(closers, 1);
    ASSERT_EQ(users, 0);
    ASSERT_FALSE(overlapped);
  }
}

TEST(FileIdSource, NeverGivesTheSameNumberTwice) {
  FileIdSource source;
  const FileId first = source.next();
  const FileId second = source.next();
  EXPECT_NE(first, second);
  EXPECT_NE(first.volatile_id, 0u);
}

}  // namespace
}  // namespace braid::smb2
