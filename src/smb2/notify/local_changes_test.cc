// Both sources against the kernel: another process changes files, the source tells.
#include "smb2/notify/local_changes.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <vector>

namespace braid::smb2 {
namespace {

using Kind = LocalChange::Kind;

class Collector final : public LocalChangeSink {
 public:
  void local_change(const LocalChange& change) override {
    const std::lock_guard lock(mutex_);
    changes_.push_back(change);
    more_.notify_all();
  }
  // Until something told satisfies `wanted`; false after `limit`.
  bool hear(const std::function<bool(const LocalChange&)>& wanted,
            std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    std::unique_lock lock(mutex_);
    return more_.wait_for(lock, limit, [&] { return std::ranges::any_of(changes_, wanted); });
  }
  bool hear(Kind kind, const std::string& path, const std::string& new_path = "") {
    return hear([&](const LocalChange& change) {
      return change.kind == kind && change.path == path && change.new_path == new_path;
    });
  }
  size_t count(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return static_cast<size_t>(std::ranges::count(changes_, path, &LocalChange::path));
  }

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<LocalChange> changes_;
};

struct Source {
  const char* name;
  std::unique_ptr<LocalChanges> (*open)(LocalChangeSink&);
};

class LocalChangesTest : public testing::TestWithParam<Source> {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/braid-notify-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root = std::filesystem::canonical(pattern).string();
    std::filesystem::create_directories(root + "/sub/deep");
    source = GetParam().open(told);
    if (!source) GTEST_SKIP() << "not allowed here";
  }
  void TearDown() override {
    source.reset();
    std::filesystem::remove_all(root);
  }
  uint64_t watch(const std::string& directory, bool tree) {
    struct stat info{};
    ::stat(directory.c_str(), &info);
    return source->watch(
        {.root = root, .directory = directory, .device = info.st_dev, .tree = tree});
  }
  // In another process. $R is the root.
  void run(const std::string& commands) {
    ::setenv("R", root.c_str(), 1);
    ASSERT_EQ(std::system(commands.c_str()), 0) << commands;
  }
  // A source begins to watch a tree on its own thread: until it hears of `directory`.
  void until_watched(const std::string& directory) {
    for (int i = 0; i < 200; ++i) {
      const std::string probe = directory + "/probe" + std::to_string(i);
      run("touch " + probe);
      const auto heard = [&](const LocalChange& change) { return change.path == probe; };
      if (told.hear(heard, std::chrono::milliseconds(300))) return;
    }
    FAIL() << directory << " is not watched";
  }

  std::string root;
  Collector told;
  std::unique_ptr<LocalChanges> source;
};

TEST_P(LocalChangesTest, TellsOfFilesMadeWrittenRenamedAndRemoved) {
  if (watch(root, false) == 0) GTEST_SKIP() << "not on this file system";
  run("touch $R/a; mv $R/a $R/b; echo data > $R/b; rm $R/b; mkdir $R/d; chmod 700 $R/d; "
      "rmdir $R/d");
  EXPECT_TRUE(told.hear(Kind::kAdded, root + "/a"));
  EXPECT_TRUE(told.hear(Kind::kRenamed, root + "/a", root + "/b"));
  EXPECT_TRUE(told.hear(Kind::kModified, root + "/b"));
  EXPECT_TRUE(told.hear(Kind::kRemoved, root + "/b"));
  EXPECT_TRUE(told.hear([&](const LocalChange& change) {
    return change.kind == Kind::kRemoved && change.is_directory && change.path == root + "/d";
  }));
}

TEST_P(LocalChangesTest, TellsOfDirectoriesThatWereThereInATree) {
  if (watch(root, true) == 0) GTEST_SKIP() << "not on this file system";
  until_watched(root + "/sub/deep");
  run("mv $R/sub/deep/probe0 $R/moved");
  EXPECT_TRUE(told.hear(Kind::kRenamed, root + "/sub/deep/probe0", root + "/moved"));
}

TEST_P(LocalChangesTest, TellsOfDirectoriesMadeAndMovedLater) {
  if (watch(root, true) == 0) GTEST_SKIP() << "not on this file system";
  until_watched(root + "/sub/deep");
  run("mkdir -p $R/new/er && touch $R/new/er/file");
  EXPECT_TRUE(told.hear(Kind::kAdded, root + "/new"));
  EXPECT_TRUE(told.hear(Kind::kAdded, root + "/new/er"));
  EXPECT_TRUE(told.hear(Kind::kAdded, root + "/new/er/file"));
  run("mv $R/new $R/old");
  EXPECT_TRUE(told.hear(Kind::kRenamed, root + "/new", root + "/old"));
  run("touch $R/old/er/late");
  EXPECT_TRUE(told.hear(Kind::kAdded, root + "/old/er/late"));
}

TEST_P(LocalChangesTest, SilentAfterTheLastWatchEnded) {
  const uint64_t first = watch(root, false), second = watch(root, false);
  if (first == 0) GTEST_SKIP() << "not on this file system";
  source->unwatch(first);
  run("touch $R/one");
  EXPECT_TRUE(told.hear(Kind::kAdded, root + "/one"));
  source->unwatch(second);
  run("touch $R/two");
  source->stop();
  EXPECT_EQ(told.count(root + "/two"), 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Sources, LocalChangesTest,
    testing::Values(Source{"fanotify", [](LocalChangeSink& sink) { return open_fanotify(sink); }},
                    Source{"inotify", open_inotify}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(Fanotify, OwnChangesAreNotTold) {
  Collector told;
  const auto source = open_fanotify(told);
  if (!source) GTEST_SKIP() << "not allowed here";
  std::string pattern = testing::TempDir() + "/braid-notify-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  const std::string root = std::filesystem::canonical(pattern).string();
  struct stat info{};
  ::stat(root.c_str(), &info);
  if (source->watch({.root = root, .directory = root, .device = info.st_dev}) != 0) {
    std::filesystem::create_directory(root + "/own");
    ::setenv("R", root.c_str(), 1);
    ASSERT_EQ(std::system("touch $R/others"), 0);
    EXPECT_TRUE(told.hear(Kind::kAdded, root + "/others"));
    EXPECT_EQ(told.count(root + "/own"), 0u);
  }
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace braid::smb2
