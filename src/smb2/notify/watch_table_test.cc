#include "smb2/notify/watch_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "wire/smb2/change_notify.h"

namespace braid::smb2 {
namespace {

using wire::CompletionFilter;
using wire::FileAction;
using Changes = std::vector<wire::FileNotifyInformation>;

constexpr uint32_t kNames = CompletionFilter::kFileName | CompletionFilter::kDirName;

class WatchTableTest : public testing::Test {
 protected:
  bool watch(uint64_t id, const std::string& directory, bool tree = false, uint32_t filter = kNames,
             uint64_t user = 0, uint32_t capacity = 4096) {
    bool is_first = false;
    WatchTable::Outcome outcome;
    begin(id, tree, filter, user, capacity, is_first, outcome);
    table.cancel(id, begun, outcome);
    return table.place(id, directory);
  }
  void begin(uint64_t id, bool tree, uint32_t filter, uint64_t user, uint32_t capacity,
             bool& is_first, WatchTable::Outcome& outcome) {
    begun = std::make_shared<OneShot<NotifyAnswer>>();
    table.wait({.id = id, .user = {user}, .tree = tree, .filter = filter, .capacity = capacity},
               begun, is_first, outcome);
  }
  NotifyWaiter wait(uint64_t id) {
    auto waiter = std::make_shared<OneShot<NotifyAnswer>>();
    WatchTable::Outcome outcome;
    bool is_first = false;
    table.wait({.id = id}, waiter, is_first, outcome);
    EXPECT_FALSE(is_first);
    finish(outcome);
    return waiter;
  }
  void report(std::vector<PathChange> changes) {
    WatchTable::Outcome outcome;
    table.report(changes, outcome);
    finish(outcome);
  }
  void added(const std::string& path) {
    report({{FileAction::kAdded, CompletionFilter::kFileName, path}});
  }
  void finish(WatchTable::Outcome& outcome) {
    for (auto& [waiter, answer] : outcome.answers) answers[waiter.get()] = std::move(answer);
  }
  // Of an answered request; nothing while it waits.
  std::optional<NtStatus> status(const NotifyWaiter& waiter) {
    const auto found = answers.find(waiter.get());
    return found == answers.end() ? std::nullopt : std::optional(found->second.status);
  }
  Changes changes(const NotifyWaiter& waiter) {
    const auto decoded = wire::decode_notify(answers[waiter.get()].encode(~0u));
    return decoded ? *decoded : Changes{};
  }

  WatchTable table;
  NotifyWaiter begun;
  std::unordered_map<OneShot<NotifyAnswer>*, NotifyAnswer> answers;
};

// Who changes something tells all who watch, so a user may not have any number of them.
TEST_F(WatchTableTest, WatchesOfOneUserAndDirectoryAreBounded) {
  constexpr size_t kMost = DirectoryTree::kWatchesOfUserMax;
  for (uint64_t id = 0; id < kMost; ++id) ASSERT_TRUE(watch(id, "/srv/a", true, kNames, 1));
  EXPECT_FALSE(watch(kMost, "/srv/a", true, kNames, 1));
  EXPECT_TRUE(watch(kMost, "/srv/a/b", true, kNames, 1)) << "another directory";
  EXPECT_TRUE(watch(kMost + 1, "/srv/a", true, kNames, 2)) << "another user";
  WatchTable::Outcome outcome;
  table.moved("/srv/a", "/srv/c", outcome);
  EXPECT_FALSE(watch(kMost + 2, "/srv/c", true, kNames, 1));
  table.end(0, NtStatus::kNotifyCleanup, outcome);
  EXPECT_TRUE(watch(kMost + 2, "/srv/c", true, kNames, 1));
  table.end_at("/srv/c", true, NtStatus::kDeletePending, outcome);
  EXPECT_EQ(outcome.ended.size(), kMost + 3);
  EXPECT_EQ(table.size(), 0u);
}

TEST_F(WatchTableTest, WhoFillsBuffersLeavesRoomForOthers) {
  constexpr uint32_t kCapacity = ChangeBuffer::kCapacityMax;
  constexpr uint64_t kMany = WatchTable::kBufferedMax / kCapacity + 200, kFew = 20;
  const auto fill = [&](const std::string& directory) {
    for (int i = 0; i < 120; ++i) added(directory + std::string(250, 'n') + std::to_string(i));
  };
  for (uint64_t id = 0; id < kMany; ++id) {
    const std::string directory = "/srv/a/" + std::to_string(id / 100);
    ASSERT_TRUE(watch(id, directory, false, kNames, 1, kCapacity));
  }
  for (uint64_t number = 0; number <= kMany / 100; ++number) {
    fill("/srv/a/" + std::to_string(number) + '/');
  }
  for (uint64_t id = 0; id < kFew; ++id) {
    ASSERT_TRUE(watch(kMany + id, "/srv/b", false, kNames, 2, kCapacity));
  }
  fill("/srv/b/");
  for (uint64_t id = 0; id < kFew; ++id) {
    const NotifyWaiter waiter = wait(kMany + id);
    EXPECT_EQ(status(waiter), NtStatus::kSuccess);
    EXPECT_EQ(changes(waiter).size(), 120u);
  }
  size_t lost = 0;
  for (uint64_t id = 0; id < kMany; ++id) lost += status(wait(id)) == NtStatus::kNotifyEnumDir;
  EXPECT_GT(lost, kMany / 3);
}

TEST_F(WatchTableTest, ImmediateParentIsToldWhateverItsDepth) {
  watch(1, "/srv/a");
  const auto waiter = wait(1);
  added("/srv/a/b/c");
  EXPECT_EQ(status(waiter), std::nullopt);
  added("/srv/a/b");
  EXPECT_EQ(changes(waiter), (Changes{{FileAction::kAdded, "b"}}));
}

TEST_F(WatchTableTest, TreeIsToldOfEverythingBelowWithTheWay) {
  watch(1, "/srv/a", true);
  added("/srv/a/b/c");
  added("/srv/ab/c");
  added("/srv/a/d");
  EXPECT_EQ(changes(wait(1)), (Changes{{FileAction::kAdded, "b\\c"}, {FileAction::kAdded, "d"}}));
}

TEST_F(WatchTableTest, WatchedDirectoryItselfIsNotTold) {
  watch(1, "/srv/a", true);
  const auto waiter = wait(1);
  report({{FileAction::kModified, kNames, "/srv/a"}});
  EXPECT_EQ(status(waiter), std::nullopt);
}

TEST_F(WatchTableTest, RootOfTheMachineCanBeShared) {
  bool is_first = false;
  WatchTable::Outcome outcome;
  begin(1, true, kNames, 0, 99, is_first, outcome);
  table.cancel(1, begun, outcome);
  ASSERT_TRUE(table.place(1, ""));
  added("/x");
  EXPECT_EQ(changes(wait(1)), (Changes{{FileAction::kAdded, "x"}}));
}

TEST_F(WatchTableTest, FilterHoldsBackWhatWasNotAskedFor) {
  watch(1, "/srv", false, CompletionFilter::kSize);
  const auto waiter = wait(1);
  added("/srv/a");
  EXPECT_EQ(status(waiter), std::nullopt);
  report(
      {{FileAction::kModified, CompletionFilter::kSize | CompletionFilter::kLastWrite, "/srv/a"}});
  EXPECT_EQ(changes(waiter), (Changes{{FileAction::kModified, "a"}}));
}

TEST_F(WatchTableTest, RequestsOfAnOpenAreAnsweredInOrder) {
  watch(1, "/srv");
  const auto first = wait(1), second = wait(1);
  added("/srv/a");
  EXPECT_EQ(changes(first), (Changes{{FileAction::kAdded, "a"}}));
  EXPECT_EQ(status(second), std::nullopt);
  added("/srv/b");
  EXPECT_EQ(changes(second), (Changes{{FileAction::kAdded, "b"}}));
}

TEST_F(WatchTableTest, ChangesThatBelongTogetherAnswerOneRequest) {
  watch(1, "/srv");
  const auto waiter = wait(1);
  report({{FileAction::kRenamedOldName, kNames, "/srv/a"},
          {FileAction::kRenamedNewName, kNames, "/srv/b"}});
  EXPECT_EQ(changes(waiter),
            (Changes{{FileAction::kRenamedOldName, "a"}, {FileAction::kRenamedNewName, "b"}}));
}

TEST_F(WatchTableTest, CancelledRequestLeavesTheChangesKept) {
  watch(1, "/srv");
  const auto waiter = wait(1);
  WatchTable::Outcome outcome;
  table.cancel(1, waiter, outcome);
  table.cancel(1, waiter, outcome);
  finish(outcome);
  EXPECT_EQ(status(waiter), NtStatus::kCancelled);
  added("/srv/a");
  EXPECT_EQ(changes(wait(1)), (Changes{{FileAction::kAdded, "a"}}));
}

TEST_F(WatchTableTest, EndAnswersAllAndForgetsTheWatch) {
  watch(1, "/srv");
  const auto first = wait(1), second = wait(1);
  WatchTable::Outcome outcome;
  table.end(1, NtStatus::kNotifyCleanup, outcome);
  finish(outcome);
  EXPECT_EQ(status(first), NtStatus::kNotifyCleanup);
  EXPECT_EQ(status(second), NtStatus::kNotifyCleanup);
  EXPECT_EQ(outcome.ended.size(), 1u);
  EXPECT_EQ(table.size(), 0u);
  added("/srv/a");
}

TEST_F(WatchTableTest, DeletedDirectoryEndsItsWatchesAndOnlyThose) {
  watch(1, "/srv/a");
  watch(2, "/srv/a/b");
  watch(3, "/srv/ab");
  const auto at = wait(1), below = wait(2), beside = wait(3);
  WatchTable::Outcome outcome;
  table.end_at("/srv/a", false, NtStatus::kDeletePending, outcome);
  finish(outcome);
  EXPECT_EQ(status(at), NtStatus::kDeletePending);
  EXPECT_EQ(status(below), std::nullopt);
  WatchTable::Outcome removed;
  table.end_at("/srv/a", true, NtStatus::kDeletePending, removed);
  finish(removed);
  EXPECT_EQ(status(below), NtStatus::kDeletePending);
  EXPECT_EQ(status(beside), std::nullopt);
}

TEST_F(WatchTableTest, WatchesFollowARenamedDirectory) {
  watch(1, "/srv/a/b");
  watch(2, "/srv/ab");
  WatchTable::Outcome outcome;
  table.moved("/srv/a", "/srv/new", outcome);
  added("/srv/new/b/c");
  added("/srv/a/b/d");
  added("/srv/ab/e");
  EXPECT_EQ(changes(wait(1)), (Changes{{FileAction::kAdded, "c"}}));
  EXPECT_EQ(changes(wait(2)), (Changes{{FileAction::kAdded, "e"}}));
}

// A rename makes paths deeper than any that is asked for.
TEST_F(WatchTableTest, WatchesThatMoveTooDeepEnd) {
  watch(1, "/srv/a/b");
  watch(2, "/srv/c");
  const auto moves = wait(1), stays = wait(2);
  std::string deep = "/srv";
  while (!DirectoryTree::is_too_deep(deep)) deep += "/x";
  WatchTable::Outcome outcome;
  table.moved("/srv/a", deep, outcome);
  finish(outcome);
  EXPECT_EQ(status(moves), NtStatus::kNotifyCleanup);
  EXPECT_EQ(status(stays), std::nullopt);
  EXPECT_EQ(table.size(), 1u);
}

// The names of the directories above take room, whichever way they came to be above.
TEST_F(WatchTableTest, WatchThatMovesIsCountedWhereItIs) {
  size_t counted = 0, most = ~size_t{0};
  const auto counts = [&](size_t cost) {
    if (cost > most) return false;
    counted = cost;
    return true;
  };
  bool is_first = false;
  WatchTable::Outcome outcome;
  begin(1, false, kNames, 1, 4096, is_first, outcome);
  ASSERT_TRUE(table.place(1, "/srv/a/b", {.counts = counts}));
  EXPECT_EQ(counted, WatchTable::cost_of("/srv/a/b"));
  const std::string name(200, 'n'), longer = "/srv/" + name + "/" + name;
  EXPECT_TRUE(table.moved("/srv/a", longer, outcome));
  EXPECT_EQ(counted, WatchTable::cost_of(longer + "/b"));
  EXPECT_TRUE(table.moved(longer, "/srv/c", outcome));
  EXPECT_TRUE(table.moved("/srv/c", longer, outcome)) << "counted already";
  EXPECT_EQ(counted, WatchTable::cost_of(longer + "/b"));
  EXPECT_TRUE(outcome.answers.empty());
  most = counted;
  table.moved(longer, longer + name, outcome);
  finish(outcome);
  EXPECT_EQ(status(begun), NtStatus::kNotifyCleanup);
  EXPECT_EQ(table.size(), 0u);
}

TEST_F(WatchTableTest, PlaceThatCannotBeCountedIsNone) {
  bool is_first = false;
  WatchTable::Outcome outcome;
  begin(1, false, kNames, 1, 4096, is_first, outcome);
  EXPECT_FALSE(table.place(1, "/srv/a", {.counts = [](size_t) { return false; }}));
}

TEST_F(WatchTableTest, LossOfAPlaceIsToldToWhomItConcerns) {
  watch(1, "/srv", true);
  watch(2, "/srv");
  watch(3, "/srv/a");
  watch(4, "/srv/a/b");
  watch(5, "/srv/b", true);
  watch(6, "/srv/a", true, CompletionFilter::kSize);
  std::vector<NotifyWaiter> waiters, spent;
  for (uint64_t id = 1; id <= 6; ++id) waiters.push_back(wait(id));
  const auto told = [&] {
    std::vector<size_t> ids;
    for (size_t i = 0; i < waiters.size(); ++i) {
      if (status(waiters[i])) {
        EXPECT_EQ(status(waiters[i]), NtStatus::kNotifyEnumDir);
        ids.push_back(i + 1);
        spent.push_back(std::exchange(waiters[i], wait(i + 1)));
      }
    }
    return ids;
  };
  const auto lose = [&](std::string_view directory, bool below) {
    WatchTable::Outcome outcome;
    table.lose_at(directory, kNames, below, outcome);
    finish(outcome);
    return told();
  };
  using Ids = std::vector<size_t>;
  EXPECT_EQ(lose("/srv/a", false), (Ids{1, 3}));
  EXPECT_EQ(lose("/srv/a", true), (Ids{1, 3, 4}));
  EXPECT_EQ(lose("/srv/c/d", true), (Ids{1}));
  EXPECT_EQ(lose("/elsewhere", true), (Ids{}));
  EXPECT_EQ(lose("", true), (Ids{1, 2, 3, 4, 5}));
}

TEST_F(WatchTableTest, PrivateFolderIsNotTold) {
  watch(1, "/srv", true);
  const auto waiter = wait(1);
  added("/srv/.braid");
  added("/srv/.braid/streams/x");
  EXPECT_EQ(status(waiter), std::nullopt);
  added("/srv/.braided");
  EXPECT_EQ(changes(waiter), (Changes{{FileAction::kAdded, ".braided"}}));
}

TEST_F(WatchTableTest, LossIsToldToEveryone) {
  watch(1, "/srv/a");
  watch(2, "/srv/b");
  const auto waiter = wait(1);
  WatchTable::Outcome outcome;
  table.lose(outcome);
  finish(outcome);
  EXPECT_EQ(status(waiter), NtStatus::kNotifyEnumDir);
  EXPECT_EQ(status(wait(2)), NtStatus::kNotifyEnumDir);
}

// A CHANGE_NOTIFY finds its watch before it is known where that is.
TEST_F(WatchTableTest, WatchHearsFromWhenItHasAPlace) {
  bool is_first = false;
  WatchTable::Outcome outcome;
  begin(1, false, kNames, 0, 4096, is_first, outcome);
  EXPECT_TRUE(is_first);
  const NotifyWaiter first = begun, second = wait(1);
  added("/srv/a/early");
  EXPECT_EQ(status(first), std::nullopt);
  ASSERT_TRUE(table.place(1, "/srv/a"));
  added("/srv/a/b");
  EXPECT_EQ(changes(first), (Changes{{FileAction::kAdded, "b"}}));
  table.end(1, NtStatus::kNotifyCleanup, outcome);
  finish(outcome);
  EXPECT_EQ(status(second), NtStatus::kNotifyCleanup);
  EXPECT_TRUE(table.place(1, "/srv/a")) << "and does nothing";
  EXPECT_FALSE(table.set_local(1, {}));
  EXPECT_EQ(table.size(), 0u);
}

// All who watch one directory are told the same string, and none is made for buffers without room.
TEST_F(WatchTableTest, NameIsMadeOnceForAWatchedDirectory) {
  for (uint64_t id = 1; id <= 3; ++id) watch(id, "/srv/a", true);
  watch(4, "/srv", true);
  std::vector<NotifyWaiter> waiters;
  for (uint64_t id = 1; id <= 4; ++id) waiters.push_back(wait(id));
  added("/srv/a/b/c");
  const auto name = [&](size_t i) { return answers[waiters[i].get()].changes.at(0).name; };
  EXPECT_EQ(*name(0), "b\\c");
  EXPECT_EQ(name(0), name(1));
  EXPECT_EQ(name(0), name(2));
  EXPECT_EQ(*name(3), "a\\b\\c");
}

// Clients make paths of any length, a component at a time.
TEST_F(WatchTableTest, EveryDirectoryOnALongWayIsToldItsPartOfIt) {
  constexpr uint64_t kLevels = 2000;
  std::string directory = "/srv";
  const size_t root = directory.size();
  for (uint64_t id = 1; id <= kLevels; ++id) {
    ASSERT_TRUE(watch(id, directory, true, kNames, 0, 1000));
    directory += "/é";
  }
  added(directory);
  for (uint64_t id = 1; id <= kLevels; ++id) {
    const auto waiter = wait(id);
    const size_t below = kLevels - id + 1;  // components
    const bool fits = 12 + 2 * (2 * below - 1) <= 1000;
    ASSERT_EQ(status(waiter), fits ? NtStatus::kSuccess : NtStatus::kNotifyEnumDir) << id;
    if (!fits) continue;
    std::string name = directory.substr(root + 1 + 3 * (id - 1));
    std::ranges::replace(name, '/', '\\');
    ASSERT_EQ(changes(waiter), (Changes{{FileAction::kAdded, name}}));
  }
}

}  // namespace
}  // namespace braid::smb2
