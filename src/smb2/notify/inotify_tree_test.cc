#include "smb2/notify/inotify_tree.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/inotify.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace braid::smb2 {
namespace {

struct InotifyTreeTest : testing::Test {
  InotifyTreeTest() : inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    char name[] = "/tmp/braid-inotify-tree-XXXXXX";
    root = std::filesystem::canonical(::mkdtemp(name));
    for (int i = 0; i < 40; ++i) std::filesystem::create_directory(path(i));
  }
  ~InotifyTreeTest() override { std::filesystem::remove_all(root); }

  std::string path(int i) const { return root + "/" + std::to_string(i); }
  uint64_t watch(InotifyTree& tree, int i, uint64_t user) {
    return tree.add_root({.root = root, .directory = path(i), .user = user});
  }
  // What the kernel says.
  size_t watches_held() const {
    std::ifstream info("/proc/self/fdinfo/" + std::to_string(inotify.get()));
    size_t count = 0;
    for (std::string line; std::getline(info, line);) count += line.starts_with("inotify wd:");
    return count;
  }

  UniqueFd inotify;
  std::string root;
};

TEST_F(InotifyTreeTest, UserWatchesUpToHisShareAndOthersHaveRoom) {
  InotifyTree tree(inotify.get(), {.directories = 20, .of_user = 10});
  std::vector<uint64_t> watches;
  for (int i = 0; i < 10; ++i) watches.push_back(watch(tree, i, 1));
  EXPECT_EQ(std::ranges::count(watches, 0u), 0);
  EXPECT_EQ(watch(tree, 10, 1), 0u);
  EXPECT_NE(watch(tree, 3, 1), 0u) << "what is watched already takes nothing";
  EXPECT_EQ(watches_held(), 10u);
  EXPECT_NE(watch(tree, 11, 2), 0u);
  tree.remove_root(watches[0]);
  EXPECT_NE(watch(tree, 10, 1), 0u);
  EXPECT_EQ(watches_held(), 11u);
  for (int i = 12; i < 40; ++i) watch(tree, i, static_cast<uint64_t>(i));
  EXPECT_EQ(watches_held(), 20u);
  EXPECT_EQ(tree.size(), 20u);
}

TEST_F(InotifyTreeTest, TreeCountsWithItsDirectoriesAndGivesThemBack) {
  InotifyTree tree(inotify.get(), {.directories = 100, .of_user = 10});
  const uint64_t all = tree.add_root({.root = root, .directory = root, .tree = true, .user = 1});
  ASSERT_NE(all, 0u);
  const auto children = tree.add(root);
  ASSERT_TRUE(children);
  for (const auto& child : *children) tree.add(InotifyTree::child_of(root, child.name));
  EXPECT_EQ(watches_held(), 10u);
  EXPECT_NE(watch(tree, 39, 2), 0u);
  // One that moves takes its watch along, also onto the name of another.
  tree.moved(path(39), path(38));
  tree.remove_root(all);
  for (int i = 0; i < 9; ++i) EXPECT_NE(watch(tree, i, 1), 0u);
}

// A tree may be watched from several places, and moves with what is above it.
TEST_F(InotifyTreeTest, TreesCoverWhatIsBelowUntilTheLastGoes) {
  InotifyTree tree(inotify.get(), {.directories = 100, .of_user = 100});
  const std::string below = path(1) + "/a/b", beside = path(1) + "1";
  const uint64_t upper = tree.add_root({.root = root, .directory = root, .tree = true, .user = 1});
  const uint64_t lower =
      tree.add_root({.root = root, .directory = path(1), .tree = true, .user = 2});
  EXPECT_TRUE(tree.covers_tree(below));
  tree.remove_root(upper);
  EXPECT_TRUE(tree.covers_tree(below));
  EXPECT_TRUE(tree.covers_tree(path(1)));
  EXPECT_FALSE(tree.covers_tree(beside));
  tree.moved(path(1), root + "/moved");
  EXPECT_FALSE(tree.covers_tree(below));
  EXPECT_TRUE(tree.covers_tree(root + "/moved/a"));
  tree.remove_root(lower);
  EXPECT_FALSE(tree.covers_tree(root + "/moved/a"));
  EXPECT_EQ(watches_held(), 0u);
}

// Clients make paths long, and longer when they move a directory.
TEST_F(InotifyTreeTest, PathsAreBoundedByTheirBytes) {
  const size_t one = path(10).size();
  InotifyTree tree(
      inotify.get(),
      {.directories = 100, .of_user = 100, .path_bytes = 8 * one, .path_bytes_of_user = 3 * one});
  for (int i = 10; i < 13; ++i) EXPECT_NE(watch(tree, i, 1), 0u);
  EXPECT_EQ(watch(tree, 13, 1), 0u);
  EXPECT_NE(watch(tree, 13, 2), 0u) << "others have room";
  tree.moved(path(12), root + "/" + std::string(one, 'n'));
  EXPECT_EQ(tree.size(), 3u) << "no room for its path";
  EXPECT_EQ(watches_held(), 3u);
  EXPECT_NE(watch(tree, 14, 1), 0u) << "what it had is given back";
}

TEST(InotifyTreeLimits, LeaveHalfOfTheKernelsWatchesToOthers) {
  size_t watches = 0;
  std::ifstream("/proc/sys/fs/inotify/max_user_watches") >> watches;
  if (watches == 0) GTEST_SKIP() << "no inotify";
  const auto limits = InotifyTree::Limits::usual();
  EXPECT_LE(limits.directories, watches / 2);
  EXPECT_LE(limits.of_user, std::max<size_t>(1, limits.directories / 4));
}

}  // namespace
}  // namespace braid::smb2
