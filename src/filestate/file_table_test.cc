#include "filestate/file_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "filestate/file_table_impl.h"
#include "filestate/file_table_testing.h"
#include "filestate/open_image.h"
#include "filestate/sleepers.h"

namespace braid::filestate {
namespace {

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

// Nor one of a file whose room another has: both are of one shard.
TEST_F(Table, ATimerOfAnEarlierLifeHitsNothingThoughItsRoomWasAnothers) {
  FileKey neighbour{1, kFile.inode + 1, 0};
  while (std::hash<FileKey>{}(neighbour) % kShards != std::hash<FileKey>{}(kFile) % kShards) {
    neighbour.inode++;
  }
  OpenRequest first = oplock(OplockLevel::kBatch);
  const OpenRequest beside = request();
  open(first);
  open(beside, neighbour);
  open(request(2));
  sink.take_breaks();
  const BreakId stale = sink.last_break.id;
  table.close(ref(first));
  table.close(ref(beside, neighbour));
  const OpenRequest again = oplock(OplockLevel::kBatch);
  open(again);
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kWait);
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

// Whatever is asked of an open that is not there: of no file, and of one that others have open.
TEST_F(Table, WhatIsNotOpenIsSaidSo) {
  for (const bool others : {false, true}) {
    if (others) open(oplock(OplockLevel::kLevelII));
    const OpenRef none{kFile, token(77)};
    const LockRange range{0, 1, true};
    bool is_repeated = false;
    constexpr auto kClosed = NtStatus::kFileClosed;
    EXPECT_EQ(table.set_delete_pending(none, true).status, kClosed);
    EXPECT_EQ(table.set_delete_on_close(none, true, DeleteSemantics::kPosix).status, kClosed);
    EXPECT_EQ(table.check_sharing(none, kDelete), kClosed);
    EXPECT_EQ(table.check_io(none, 0, 1, true), kClosed);
    EXPECT_EQ(table.lock(none, {&range, 1}, true, {1}).status, kClosed);
    EXPECT_EQ(table.unlock(none, {&range, 1}), kClosed);
    EXPECT_EQ(table.lock_part(none, {&range, 1}, {}, {}, is_repeated).status, kClosed);
    EXPECT_EQ(table.unlock_part(none, {&range, 1}, {}, {}, is_repeated), kClosed);
    EXPECT_FALSE(is_repeated);
    const OplockAck ack = table.ack_oplock(none, OplockLevel::kLevelII);
    EXPECT_EQ(ack.status, kClosed);
    EXPECT_EQ(ack.level, OplockLevel::kNone);
    const LeaseAck lease_ack = table.ack_lease({client(1), lease_key(1)}, Caching::kRead);
    EXPECT_EQ(lease_ack.status, NtStatus::kObjectNameNotFound);
    EXPECT_EQ(lease_ack.state, Caching::kNone);
    EXPECT_EQ(table.begin_stream_rename(none, {1, 100, 9}).decision.status, kClosed);
    EXPECT_EQ(table.begin_exchange(none).decision.status, kClosed);
    const FileKey stream{1, 100, 9};
    const StreamsDecision removal = table.begin_stream_removal(none, {&stream, 1});
    EXPECT_EQ(removal.decision.status, kClosed);
    EXPECT_TRUE(removal.free.empty());

    EXPECT_FALSE(table.is_delete_pending(none));
    EXPECT_FALSE(table.is_delete_pending(kFile, "f"));
    EXPECT_EQ(table.pending_links(kFile), 0u);
    EXPECT_EQ(table.is_open_beside(none), others) << "by others than that one";
    EXPECT_EQ(table.is_open(kFile), others);
    EXPECT_FALSE(table.is_open(stream));
    EXPECT_EQ(table.path_of(none), nullptr);
    EXPECT_TRUE(table.has_room_for_name(none, 100));
    EXPECT_FALSE(table.cancel_lock(none, {1}));
    EXPECT_FALSE(table.cancel_wait(none));
    EXPECT_TRUE(table.break_undelivered({kFile, 5}));
    EXPECT_FALSE(table.is_breaking({kFile, 5}));
    EXPECT_EQ(table.caching_of(none), Caching::kNone);
    EXPECT_EQ(table.held(kFile), others ? Caching::kRead : Caching::kNone);
    EXPECT_EQ(table.holders(kFile, Caching::kRead).size(), others ? 1u : 0u);
    EXPECT_EQ(table.keep_only(none, Caching::kNone, Caching::kNone).oplock, OplockLevel::kNone);
    EXPECT_EQ(table.grant_of(none).oplock, OplockLevel::kNone);
    EXPECT_FALSE(table.grant_of(none).lease);
    EXPECT_TRUE(table.locks_of(none).held.empty());
    EXPECT_FALSE(table.set_durability(none, Durability::kPersistent));
    EXPECT_FALSE(table.disconnect(none));
    EXPECT_FALSE(table.reconnect(none, {1}));
    EXPECT_FALSE(table.take_over(none, token(78), {1}));
    EXPECT_FALSE(table.is_disconnected(none));
    EXPECT_FALSE(table.image_of(none));
    table.give_back(none, {&range, 1});
    table.renamed(none, path("elsewhere"));
    table.stream_renamed({stream, token(77)}, {1, 100, 8});
    EXPECT_EQ(table.break_handles(kFile, none).verdict, Verdict::kGo);
  }
  EXPECT_TRUE(sink.breaks.empty());
  EXPECT_TRUE(sink.completions.empty());
}

// A CREATE that looked a name up has to look again if it is another number then.
TEST_F(Table, NamesThatGoAreCounted) {
  OpenRequest first = request();
  first.path = path("f");
  open(first);
  uint64_t last = table.name_changes();
  const auto counts = [&] {
    const uint64_t before = std::exchange(last, table.name_changes());
    return before != last;
  };
  EXPECT_FALSE(counts());
  table.renamed(ref(first), path("g"));
  EXPECT_TRUE(counts());
  table.unlinked(kFile, "g");
  EXPECT_TRUE(counts());
  EXPECT_EQ(table.path_of(ref(first)), nullptr);
  OpenRequest second = request();
  second.delete_on_close = true;
  second.path = path("h");
  open(second, {1, 101, 0});
  EXPECT_FALSE(counts());
  CloseDecision closed = table.close(ref(second, {1, 101, 0}));
  EXPECT_TRUE(closed.delete_now);
  EXPECT_FALSE(counts()) << "it is still there";
  closed = {};
  EXPECT_TRUE(counts());
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

// Whoever keeps opens that this table does not have is asked for those of a file before it is
// looked at for somebody else, whichever stream of it that is.
struct SleepingOpens : ::testing::Test, TestTable, Sleepers {
  SleepingOpens() { knows_sleepers = table.set_sleepers(this); }
  void wake(const FileKey& file) override { woken.push_back(file); }
  void wake_where(const std::function<bool(std::string_view)>& is) override {
    EXPECT_TRUE(is("d\\f"));
    ++asked_by_path;
  }
  template <class Ask>
  bool wakes(Ask ask) {
    woken.clear();
    ask();
    return woken == std::vector{kFile};
  }
  bool knows_sleepers = false;
  std::vector<FileKey> woken;
  int asked_by_path = 0;
};

TEST_F(SleepingOpens, AreWokenBeforeTheirFileIsLookedAt) {
  ASSERT_EQ(knows_sleepers, group == nullptr) << "other workers would not know of them";
  if (!knows_sleepers) return;
  const FileKey stream{kFile.device, kFile.inode, 5};
  const OpenRequest own = request(), leased = lease(1, "RWH");
  EXPECT_TRUE(wakes([&] { open(own, stream); }));
  EXPECT_TRUE(wakes([&] { open(leased); }));
  EXPECT_TRUE(wakes([&] { (void)table.is_open(stream); }));
  EXPECT_TRUE(wakes([&] { (void)table.is_open_with(kFile, kDelete); }));
  EXPECT_TRUE(wakes([&] { (void)table.break_handles(kFile, ref(own, stream)); }));
  EXPECT_TRUE(wakes([&] { (void)table.ack_lease({client(1), lease_key(1)}, Caching::kNone); }));
  EXPECT_TRUE(wakes([&] {
    (void)table.begin_replace(kFile, "d\\f", ref(own, stream), DeleteSemantics::kLastClose);
  }));
  EXPECT_TRUE(wakes([&] { table.unlinked(kFile, "d\\f"); }));
  (void)table.any_open_below("d");
  EXPECT_EQ(asked_by_path, 1);
  std::vector<FileKey> waits_at;
  (void)table.break_handles_below("d", ref(own, stream), waits_at);
  EXPECT_EQ(asked_by_path, 2);
  woken.clear();
  table.close(ref(own, stream));
  table.close(ref(leased));
  EXPECT_TRUE(woken.empty()) << "who has it open has woken them before";
}

}  // namespace
}  // namespace braid::filestate