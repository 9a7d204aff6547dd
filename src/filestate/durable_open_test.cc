// Opens that outlive their connection.
#include <gtest/gtest.h>

#include "filestate/file_table_testing.h"

namespace braid::filestate {
namespace {

// [MS-SMB2] 3.3.7.1 and 3.3.5.9.6, .10.
struct Durables : ::testing::Test, TestTable {
  OpenRequest disconnected(const char* state, uint32_t share = kShareAll,
                           Durability durability = Durability::kDurable) {
    OpenRequest wanted = lease(1, state);
    wanted.share_access = share;
    open(wanted);
    EXPECT_TRUE(table.set_durability(ref(wanted), durability));
    EXPECT_TRUE(table.disconnect(ref(wanted)));
    return wanted;
  }
};

TEST_F(Durables, GrantedWithHandleCachingOnly) {
  const OpenRequest reads = lease(1, "RW");
  open(reads);
  EXPECT_FALSE(table.set_durability(ref(reads), Durability::kDurable));
  EXPECT_TRUE(table.set_durability(ref(reads), Durability::kPersistent));
  table.close(ref(reads));
  const OpenRequest batch = oplock(OplockLevel::kBatch);
  open(batch);
  EXPECT_TRUE(table.set_durability(ref(batch), Durability::kDurable));
  EXPECT_TRUE(table.disconnect(ref(batch)));
  EXPECT_FALSE(table.disconnect(ref(batch)));
}

TEST_F(Durables, OneOfTwoReconnectsWins) {
  const OpenRequest kept = disconnected("RWH");
  EXPECT_TRUE(table.reconnect(ref(kept), {77}));
  EXPECT_FALSE(table.reconnect(ref(kept), {78}));
  EXPECT_EQ(table.caching_of(ref(kept)), Caching::kReadWriteHandle);
}

TEST_F(Durables, NotKeptWhileBreaking) {
  const OpenRequest first = lease(1, "RWH");
  open(first);
  table.set_durability(ref(first), Durability::kDurable);
  open(request(2));
  EXPECT_FALSE(table.disconnect(ref(first)));
}

TEST_F(Durables, HarmlessOpensKeepThem) {
  const OpenRequest kept = disconnected("RH");
  open(lease(2, "RWH", -1, 2));
  OpenRequest stat = request(2);
  stat.granted_access = kFileReadAttributes;
  open(stat);
  EXPECT_TRUE(sink.purges.empty());
  EXPECT_TRUE(table.reconnect(ref(kept), {1}));
}

TEST_F(Durables, PurgedByWhatWouldBreakThem) {
  const OpenRequest kept = disconnected("RWH");
  EXPECT_EQ(letters(open(lease(2, "RWH", -1, 2)).lease->state), "RWH");
  ASSERT_EQ(sink.purges.size(), 1u);
  EXPECT_EQ(sink.purges[0].first, ref(kept));
  EXPECT_EQ(sink.take_breaks(), "");
  EXPECT_FALSE(table.reconnect(ref(kept), {1}));
  EXPECT_EQ(table.check_lease_key({client(1), lease_key(1)}, std::nullopt), NtStatus::kSuccess);
}

TEST_F(Durables, PurgedBySharingViolationWriteAndRename) {
  disconnected("RH", 0);
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kGo);
  EXPECT_EQ(sink.purges.size(), 1u);

  for (const Operation operation : {Operation::kWrite, Operation::kRename}) {
    sink.purges.clear();
    const OpenRequest other = request(2);
    open(other);
    disconnected("RH");
    EXPECT_EQ(table.prepare(ref(other), operation).verdict, Verdict::kGo);
    EXPECT_EQ(sink.purges.size(), 1u);
  }
}

// [MS-SMB2] 3.3.5.9, note <301>.
TEST_F(Durables, WhoMeetsAPersistentOneWithAllCachingWaitsForItsClient) {
  const OpenRequest kept = disconnected("RWH", kShareAll, Durability::kPersistent);
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kWait);
  OpenRequest overwrites = request(3);
  overwrites.overwrites = true;
  EXPECT_EQ(open(overwrites).decision.verdict, Verdict::kWait);
  EXPECT_TRUE(sink.purges.empty());
  EXPECT_EQ(sink.take_breaks(), "") << "nobody is there to be told";
  EXPECT_EQ(table.caching_of(ref(kept)), Caching::kReadWriteHandle);
  EXPECT_TRUE(table.reconnect(ref(kept), {1}));
  EXPECT_EQ(sink.take_breaks(), "1: RWH-> ack") << "what was demanded meanwhile";
  EXPECT_TRUE(sink.take_completions().empty());
  EXPECT_EQ(table.ack_lease({client(1), lease_key(1)}, Caching::kNone).status, NtStatus::kSuccess);
  EXPECT_EQ(sink.take_completions().size(), 2u);
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kGo);
}

TEST_F(Durables, WhoWaitsForAPersistentOneGoesOnWhenItsTimeIsOver) {
  const OpenRequest kept = disconnected("RWH", 0, Durability::kPersistent);
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kWait);
  table.close(ref(kept));
  EXPECT_EQ(sink.take_completions().size(), 1u);
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kGo);
}

TEST_F(Durables, PersistentOneInTheWayOfSharingIsWaitedFor) {
  const OpenRequest kept = disconnected("RWH", 0, Durability::kPersistent);
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kWait);
  EXPECT_TRUE(table.reconnect(ref(kept), {1}));
  EXPECT_EQ(sink.take_breaks(), "1: RWH->RW ack");
  EXPECT_EQ(table.ack_lease({client(1), lease_key(1)}, Caching::kRead | Caching::kWrite).status,
            NtStatus::kSuccess);
  EXPECT_EQ(open(request(2)).decision.status, NtStatus::kSharingViolation);
}

TEST_F(Durables, PersistentBatchOplockIsWaitedFor) {
  const OpenRequest kept = oplock(OplockLevel::kBatch);
  open(kept);
  EXPECT_TRUE(table.set_durability(ref(kept), Durability::kPersistent));
  EXPECT_TRUE(table.disconnect(ref(kept)));
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "");
  EXPECT_TRUE(table.reconnect(ref(kept), {7}));
  EXPECT_NE(sink.take_breaks(), "");
  EXPECT_EQ(sink.last_break.session, SessionId{7});
}

// A break that was on its way when the connection went.
TEST_F(Durables, PersistentOneIsToldAgain) {
  const OpenRequest kept = lease(1, "RWH");
  open(kept);
  EXPECT_TRUE(table.set_durability(ref(kept), Durability::kPersistent));
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "1: RWH->RH ack");
  const Break before = sink.last_break;
  EXPECT_TRUE(table.disconnect(ref(kept)));
  EXPECT_TRUE(table.break_undelivered(before.id));
  EXPECT_TRUE(sink.take_completions().empty());
  table.break_timed_out(before.id);
  EXPECT_TRUE(sink.take_completions().empty()) << "it was never told";
  EXPECT_TRUE(table.reconnect(ref(kept), {1}));
  EXPECT_EQ(sink.take_breaks(), "1: RWH->RH ack");
  table.break_timed_out(sink.last_break.id);
  EXPECT_EQ(sink.take_completions().size(), 1u);
}

TEST_F(Durables, PersistentOneWithoutHandleCachingKeepsAllOut) {
  for (const char* state : {"RW", "R", ""}) {
    const OpenRequest kept = disconnected(state, kShareAll, Durability::kPersistent);
    OpenRequest stat = request(2);
    stat.granted_access = kFileReadAttributes;
    EXPECT_EQ(open(stat).decision.status, NtStatus::kFileNotAvailable) << state;
    EXPECT_TRUE(table.reconnect(ref(kept), {1}));
    table.close(ref(kept));
  }
}

TEST_F(Durables, PersistentOneOfTheSameClientIsNotWaitedFor) {
  disconnected("RWH", kShareAll, Durability::kPersistent);
  OpenRequest own = request(2);
  own.client_guid = client(1);
  EXPECT_EQ(open(own).decision.status, NtStatus::kFileNotAvailable);
}

// Nothing of it is in their way.
TEST_F(Durables, PersistentOneWithReadAndHandleCachingLetsReadersIn) {
  const OpenRequest kept = disconnected("RH", kShareAll, Durability::kPersistent);
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kGo);
  EXPECT_EQ(table.caching_of(ref(kept)), Caching::kRead | Caching::kHandle);
  OpenRequest alone = request(3);
  alone.share_access = 0;
  EXPECT_EQ(open(alone).decision.status, NtStatus::kFileNotAvailable);
}

// A client without a channel, before the end of its session has closed what it had open. To let
// the newcomer try too early would give it a sharing violation that is about to go.
TEST_F(Durables, UndeliveredBreakWaitsForTheClose) {
  OpenRequest leaving = lease(1, "RWH");
  leaving.share_access = 0;
  open(leaving);
  ASSERT_TRUE(table.set_durability(ref(leaving), Durability::kDurable));
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "1: RWH->RW ack");
  EXPECT_FALSE(table.break_undelivered(sink.last_break.id));
  EXPECT_TRUE(sink.take_completions().empty());
  EXPECT_FALSE(table.disconnect(ref(leaving)));
  table.close(ref(leaving));
  EXPECT_EQ(sink.take_completions().size(), 1u);
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kGo);
  EXPECT_TRUE(table.break_undelivered(sink.last_break.id));  // too late and harmless
}

TEST_F(Durables, ResilientOnesStayAndLoseOnlyWhatTheyCache) {
  const OpenRequest kept = disconnected("RWH", kShareRead, Durability::kResilient);
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "1: RWH->RW ack");
  EXPECT_TRUE(table.break_undelivered(sink.last_break.id));  // nobody is there to be told
  EXPECT_EQ(open(request(2)).decision.status, NtStatus::kSharingViolation);
  EXPECT_TRUE(sink.purges.empty());
  EXPECT_TRUE(table.reconnect(ref(kept), {1}));
  EXPECT_EQ(table.caching_of(ref(kept)), Caching::kNone);
}

TEST_F(Durables, LocksStayAndWaitingOnesEnd) {
  const OpenRequest kept = lease(1, "RWH");
  const OpenRequest other = lease(1, "RWH");
  open(kept);
  open(other);
  const LockRange first{0, 1, true}, second{1, 1, true};
  EXPECT_EQ(table.lock(ref(kept), {&first, 1}, true, {1}, {}).verdict, Verdict::kGo);
  EXPECT_EQ(table.lock(ref(other), {&second, 1}, true, {1}, {}).verdict, Verdict::kGo);
  EXPECT_EQ(table.lock(ref(kept), {&second, 1}, false, {2}, {}).verdict, Verdict::kWait);
  table.set_durability(ref(kept), Durability::kDurable);
  EXPECT_TRUE(table.disconnect(ref(kept)));
  const auto completions = sink.take_completions();
  ASSERT_EQ(completions.size(), 1u);
  EXPECT_EQ(completions[0].lock, LockId{2});
  EXPECT_EQ(completions[0].status, NtStatus::kRangeNotLocked);
  EXPECT_EQ(table.check_io(ref(other), 0, 1, true), NtStatus::kFileLockConflict);
}

TEST_F(Durables, TheGrantIsToldAsItIsNow) {
  const OpenRequest first = lease(1, "RH", 5);
  open(first);
  open(lease(1, "RWH", 5));
  const OpenDecision now = table.grant_of(ref(first));
  EXPECT_EQ(now.oplock, OplockLevel::kLease);
  EXPECT_EQ(letters(now.lease->state), "RWH");
  EXPECT_EQ(now.lease->epoch, 7);
  EXPECT_FALSE(table.grant_of({kFile, {99}}).lease);
}

TEST_F(Durables, WhoWaitsForSharingIsTold) {
  OpenRequest first = lease(1, "RWH");
  first.share_access = kShareRead;
  open(first);
  const OpenDecision waits = open(request(2));
  EXPECT_EQ(waits.decision.verdict, Verdict::kWait);
  EXPECT_TRUE(waits.sharing_violation);
}

TEST_F(Durables, PurgingADeleteOnCloseOpenDeletes) {
  OpenRequest wanted = lease(1, "RWH");
  wanted.delete_on_close = true;
  wanted.path = path("gone");
  open(wanted);
  table.set_durability(ref(wanted), Durability::kDurable);
  table.disconnect(ref(wanted));
  EXPECT_EQ(open(request(2)).decision.status, NtStatus::kDeletePending);
  ASSERT_EQ(sink.purges.size(), 1u);
  EXPECT_TRUE(sink.purges[0].second.delete_now);
  EXPECT_EQ(*sink.purges[0].second.path, "gone");
  sink.purges.clear();
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kGo);
}

// A handle may be taken up again by a server that has fewer workers than the one that gave it.
TEST(DurablesOfAnotherLife, DeletionOfOneThatMakesWayEnds) {
  RecordingSink sink;
  FileTable table(sink);
  OpenRequest kept;
  kept.token = {store::WorkerTag::make(1, 1).tagged(7)};
  kept.client_guid = client(1);
  kept.granted_access = kReadWriteAccess;
  kept.share_access = kShareAll;
  kept.requested_oplock = OplockLevel::kBatch;
  kept.delete_on_close = true;
  kept.path = path("gone");
  EXPECT_EQ(table.open(kFile, kept).oplock, OplockLevel::kBatch);
  EXPECT_TRUE(table.set_durability({kFile, kept.token}, Durability::kDurable));
  EXPECT_TRUE(table.disconnect({kFile, kept.token}));
  OpenRequest other = kept;
  other.token = {8};
  other.client_guid = client(2);
  EXPECT_EQ(table.open(kFile, other).decision.status, NtStatus::kDeletePending);
  ASSERT_EQ(sink.purges.size(), 1u);
  sink.purges.clear();
  EXPECT_EQ(table.open(kFile, other).decision.verdict, Verdict::kGo);
}

// Whoever is in the way of a deletion and has no client makes way: when it is asked for, and when
// the open ends that asks for it then.
TEST_F(Durables, PurgedByDeletion) {
  const OpenRequest first = request(2);
  open(first);
  const OpenRequest kept = disconnected("RH");
  EXPECT_EQ(table.set_delete_pending(ref(first), true).verdict, Verdict::kGo);
  ASSERT_EQ(sink.purges.size(), 1u);
  EXPECT_EQ(sink.purges[0].first, ref(kept));
  sink.purges.clear();
  EXPECT_TRUE(table.close(ref(first)).delete_now);

  OpenRequest deletes = request(2);
  deletes.delete_on_close = true;
  open(deletes);
  const OpenRequest again = disconnected("RH");
  EXPECT_TRUE(sink.purges.empty());
  EXPECT_FALSE(table.close(ref(deletes)).delete_now) << "that is for the last";
  ASSERT_EQ(sink.purges.size(), 1u);
  EXPECT_EQ(sink.purges[0].first, ref(again));
  EXPECT_TRUE(sink.purges[0].second.delete_now);
  sink.purges.clear();
}

TEST_F(Durables, PurgedInTheOrderTheyWereOpened) {
  std::vector<OpenRequest> kept;
  for (uint8_t key = 1; key <= 4; ++key) {
    kept.push_back(lease(key, "RH"));
    open(kept.back());
    EXPECT_TRUE(table.set_durability(ref(kept.back()), Durability::kDurable));
    EXPECT_TRUE(table.disconnect(ref(kept.back())));
  }
  EXPECT_TRUE(table.reconnect(ref(kept[0]), {1}));
  table.close(ref(kept[0]));
  OpenRequest overwrites = request(2);
  overwrites.overwrites = true;
  open(overwrites);
  ASSERT_EQ(sink.purges.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(sink.purges[i].first, ref(kept[i + 1]));
}

// A break that is owed is told once.
TEST_F(Durables, OwedBreakIsToldOnce) {
  const OpenRequest kept = disconnected("RWH", kShareAll, Durability::kPersistent);
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kWait);
  EXPECT_TRUE(table.reconnect(ref(kept), {1}));
  EXPECT_EQ(sink.take_breaks(), "1: RWH->RH ack");
  EXPECT_TRUE(table.disconnect(ref(kept)));
  EXPECT_TRUE(table.reconnect(ref(kept), {2}));
  EXPECT_EQ(sink.take_breaks(), "") << "whoever told it sends it again";
}

}  // namespace
}  // namespace braid::filestate
