// The kernel's own leases: local programs are threads here that open the file.
#include "vfs/posix/linux_leases.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <future>
#include <mutex>
#include <string>

#include "vfs/posix/system.h"

namespace braid::vfs {
namespace {

constexpr GuardedUser kUser{1};

// One client, which answers when it is told to.
class Client final : public GuardedCaching {
 public:
  GuardLevel held(const FileKey&) override {
    const std::lock_guard lock(mutex_);
    return level_;
  }
  std::vector<GuardedUser> holders(const FileKey& file, GuardLevel level) override {
    return held(file) > level ? std::vector{kUser} : std::vector<GuardedUser>{};
  }
  void take_down(const FileKey&, GuardLevel level) override {
    const std::lock_guard lock(mutex_);
    ++asked_;
    wanted_ = level;
    if (answers_) level_ = std::min(level_, level);
    changed_.notify_all();
  }
  // When it has been asked: for what is to be left.
  GuardLevel asked() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return asked_ > 0; });
    return wanted_;
  }
  void hold(GuardLevel level) {
    const std::lock_guard lock(mutex_);
    level_ = level;
    asked_ = 0;
    answers_ = false;
  }
  void answer() {
    const std::lock_guard lock(mutex_);
    answers_ = true;
    level_ = std::min(level_, wanted_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  GuardLevel level_ = GuardLevel::kNone;
  GuardLevel wanted_ = GuardLevel::kNone;
  int asked_ = 0;
  bool answers_ = false;
};

struct LinuxLease : testing::Test {
  LinuxLease() {
    leases.serve(guard);
    char folder[] = "/tmp/braid-leases-XXXXXX";
    folder_ = ::mkdtemp(folder);
    path = folder_ + "/file";
    UniqueFd(::open(path.c_str(), O_CREAT | O_WRONLY, 0600));
  }
  ~LinuxLease() override {
    leases.stop();
    ::unlink(path.c_str());
    ::rmdir(folder_.c_str());
  }
  void SetUp() override {
    const UniqueFd folder(::open(folder_.c_str(), O_PATH | O_DIRECTORY));
    if (!has_leases(folder.get())) GTEST_SKIP() << "no leases here";
  }
  UniqueFd open(int flags) { return UniqueFd(::open(path.c_str(), flags | O_CLOEXEC)); }
  GuardLevel granted(const UniqueFd& file, GuardLevel wanted) {
    client.hold(wanted);
    return guard.guard(kFile, file.get(), wanted, kUser);
  }
  std::future<bool> local(int flags) {
    return std::async(std::launch::async, [this, flags] { return static_cast<bool>(open(flags)); });
  }

  static constexpr FileKey kFile{1, 2, 0};
  std::string path;
  Client client;
  LinuxLeases leases;
  LocalGuard guard{leases, client, system_clock(), 10};

 private:
  std::string folder_;
};

TEST_F(LinuxLease, OpenWaitsUntilTheClientHasAnswered) {
  const UniqueFd file = open(O_RDWR);
  ASSERT_EQ(granted(file, GuardLevel::kWrite), GuardLevel::kWrite);
  auto local_open = local(O_RDONLY);
  EXPECT_EQ(client.asked(), GuardLevel::kNone) << "who may write cannot keep reading";
  EXPECT_EQ(local_open.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  client.answer();
  EXPECT_TRUE(local_open.get());
}

TEST_F(LinuxLease, ReaderLeavesReadingToAReader) {
  const UniqueFd file = open(O_RDONLY);
  ASSERT_EQ(granted(file, GuardLevel::kWrite), GuardLevel::kWrite);
  auto reader = local(O_RDONLY);
  EXPECT_EQ(client.asked(), GuardLevel::kRead);
  client.answer();
  EXPECT_TRUE(reader.get());
  client.hold(GuardLevel::kRead);
  auto writer = local(O_WRONLY);
  EXPECT_EQ(client.asked(), GuardLevel::kNone);
  client.answer();
  EXPECT_TRUE(writer.get());
}

TEST_F(LinuxLease, AttributeOpensHoldNobodyOff) {
  const UniqueFd file = open(O_PATH);
  EXPECT_EQ(granted(file, GuardLevel::kWrite), GuardLevel::kNone);
  EXPECT_EQ(guard.guarded(), 0u);
  EXPECT_TRUE(open(O_WRONLY | O_NONBLOCK));
}

TEST_F(LinuxLease, WhatSomebodyHasOpenIsNotGuarded) {
  const UniqueFd writing = open(O_RDWR);
  const UniqueFd file = open(O_RDONLY);
  EXPECT_EQ(granted(file, GuardLevel::kWrite), GuardLevel::kNone);
  EXPECT_EQ(granted(writing, GuardLevel::kRead), GuardLevel::kNone);
  EXPECT_EQ(guard.guarded(), 0u);
}

TEST_F(LinuxLease, OpensThatDoNotWaitAreRefusedMeanwhile) {
  const UniqueFd file = open(O_RDWR);
  ASSERT_EQ(granted(file, GuardLevel::kWrite), GuardLevel::kWrite);
  EXPECT_FALSE(open(O_RDONLY | O_NONBLOCK));
  EXPECT_EQ(errno, EAGAIN);
  client.asked();
  client.answer();
  EXPECT_TRUE(open(O_RDONLY)) << "waits for the lease, which is on its way back";
}

TEST_F(LinuxLease, PipesAreNotOpenedForIt) {
  ::unlink(path.c_str());
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const UniqueFd pipe = open(O_PATH);
  EXPECT_EQ(granted(pipe, GuardLevel::kRead), GuardLevel::kNone);
}

}  // namespace
}  // namespace braid::vfs
