#include "smb2/notify/watched_roots.h"

#include <gtest/gtest.h>

#include <vector>

#include "smb2/notify/change_event.h"
#include "store/worker_group_testing.h"

namespace braid::smb2 {
namespace {

// Worker 0 changes things, worker 1 watches.
struct WatchedRootsTest : testing::Test {
  WatchedRootsTest() { workers.groups[1]->say_watches(1); }
  bool concerns(const ChangeEvent& event) { return sender.concerned(event) == 2; }
  bool concerns(std::string path) {
    return concerns({.changes = {{wire::FileAction::kAdded, 1, std::move(path)}}});
  }

  store::TestGroup workers{2};
  WatchedRoots sender{workers.groups[0].get()};
  WatchedRoots watcher{workers.groups[1].get()};
};

TEST_F(WatchedRootsTest, ChangesInTheSameShareConcernAWatch) {
  const auto held = watcher.hold("/srv/a");
  EXPECT_TRUE(concerns("/srv/a"));
  EXPECT_TRUE(concerns("/srv/a/x/y/z"));
  EXPECT_FALSE(concerns("/srv/b/x"));
  EXPECT_FALSE(concerns("/srv/ab"));
  EXPECT_FALSE(concerns("/srv"));
  EXPECT_TRUE(concerns({.notes = {{true, "/srv/a/x"}}}));
  EXPECT_TRUE(concerns({.going = "/srv/a/x"}));
  EXPECT_TRUE(concerns({.moved_from = "/srv/b/x", .moved_to = "/srv/a/x"}));
  EXPECT_FALSE(concerns({.moved_from = "/srv/b/x", .moved_to = "/srv/b/y"}));
}

TEST_F(WatchedRootsTest, SharesWithinEachOtherHearOfEachOther) {
  const auto held = watcher.hold("/srv/a/b");
  EXPECT_TRUE(concerns("/srv/a/b/x")) << "by whichever share";
  EXPECT_FALSE(concerns("/srv/a/x"));
  EXPECT_TRUE(concerns({.moved_from = "/srv/a", .moved_to = "/srv/c"})) << "takes it along";
}

TEST_F(WatchedRootsTest, RootOfTheMachineAndSharesThatAreNoDirectory) {
  auto held = watcher.hold("");
  EXPECT_TRUE(concerns("/srv/x"));
  EXPECT_FALSE(concerns("\nother/x"));
  held = watcher.hold("\nother");
  EXPECT_TRUE(concerns("\nother/x"));
  EXPECT_FALSE(concerns("/srv/x"));
}

TEST_F(WatchedRootsTest, LastWatchThatEndsEndsIt) {
  auto first = watcher.hold("/srv/a"), second = watcher.hold("/srv/a");
  first.reset();
  EXPECT_TRUE(concerns("/srv/a/x"));
  second.reset();
  EXPECT_FALSE(concerns("/srv/a/x"));
}

TEST_F(WatchedRootsTest, MoreRootsThanThereIsRoomForMakeAllChangesNews) {
  std::vector<WatchedRoots::Hold> held;
  for (size_t i = 0; i < store::kWatchedRootsMax; ++i) {
    held.push_back(watcher.hold("/srv/" + std::to_string(i)));
  }
  EXPECT_TRUE(concerns("/srv/63/x"));
  EXPECT_FALSE(concerns("/srv/64/x"));
  held.push_back(watcher.hold("/srv/64"));
  EXPECT_TRUE(concerns("/srv/64/x"));
  EXPECT_TRUE(concerns("/elsewhere/x"));
  held.pop_back();
  EXPECT_FALSE(concerns("/elsewhere/x"));
}

TEST_F(WatchedRootsTest, WatchThatLeavesItsShareHearsOfAll) {
  const auto held = watcher.hold("/srv/a/b");
  watcher.moved("/srv/a/b/x", "/srv/a/b/y");
  EXPECT_FALSE(concerns("/srv/a/c/x"));
  watcher.moved("/srv/a/b/y", "/srv/a/c");
  EXPECT_TRUE(concerns("/srv/a/c/x"));
}

TEST_F(WatchedRootsTest, NobodyWatchesInOneThatSaysSo) {
  const auto held = watcher.hold("/srv/a");
  workers.groups[1]->say_watches(0);
  EXPECT_FALSE(concerns("/srv/a/x"));
}

}  // namespace
}  // namespace braid::smb2
