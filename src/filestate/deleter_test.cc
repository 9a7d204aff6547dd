// With whose rights something is deleted: [MS-FSA] 2.1.5.15.3 looks at them when it is asked for.
#include <gtest/gtest.h>

#include "filestate/file_table_testing.h"
#include "filestate/shared_tables_testing.h"

namespace braid::filestate {
namespace {

Credentials user(uid_t uid) {
  return std::make_shared<const UnixCredentials>(
      UnixCredentials{.uid = uid, .gid = uid, .groups = {7, 8}});
}
// Null is nobody.
std::optional<uid_t> uid_of(const Credentials& who) {
  return who ? std::optional(who->uid) : std::nullopt;
}

struct Deleter : ::testing::Test, TestTable {
  static constexpr auto kLastClose = DeleteSemantics::kLastClose;
};

TEST_F(Deleter, IsWhoMadeItPendingAndNotWhoClosesLast) {
  const OpenRequest first = request(), second = request(2);
  open(first);
  open(second);
  table.set_delete_pending(ref(first), true, kLastClose, user(1));
  table.set_delete_pending(ref(second), true, kLastClose, user(2));
  table.close(ref(first));
  EXPECT_EQ(uid_of(table.close(ref(second)).link_deleter), 1u);
}

TEST_F(Deleter, IsForgottenWhenItIsNotToBeDeletedAfterAll) {
  const OpenRequest first = request(), second = request(2);
  open(first);
  open(second);
  table.set_delete_pending(ref(first), true, kLastClose, user(1));
  table.set_delete_pending(ref(second), false, kLastClose, user(2));
  table.set_delete_pending(ref(second), true, kLastClose, user(2));
  table.close(ref(second));
  EXPECT_EQ(uid_of(table.close(ref(first)).link_deleter), 2u);
}

TEST_F(Deleter, IsWhoOpenedItToDeleteItAtTheClose) {
  OpenRequest first = request();
  const OpenRequest second = request(2);
  first.delete_on_close = true;
  first.deleter = user(1);
  open(first);
  open(second);
  table.close(ref(first));
  EXPECT_EQ(uid_of(table.close(ref(second)).link_deleter), 1u);
}

TEST_F(Deleter, IsAnotherForAStreamThanForItsFile) {
  const FileKey stream{kFile.device, kFile.inode, 9};
  const OpenRequest main = request(), of_stream = request(2);
  open(main);
  open(of_stream, stream);
  table.set_delete_pending(ref(of_stream, stream), true, kLastClose, user(2));
  table.set_delete_pending(ref(main), true, kLastClose, user(1));
  EXPECT_FALSE(table.close(ref(main)).delete_now);
  const CloseDecision closed = table.close(ref(of_stream, stream));
  EXPECT_TRUE(closed.stream_too);
  EXPECT_EQ(uid_of(closed.link_deleter), 1u);
  EXPECT_EQ(uid_of(closed.stream_deleter), 2u);
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
    const Credentials& by = file.stream == 0 ? closed.link_deleter : closed.stream_deleter;
    ASSERT_TRUE(by);
    EXPECT_EQ(*by, *user(1));
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
  const Credentials& by = t.sinks[0].purges[0].second.link_deleter;
  ASSERT_TRUE(by);
  EXPECT_EQ(*by, *user(1));
  t.sinks[0].purges.clear();
}

}  // namespace
}  // namespace braid::filestate
