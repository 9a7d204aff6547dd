#include "apps/braid-bench/process_tree.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <ctime>
#include <functional>
#include <thread>

namespace braid::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Works until this process has used so much time, however long that takes.
void burn(milliseconds time) {
  const auto used = [] {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + nanoseconds(now.tv_nsec);
  };
  const auto end = used() + time;
  while (used() < end) continue;
}

// A process that does `work` and says so, then stays until it is let go and waited for.
class Child {
 public:
  explicit Child(const std::function<void()>& work) {
    EXPECT_EQ(::pipe(done_.data()), 0);
    EXPECT_EQ(::pipe(go_.data()), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(go_[1]);
      work();
      char byte = 0;
      static_cast<void>(::write(done_[1], &byte, 1));
      static_cast<void>(::read(go_[0], &byte, 1));
      ::_exit(0);
    }
    char byte = 0;
    EXPECT_EQ(::read(done_[0], &byte, 1), 1);
  }
  void end() {
    ::close(go_[1]);
    EXPECT_EQ(::waitpid(pid_, nullptr, 0), pid_);
    ::close(go_[0]);
    ::close(done_[0]);
    ::close(done_[1]);
  }
  pid_t pid() const { return pid_; }

 private:
  std::array<int, 2> done_{};
  std::array<int, 2> go_{};
  pid_t pid_ = 0;
};

nanoseconds cpu_of(pid_t pid) { return ProcessTree({pid}).cpu().value_or(nanoseconds(-1)); }

TEST(ProcessStat, IsReadWhateverTheProgramIsCalled) {
  const auto stat = parse_process_stat(
      "17 (a) S (b) 1 2) R 4 17 17 0 -1 4194304 100 200 0 0 11 22 33 44 20 0 1 0 100 1 1\n");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->state, 'R');
  EXPECT_EQ(stat->parent, 4);
  EXPECT_EQ(stat->own_ticks, 33u);
  EXPECT_EQ(stat->ended_ticks, 77u);
}

TEST(ProcessStat, WhatIsTooShortIsNone) {
  EXPECT_FALSE(parse_process_stat(""));
  EXPECT_FALSE(parse_process_stat("17 no name R 4"));
  EXPECT_FALSE(parse_process_stat("17 (sh) R 4 17 17 0 -1 4194304 100 200 0 0 11 22 33"));
}

TEST(ProcessTree, CountsWhatRunsAndWhatDescendsFromIt) {
  Child child([] {
    burn(milliseconds(30));
    // Ended and waited for: its time is with this process, in ticks.
    Child([] { burn(milliseconds(50)); }).end();
  });
  EXPECT_GE(cpu_of(child.pid()), milliseconds(30 + 40));
  child.end();
}

TEST(ProcessTree, ARunningGrandchildIsOneOfThem) {
  // Ends with its parent: the pipe that lets it go is closed then.
  Child child([] { static_cast<void>(new Child([] { burn(milliseconds(40)); })); });
  EXPECT_EQ(ProcessTree({child.pid()}).members().size(), 2u);
  EXPECT_GE(cpu_of(child.pid()), milliseconds(40));
  EXPECT_TRUE(ProcessTree({::getpid()}).members().contains(child.pid()));
  child.end();
}

TEST(ProcessTree, AProcessUnderTwoRootsCountsOnce) {
  Child child([] { burn(milliseconds(40)); });
  const ProcessTree twice({child.pid(), child.pid()});
  EXPECT_EQ(twice.members().size(), 1u);
  EXPECT_LT(*twice.cpu(), 2 * cpu_of(child.pid()));
  child.end();
}

TEST(ProcessTree, WhatChildrenTookStaysWithTheirParent) {
  const ProcessTree own({::getpid()});
  const auto before = *own.cpu();
  Child child([] { burn(milliseconds(60)); });
  const auto during = *own.cpu();
  EXPECT_GE(during - before, milliseconds(60));
  child.end();
  // Rounded down to ticks, once for user and once for system time.
  EXPECT_GE(*own.cpu() - before, milliseconds(40));
}

TEST(ProcessTree, HasMemory) {
  const auto memory = ProcessTree({::getpid()}).memory();
  ASSERT_TRUE(memory);
  EXPECT_GT(*memory, 100'000u);
}

TEST(ProcessTree, WithoutItsRootThereIsNothing) {
  Child child([] {});
  child.end();
  const ProcessTree gone({child.pid()});
  EXPECT_FALSE(gone.cpu());
  EXPECT_FALSE(gone.memory());
  EXPECT_TRUE(gone.members().empty());
}

// The file of one that ends between being opened and being read gives an error.
TEST(ProcessTree, ProcessesMayEndWhileTheyAreLookedAt) {
  const ProcessTree own({::getpid()});
  std::atomic<bool> is_over = false;
  std::thread ends_many([&is_over] {
    for (int i = 0; i < 500; ++i) {
      const pid_t pid = ::fork();
      if (pid == 0) ::_exit(0);
      ::waitpid(pid, nullptr, 0);
    }
    is_over = true;
  });
  while (!is_over) EXPECT_TRUE(own.members().contains(::getpid()));
  ends_many.join();
}

}  // namespace
}  // namespace braid::bench
