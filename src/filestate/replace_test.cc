// Names that go while the file is open: POSIX deletion, and what a rename or link replaces.
#include <gtest/gtest.h>

#include <algorithm>

#include "filestate/file_table_testing.h"

namespace braid::filestate {
namespace {

struct PosixDelete : ::testing::Test, TestTable {
  CloseDecision close(const OpenRequest& of) { return table.close(ref(of)); }
  static SharedPath path(const char* text) { return std::make_shared<const std::string>(text); }
};

// [MS-FSCC] 2.4.12 "FileDispositionInformationEx".
TEST_F(PosixDelete, NameGoesWithTheHandleThatAskedForIt) {
  OpenRequest first = request(), second = request(2);
  first.path = second.path = path("f");
  open(second);
  open(first);
  table.set_delete_pending(ref(first), true, DeleteSemantics::kPosix);
  EXPECT_EQ(open(request(3)).decision.status, NtStatus::kDeletePending);
  CloseDecision closed = close(first);
  EXPECT_TRUE(closed.delete_now);
  EXPECT_EQ(closed.file, kFile);
  ASSERT_TRUE(closed.path);
  EXPECT_EQ(*closed.path, "f");
  closed = {};
  EXPECT_FALSE(table.pending_links(kFile) != 0);
  EXPECT_FALSE(close(second).delete_now) << "it is gone already";
}

TEST_F(PosixDelete, HandlesThatDidNotAskLeaveTheNameAlone) {
  const OpenRequest first = request(), second = request(2), third = request(3);
  open(first);
  open(second);
  open(third);
  table.set_delete_pending(ref(first), true, DeleteSemantics::kPosix);
  EXPECT_FALSE(close(second).delete_now);
  table.set_delete_pending(ref(third), true);  // Link.DeleteUsingPosixSemantics is FALSE again
  EXPECT_FALSE(close(first).delete_now);
  EXPECT_TRUE(close(third).delete_now);
}

TEST_F(PosixDelete, TakenBackItDeletesNothing) {
  const OpenRequest first = request(), second = request(2);
  open(first);
  open(second);
  table.set_delete_pending(ref(first), true, DeleteSemantics::kPosix);
  table.set_delete_pending(ref(second), false);
  EXPECT_FALSE(close(first).delete_now);
  EXPECT_FALSE(close(second).delete_now);
}

TEST_F(PosixDelete, OnCloseIsForHandlesOpenedToDelete) {
  OpenRequest first = request();
  const OpenRequest second = request(2);
  first.delete_on_close = true;
  open(first);
  open(second);
  EXPECT_EQ(table.set_delete_on_close(ref(second), true, DeleteSemantics::kPosix).status,
            NtStatus::kNotSupported);
  EXPECT_EQ(table.set_delete_on_close(ref(first), true, DeleteSemantics::kPosix).verdict,
            Verdict::kGo);
  EXPECT_TRUE(close(first).delete_now);
  EXPECT_FALSE(close(second).delete_now);
}

TEST_F(PosixDelete, OnCloseCanBeTakenBack) {
  OpenRequest first = request();
  first.delete_on_close = true;
  open(first);
  table.set_delete_on_close(ref(first), false, DeleteSemantics::kLastClose);
  EXPECT_FALSE(close(first).delete_now);
}

// [MS-FSA] 2.1.5.15.12 "FileRenameInformation": `mover` has another file open, kOther.
struct Replacing : ::testing::Test, TestTable {
  static constexpr FileKey kOther{1, 200, 0};
  static constexpr FileKey kStream{1, 100, 9};
  OpenRequest mover = request(7);
  Replacing() { open(mover, kOther); }
  ReplaceDecision replace(DeleteSemantics semantics = DeleteSemantics::kLastClose) {
    return table.begin_replace(kFile, "f", ref(mover, kOther), semantics);
  }
  NtStatus status(DeleteSemantics semantics = DeleteSemantics::kLastClose) {
    return replace(semantics).decision.status;
  }
};

TEST_F(Replacing, BreaksTheHandleFirstAndJudgesThen) {
  const OpenRequest holder = lease(1, "RWH");
  open(holder);
  EXPECT_EQ(status(), NtStatus::kPending);
  EXPECT_EQ(sink.take_breaks(), "1: RWH-> ack");
  table.close(ref(holder));  // kept open for itself only
  const auto completions = sink.take_completions();
  ASSERT_EQ(completions.size(), 1u);
  EXPECT_EQ(completions[0].kind, Completion::Kind::kRetryOperation);
  EXPECT_EQ(completions[0].token, mover.token);
  EXPECT_EQ(status(), NtStatus::kSuccess);
}

TEST_F(Replacing, WhoKeepsItOpenIsInTheWay) {
  const OpenRequest holder = lease(1, "RH");
  open(holder);
  EXPECT_EQ(status(), NtStatus::kPending);
  EXPECT_EQ(ack(1, ""), NtStatus::kSuccess);
  EXPECT_EQ(status(), NtStatus::kAccessDenied);
}

TEST_F(Replacing, AnOpenStreamCounts) {
  const OpenRequest reader = request();
  open(reader, kStream);
  EXPECT_EQ(status(), NtStatus::kAccessDenied);
  EXPECT_EQ(status(DeleteSemantics::kPosix), NtStatus::kAccessDenied);
  table.close(ref(reader, kStream));
  EXPECT_EQ(status(), NtStatus::kSuccess);
}

TEST_F(Replacing, AVanishedClientMakesWay) {
  const OpenRequest durable = lease(1, "RH");
  open(durable);
  ASSERT_TRUE(table.set_durability(ref(durable), Durability::kDurable));
  ASSERT_TRUE(table.disconnect(ref(durable)));
  EXPECT_EQ(status(), NtStatus::kSuccess);
  EXPECT_EQ(sink.purges.size(), 1u);
}

TEST_F(Replacing, PosixSemanticsLeaveOpenHandlesThatShareDeletion) {
  OpenRequest holder = request();
  open(holder);
  EXPECT_EQ(status(DeleteSemantics::kPosix), NtStatus::kSuccess);
  table.close(ref(holder));
  holder = request();
  holder.share_access = kShareRead | kShareWrite;
  open(holder);
  EXPECT_EQ(status(DeleteSemantics::kPosix), NtStatus::kAccessDenied);
}

TEST_F(Replacing, NewcomersWaitUntilItIsDecided) {
  ReplaceDecision decided = replace();
  ASSERT_EQ(decided.decision.verdict, Verdict::kGo);
  const OpenDecision refused = open(request());
  EXPECT_EQ(refused.decision.status, NtStatus::kDeletePending);
  EXPECT_TRUE(refused.deletes_purged);
  const ReplaceDecision another = replace();
  EXPECT_EQ(another.decision.status, NtStatus::kDeletePending);
  EXPECT_EQ(another.taken_by, group ? group->own_tag() : store::WorkerTag{}) << "is waited for";
  decided.until_replaced.reset();
  EXPECT_EQ(open(request()).decision.verdict, Verdict::kGo);
}

// Nothing is deleted by it: that the rename may yet fail is no reason to lose a file.
TEST_F(Replacing, LastCloseMeanwhileDeletesNothing) {
  const OpenRequest holder = request();
  open(holder);
  const ReplaceDecision decided = replace(DeleteSemantics::kPosix);
  ASSERT_EQ(decided.decision.verdict, Verdict::kGo);
  EXPECT_FALSE(table.close(ref(holder)).delete_now);
}

TEST_F(Replacing, PendingDeletionIsSaidSo) {
  OpenRequest holder = request();
  holder.path = std::make_shared<const std::string>("f");
  open(holder);
  table.set_delete_pending(ref(holder), true);
  EXPECT_EQ(status(), NtStatus::kDeletePending);
}

TEST_F(Replacing, CancelledItWaitsForNothing) {
  open(lease(1, "RH"));
  ASSERT_EQ(status(), NtStatus::kPending);
  EXPECT_TRUE(table.cancel_wait({kFile, mover.token}));
  ack(1, "");
  EXPECT_TRUE(sink.take_completions().empty());
}

// Before names in a directory change that somebody may delete, he closes it if he only keeps it.
TEST_F(Replacing, HandlesOfADirectoryAreBroken) {
  OpenRequest holder = lease(1, "RH", 0x10);
  holder.is_directory = true;
  holder.granted_access = kAllAccess;
  open(holder);
  EXPECT_EQ(table.break_handles(kFile, ref(mover, kOther)).verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "1: RH->R ack");
  table.close(ref(holder));
  EXPECT_EQ(sink.take_completions().size(), 1u);
  EXPECT_EQ(table.break_handles(kFile, ref(mover, kOther)).verdict, Verdict::kGo);
}

// [MS-FSA] 2.1.5.1.2: what a disposition needs meets the share modes, and is not granted.
TEST_F(Replacing, WhatAnOverwriteNeedsMeetsShareModes) {
  OpenRequest holder = request();
  holder.share_access = kShareRead;
  open(holder);
  OpenRequest overwriter = request(2);
  overwriter.granted_access = kFileReadAttributes;
  overwriter.overwrites = true;
  overwriter.needed_access = kFileWriteData;
  EXPECT_EQ(open(overwriter).decision.status, NtStatus::kSharingViolation);
  table.close(ref(holder));
  EXPECT_EQ(open(overwriter).decision.verdict, Verdict::kGo);
  OpenRequest alone = request();
  alone.share_access = 0;
  EXPECT_EQ(open(alone).decision.verdict, Verdict::kGo);
}

// Link.DeleteUsingPosixSemantics is of the handle that asked last.
TEST_F(PosixDelete, HandleThatTookItBackUnlinksNothing) {
  for (const bool on_close : {false, true}) {
    OpenRequest first = request();
    const OpenRequest second = request(2);
    first.delete_on_close = on_close;
    open(first);
    open(second);
    if (on_close) {
      table.set_delete_on_close(ref(first), false, DeleteSemantics::kPosix);
    } else {
      table.set_delete_pending(ref(first), true, DeleteSemantics::kPosix);
      table.set_delete_pending(ref(first), false, DeleteSemantics::kPosix);
    }
    table.set_delete_pending(ref(second), true, DeleteSemantics::kPosix);
    EXPECT_FALSE(close(first).delete_now) << on_close;
    EXPECT_TRUE(close(second).delete_now) << on_close;
  }
}

TEST_F(PosixDelete, OnCloseWithoutPosixWaitsForTheLast) {
  OpenRequest first = request();
  const OpenRequest second = request(2);
  first.delete_on_close = true;
  open(first);
  open(second);
  table.set_delete_on_close(ref(first), true, DeleteSemantics::kLastClose);
  EXPECT_FALSE(close(first).delete_now);
  EXPECT_TRUE(close(second).delete_now);
}

TEST_F(PosixDelete, HandleOpenedToDeleteMayAskForItNow) {
  OpenRequest first = request();
  const OpenRequest second = request(2);
  first.delete_on_close = true;
  open(first);
  open(second);
  table.set_delete_pending(ref(first), true, DeleteSemantics::kPosix);
  EXPECT_TRUE(close(first).delete_now);
}

// What could not be removed has its name, and may be opened again.
TEST_F(PosixDelete, NameThatStaysIsNotPendingAnyMore) {
  OpenRequest first = request(), second = request(2);
  first.path = second.path = path("f");
  open(second);
  open(first);
  table.set_delete_pending(ref(first), true, DeleteSemantics::kPosix);
  CloseDecision closed = close(first);
  ASSERT_TRUE(closed.delete_now);
  table.not_removed(closed, kFile);
  closed = {};
  EXPECT_EQ(table.pending_links(kFile), 0u);
  EXPECT_EQ(*table.path_of(ref(second)), "f");
  EXPECT_EQ(open(request(3)).decision.verdict, Verdict::kGo);
  table.set_delete_pending(ref(second), true);
  EXPECT_FALSE(close(second).delete_now) << "the third has it";

  const FileKey other{1, 300, 0};
  OpenRequest last = request();
  last.delete_on_close = true;
  last.path = path("g");
  open(last, other);
  closed = table.close(ref(last, other));
  ASSERT_TRUE(closed.delete_now);
  table.not_removed(closed, other);
  table.not_removed(closed, other);
  closed = {};
  EXPECT_EQ(open(request(3), other).decision.verdict, Verdict::kGo);
}

// The last open of a file may be one of a stream: both go, and both keys are free then.
TEST_F(PosixDelete, FileAndStreamThatGoTogetherAreFreeTogether) {
  const FileKey stream{kFile.device, kFile.inode, 9};
  const OpenRequest first = request(), second = request();
  open(first);
  open(second, stream);
  table.set_delete_pending(ref(first), true);
  table.set_delete_pending(ref(second, stream), true);
  EXPECT_FALSE(close(first).delete_now);
  CloseDecision closed = table.close(ref(second, stream));
  EXPECT_TRUE(closed.delete_now);
  EXPECT_TRUE(closed.stream_too);
  EXPECT_EQ(closed.file, kFile);
  EXPECT_EQ(open(request(), stream).decision.status, NtStatus::kDeletePending);
  closed = {};
  EXPECT_EQ(open(request(), stream).decision.verdict, Verdict::kGo);
  EXPECT_EQ(open(request()).decision.verdict, Verdict::kGo);
}

// Who comes while it is removed hears of it; only who was kept out for a newcomer asks again.
TEST_F(PosixDelete, WhatTheLastCloseDeletesIsNotWaitedFor) {
  const OpenRequest only = request();
  open(only);
  table.set_delete_pending(ref(only), true);
  const CloseDecision closed = close(only);
  ASSERT_TRUE(closed.delete_now);
  const OpenDecision refused = open(request(2));
  EXPECT_EQ(refused.decision.status, NtStatus::kDeletePending);
  EXPECT_FALSE(refused.deletes_purged);
}

TEST_F(PosixDelete, RightsOfADeletionThatFailedAreForgotten) {
  OpenRequest first = request(), second = request(2);
  first.path = second.path = path("f");
  open(first);
  open(second);
  const auto deleter = [](uid_t uid) {
    return make_deleter(std::make_shared<const UnixCredentials>(
                            UnixCredentials{.uid = uid, .gid = 0, .groups = {}}),
                        "share");
  };
  table.set_delete_pending(ref(first), true, DeleteSemantics::kPosix, deleter(1));
  CloseDecision closed = close(first);
  ASSERT_TRUE(closed.delete_now);
  table.not_removed(closed, kFile);
  table.set_delete_pending(ref(second), true, DeleteSemantics::kLastClose, deleter(2));
  closed = close(second);
  ASSERT_EQ(std::ranges::distance(closed.link_deleters), 1);
  EXPECT_EQ((*closed.link_deleters.begin())->who->uid, 2u);
}

TEST_F(PosixDelete, WaitForABreakIsNoSharingViolation) {
  OpenRequest holder = lease(1, "RWH");
  open(holder);
  const OpenDecision waits = open(request(2));
  EXPECT_EQ(waits.decision.verdict, Verdict::kWait);
  EXPECT_FALSE(waits.sharing_violation);
  table.close(ref(holder));
  holder = lease(2, "RWH");
  holder.share_access = 0;
  open(holder);
  const OpenDecision collides = open(request(2));
  EXPECT_EQ(collides.decision.verdict, Verdict::kWait);
  EXPECT_TRUE(collides.sharing_violation);
}

// Files opened one after the other use the same memory, and are known by their own keys.
TEST_F(PosixDelete, FilesOneAfterTheOtherAreThemselves) {
  for (uint64_t inode = 500; inode < 1500; ++inode) {
    const FileKey file{1, inode, 0};
    OpenRequest holder = lease(1, "RH");
    EXPECT_TRUE(table.open(file, holder).lease);
    OpenRequest overwrites = request(2);
    overwrites.overwrites = true;
    table.open(file, overwrites);
    ASSERT_EQ(sink.take_breaks(), "1: RH-> ack");
    ASSERT_EQ(sink.last_break.id.file, file);
    table.close({file, holder.token});
    table.close({file, overwrites.token});
    ASSERT_FALSE(table.is_open(file));
  }
}

}  // namespace
}  // namespace braid::filestate
