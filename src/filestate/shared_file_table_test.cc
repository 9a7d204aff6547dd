// FileTables of several workers over one store: what holds within one must hold between them.
#include <gtest/gtest.h>

#include <functional>

#include <algorithm>
#include <semaphore>

#include "filestate/shared_tables_testing.h"

namespace braid::filestate {
namespace {

TEST(SharedFileTable, SharingViolationBetweenWorkers) {
  SharedTables t;
  OpenRequest first = t.request(0);
  first.share_access = kShareRead;
  EXPECT_EQ(t.open(0, first).decision.status, NtStatus::kSuccess);
  EXPECT_EQ(t.open(1, t.request(1)).decision.status, NtStatus::kSharingViolation);
  t.tables[0]->close(ref(first));
  EXPECT_EQ(t.open(1, t.request(1)).decision.status, NtStatus::kSuccess);
}

TEST(SharedFileTable, LeaseOfAnotherWorkerIsBrokenThereAndItsAcknowledgementWakesTheOpen) {
  SharedTables t;
  const OpenRequest first = t.lease(0, 1, "RWH");
  EXPECT_EQ(t.open(0, first).lease->state, Caching::kReadWriteHandle);
  const OpenRequest second = t.request(1);
  EXPECT_EQ(t.open(1, second).decision.verdict, Verdict::kWait);
  EXPECT_EQ(t.breaks_of(1), "");
  EXPECT_EQ(t.breaks_of(0), "1: RWH->RH ack");
  EXPECT_EQ(t.sinks[0].last_break.lease, lease_of(first)) << "its user, too";
  EXPECT_EQ(t.breaks_of(0), "") << "told twice";
  EXPECT_EQ(t.tables[0]->ack_lease({client(0), lease_key(1), {1}}, Caching::kReadHandle).status,
            NtStatus::kSuccess);
  const auto completions = t.completions_of(1);
  ASSERT_EQ(completions.size(), 1u);
  EXPECT_EQ(completions[0].token, second.token);
  EXPECT_EQ(t.open(1, second).decision.verdict, Verdict::kGo);
}

TEST(SharedFileTable, MessageBringsTheBreakWithoutBeingAskedFor) {
  SharedTables t;
  struct : BreakSink {
    void send_break(const Break&) override { told.release(); }
    void completed(const FileKey&, const Completion&) override {}
    void purged(const OpenRef&, const CloseDecision&) override {}
    void orphaned(const OrphanedDeletion&) override {}
    std::binary_semaphore told{0};
  } sink;
  t.tables[0] = std::make_unique<FileTable>(sink, t.workers.groups[0].get());
  t.workers.groups[0]->start();
  t.open(0, t.lease(0, 1, "RWH"));
  t.open(1, t.request(1));
  EXPECT_TRUE(sink.told.try_acquire_for(std::chrono::seconds(20)));
  t.workers.groups[0]->stop();
}

TEST(SharedFileTable, LockOfAnotherWorkerIsWaitedForAndStopsWrites) {
  SharedTables t;
  const OpenRequest first = t.request(0), second = t.request(1);
  t.open(0, first);
  t.open(1, second);
  const LockRange range{0, 10, true};
  EXPECT_EQ(t.tables[0]->lock(ref(first), {&range, 1}, true, {1}).verdict, Verdict::kGo);
  EXPECT_EQ(t.tables[1]->check_io(ref(second), 5, 1, true), NtStatus::kFileLockConflict);
  EXPECT_EQ(t.tables[1]->lock(ref(second), {&range, 1}, true, {2}).status,
            NtStatus::kLockNotGranted);
  EXPECT_EQ(t.tables[1]->lock(ref(second), {&range, 1}, false, {3}).verdict, Verdict::kWait);
  t.tables[0]->unlock(ref(first), {&range, 1});
  const auto completions = t.completions_of(1);
  ASSERT_EQ(completions.size(), 1u);
  EXPECT_EQ(completions[0].lock, LockId{3});
  EXPECT_EQ(completions[0].status, NtStatus::kSuccess);
}

TEST(SharedFileTable, DeletePendingHoldsForAllAndTheLastCloseDeletes) {
  SharedTables t;
  const OpenRequest first = t.request(0), second = t.request(1);
  t.open(0, first);
  t.open(1, second);
  EXPECT_EQ(t.tables[0]->set_delete_pending(ref(first), true).verdict, Verdict::kGo);
  EXPECT_TRUE(t.tables[1]->is_delete_pending(ref(second)));
  EXPECT_EQ(t.open(1, t.request(1)).decision.status, NtStatus::kDeletePending);
  EXPECT_FALSE(t.tables[0]->close(ref(first)).delete_now);
  CloseDecision closed = t.tables[1]->close(ref(second));
  EXPECT_TRUE(closed.delete_now);
  EXPECT_EQ(*closed.path, "dir\\file");
  EXPECT_EQ(t.open(0, t.request(0)).decision.status, NtStatus::kDeletePending)
      << "the name is not removed yet";
  closed.until_deleted.reset();
  EXPECT_EQ(t.open(0, t.request(0)).decision.status, NtStatus::kSuccess);
}

// As [MS-FSA] 2.1.1.4 "Per Link" has it, whichever worker opens which name.
TEST(SharedFileTable, EachNameOfAFileGoesForItself) {
  SharedTables t;
  OpenRequest first = t.request(0), second = t.request(1), third = t.request(1);
  second.path = std::make_shared<const std::string>("dir\\second");
  third.path = std::make_shared<const std::string>("dir\\third");
  first.is_sole_name = second.is_sole_name = third.is_sole_name = false;
  t.open(0, first);
  t.open(1, second);
  t.open(1, third);
  EXPECT_TRUE(t.tables[0]->any_open_below("dir"));
  EXPECT_EQ(t.tables[0]->set_delete_pending(ref(first), true).verdict, Verdict::kGo);
  t.tables[1]->renamed(ref(second), std::make_shared<const std::string>("other\\name"));
  EXPECT_EQ(*t.tables[0]->path_of(ref(second)), "other\\name");
  EXPECT_TRUE(t.tables[0]->any_open_below("other"));
  EXPECT_FALSE(t.tables[1]->is_delete_pending(ref(second)));
  EXPECT_TRUE(t.tables[1]->is_delete_pending(kFile, *first.path));
  EXPECT_EQ(t.tables[1]->pending_links(kFile), 1u);
  CloseDecision closed = t.tables[0]->close(ref(first));
  EXPECT_TRUE(closed.delete_now);
  EXPECT_EQ(*closed.path, *first.path);
  EXPECT_EQ(t.tables[1]->set_delete_pending(ref(second), true).verdict, Verdict::kGo);
  EXPECT_EQ(*t.tables[1]->close(ref(second)).path, "other\\name");
  EXPECT_EQ(t.open(1, first).decision.status, NtStatus::kDeletePending) << "not removed yet";
  closed.until_deleted.reset();
  EXPECT_EQ(t.open(1, first).decision.status, NtStatus::kSuccess);
  t.tables[0]->renamed(ref(third), std::make_shared<const std::string>("other"));
  EXPECT_FALSE(t.tables[1]->any_open_below("other"));
}

TEST(SharedFileTable, PathsAndOpensBelowADirectoryAreSeenByAll) {
  SharedTables t;
  const OpenRequest first = t.request(0);
  t.open(0, first);
  EXPECT_EQ(*t.tables[1]->path_of(ref(first)), "dir\\file");
  EXPECT_TRUE(t.tables[1]->is_open(kFile));
  EXPECT_TRUE(t.tables[1]->any_open_below("dir"));
  t.tables[1]->renamed(ref(first), std::make_shared<const std::string>("other\\file"));
  EXPECT_EQ(*t.tables[0]->path_of(ref(first)), "other\\file");
  EXPECT_FALSE(t.tables[1]->any_open_below("dir"));
  t.tables[0]->close(ref(first));
  EXPECT_FALSE(t.tables[1]->is_open(kFile));
  EXPECT_EQ(t.tables[1]->path_of(ref(first)), nullptr);
}

TEST(SharedFileTable, DisconnectedOpenOfAnotherWorkerIsPurgedAndItsWorkerIsTold) {
  SharedTables t;
  OpenRequest first = t.lease(0, 1, "RWH");
  first.delete_on_close = true;
  t.open(0, first);
  EXPECT_TRUE(t.tables[0]->set_durability(ref(first), Durability::kDurable));
  EXPECT_TRUE(t.tables[0]->disconnect(ref(first)));
  OpenRequest second = t.request(1);
  EXPECT_EQ(t.open(1, second).decision.status, NtStatus::kDeletePending);
  t.tables[0]->catch_up();
  ASSERT_EQ(t.sinks[0].purges.size(), 1u);
  EXPECT_EQ(t.sinks[0].purges[0].first, ref(first));
  EXPECT_TRUE(t.sinks[0].purges[0].second.delete_now);
  const OpenDecision meanwhile = t.open(1, second);
  EXPECT_EQ(meanwhile.decision.status, NtStatus::kDeletePending);
  EXPECT_TRUE(meanwhile.deletes_purged);
  EXPECT_EQ(meanwhile.deleted_by, t.workers.groups[0]->own_tag());
  t.sinks[0].purges.clear();
  EXPECT_EQ(t.open(1, second).decision.status, NtStatus::kSuccess);
  // Its lease is gone from the client's table, so that the key is free.
  EXPECT_EQ(t.tables[0]->check_lease_key({client(0), lease_key(1)}, std::nullopt),
            NtStatus::kSuccess);
}

TEST(SharedFileTable, AnotherWorkerTakesADisconnectedOpenOverOnceWithItsLocksAndOplock) {
  SharedTables t;
  OpenRequest first = t.request(0);
  first.requested_oplock = OplockLevel::kBatch;
  t.open(0, first);
  const LockRange range{0, 10, true};
  t.tables[0]->lock(ref(first), {&range, 1}, true, {1});
  t.tables[0]->set_durability(ref(first), Durability::kDurable);
  const OpenToken as = t.request(1).token;
  EXPECT_FALSE(t.tables[1]->take_over(ref(first), as, {7})) << "it is connected";
  EXPECT_TRUE(t.tables[0]->disconnect(ref(first)));
  EXPECT_TRUE(t.tables[1]->is_disconnected(ref(first)));
  EXPECT_TRUE(t.tables[1]->take_over(ref(first), as, {7}));
  EXPECT_FALSE(t.tables[0]->is_disconnected(ref(first)));
  EXPECT_FALSE(t.tables[0]->reconnect(ref(first), {0}));
  EXPECT_FALSE(t.tables[1]->take_over(ref(first), t.request(1).token, {7}));

  const OpenRequest third = t.request(0);
  EXPECT_EQ(t.open(0, third).decision.verdict, Verdict::kWait);
  t.tables[1]->catch_up();
  ASSERT_EQ(t.sinks[1].breaks.size(), 1u);
  EXPECT_EQ(t.sinks[1].breaks[0].open, as);
  EXPECT_EQ(t.sinks[1].breaks[0].persistent_id, first.token.value);
  EXPECT_EQ(t.sinks[1].breaks[0].session, SessionId{7});
  EXPECT_EQ(t.tables[1]->ack_oplock({kFile, as}, OplockLevel::kLevelII).status, NtStatus::kSuccess);
  EXPECT_EQ(t.open(0, third).decision.verdict, Verdict::kGo);
  EXPECT_EQ(t.tables[0]->check_io(ref(third), 5, 1, true), NtStatus::kFileLockConflict);
  EXPECT_EQ(t.tables[1]->check_io({kFile, as}, 5, 1, true), NtStatus::kSuccess);
  // It goes with the worker that has it now.
  t.kill(1);
  EXPECT_EQ(t.tables[0]->check_io(ref(third), 5, 1, true), NtStatus::kSuccess);
}

TEST(SharedFileTable, OpenWithALeaseStaysWithItsClientsWorker) {
  SharedTables t;
  const OpenRequest first = t.lease(0, 1, "RWH");
  t.open(0, first);
  t.tables[0]->set_durability(ref(first), Durability::kDurable);
  EXPECT_TRUE(t.tables[0]->disconnect(ref(first)));
  EXPECT_FALSE(t.tables[1]->take_over(ref(first), t.request(1).token, {7}));
  EXPECT_TRUE(t.tables[0]->reconnect(ref(first), {0}));
}

TEST(SharedFileTable, OpensOfAKilledWorkerBlockNobody) {
  SharedTables t;
  OpenRequest first = t.request(0);
  first.share_access = 0;
  t.open(0, first);
  EXPECT_EQ(t.open(1, t.request(1)).decision.status, NtStatus::kSharingViolation);
  t.kill(0);
  EXPECT_EQ(t.open(1, t.request(1)).decision.status, NtStatus::kSuccess);
}

TEST(SharedFileTable, WhoWaitsForAKilledWorkersLeaseGoesOn) {
  SharedTables t;
  t.open(0, t.lease(0, 1, "RWH"));
  const OpenRequest second = t.request(1);
  EXPECT_EQ(t.open(1, second).decision.verdict, Verdict::kWait);
  t.kill(0);
  ASSERT_EQ(t.sinks[1].completions.size(), 1u);
  EXPECT_EQ(t.open(1, second).decision.verdict, Verdict::kGo);
}

TEST(SharedFileTable, WhoWaitsForAKilledWorkersLockGetsIt) {
  SharedTables t;
  const OpenRequest first = t.request(0), second = t.request(1);
  t.open(0, first);
  t.open(1, second);
  const LockRange range{0, 10, true};
  t.tables[0]->lock(ref(first), {&range, 1}, true, {1});
  EXPECT_EQ(t.tables[1]->lock(ref(second), {&range, 1}, false, {3}).verdict, Verdict::kWait);
  t.kill(0);
  ASSERT_EQ(t.sinks[1].completions.size(), 1u);
  EXPECT_EQ(t.sinks[1].completions[0].status, NtStatus::kSuccess);
}

// It dies after its open started a break and before it told the holder's worker.
TEST(SharedFileTable, BreakThatAKilledWorkerStartedIsTold) {
  SharedTables t;
  t.open(0, t.lease(0, 1, "RWH"));
  t.open(1, t.request(1));
  t.kill(1);
  EXPECT_EQ(t.breaks_of(0), "1: RWH->RH ack");
  EXPECT_EQ(t.tables[0]->ack_lease({client(0), lease_key(1), {1}}, Caching::kReadHandle).status,
            NtStatus::kSuccess);
}

TEST(SharedFileTable, WhatAKilledWorkerWasDeletingCanBeOpenedAgain) {
  SharedTables t;
  OpenRequest first = t.request(0);
  first.delete_on_close = true;
  t.open(0, first);
  const CloseDecision closed = t.tables[0]->close(ref(first));
  EXPECT_TRUE(closed.delete_now);
  EXPECT_EQ(t.open(1, t.request(1)).decision.status, NtStatus::kDeletePending);
  t.kill(0);
  EXPECT_EQ(t.open(1, t.request(1)).decision.status, NtStatus::kSuccess);
}

TEST(SharedFileTable, NewLifeRemovesWhatTheOldOneLeft) {
  SharedTables t;
  for (uint64_t inode = 1; inode <= 10; ++inode) {
    t.tables[0]->open({1, inode, inode % 3}, t.lease(0, static_cast<uint8_t>(inode), "RWH"));
  }
  t.open(1, t.request(1));
  t.kill(0);
  t.tables[0].reset();
  t.workers.join(0);
  t.tables[0] = std::make_unique<FileTable>(t.sinks[0], t.workers.groups[0].get());
  size_t records = 0;
  t.workers.groups[0]->records().for_each([&](const store::RecordKey&, ByteView) { records++; });
  EXPECT_EQ(records, 1u);
  EXPECT_EQ(t.workers.groups[0]->is_alive(t.workers.groups[0]->own_tag()), true);
}

TEST(SharedFileTable, FullStoreRefusesOpensAndLocksAndNothingElse) {
  store::TestGroup workers(1, {.buckets = 16, .arena_bytes = 64 << 10});
  RecordingSink sink;
  FileTable table(sink, workers.groups[0].get());
  std::vector<OpenRef> open;
  for (uint64_t inode = 1;; ++inode) {
    OpenRequest request;
    request.token = {workers.groups[0]->own_tag().tagged(inode)};
    request.granted_access = kReadWriteAccess;
    request.share_access = kShareAll;
    request.requested_oplock = OplockLevel::kLease;
    request.lease = LeaseRequest{.key = lease_key(static_cast<uint8_t>(inode)),
                                 .state = Caching::kReadWriteHandle};
    const FileKey file{1, inode, 0};
    const OpenDecision decision = table.open(file, request);
    if (decision.decision.verdict != Verdict::kGo) {
      EXPECT_EQ(decision.decision.status, NtStatus::kInsufficientResources);
      EXPECT_FALSE(table.is_open(file));
      EXPECT_EQ(table.check_lease_key({{}, lease_key(static_cast<uint8_t>(inode))}, std::nullopt),
                NtStatus::kSuccess);
      break;
    }
    open.push_back({file, request.token});
  }
  EXPECT_GT(open.size(), 50u);
  const LockRange range{0, 1, true};
  EXPECT_EQ(table.lock(open[0], {&range, 1}, true, {1}).status, NtStatus::kInsufficientResources);
  EXPECT_EQ(table.check_io(open[0], 0, 1, true), NtStatus::kSuccess);
  EXPECT_EQ(table.set_delete_pending(open[1], true).verdict, Verdict::kGo);
  EXPECT_TRUE(table.is_delete_pending(open[1]));
  for (const OpenRef& each : open) table.close(each);
  EXPECT_FALSE(table.is_open(open[0].file));
}

// What another worker's event has left for one of this is told by whatever this one does next.
TEST(SharedFileTable, EveryEventTellsWhatAnotherWorkerHasLeft) {
  using Event = std::function<void(FileTable&, const OpenRef&)>;
  const FileKey stream{kFile.device, kFile.inode, 9};
  const Event events[] = {
      [](FileTable& table, const OpenRef& own) {
        table.begin_io(own, Operation::kRead, IoRange{0, 1});
      },
      [](FileTable& table, const OpenRef& own) { (void)table.begin_exchange(own); },
      [&](FileTable& table, const OpenRef& own) {
        (void)table.begin_stream_removal(own, {{stream}});
      },
      [](FileTable& table, const OpenRef& own) { (void)table.is_delete_pending(own); },
      [](FileTable& table, const OpenRef& own) { (void)table.set_delete_pending(own, false); },
      [](FileTable& table, const OpenRef& own) { (void)table.close({own.file, {1}}); },
      [](FileTable& table, const OpenRef&) { table.child_changed(kFile, std::nullopt); },
  };
  for (size_t i = 0; i < std::size(events); ++i) {
    SharedTables t;
    const OpenRequest own = t.lease(0, 1, "RWH");
    t.open(0, own);
    EXPECT_EQ(t.open(1, t.request(1)).decision.verdict, Verdict::kWait);
    events[i](*t.tables[0], ref(own));
    EXPECT_EQ(t.sinks[0].take_breaks(), "1: RWH->RH ack") << "event " << i;
  }
}

// A key is free when its lease has ended, by what another worker did, too.
TEST(SharedFileTable, KeyOfALeaseThatAnotherWorkerEndedIsFree) {
  for (const bool is_forgotten : {true, false}) {
    SharedTables t;
    const OpenRequest own = t.lease(0, 1, "RWH"), other = t.request(1);
    t.open(0, own);
    ASSERT_TRUE(t.tables[0]->set_durability(ref(own), Durability::kDurable));
    ASSERT_TRUE(t.tables[0]->disconnect(ref(own)));
    EXPECT_EQ(t.open(1, other).decision.verdict, Verdict::kGo);
    if (is_forgotten) t.tables[1]->close(ref(other));
    t.tables[0]->catch_up();
    EXPECT_EQ(t.tables[0]->check_lease_key(lease_of(own), FileKey{1, 300, 0}), NtStatus::kSuccess);
  }
}

}  // namespace
}  // namespace braid::filestate
