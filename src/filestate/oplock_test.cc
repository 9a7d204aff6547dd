#include <gtest/gtest.h>

#include "filestate/file_table_testing.h"

namespace braid::filestate {
namespace {

using enum OplockLevel;

struct Oplock : ::testing::Test, TestTable {};

// [MS-FSA] 2.1.4.12, OPEN: an open breaks to level II and waits; an overwriting one to none.
TEST_F(Oplock, ExclusiveBreaksByDisposition) {
  for (const bool overwrites : {false, true}) {
    const OpenRequest first = oplock(kExclusive);
    EXPECT_EQ(open(first).oplock, kExclusive);
    OpenRequest second = oplock(kExclusive, 2);
    second.overwrites = overwrites;
    EXPECT_EQ(open(second).decision.verdict, Verdict::kWait);
    EXPECT_EQ(sink.breaks.at(0).open, first.token);
    EXPECT_EQ(sink.breaks.at(0).session, first.session_id);
    EXPECT_EQ(sink.take_breaks(), "#" + std::to_string(number_of(first.token)) +
                                      (overwrites ? ": none ack" : ": level II ack"));
    const OplockLevel offered = overwrites ? kNone : kLevelII;
    const OplockAck ack = table.ack_oplock(ref(first), offered);
    EXPECT_EQ(ack.status, NtStatus::kSuccess);
    EXPECT_EQ(ack.level, offered);
    const auto completions = sink.take_completions();
    ASSERT_EQ(completions.size(), 1u);
    EXPECT_EQ(completions[0].kind, Completion::Kind::kRetryOpen);
    EXPECT_EQ(completions[0].token, second.token);
    const OpenDecision granted = open(second);
    EXPECT_EQ(granted.decision.verdict, Verdict::kGo);
    EXPECT_EQ(granted.oplock, kLevelII);
    EXPECT_EQ(sink.take_breaks(), "");
    table.close(ref(second));
    table.close(ref(first));
  }
}

// [MS-FSA] 2.1.5.1.2: a sharing violation asks a batch oplock for its handle, and only that.
TEST_F(Oplock, SharingViolationBreaksBatchAndStands) {
  OpenRequest first = oplock(kBatch);
  first.share_access = 0;
  EXPECT_EQ(open(first).oplock, kBatch);
  const OpenRequest second = request(2);
  EXPECT_EQ(open(second).decision.verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "#1: level II ack");
  table.ack_oplock(ref(first), kLevelII);
  EXPECT_EQ(sink.take_completions().size(), 1u);
  EXPECT_EQ(open(second).decision.status, NtStatus::kSharingViolation);
  EXPECT_EQ(open(second).decision.status, NtStatus::kSharingViolation);
  EXPECT_EQ(sink.take_breaks(), "");
}

TEST_F(Oplock, SharingViolationLeavesExclusiveAlone) {
  OpenRequest first = oplock(kExclusive);
  first.share_access = 0;
  open(first);
  EXPECT_EQ(open(request(2)).decision.status, NtStatus::kSharingViolation);
  EXPECT_EQ(sink.take_breaks(), "");
}

TEST_F(Oplock, ClosingInsteadOfAnsweringLetsTheWaiterIn) {
  OpenRequest first = oplock(kBatch);
  first.share_access = 0;
  open(first);
  OpenRequest second = oplock(kBatch, 2);
  EXPECT_EQ(open(second).decision.verdict, Verdict::kWait);
  table.close(ref(first));
  EXPECT_EQ(sink.take_completions().size(), 1u);
  EXPECT_EQ(open(second).oplock, kBatch);
}

// [MS-FSA] 2.1.4.12: attribute-only opens break nothing; READ_CONTROL does for oplocks.
TEST_F(Oplock, StatOpenBreaksNothingAndGetsNothing) {
  OpenRequest first = oplock(kBatch);
  first.share_access = 0;
  open(first);
  OpenRequest stat = oplock(kBatch, 2);
  stat.granted_access = kFileReadAttributes | kFileWriteAttributes | kSynchronize;
  const OpenDecision granted = open(stat);
  EXPECT_EQ(granted.decision.verdict, Verdict::kGo);
  EXPECT_EQ(granted.oplock, kNone);
  EXPECT_EQ(sink.take_breaks(), "");

  OpenRequest reads_acl = request(2);
  reads_acl.granted_access = kReadControl;
  EXPECT_EQ(open(reads_acl).decision.verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "#1: level II ack");
}

TEST_F(Oplock, OverwritingStatOpenBreaks) {
  open(oplock(kBatch));
  OpenRequest stat = oplock(kBatch, 2);
  stat.granted_access = kFileReadAttributes;
  stat.overwrites = true;
  EXPECT_EQ(open(stat).decision.verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "#1: none ack");
}

TEST_F(Oplock, BatchHeldByStatOpenIsBrokenByDataOpen) {
  OpenRequest stat = oplock(kBatch);
  stat.granted_access = kFileReadAttributes;
  EXPECT_EQ(open(stat).oplock, kBatch);
  OpenRequest data = oplock(kBatch, 2);
  EXPECT_EQ(open(data).decision.verdict, Verdict::kWait);
  table.ack_oplock(ref(stat), kLevelII);
  EXPECT_EQ(open(data).oplock, kLevelII);
}

TEST_F(Oplock, BesideAnotherOpenOnlyLevelTwo) {
  open(request());
  EXPECT_EQ(open(oplock(kBatch, 2)).oplock, kLevelII);
  EXPECT_EQ(open(oplock(kLevelII, 3)).oplock, kLevelII);
  EXPECT_EQ(sink.take_breaks(), "");
}

// [MS-FSA] 2.1.4.12, WRITE: every level II goes, the writer's own too, and nobody waits.
TEST_F(Oplock, WriteEndsAllLevelTwo) {
  const OpenRequest first = oplock(kLevelII);
  const OpenRequest second = oplock(kLevelII, 2);
  open(first);
  open(second);
  EXPECT_EQ(table.prepare(ref(first), Operation::kWrite).verdict, Verdict::kGo);
  EXPECT_EQ(sink.take_breaks(), "#2: none; #1: none");
  EXPECT_EQ(table.prepare(ref(second), Operation::kWrite).verdict, Verdict::kGo);
  EXPECT_EQ(sink.take_breaks(), "");
}

TEST_F(Oplock, OwnBatchSurvivesOwnWriteAndLock) {
  const OpenRequest only = oplock(kBatch);
  open(only);
  EXPECT_EQ(table.prepare(ref(only), Operation::kWrite).verdict, Verdict::kGo);
  const LockRange range{0, 4, true};
  EXPECT_EQ(table.lock(ref(only), {&range, 1}, true, {1}).verdict, Verdict::kGo);
  EXPECT_EQ(sink.take_breaks(), "");
  EXPECT_EQ(table.caching_of(ref(only)), Caching::kReadWriteHandle);
}

TEST_F(Oplock, LockEndsOwnLevelTwo) {
  const OpenRequest first = oplock(kBatch);
  open(first);
  open(request(2));
  table.ack_oplock(ref(first), kLevelII);
  sink.take_breaks();
  LockRange range{0, 4, true};
  EXPECT_EQ(table.lock(ref(first), {&range, 1}, true, {1}).verdict, Verdict::kGo);
  EXPECT_EQ(sink.take_breaks(), "#1: none");
  range.offset = 2;
  EXPECT_EQ(table.lock(ref(first), {&range, 1}, true, {2}).status, NtStatus::kLockNotGranted);
  EXPECT_EQ(sink.take_breaks(), "");
}

// [MS-FSA] 2.1.5.18: level II is not granted beside byte-range locks that begin before the end of
// what is allocated.
TEST_F(Oplock, NoLevelTwoBesideLocksOfWhatThereIs) {
  const OpenRequest first = request();
  open(first);
  const LockRange range{4095, 1, true};
  const LockRange behind{0x4000'0000, 1, true};  // as databases do
  table.lock(ref(first), {&behind, 1}, true, {1});
  table.lock(ref(first), {&range, 1}, true, {2});
  OpenRequest wanted = oplock(kBatch, 2);
  wanted.allocation_size = 4096;
  EXPECT_EQ(open(wanted).oplock, kNone);
  table.unlock(ref(first), {&range, 1});
  wanted.token = token(++last_token);
  EXPECT_EQ(open(wanted).oplock, kLevelII);
}

TEST_F(Oplock, RenameBreaksOthersBatchToNone) {
  OpenRequest stat = request();
  stat.granted_access = kFileReadAttributes;
  open(stat);
  const OpenRequest holder = oplock(kBatch, 2);
  EXPECT_EQ(open(holder).oplock, kBatch);
  EXPECT_EQ(table.prepare(ref(stat), Operation::kRename).verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "#2: none ack");
  EXPECT_EQ(table.prepare(ref(holder), Operation::kRename).verdict, Verdict::kGo);
  table.ack_oplock(ref(holder), kNone);
  ASSERT_EQ(sink.completions.size(), 1u);
  EXPECT_EQ(sink.completions[0].kind, Completion::Kind::kRetryOperation);
  EXPECT_EQ(table.prepare(ref(stat), Operation::kRename).verdict, Verdict::kGo);
}

// [MS-SMB2] 3.3.5.22.1.
TEST_F(Oplock, AcknowledgementStatuses) {
  const OpenRequest first = oplock(kBatch);
  open(first);
  EXPECT_EQ(table.ack_oplock({kFile, {99}}, kNone).status, NtStatus::kFileClosed);
  EXPECT_EQ(table.ack_oplock({{1, 2, 3}, {1}}, kNone).status, NtStatus::kFileClosed);
  EXPECT_EQ(table.ack_oplock(ref(first), kLevelII).status, NtStatus::kInvalidDeviceState);
  struct {
    OplockLevel held, ack;
    NtStatus status;
    OplockLevel left;
  } const cases[] = {
      {kBatch, kLease, NtStatus::kInvalidParameter, kNone},
      {kBatch, kBatch, NtStatus::kInvalidOplockProtocol, kNone},
      {kBatch, kExclusive, NtStatus::kSuccess, kNone},
      {kBatch, kLevelII, NtStatus::kSuccess, kLevelII},
      {kExclusive, kExclusive, NtStatus::kInvalidOplockProtocol, kNone},
      {kExclusive, kNone, NtStatus::kSuccess, kNone},
  };
  table.close(ref(first));
  for (const auto& each : cases) {
    const OpenRequest holder = oplock(each.held);
    ASSERT_EQ(open(holder).oplock, each.held);
    const OpenRequest other = request(2);
    ASSERT_EQ(open(other).decision.verdict, Verdict::kWait);
    const OplockAck ack = table.ack_oplock(ref(holder), each.ack);
    EXPECT_EQ(ack.status, each.status);
    EXPECT_EQ(ack.level, each.left);
    EXPECT_EQ(table.caching_of(ref(holder)), caching_of(each.left));
    EXPECT_EQ(sink.take_completions().size(), 1u);
    table.close(ref(holder));
  }
}

// What an oplock could not become is told apart, asked for or not.
TEST_F(Oplock, AcknowledgementsNobodyAskedFor) {
  const struct {
    OplockLevel held, ack;
    NtStatus status;
  } cases[] = {
      {kBatch, kNone, NtStatus::kInvalidDeviceState},
      {kBatch, kBatch, NtStatus::kInvalidDeviceState},
      {kExclusive, kLevelII, NtStatus::kInvalidDeviceState},
      {kBatch, kLease, NtStatus::kInvalidParameter},
      {kLevelII, kNone, NtStatus::kInvalidDeviceState},
      {kLevelII, kLevelII, NtStatus::kInvalidOplockProtocol},
      {kLevelII, kExclusive, NtStatus::kInvalidOplockProtocol},
      {kLevelII, kBatch, NtStatus::kInvalidOplockProtocol},
      {kLevelII, kLease, NtStatus::kInvalidParameter},
      {kNone, kLevelII, NtStatus::kInvalidDeviceState},
      {kNone, kLease, NtStatus::kInvalidParameter},
  };
  for (const auto& each : cases) {
    const OpenRequest holder = oplock(each.held);
    ASSERT_EQ(open(holder).oplock, each.held);
    const OplockAck ack = table.ack_oplock(ref(holder), each.ack);
    EXPECT_EQ(ack.status, each.status) << int(each.held) << " " << int(each.ack);
    EXPECT_EQ(table.caching_of(ref(holder)), caching_of(each.held)) << "nothing is lost";
    table.close(ref(holder));
  }
}

TEST_F(Oplock, AnsweringAnEndedLevelTwoIsAProtocolError) {
  const OpenRequest first = oplock(kLevelII);
  open(first);
  table.prepare(ref(first), Operation::kWrite);
  EXPECT_EQ(table.ack_oplock(ref(first), kNone).status, NtStatus::kInvalidOplockProtocol);
}

// [MS-FSA] 2.1.5.19, BREAK_TO_TWO_TO_NONE: more is demanded while level II is being agreed on.
TEST_F(Oplock, OverwriteDuringBreakEndsLevelTwoAtOnce) {
  const OpenRequest first = oplock(kExclusive);
  open(first);
  const OpenRequest second = request(2);
  OpenRequest third = request(3);
  third.overwrites = true;
  open(second);
  EXPECT_EQ(sink.take_breaks(), "#1: level II ack");
  EXPECT_EQ(open(third).decision.verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "");
  const OplockAck ack = table.ack_oplock(ref(first), kLevelII);
  EXPECT_EQ(ack.status, NtStatus::kSuccess);
  EXPECT_EQ(ack.level, kNone);
  EXPECT_EQ(sink.take_breaks(), "#1: none");
  EXPECT_EQ(sink.take_completions().size(), 2u);
}

// [MS-SMB2] 3.3.6.1.
TEST_F(Oplock, TimeOutLeavesNothing) {
  const OpenRequest first = oplock(kBatch);
  open(first);
  const OpenRequest second = oplock(kBatch, 2);
  open(second);
  sink.take_breaks();
  table.break_timed_out(sink.last_break.id);
  EXPECT_EQ(sink.take_completions().size(), 1u);
  EXPECT_EQ(table.caching_of(ref(first)), Caching::kNone);
  EXPECT_EQ(open(second).oplock, kLevelII);
  table.break_timed_out(sink.last_break.id);  // once more is too late and harmless
  EXPECT_EQ(table.caching_of(ref(second)), Caching::kRead);
}

TEST_F(Oplock, CancelledOpenGetsNoCompletion) {
  const OpenRequest first = oplock(kBatch);
  open(first);
  const OpenRequest second = request(2);
  open(second);
  EXPECT_TRUE(table.cancel_wait(ref(second)));
  EXPECT_FALSE(table.cancel_wait(ref(second)));
  table.ack_oplock(ref(first), kLevelII);
  EXPECT_TRUE(sink.take_completions().empty());
}

TEST_F(Oplock, StreamsOfAFileAreApart) {
  const FileKey stream{kFile.device, kFile.inode, 7};
  EXPECT_EQ(open(oplock(kBatch)).oplock, kBatch);
  EXPECT_EQ(open(oplock(kBatch, 2), stream).oplock, kBatch);
  EXPECT_EQ(sink.take_breaks(), "");
}

TEST_F(Oplock, DirectoriesHaveNone) {
  OpenRequest directory = oplock(kBatch);
  directory.is_directory = true;
  EXPECT_EQ(open(directory).oplock, kNone);
}

}  // namespace
}  // namespace braid::filestate
