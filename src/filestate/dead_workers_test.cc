// What a worker that has died leaves in the records of files, and what the others do with it.
#include <gtest/gtest.h>

#include "filestate/shared_tables_testing.h"

namespace braid::filestate {
namespace {

SharedPath named(const char* name) { return std::make_shared<const std::string>(name); }

Deleter somebody() {
  return make_deleter(std::make_shared<const UnixCredentials>(), "share", "dir\\file");
}

// Nobody said with whose rights it is to be removed, so it stays, and its name may be opened.
TEST(DeadWorkers, DeletionOfNobodyDoesNotHappen) {
  SharedTables t;
  OpenRequest first = t.request(0), other = t.request(1), again = t.request(1);
  first.path = again.path = named("a");
  other.path = named("b");
  first.is_sole_name = other.is_sole_name = again.is_sole_name = false;
  first.delete_on_close = true;
  t.open(0, first);
  t.open(1, other);
  t.kill(0);
  EXPECT_EQ(t.open(1, again).decision.status, NtStatus::kSuccess);
}

// The others took it for dead, and so nothing of it is there any more.
TEST(DeadWorkers, LeaseKeysOfWhatOthersHaveEndedAreFree) {
  SharedTables t;
  const OpenRequest first = t.lease(0, 1, "RWH");
  t.open(0, first);
  constexpr FileKey kOther{1, 999, 0};
  EXPECT_EQ(t.tables[0]->check_lease_key(lease_of(first), kOther), NtStatus::kInvalidParameter);
  t.workers.kill(0);
  EXPECT_FALSE(t.tables[1]->is_open(kFile));
  t.tables[0]->catch_up();
  EXPECT_EQ(t.tables[0]->check_lease_key(lease_of(first), kOther), NtStatus::kSuccess);
}

TEST(DeadWorkers, OnlyTheirDeletionsAreTakenOver) {
  SharedTables t;
  t.tables[1]->hand_out_orphans();
  OpenRequest first = t.request(0);
  first.delete_on_close = true;
  first.deleter = somebody();
  t.open(0, first);
  CloseDecision deletes = t.tables[0]->close(ref(first));
  ASSERT_TRUE(deletes.delete_now);
  EXPECT_FALSE(t.tables[1]->is_open(kFile));
  EXPECT_TRUE(t.sinks[1].orphans.empty()) << "it is being removed";
  deletes = {};
  EXPECT_EQ(t.open(1, t.request(1)).decision.status, NtStatus::kSuccess);
}

// What it was to be told takes no room any more, though others have the file open.
TEST(DeadWorkers, WhatTheyWereToBeToldGoes) {
  SharedTables t;
  OpenRequest first = t.lease(1, 1, "RWH");
  t.open(1, first);
  EXPECT_TRUE(t.tables[1]->set_durability(ref(first), Durability::kDurable));
  EXPECT_TRUE(t.tables[1]->disconnect(ref(first)));
  EXPECT_EQ(t.open(0, t.request(0)).decision.status, NtStatus::kSuccess);
  const size_t with_output = t.workers.used_bytes(0);
  t.workers.kill(1);
  EXPECT_TRUE(t.tables[0]->is_open(kFile));
  EXPECT_LT(t.workers.used_bytes(0), with_output);
}

TEST(DeadWorkers, WhatTheyHadOpenTakesNoRoom) {
  SharedTables t;
  t.open(0, t.request(0));
  t.open(1, t.request(1));
  t.tables[0]->catch_up();
  EXPECT_GT(t.workers.used_bytes(1), 0u);
  const size_t before = t.workers.used_bytes(0) + t.workers.used_bytes(1);
  t.workers.kill(1);
  EXPECT_TRUE(t.tables[0]->is_open(kFile));
  EXPECT_LT(t.workers.used_bytes(0) + t.workers.used_bytes(1), before);
}

// Who keeps what he found by a name asks again.
TEST(DeadWorkers, NamesThatTheyWereRemovingMayBeGone) {
  SharedTables t;
  OpenRequest first = t.request(1);
  first.delete_on_close = true;
  t.open(1, first);
  const CloseDecision deletes = t.tables[1]->close(ref(first));
  ASSERT_TRUE(deletes.delete_now);
  const uint64_t before = t.tables[0]->name_changes();
  t.workers.kill(1);
  EXPECT_EQ(t.open(0, t.request(0)).decision.status, NtStatus::kSuccess);
  EXPECT_GT(t.tables[0]->name_changes(), before);
}

TEST(OneWorker, ReadsNothingOfWhatItHasWritten) {
  SharedTables t;
  const OpenRequest first = t.request(0), second = t.lease(0, 1, "R");
  t.open(0, first);
  t.open(0, second);
  const LockRange range{0, 1, true};
  t.tables[0]->lock(ref(first), {&range, 1}, true, {1});
  t.tables[0]->close(ref(second));
  EXPECT_EQ(t.tables[0]->parts_read(), 0u);
}

}  // namespace
}  // namespace braid::filestate
