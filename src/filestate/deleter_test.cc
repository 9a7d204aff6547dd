// With whose rights something is deleted: [MS-FSA] 2.1.5.15.3 looks at them when it is asked for.
#include <gtest/gtest.h>

#include "filestate/file_table_testing.h"
#include "filestate/shared_tables_testing.h"

namespace braid::filestate {
namespace {

Deleter user(uid_t uid, std::string share = "docs") {
  return make_deleter(std::make_shared<const UnixCredentials>(
                          UnixCredentials{.uid = uid, .gid = uid, .groups = {7, 8}}),
                      std::move(share));
}
std::vector<uid_t> uids_of(const Deleters& deleters) {
  std::vector<uid_t> uids;
  for (const Deleter& each : deleters) uids.push_back(each->who->uid);
  return uids;
}
using Uids = std::vector<uid_t>;

struct DeleterTest : ::testing::Test, TestTable {
  static constexpr auto kLastClose = DeleteSemantics::kLastClose;
};

TEST_F(DeleterTest, IsWhoMadeItPendingAndNotWhoClosesLast) {
  const OpenRequest first = request(), second = request(2);
  open(first);
  open(second);
  table.set_delete_pending(ref(first), true, kLastClose, user(1));
  table.close(ref(first));
  EXPECT_EQ(uids_of(table.close(ref(second)).link_deleters), Uids{1});
}

// Each was told that it will be deleted, and one of them may have lost the right since.
TEST_F(DeleterTest, IsEachWhoAskedForIt) {
  const OpenRequest first = request(), second = request(2);
  open(first);
  open(second);
  for (const uid_t uid : {1, 2, 1}) {
    table.set_delete_pending(ref(first), true, kLastClose, user(uid));
  }
  table.close(ref(first));
  EXPECT_EQ(uids_of(table.close(ref(second)).link_deleters), (Uids{1, 2}));
}

TEST_F(DeleterTest, IsAnotherThroughAnotherShare) {
  const OpenRequest first = request();
  open(first);
  table.set_delete_pending(ref(first), true, kLastClose, user(1, "docs"));
  table.set_delete_pending(ref(first), true, kLastClose, user(1, "more"));
  EXPECT_EQ(uids_of(table.close(ref(first)).link_deleters), (Uids{1, 1}));
}

TEST_F(DeleterTest, OfManyAreSome) {
  const OpenRequest first = request();
  open(first);
  for (uid_t uid = 1; uid <= 100; ++uid) {
    table.set_delete_pending(ref(first), true, kLastClose, user(uid));
  }
  EXPECT_EQ(uids_of(table.close(ref(first)).link_deleters).size(), Deleters::kMost);
}

TEST_F(DeleterTest, IsForgottenWhenItIsNotToBeDeletedAfterAll) {
  const OpenRequest first = request(), second = request(2);
  open(first);
  open(second);
  table.set_delete_pending(ref(first), true, kLastClose, user(1));
  table.set_delete_pending(ref(second), false, kLastClose, user(2));
  table.set_delete_pending(ref(second), true, kLastClose, user(2));
  table.close(ref(second));
  EXPECT_EQ(uids_of(table.close(ref(first)).link_deleters), Uids{2});
}

TEST_F(DeleterTest, IsWhoOpenedItToDeleteItAtTheClose) {
  OpenRequest first = request();
  const OpenRequest second = request(2);
  first.delete_on_close = true;
  first.deleter = user(1);
  open(first);
  open(second);
  table.close(ref(first));
  EXPECT_EQ(uids_of(table.close(ref(second)).link_deleters), Uids{1});
}

TEST_F(DeleterTest, IsAnotherForAStreamThanForItsFile) {
  const FileKey stream{kFile.device, kFile.inode, 9};
  const OpenRequest main = request(), of_stream = request(2);
  open(main);
  open(of_stream, stream);
  table.set_delete_pending(ref(of_stream, stream), true, kLastClose, user(2));
  table.set_delete_pending(ref(main), true, kLastClose, user(1));
  EXPECT_FALSE(table.close(ref(main)).delete_now);
  const CloseDecision closed = table.close(ref(of_stream, stream));
  EXPECT_TRUE(closed.stream_too);
  EXPECT_EQ(uids_of(closed.link_deleters), Uids{1});
  EXPECT_EQ(uids_of(closed.stream_deleters), Uids{2});
}

TEST(SharedDeleter, IsKnownToTheWorkerThatDeletes) {
  SharedTables t;
  const FileKey stream{kFile.device, kFile.inode, 9};
  for (const FileKey& file : {kFile, stream}) {
    const OpenRequest first = t.request(0), second = t.request(1);
    t.tables[0]->open(file, first);
    t.tables[1]->open(file, second);
    t.tables[0]->set_delete_pending({file, first.token}, true, DeleteSemantics::kLastClose,
                                    user(1));
    t.tables[0]->close({file, first.token});
    const CloseDecision closed = t.tables[1]->close({file, second.token});
    const Deleters& by = file.stream == 0 ? closed.link_deleters : closed.stream_deleters;
    ASSERT_FALSE(by.empty());
    EXPECT_EQ(**by.begin(), *user(1));
  }
}

TEST(SharedDeleter, IsToldToTheWorkerWhoseOpenMakesWay) {
  SharedTables t;
  OpenRequest first = t.lease(0, 1, "RWH");
  first.delete_on_close = true;
  first.deleter = user(1);
  t.open(0, first);
  t.tables[0]->set_durability({kFile, first.token}, Durability::kDurable);
  t.tables[0]->disconnect({kFile, first.token});
  EXPECT_EQ(t.open(1, t.request(1)).decision.status, NtStatus::kDeletePending);
  t.tables[0]->catch_up();
  ASSERT_EQ(t.sinks[0].purges.size(), 1u);
  const Deleters& by = t.sinks[0].purges[0].second.link_deleters;
  ASSERT_FALSE(by.empty());
  EXPECT_EQ(**by.begin(), *user(1));
  t.sinks[0].purges.clear();
}

// Worker 0 dies with the last open of what somebody in it was told is deleted.
struct Orphan : ::testing::Test {
  static constexpr FileKey kStream{kFile.device, kFile.inode, 9};
  Orphan() { t.tables[1]->hand_out_orphans(); }
  ~Orphan() override { t.sinks[1].orphans.clear(); }

  OpenRequest delete_on_close(const FileKey& file) {
    OpenRequest wanted = t.request(0);
    wanted.delete_on_close = true;
    wanted.deleter = user(1);
    t.tables[0]->open(file, wanted);
    return wanted;
  }
  SharedTables t;
};

TEST_F(Orphan, StreamOfAKilledWorkersOpenIsHandedOn) {
  delete_on_close(kStream);
  t.open(1, t.request(1));
  t.kill(0);
  ASSERT_EQ(t.sinks[1].orphans.size(), 1u);
  const OrphanedDeletion& deletion = t.sinks[1].orphans[0];
  EXPECT_EQ(deletion.closed.file, kStream);
  EXPECT_EQ(deletion.stream_name, kStream.stream);
  EXPECT_EQ(uids_of(deletion.closed.stream_deleters), Uids{1});
}

TEST_F(Orphan, IsNoneWhileOthersHaveItOpen) {
  const OpenRequest other = t.request(1);
  t.open(1, other);
  delete_on_close(kFile);
  t.kill(0);
  EXPECT_TRUE(t.sinks[1].orphans.empty());
  EXPECT_EQ(uids_of(t.tables[1]->close(ref(other)).link_deleters), Uids{1});
}

TEST_F(Orphan, NewcomersWaitUntilItIsDone) {
  delete_on_close(kFile);
  t.kill(0);
  const OpenDecision refused = t.open(1, t.request(1));
  EXPECT_EQ(refused.decision.status, NtStatus::kDeletePending);
  EXPECT_TRUE(refused.deletes_purged);
  ASSERT_EQ(t.sinks[1].orphans.size(), 1u);
  t.sinks[1].orphans.clear();
  EXPECT_EQ(t.open(1, t.request(1)).decision.verdict, Verdict::kGo);
}

TEST_F(Orphan, DeletionThatAKilledWorkerHadBegunIsHandedOn) {
  const OpenRequest first = delete_on_close(kFile);
  const CloseDecision closed = t.tables[0]->close(ref(first));
  ASSERT_TRUE(closed.delete_now);
  t.kill(0);
  EXPECT_EQ(t.open(1, t.request(1)).decision.status, NtStatus::kDeletePending);
  ASSERT_EQ(t.sinks[1].orphans.size(), 1u);
  EXPECT_EQ(uids_of(t.sinks[1].orphans[0].closed.link_deleters), Uids{1});
}

TEST_F(Orphan, WaitsUntilTheSinkMayBeTold) {
  delete_on_close(kFile);
  t.kill(0);
  t.tables[0].reset();
  t.workers.join(0);
  t.tables[0] = std::make_unique<FileTable>(t.sinks[0], t.workers.groups[0].get());
  EXPECT_TRUE(t.sinks[0].orphans.empty());
  t.tables[0]->hand_out_orphans();
  EXPECT_EQ(t.sinks[0].orphans.size(), 1u);
  t.sinks[0].orphans.clear();
}

}  // namespace
}  // namespace braid::filestate
