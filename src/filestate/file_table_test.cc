#include "filestate/file_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "filestate/file_table_testing.h"

namespace braid::filestate {
namespace {

struct Deleting : ::testing::Test, TestTable {};

SharedPath path(const char* text) { return std::make_shared<const std::string>(text); }

// [MS-FSA] 2.1.5.5, phases 1 and 3.
TEST_F(Deleting, PendingDeleteKeepsOthersOutAndGoesWithTheLast) {
  OpenRequest first = request();
  first.path = path("a/b");
  const OpenRequest second = request(2);
  open(first);
  open(second);
  EXPECT_EQ(table.set_delete_pending(ref(first), true).verdict, Verdict::kGo);
  EXPECT_EQ(open(request(3)).decision.status, NtStatus::kDeletePending);
  OpenRequest stat = request(3);
  stat.granted_access = kFileReadAttributes;
  EXPECT_EQ(open(stat).decision.status, NtStatus::kDeletePending);
  EXPECT_FALSE(table.close(ref(first)).delete_now);
  CloseDecision last = table.close(ref(second));
  EXPECT_TRUE(last.delete_now);
  EXPECT_EQ(last.file, kFile);
  EXPECT_EQ(*last.path, "a/b");
  EXPECT_EQ(open(request(3)).decision.status, NtStatus::kDeletePending) << "not removed yet";
  last = {};
  EXPECT_EQ(open(request(3)).decision.verdict, Verdict::kGo) << "the key may be used again";
}

TEST_F(Deleting, DispositionCanBeTakenBack) {
  const OpenRequest first = request();
  open(first);
  table.set_delete_pending(ref(first), true);
  table.set_delete_pending(ref(first), false);
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kGo);
  EXPECT_FALSE(table.close(ref(first)).delete_now);
}

TEST_F(Deleting, DeleteOnCloseBecomesPendingAtThatClose) {
  OpenRequest first = request();
  first.delete_on_close = true;
  const OpenRequest second = request(2);
  open(first);
  EXPECT_EQ(open(second).decision.verdict, Verdict::kGo);
  EXPECT_FALSE(table.close(ref(first)).delete_now);
  EXPECT_TRUE(table.is_delete_pending(ref(second)));
  EXPECT_EQ(open(request(3)).decision.status, NtStatus::kDeletePending);
  EXPECT_TRUE(table.close(ref(second)).delete_now);
}

TEST_F(Deleting, DeletePendingComesBeforeBreaks) {
  const OpenRequest first = oplock(OplockLevel::kBatch);
  open(first);
  table.set_delete_pending(ref(first), true);
  EXPECT_EQ(open(request(2)).decision.status, NtStatus::kDeletePending);
  EXPECT_EQ(sink.take_breaks(), "");
}

TEST_F(Deleting, StreamsShareTheFateOfTheirFile) {
  const FileKey stream{kFile.device, kFile.inode, 9};
  OpenRequest main = request();
  main.path = path("f");
  const OpenRequest of_stream = request(2);
  open(main);
  open(of_stream, stream);
  table.set_delete_pending(ref(main), true);
  EXPECT_TRUE(table.is_delete_pending(ref(of_stream, stream)));
  EXPECT_EQ(open(request(3), stream).decision.status, NtStatus::kDeletePending);
  EXPECT_FALSE(table.close(ref(main)).delete_now) << "a stream is open";
  EXPECT_EQ(open(request(3)).decision.status, NtStatus::kDeletePending);
  const CloseDecision last = table.close(ref(of_stream, stream));
  EXPECT_TRUE(last.delete_now);
  EXPECT_EQ(last.file, kFile);
  EXPECT_EQ(*last.path, "f");
}

// [MS-FSA] 2.1.1.4 "Per Link": a name is deleted, pending and gone for itself.
TEST_F(Deleting, ANameOfSeveralGoesAlone) {
  OpenRequest one = request(), two = request(2), again = request(3);
  one.path = path("l1");
  two.path = again.path = path("l2");
  one.is_sole_name = two.is_sole_name = again.is_sole_name = false;
  open(one);
  open(two);
  EXPECT_EQ(table.set_delete_pending(ref(one), true).verdict, Verdict::kGo);
  EXPECT_TRUE(table.is_delete_pending(ref(one)));
  EXPECT_FALSE(table.is_delete_pending(ref(two)));
  EXPECT_TRUE(table.is_delete_pending(kFile, "l1"));
  EXPECT_FALSE(table.is_delete_pending(kFile, "l2"));
  EXPECT_EQ(table.pending_links(kFile), 1u);
  EXPECT_EQ(open(again).decision.verdict, Verdict::kGo);
  OpenRequest pending = request(4);
  pending.path = path("l1");
  EXPECT_EQ(open(pending).decision.status, NtStatus::kDeletePending);
  CloseDecision closed = table.close(ref(one));
  EXPECT_TRUE(closed.delete_now) << "nobody else has it open by this name";
  EXPECT_EQ(*closed.path, "l1");
  EXPECT_EQ(open(pending).decision.status, NtStatus::kDeletePending) << "not removed yet";
  closed = {};
  EXPECT_EQ(open(pending).decision.verdict, Verdict::kGo) << "it may be made anew";
  EXPECT_FALSE(table.close(ref(two)).delete_now);
  EXPECT_FALSE(table.close(ref(again)).delete_now);
}

TEST_F(Deleting, ANameIsDeletedWhereARenameHasPutIt) {
  OpenRequest one = request(), two = request(2);
  one.path = path("l1");
  two.path = path("l2");
  one.is_sole_name = two.is_sole_name = false;
  open(one);
  open(two);
  table.renamed(ref(one), path("n1"));
  table.set_delete_pending(ref(two), true);
  EXPECT_EQ(*table.close(ref(two)).path, "l2");
  table.set_delete_pending(ref(one), true);
  EXPECT_EQ(*table.close(ref(one)).path, "n1");
}

// A rename onto another name of the same file leaves one of them.
TEST_F(Deleting, TwoNamesBecomeOne) {
  const FileKey stream{kFile.device, kFile.inode, 9};
  OpenRequest one = request(), two = request(2), of_stream = request(3);
  one.path = path("l1");
  two.path = of_stream.path = path("l2");
  one.is_sole_name = two.is_sole_name = of_stream.is_sole_name = false;
  open(one);
  open(two);
  open(of_stream, stream);
  table.renamed(ref(one), path("l2"));
  table.set_delete_pending(ref(one), true);
  EXPECT_TRUE(table.is_delete_pending(ref(two)));
  EXPECT_TRUE(table.is_delete_pending(ref(of_stream, stream)));
  EXPECT_FALSE(table.close(ref(one)).delete_now);
  EXPECT_FALSE(table.close(ref(two)).delete_now);
  EXPECT_TRUE(table.close(ref(of_stream, stream)).delete_now);
}

TEST_F(Deleting, WhatIsUnlinkedWhileOpenIsDeletedOnce) {
  OpenRequest one = request(), two = request(2);
  one.path = two.path = path("f");
  open(one);
  table.unlinked(kFile, "f");
  EXPECT_EQ(table.path_of(ref(one)), nullptr);
  EXPECT_FALSE(table.any_open_below(""));
  two.is_sole_name = false;
  EXPECT_EQ(open(two).decision.verdict, Verdict::kGo) << "made anew, as another name";
  table.set_delete_pending(ref(one), true);
  EXPECT_FALSE(table.close(ref(one)).delete_now);
  EXPECT_FALSE(table.is_delete_pending(ref(two)));
}

// A file that has one name only is one, wherever something local has moved that.
TEST_F(Deleting, AMovedNameIsStillTheSame) {
  OpenRequest one = request(), two = request(2);
  one.path = path("l1");
  two.path = path("moved");
  open(one);
  open(two);
  EXPECT_EQ(*table.path_of(ref(one)), "moved");
  table.set_delete_pending(ref(one), true);
  EXPECT_FALSE(table.close(ref(one)).delete_now);
  EXPECT_EQ(*table.close(ref(two)).path, "moved");
}

TEST_F(Deleting, AStreamGoesAlone) {
  const FileKey stream{kFile.device, kFile.inode, 9};
  const OpenRequest main = request();
  const OpenRequest of_stream = request(2);
  open(main);
  open(of_stream, stream);
  table.set_delete_pending(ref(of_stream, stream), true);
  CloseDecision closed = table.close(ref(of_stream, stream));
  EXPECT_TRUE(closed.delete_now);
  EXPECT_EQ(closed.file, stream);
  EXPECT_EQ(open(request(3), stream).decision.status, NtStatus::kDeletePending);
  closed = {};
  EXPECT_EQ(open(request(3), stream).decision.verdict, Verdict::kGo);
  EXPECT_FALSE(table.close(ref(main)).delete_now);
}

TEST_F(Deleting, AnOpenStreamThatDoesNotShareDeleteKeepsItsFile) {
  const FileKey stream{kFile.device, kFile.inode, 9};
  OpenRequest of_stream = request();
  of_stream.share_access = kShareRead | kShareWrite;
  open(of_stream, stream);
  OpenRequest deletes = request(2);
  deletes.granted_access = kDelete;
  EXPECT_EQ(open(deletes).decision.status, NtStatus::kSharingViolation);
  deletes.granted_access = kFileReadData;
  EXPECT_EQ(open(deletes).decision.verdict, Verdict::kGo);
}

struct Table : ::testing::Test, TestTable {};

TEST_F(Table, AnswersAboutOthers) {
  OpenRequest first = request();
  first.share_access = kShareRead;
  first.granted_access = kFileReadData | kDelete;
  open(first);
  EXPECT_EQ(table.check_sharing(ref(first), kDelete), NtStatus::kSuccess) << "not against oneself";
  OpenRequest second = request(2);
  second.granted_access = kFileReadAttributes;
  open(second);
  EXPECT_EQ(table.check_sharing(ref(second), kDelete), NtStatus::kSharingViolation);
  EXPECT_EQ(table.check_sharing(ref(second), kFileReadData), NtStatus::kSuccess);
  EXPECT_TRUE(table.is_open_with(kFile, kDelete));
  EXPECT_FALSE(table.is_open_with(kFile, kFileWriteData));
  EXPECT_FALSE(table.is_open_with({9, 9, 9}, kDelete));
}

TEST_F(Table, KnowsNamesOfOpenFiles) {
  OpenRequest first = request();
  first.path = path("dir\\sub\\file");
  open(first);
  EXPECT_TRUE(table.any_open_below("dir"));
  EXPECT_TRUE(table.any_open_below("dir\\sub"));
  EXPECT_TRUE(table.any_open_below(""));
  EXPECT_FALSE(table.any_open_below("di"));
  EXPECT_FALSE(table.any_open_below("dir\\sub\\file"));
  table.renamed(ref(first), path("elsewhere"));
  EXPECT_EQ(*table.path_of(ref(first)), "elsewhere");
  EXPECT_FALSE(table.any_open_below("dir"));
  table.close(ref(first));
  EXPECT_EQ(table.path_of(ref(first)), nullptr);
  EXPECT_FALSE(table.any_open_below(""));
}

// [MS-FSA] 2.1.5.15.12: what clients keep open for themselves below a directory is closed first.
TEST_F(Table, RenameOfADirectoryEndsHandleCachingBelowIt) {
  const FileKey child{1, 101, 0};
  OpenRequest directory = request(2);
  directory.path = path("dir");
  open(directory);
  OpenRequest inner = lease(1, "RH");
  inner.path = path("dir\\file");
  open(inner, child);
  std::vector<FileKey> waits_at;
  const auto break_below = [&](std::string_view path) {
    return table.break_handles_below(path, ref(directory), waits_at).verdict;
  };
  EXPECT_EQ(break_below("elsewhere"), Verdict::kGo);
  EXPECT_EQ(break_below("dir"), Verdict::kWait);
  EXPECT_EQ(waits_at, std::vector{child});
  EXPECT_NE(sink.take_breaks(), "");
  EXPECT_FALSE(table.cancel_wait(ref(directory))) << "it waits at the child";
  EXPECT_TRUE(table.cancel_wait(ref(directory, child)));
  EXPECT_EQ(break_below("dir"), Verdict::kWait);
  table.close(ref(inner, child));
  EXPECT_EQ(sink.take_completions().size(), 1u);
  EXPECT_EQ(break_below("dir"), Verdict::kGo);
  EXPECT_FALSE(table.any_open_below("dir"));
}

TEST_F(Table, ManyOpensOfOneFileAreFound) {
  std::vector<OpenRequest> opens;
  for (int i = 0; i < 200; ++i) {
    opens.push_back(lease(static_cast<uint8_t>(i), "R"));
    EXPECT_EQ(open(opens.back()).decision.verdict, Verdict::kGo);
  }
  for (size_t i = 0; i < opens.size(); i += 2) table.close(ref(opens[i]));
  for (size_t i = 1; i < opens.size(); i += 2) {
    EXPECT_EQ(table.caching_of(ref(opens[i])), Caching::kRead);
  }
  table.prepare(ref(opens[1]), Operation::kWrite);
  EXPECT_EQ(sink.breaks.size(), 99u);
}

TEST_F(Table, ATimerOfAnEarlierLifeHitsNothing) {
  const OpenRequest first = oplock(OplockLevel::kBatch);
  open(first);
  open(request(2));
  sink.take_breaks();
  const BreakId stale = sink.last_break.id;
  table.close(ref(first));
  const OpenRequest again = oplock(OplockLevel::kBatch);
  open(again);
  const OpenRequest waits = request(2);
  EXPECT_EQ(open(waits).decision.verdict, Verdict::kWait);
  sink.take_completions();
  table.break_timed_out(stale);
  EXPECT_TRUE(sink.take_completions().empty());
  EXPECT_EQ(table.caching_of(ref(again)), Caching::kReadWriteHandle);
}

TEST_F(Table, UnknownOpens) {
  EXPECT_FALSE(table.close({kFile, {5}}).delete_now);
  EXPECT_EQ(table.prepare({kFile, {5}}, Operation::kWrite).status, NtStatus::kFileClosed);
  EXPECT_EQ(table.set_delete_pending({kFile, {5}}, true).status, NtStatus::kFileClosed);
  EXPECT_EQ(table.check_io({kFile, {5}}, 0, 1, true), NtStatus::kFileClosed);
  table.break_timed_out({kFile, 1});
  table.child_changed(kFile, std::nullopt);
  EXPECT_TRUE(sink.breaks.empty());
}

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

TEST_F(Durables, PersistentOnesHoldTheFile) {
  const OpenRequest kept = disconnected("RWH", kShareAll, Durability::kPersistent);
  EXPECT_EQ(open(request(2)).decision.status, NtStatus::kFileNotAvailable);
  EXPECT_TRUE(sink.purges.empty());
  EXPECT_TRUE(table.reconnect(ref(kept), {1}));
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kWait);
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

// Answers every break from inside the sink, as a server does from another thread.
class AnsweringSink final : public BreakSink {
 public:
  void send_break(const Break& notification) override {
    if (!notification.ack_required) return;
    if (notification.id.serial % 5 == 0) {
      table->break_timed_out(notification.id);
    } else if (notification.is_lease) {
      table->ack_lease(notification.lease, notification.new_state);
    } else {
      table->ack_oplock({notification.id.file, notification.open}, notification.new_level);
    }
  }
  void completed(const FileKey&, const Completion&) override { completions++; }
  void purged(const OpenRef&, const CloseDecision&) override {}
  void orphaned(const OrphanedDeletion&) override {}
  FileTable* table = nullptr;
  std::atomic<uint64_t> completions = 0;
};

TEST(TableThreads, ManyThreadsOnFewFiles) {
  AnsweringSink sink;
  FileTable table(sink);
  sink.table = &table;
  std::atomic<uint64_t> tokens = 0;
  std::vector<std::jthread> threads;
  for (uint8_t thread = 1; thread <= 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937_64 random(thread);
      for (int round = 0; round < 3000; ++round) {
        const FileKey file{1, random() % 3, random() % 2};
        OpenRequest request;
        request.token = {++tokens};
        request.client_guid = client(thread);
        request.granted_access = kReadWriteAccess;
        request.share_access = kShareAll;
        request.overwrites = random() % 4 == 0;
        request.requested_oplock = random() % 2 ? OplockLevel::kLease : OplockLevel::kBatch;
        request.lease =
            LeaseRequest{.key = lease_key(random() % 4), .state = Caching::kReadWriteHandle};
        const OpenRef ref{file, request.token};
        OpenDecision decision = table.open(file, request);
        while (decision.decision.verdict == Verdict::kWait) decision = table.open(file, request);
        if (decision.decision.verdict != Verdict::kGo) continue;
        const LockRange range{random() % 8, 1, true};
        table.prepare(ref, Operation::kWrite);
        table.lock(ref, {&range, 1}, true, {1});
        table.check_io(ref, 0, 4, true);
        table.any_open_below("x");
        table.close(ref);
      }
    });
  }
  threads.clear();
  for (uint64_t inode = 0; inode < 3; ++inode) {
    EXPECT_FALSE(table.is_open({1, inode, 0}));
    EXPECT_FALSE(table.is_open({1, inode, 1}));
  }
}

}  // namespace
}  // namespace braid::filestate
