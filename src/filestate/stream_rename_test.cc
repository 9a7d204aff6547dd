// A stream has one key, and a key one stream, whatever it is called.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "filestate/file_table_testing.h"
#include "filestate/shared_tables_testing.h"

namespace braid::filestate {
namespace {

FileKey called(uint64_t name) { return {kFile.device, kFile.inode, name}; }

NtStatus rename(FileTable& table, const OpenRef& ref, uint64_t name) {
  const ReplaceDecision free = table.begin_stream_rename(ref, called(name));
  if (free.decision.verdict == Verdict::kGo) table.stream_renamed(ref, called(name));
  return free.decision.status;
}

struct StreamRename : ::testing::Test, TestTable {
  OpenRef opened(const OpenRequest& wanted, uint64_t name) {
    const OpenDecision decision = open(wanted, called(name));
    EXPECT_EQ(decision.decision.verdict, Verdict::kGo);
    return {decision.file, wanted.token};
  }
};

TEST_F(StreamRename, ShareModesAndLocksGoWithIt) {
  OpenRequest keeper = request();
  keeper.share_access = kShareRead | kShareWrite;
  const OpenRef first = opened(keeper, 5);
  const LockRange range{0, 10, true};
  table.lock(first, {&range, 1}, true, {1});
  ASSERT_EQ(rename(table, first, 6), NtStatus::kSuccess);
  OpenRequest deleter = request(2);
  deleter.granted_access = kDelete;
  EXPECT_EQ(open(deleter, called(6)).decision.status, NtStatus::kSharingViolation);
  const OpenRef second = opened(request(2), 6);
  EXPECT_EQ(second.file, first.file);
  EXPECT_EQ(table.check_io(second, 5, 1, true), NtStatus::kFileLockConflict);
  EXPECT_TRUE(table.is_open(called(6)));
  EXPECT_FALSE(table.is_open(called(5)));
}

TEST_F(StreamRename, OneThatGetsTheOldNameIsAnother) {
  const OpenRef renamed = opened(request(), 5);
  ASSERT_EQ(rename(table, renamed, 6), NtStatus::kSuccess);
  OpenRequest alone = request(2);
  alone.share_access = 0;
  const OpenRef other = opened(alone, 5);
  EXPECT_NE(other.file, renamed.file);
  EXPECT_EQ(open(request(3), called(5)).decision.status, NtStatus::kSharingViolation);
  EXPECT_EQ(table.set_delete_pending(other, true).verdict, Verdict::kGo);
  EXPECT_FALSE(table.is_delete_pending(renamed));
  const CloseDecision closed = table.close(other);
  EXPECT_TRUE(closed.delete_now);
  EXPECT_EQ(closed.file, other.file);
  EXPECT_FALSE(table.close(renamed).delete_now);
}

TEST_F(StreamRename, TwoThatChangeTheirNamesStayApart) {
  const OpenRef a = opened(request(), 5), b = opened(request(), 6);
  ASSERT_EQ(rename(table, a, 7), NtStatus::kSuccess);
  ASSERT_EQ(rename(table, b, 5), NtStatus::kSuccess);
  ASSERT_EQ(rename(table, a, 6), NtStatus::kSuccess);
  EXPECT_EQ(opened(request(2), 6).file, a.file);
  EXPECT_EQ(opened(request(2), 5).file, b.file);
  EXPECT_NE(opened(request(2), 7).file, a.file);
}

TEST_F(StreamRename, NumbersOfStreamsStartAgainBehindTheLast) {
  const uint64_t last = ~uint64_t{0};
  std::vector<FileKey> known;
  for (uint64_t name = 100; name < 104; ++name) {
    const OpenRef stream = opened(request(), last);
    EXPECT_EQ(std::ranges::count(known, stream.file), 0);
    known.push_back(stream.file);
    ASSERT_EQ(rename(table, stream, name), NtStatus::kSuccess);
  }
  EXPECT_EQ(known[1].stream, 1u) << "0 is the file itself";
  EXPECT_EQ(known[3].stream, 3u);
}

TEST_F(StreamRename, LeaseIsThatOfTheStreamByItsNewName) {
  const OpenRef renamed = opened(lease(1, "RWH"), 5);
  ASSERT_EQ(rename(table, renamed, 6), NtStatus::kSuccess);
  EXPECT_EQ(open(lease(1, "RWH"), called(5)).decision.status, NtStatus::kInvalidParameter);
  EXPECT_EQ(opened(lease(1, "RWH"), 6).file, renamed.file);
  EXPECT_EQ(open(request(2), called(6)).decision.verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "1: RWH->RH ack");
  EXPECT_EQ(ack(1, "RH"), NtStatus::kSuccess);
}

TEST_F(StreamRename, NobodyOpensTheFileMeanwhile) {
  const OpenRef first = opened(request(), 5), second = opened(request(), 8);
  ReplaceDecision free = table.begin_stream_rename(first, called(6));
  ASSERT_EQ(free.decision.verdict, Verdict::kGo);
  for (const uint64_t name : {0, 5, 6, 7}) {
    const OpenDecision other = open(request(2), called(name));
    EXPECT_EQ(other.decision.status, NtStatus::kDeletePending);
    EXPECT_TRUE(other.deletes_purged) << "asks again";
  }
  EXPECT_TRUE(table.begin_stream_rename(second, called(9)).taken_by);
  free = {};
  EXPECT_EQ(rename(table, second, 9), NtStatus::kSuccess);
  EXPECT_EQ(opened(request(2), 5).file, first.file) << "it was not renamed after all";
}

TEST_F(StreamRename, NameOfAnotherThatIsOpenOrJustGoesIsNotTaken) {
  const OpenRef first = opened(request(), 5), second = opened(request(), 6);
  EXPECT_EQ(rename(table, first, 6), NtStatus::kInvalidParameter);
  EXPECT_EQ(rename(table, first, 5), NtStatus::kSuccess) << "in case only";
  table.set_delete_pending(second, true);
  EXPECT_EQ(rename(table, second, 7), NtStatus::kAccessDenied);
  CloseDecision closed = table.close(second);
  ASSERT_TRUE(closed.delete_now);
  const ReplaceDecision goes = table.begin_stream_rename(first, called(6));
  EXPECT_EQ(goes.decision.status, NtStatus::kDeletePending);
  EXPECT_FALSE(goes.taken_by);
  closed = {};
  EXPECT_EQ(rename(table, first, 6), NtStatus::kSuccess);
  EXPECT_EQ(rename(table, second, 7), NtStatus::kFileClosed);
}

TEST(SharedStreamRename, AllWorkersFindItByItsNewName) {
  SharedTables t;
  OpenRequest keeper = t.request(0);
  keeper.share_access = kShareRead | kShareWrite;
  const OpenRef first{t.tables[0]->open(called(5), keeper).file, keeper.token};
  ASSERT_EQ(rename(*t.tables[0], first, 6), NtStatus::kSuccess);
  OpenRequest deleter = t.request(1);
  deleter.granted_access = kDelete;
  EXPECT_EQ(t.tables[1]->open(called(6), deleter).decision.status, NtStatus::kSharingViolation);
  OpenRequest alone = t.request(1);
  alone.share_access = 0;
  const OpenDecision other = t.tables[1]->open(called(5), alone);
  EXPECT_EQ(other.decision.status, NtStatus::kSuccess);
  EXPECT_NE(other.file, first.file);
  EXPECT_EQ(t.tables[0]->open(called(5), t.request(0)).decision.status,
            NtStatus::kSharingViolation);
  const OpenRequest second = t.request(1);
  EXPECT_EQ(t.tables[1]->open(called(6), second).file, first.file);
  EXPECT_EQ(rename(*t.tables[0], first, 7), NtStatus::kSharingViolation);
  t.tables[1]->close({first.file, second.token});
  EXPECT_EQ(rename(*t.tables[0], first, 7), NtStatus::kSuccess);
}

}  // namespace
}  // namespace braid::filestate
