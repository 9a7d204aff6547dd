// What is removed or exchanged is taken from a file first: who has it open is asked and kept out as
// one, so that nothing comes between.
#include <gtest/gtest.h>

#include "filestate/file_table_testing.h"
#include "filestate/shared_tables_testing.h"

namespace braid::filestate {
namespace {

constexpr FileKey kFirst{kFile.device, kFile.inode, 5}, kSecond{kFile.device, kFile.inode, 6};

struct Exchange : ::testing::Test, TestTable {
  OpenRequest own = request();
  Exchange() { open(own); }
  NtStatus status() { return table.begin_exchange(ref(own)).decision.status; }
};

TEST_F(Exchange, KeepsNewcomersOutUntilItIsOver) {
  ReplaceDecision taken = table.begin_exchange(ref(own));
  ASSERT_EQ(taken.decision.verdict, Verdict::kGo);
  for (const FileKey& file : {kFile, kFirst}) {
    const OpenDecision refused = open(request(2), file);
    EXPECT_EQ(refused.decision.status, NtStatus::kDeletePending);
    EXPECT_TRUE(refused.deletes_purged) << "it is waited for";
  }
  const uint64_t before = table.name_changes();
  taken.until_replaced.reset();
  EXPECT_GT(table.name_changes(), before) << "who has looked the name up looks again";
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kGo);
}

TEST_F(Exchange, IsRefusedBesideAnotherOpen) {
  const OpenRequest other = request(2);
  for (const FileKey& file : {kFile, kFirst}) {
    open(other, file);
    EXPECT_EQ(status(), NtStatus::kSharingViolation);
    table.close(ref(other, file));
    EXPECT_EQ(status(), NtStatus::kSuccess);
  }
}

TEST_F(Exchange, IsRefusedForWhatIsToBeDeleted) {
  table.set_delete_pending(ref(own), true);
  EXPECT_EQ(status(), NtStatus::kDeletePending);
  table.set_delete_pending(ref(own), false);
  EXPECT_EQ(status(), NtStatus::kSuccess);
  table.close(ref(own));
  EXPECT_EQ(status(), NtStatus::kFileClosed);
  own.delete_on_close = true;
  open(own);
  EXPECT_EQ(status(), NtStatus::kAccessDenied);
}

TEST_F(Exchange, WaitsForWhoIsAtIt) {
  const FileKey streams[] = {kFirst};
  StreamsDecision removal = table.begin_stream_removal(ref(own), streams);
  const ReplaceDecision refused = table.begin_exchange(ref(own));
  EXPECT_EQ(refused.decision.status, NtStatus::kDeletePending);
  EXPECT_TRUE(refused.taken_by);
  removal.until_replaced.reset();
  EXPECT_EQ(status(), NtStatus::kSuccess);
}

struct StreamRemoval : ::testing::Test, TestTable {
  static constexpr FileKey kBoth[] = {kFirst, kSecond};
  const OpenRequest own = request();
  StreamRemoval() { open(own); }
  std::vector<FileKey> free() { return table.begin_stream_removal(ref(own), kBoth).free; }
};

TEST_F(StreamRemoval, IsOfThoseThatNobodyHasOpen) {
  EXPECT_EQ(free(), std::vector(std::begin(kBoth), std::end(kBoth)));
  const OpenRequest reader = request(2);
  open(reader, kFirst);
  EXPECT_EQ(free(), std::vector{kSecond});
  table.close(ref(reader, kFirst));
  EXPECT_EQ(free().size(), 2u);
}

TEST_F(StreamRemoval, GoesByWhatStreamsAreCalled) {
  const OpenRequest reader = request(2);
  open(reader, kFirst);
  ReplaceDecision renaming = table.begin_stream_rename(ref(reader, kFirst), kSecond);
  table.stream_renamed(ref(reader, kFirst), kSecond);
  renaming = {};
  EXPECT_EQ(free(), std::vector{kFirst});
}

TEST_F(StreamRemoval, LeavesWhatAnotherRemoves) {
  const OpenRequest other = request(2);
  open(other, kFirst);
  table.set_delete_pending(ref(other, kFirst), true);
  const CloseDecision closed = table.close(ref(other, kFirst));
  EXPECT_EQ(free(), std::vector{kSecond});
}

TEST_F(StreamRemoval, OfItsOwnStreamIsForWhoAloneHasIt) {
  const OpenRequest maker = request(2), other = request(3);
  open(maker, kFirst);
  EXPECT_EQ(table.begin_stream_removal(ref(maker, kFirst), {{kFirst}}).free, std::vector{kFirst});
  open(other, kFirst);
  EXPECT_TRUE(table.begin_stream_removal(ref(maker, kFirst), {{kFirst}}).free.empty());
}

TEST(SharedTaking, IsWaitedForInEveryWorker) {
  SharedTables t;
  const OpenRequest own = t.request(0), other = t.request(1);
  t.open(0, own);
  t.open(1, other);
  const FileKey streams[] = {kFirst};
  StreamsDecision removal = t.tables[0]->begin_stream_removal(ref(own), streams);
  ASSERT_EQ(removal.decision.verdict, Verdict::kGo);
  EXPECT_EQ(t.tables[1]->begin_stream_removal(ref(other), streams).taken_by,
            t.workers.groups[0]->own_tag());
  removal.until_replaced.reset();
  EXPECT_FALSE(t.tables[1]->begin_stream_removal(ref(other), streams).taken_by);
}

}  // namespace
}  // namespace braid::filestate
