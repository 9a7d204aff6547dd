// Against the kernel: another process changes files, FileWatch tells.
#include "smb2/notify/file_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace braid::smb2 {
namespace {

class Told final : public FileWatchSink {
 public:
  void changed_elsewhere(std::span<const FileKey> files) override {
    const std::lock_guard held(hold_);
    const std::lock_guard lock(mutex_);
    files_.insert(files_.end(), files.begin(), files.end());
    more_.notify_all();
  }
  // Takes what was told until `file` was; what comes before it stays in `before`.
  bool hear(const FileKey& file) {
    std::unique_lock lock(mutex_);
    const bool heard = more_.wait_for(lock, std::chrono::seconds(20), [&] {
      return std::ranges::find(files_, file) != files_.end();
    });
    before = std::move(files_);
    files_.clear();
    std::erase(before, file);
    return heard;
  }
  // Until it is gone nothing more is taken.
  std::unique_lock<std::mutex> hold() { return std::unique_lock(hold_); }

  std::vector<FileKey> before;

 private:
  std::mutex hold_;
  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<FileKey> files_;
};

class FileWatchTest : public testing::Test {
 protected:
  // In memory where that can be watched, as one test makes many files.
  void SetUp() override {
    if (!set_up_in("/dev/shm/") && !set_up_in(testing::TempDir())) {
      GTEST_SKIP() << "not on these file systems";
    }
  }
  bool set_up_in(const std::string& folder) {
    root = folder + "braid-watch-XXXXXX";
    if (::mkdtemp(root.data()) == nullptr) return false;
    run("touch $R/probe");
    const Opened probe = open("probe");
    if (watch.watch(probe.key, probe.fd.get(), false)) {
      watch.unwatch(probe.key, probe.fd.get());
      return true;
    }
    std::filesystem::remove_all(root);
    return false;
  }
  void TearDown() override {
    watch.stop();
    std::filesystem::remove_all(root);
  }

  struct Opened {
    UniqueFd fd;
    FileKey key;
  };
  Opened open(const std::string& name, int flags = O_RDONLY) {
    Opened opened;
    opened.fd.reset(::open((root + "/" + name).c_str(), flags | O_CLOEXEC));
    EXPECT_TRUE(opened.fd) << name;
    struct stat info{};
    ::fstat(opened.fd.get(), &info);
    opened.key = {.device = info.st_dev, .inode = info.st_ino};
    return opened;
  }
  Opened watched(const std::string& name, int flags = O_RDONLY) {
    Opened opened = open(name, flags);
    const bool is_directory = std::filesystem::is_directory(root + "/" + name);
    EXPECT_TRUE(watch.watch(opened.key, opened.fd.get(), is_directory)) << name;
    return opened;
  }
  // In another process. $R is the root.
  void run(const std::string& commands) {
    ::setenv("R", root.c_str(), 1);
    ASSERT_EQ(std::system(commands.c_str()), 0) << commands;
  }

  std::string root;
  Told told;
  FileWatch watch{told};
};

TEST_F(FileWatchTest, TellsOfWhatOthersDoToAFile) {
  for (const char* change :
       {"echo data > $R/file", "truncate -s 100 $R/file", "chmod 600 $R/file",
        "touch -d 2001-01-01 $R/file", "ln $R/file $R/link", "mv $R/file $R/moved", "rm $R/file"}) {
    run("test -e $R/file || touch $R/file");
    const Opened file = watched("file", O_PATH);
    run(change);
    EXPECT_TRUE(told.hear(file.key)) << change;
    watch.unwatch(file.key, file.fd.get());
  }
}

TEST_F(FileWatchTest, TellsOfWhatOthersDoInADirectory) {
  run("mkdir $R/in; touch $R/in/old");
  const Opened directory = watched("in", O_RDONLY | O_DIRECTORY);
  for (const char* change :
       {"touch $R/in/new", "mkdir $R/in/below", "echo data > $R/in/old", "chmod 600 $R/in/old",
        "mv $R/in/old $R/in/other", "mv $R/in/other $R/out", "mv $R/out $R/in/back", "rm $R/in/new",
        "rmdir $R/in/below", "mv $R/in $R/elsewhere"}) {
    run(change);
    EXPECT_TRUE(told.hear(directory.key)) << change;
  }
}

TEST_F(FileWatchTest, SaysNothingOfWhatThisProcessDoes) {
  run("touch $R/own $R/last");
  const Opened own = watched("own", O_RDWR), last = watched("last");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(::write(own.fd.get(), "x", 1), 1);
  EXPECT_EQ(::fchmod(own.fd.get(), 0600), 0);
  run("truncate -s 1 $R/last");
  EXPECT_TRUE(told.hear(last.key));
  EXPECT_TRUE(told.before.empty());
}

TEST_F(FileWatchTest, WatchesUntilTheLastHasEnded) {
  run("touch $R/file $R/last");
  const Opened file = watched("file"), again = watched("file"), last = watched("last");
  EXPECT_EQ(watch.size(), 2u);
  watch.unwatch(file.key, file.fd.get());
  EXPECT_EQ(watch.size(), 2u);
  run("truncate -s 1 $R/file");
  EXPECT_TRUE(told.hear(file.key));
  watch.unwatch(file.key, again.fd.get());
  EXPECT_EQ(watch.size(), 1u);
  run("truncate -s 2 $R/file; truncate -s 1 $R/last");
  EXPECT_TRUE(told.hear(last.key));
  EXPECT_TRUE(told.before.empty());
  const Opened anew = watched("file");
  run("truncate -s 3 $R/file");
  EXPECT_TRUE(told.hear(anew.key));
}

TEST_F(FileWatchTest, TellsOfAllWhatTheKernelHadNoRoomFor) {
  run("touch $R/quiet; mkdir $R/busy");
  const Opened quiet = watched("quiet"), busy = watched("busy", O_RDONLY | O_DIRECTORY);
  // Nobody reads while more files are changed than the kernel keeps events of.
  std::ifstream limit("/proc/sys/fs/fanotify/max_queued_events");
  size_t most = 0;
  if (!(limit >> most) || most > 40'000) GTEST_SKIP() << "it keeps too many";
  const std::string files = "seq -f $R/busy/%.0f " + std::to_string(most + 1000);
  run(files + " | xargs touch");
  told.before.clear();
  {
    const auto held = told.hold();
    run("truncate -s 1 $R/busy/1");
    run(files + " | xargs truncate -s 1");
  }
  EXPECT_TRUE(told.hear(quiet.key));
}

// For a user who may have few marks, which only a user namespace of its own can be.
int with_one_mark(const std::string& root) {
  constexpr int kNotHere = 77;
  if (::unshare(CLONE_NEWUSER) != 0) return kNotHere;
  std::ofstream limit("/proc/sys/user/max_fanotify_marks");
  if (!(limit << "1" << std::flush)) return kNotHere;
  Told told;
  FileWatch watch(told);
  const auto watches = [&](const std::string& name) {
    const UniqueFd fd(::open((root + "/" + name).c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
    struct stat info{};
    ::fstat(fd.get(), &info);
    return watch.watch({.device = info.st_dev, .inode = info.st_ino}, fd.get(), false);
  };
  if (!watches("first")) return kNotHere;
  const auto second = watches("second");
  if (second || !second.error().is_os(ENOSPC)) return 1;
  return watch.size() == 1 ? 0 : 2;
}

TEST(FileWatchLimits, MoreThanTheUserMayHaveIsNoSpace) {
  std::string root = testing::TempDir() + "/braid-watch-XXXXXX";
  ASSERT_NE(::mkdtemp(root.data()), nullptr);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(with_one_mark(root));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  std::filesystem::remove_all(root);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no such user here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace braid::smb2
