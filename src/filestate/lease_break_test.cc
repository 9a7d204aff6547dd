#include <gtest/gtest.h>

#include "filestate/file_table_testing.h"

namespace braid::filestate {
namespace {

struct LeaseBreak : ::testing::Test, TestTable {
  std::string granted(const OpenDecision& decision) {
    return decision.lease ? letters(decision.lease->state) : "no lease";
  }
};

// [MS-SMB2] 3.3.1.4: opens of one key do not disturb each other; other keys of one client do.
TEST_F(LeaseBreak, WriteBreaksOtherKeysOnly) {
  const OpenRequest first = lease(1, "R");
  const OpenRequest second = lease(2, "R");
  open(first);
  open(second);
  table.prepare(ref(first), Operation::kWrite);
  EXPECT_EQ(sink.take_breaks(), "2: R->");
  EXPECT_EQ(lease_state(1), "R");
  open(lease(2, "R"));
  table.prepare(ref(second), Operation::kWrite);
  EXPECT_EQ(sink.take_breaks(), "1: R->");
}

// So that the timer of a break of before ends none of now.
TEST_F(LeaseBreak, StreamThatIsOpenedAgainGoesOnWithItsSerials) {
  const FileKey stream{kFile.device, kFile.inode, 9};
  open(request());
  const auto serial_of_a_break = [&](uint8_t key) {
    const OpenRequest holder = lease(key, "RWH"), newcomer = request(2);
    open(holder, stream);
    EXPECT_EQ(open(newcomer, stream).decision.verdict, Verdict::kWait);
    sink.take_breaks();
    table.cancel_wait(ref(newcomer, stream));
    table.close(ref(holder, stream));
    return sink.last_break.id.serial;
  };
  const uint64_t earlier = serial_of_a_break(1);
  EXPECT_GT(serial_of_a_break(2), earlier);
}

TEST_F(LeaseBreak, SameKeyOfAnotherClientIsAnotherLease) {
  open(lease(1, "RWH", -1, 1));
  EXPECT_EQ(open(lease(1, "RWH", -1, 2)).decision.verdict, Verdict::kWait);
}

TEST_F(LeaseBreak, LockEndsOthersReadAndHandleWithoutWaiting) {
  const OpenRequest first = lease(1, "RH");
  open(first);
  open(lease(2, "RH"));
  open(lease(3, "RH", -1, 2));
  const LockRange range{0, 1, true};
  EXPECT_EQ(table.lock(ref(first), {&range, 1}, false, {1}).verdict, Verdict::kGo);
  EXPECT_EQ(sink.take_breaks(), "3: RH-> ack; 2: RH-> ack");
  EXPECT_EQ(ack(2, ""), NtStatus::kSuccess);
  EXPECT_EQ(ack(3, "", 2), NtStatus::kSuccess);
  EXPECT_EQ(lease_state(1), "RH");
}

// An overwrite waits for write caching only, and not for a break that took none.
TEST_F(LeaseBreak, OverwriteDoesNotWaitForReadHandle) {
  open(lease(1, "RH"));
  OpenRequest second = request(2);
  second.overwrites = true;
  EXPECT_EQ(open(second).decision.verdict, Verdict::kGo);
  EXPECT_EQ(sink.take_breaks(), "1: RH-> ack");
  second.token = token(++last_token);
  EXPECT_EQ(open(second).decision.verdict, Verdict::kGo);
  EXPECT_EQ(sink.take_breaks(), "");
  const OpenDecision probe = open(lease(1, ""));
  EXPECT_EQ(granted(probe), "RH");
  EXPECT_TRUE(probe.lease->break_in_progress);
  EXPECT_EQ(ack(1, ""), NtStatus::kSuccess);
  EXPECT_EQ(sink.take_breaks(), "");
}

TEST_F(LeaseBreak, ReadCachingAloneIsNotAcknowledged) {
  open(lease(1, "R"));
  OpenRequest second = request(2);
  second.overwrites = true;
  EXPECT_EQ(open(second).decision.verdict, Verdict::kGo);
  EXPECT_EQ(sink.take_breaks(), "1: R->");
  EXPECT_EQ(lease_state(1), "");
  EXPECT_EQ(ack(1, ""), NtStatus::kUnsuccessful);
}

// [MS-SMB2] 3.3.5.22.2.
TEST_F(LeaseBreak, AcknowledgementStatuses) {
  EXPECT_EQ(ack(1, ""), NtStatus::kObjectNameNotFound);
  open(lease(1, "RWH"));
  EXPECT_EQ(ack(1, ""), NtStatus::kUnsuccessful);
  OpenRequest second = request(2);
  second.overwrites = true;
  open(second);
  EXPECT_EQ(sink.take_breaks(), "1: RWH-> ack");
  for (const char* too_much : {"RWH", "RW", "WH", "RH", "W", "H", "R"}) {
    EXPECT_EQ(ack(1, too_much), NtStatus::kRequestNotAccepted) << too_much;
  }
  EXPECT_EQ(ack(1, ""), NtStatus::kSuccess);
  EXPECT_EQ(ack(1, ""), NtStatus::kUnsuccessful);
  EXPECT_EQ(open(second).decision.verdict, Verdict::kGo);
}

TEST_F(LeaseBreak, LessThanOfferedMayBeKept) {
  open(lease(1, "RWH"));
  const OpenRequest second = request(2);
  open(second);
  EXPECT_EQ(sink.take_breaks(), "1: RWH->RH ack");
  EXPECT_EQ(ack(1, ""), NtStatus::kSuccess);
  EXPECT_EQ(open(second).decision.verdict, Verdict::kGo);
  EXPECT_EQ(lease_state(1), "");
}

// During a break: the same key gets in and is told; an overwrite's further demand is met after the
// acknowledgement, a step at a time and with the first break's epoch; all wait for the end.
TEST_F(LeaseBreak, DemandsDuringABreakFollowIt) {
  EXPECT_EQ(open(lease(1, "RWH", 0x11)).lease->epoch, 0x12);
  const OpenRequest second = request(2);
  EXPECT_EQ(open(second).decision.verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "1: RWH->RH ack");
  EXPECT_EQ(sink.last_break.new_epoch, 0x13);
  OpenRequest third = request(3);
  third.overwrites = true;
  EXPECT_EQ(open(third).decision.verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "");
  const OpenDecision same_key = open(lease(1, "RWH", 0x11));
  EXPECT_EQ(granted(same_key), "RWH");
  EXPECT_TRUE(same_key.lease->break_in_progress);
  EXPECT_EQ(same_key.lease->epoch, 0x13);

  EXPECT_EQ(ack(1, "RH"), NtStatus::kSuccess);
  EXPECT_EQ(sink.take_breaks(), "1: RH->R ack");
  EXPECT_EQ(sink.last_break.new_epoch, 0x13);
  EXPECT_TRUE(sink.take_completions().empty());
  EXPECT_EQ(granted(open(lease(1, ""))), "RH");

  EXPECT_EQ(ack(1, "R"), NtStatus::kSuccess);
  EXPECT_EQ(sink.take_breaks(), "1: R->");
  EXPECT_EQ(sink.last_break.new_epoch, 0x13);
  EXPECT_EQ(sink.take_completions().size(), 2u);
  EXPECT_EQ(open(second).decision.verdict, Verdict::kGo);
  EXPECT_EQ(open(third).decision.verdict, Verdict::kGo);
  EXPECT_EQ(sink.take_breaks(), "");
}

// [MS-SMB2] 3.3.4.7 and 3.3.5.9.11: one step of the epoch for each change of the state.
TEST_F(LeaseBreak, EpochCountsChanges) {
  EXPECT_EQ(open(lease(1, "RWH", 0x11)).lease->epoch, 0x12);
  OpenRequest unshared = lease(2, "RWH", 0x22);
  unshared.share_access = kShareRead;
  EXPECT_EQ(open(unshared).decision.verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "1: RWH->RW ack");
  EXPECT_EQ(sink.last_break.new_epoch, 0x13);
  ack(1, "RW");
  EXPECT_EQ(open(unshared).decision.status, NtStatus::kSharingViolation);

  const OpenRequest shared = lease(2, "RWH", 0x22);
  open(shared);
  EXPECT_EQ(sink.take_breaks(), "1: RW->R ack");
  EXPECT_EQ(sink.last_break.new_epoch, 0x14);
  ack(1, "R");
  const OpenDecision decision = open(shared);
  EXPECT_EQ(granted(decision), "RH");
  EXPECT_EQ(decision.lease->epoch, 0x23);
}

// The client has seen no state of it yet.
TEST_F(LeaseBreak, EpochStandsWhenNothingIsGranted) {
  const OpenRequest holder = oplock(OplockLevel::kBatch, 2);
  open(holder);
  const OpenRequest wanted = lease(1, "RWH", 0x30);
  EXPECT_EQ(open(wanted).decision.verdict, Verdict::kWait);
  table.break_timed_out(sink.breaks.back().id);
  OpenRequest nothing = wanted;
  nothing.lease->state = caching("");
  const OpenDecision first = open(nothing);
  EXPECT_EQ(granted(first), "");
  EXPECT_EQ(first.lease->epoch, 0x30);
  const OpenDecision upgraded = open(lease(1, "RH", 0x30));
  EXPECT_EQ(granted(upgraded), "RH");
  EXPECT_EQ(upgraded.lease->epoch, 0x31);
}

TEST_F(LeaseBreak, TheLeaseKeepsTheVersionItWasMadeWith) {
  EXPECT_EQ(open(lease(1, "R", 0x10)).lease->epoch, 0x11);
  const OpenDecision upgraded = open(lease(1, "RH"));
  EXPECT_EQ(upgraded.lease->version, 2);
  EXPECT_EQ(upgraded.lease->epoch, 0x12);
  open(lease(2, "R"));
  EXPECT_EQ(open(lease(2, "R", 0x50)).lease->version, 1);
}

// [MS-FSA] 2.1.4.12, OPEN: READ_CONTROL is harmless to leases.
TEST_F(LeaseBreak, StatOpensBreakNothingAndAreNotSeen) {
  OpenRequest stat = request(2);
  stat.granted_access = kFileReadAttributes | kSynchronize;
  open(stat);
  EXPECT_EQ(granted(open(lease(1, "RWH"))), "RWH");
  stat.granted_access |= kReadControl;
  stat.token = token(++last_token);
  EXPECT_EQ(open(stat).decision.verdict, Verdict::kGo);
  EXPECT_EQ(sink.take_breaks(), "");
  EXPECT_EQ(granted(open(lease(1, "RWH"))), "RWH");
}

// 2.1.5.18.1: harmless or not, it is an open of the stream.
TEST_F(LeaseBreak, NoWriteCachingBesideAnOpenThatReadsTheDescriptor) {
  OpenRequest other = request(2);
  other.granted_access = kFileReadAttributes | kReadControl | kSynchronize;
  open(other);
  EXPECT_EQ(granted(open(lease(1, "RWH"))), "RH");
  table.close(ref(other));
  EXPECT_EQ(granted(open(lease(1, "RWH"))), "RWH");
}

TEST_F(LeaseBreak, LeaseOfAStatOpenIsBroken) {
  OpenRequest stat = lease(1, "RWH");
  stat.granted_access = kFileReadAttributes;
  stat.share_access = 0;
  EXPECT_EQ(granted(open(stat)), "RWH");
  const OpenRequest second = lease(2, "RWH");
  EXPECT_EQ(open(second).decision.verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "1: RWH->RH ack");
  ack(1, "RH");
  EXPECT_EQ(granted(open(second)), "RH");
}

// [MS-FSA] 2.1.4.12, FileRenameInformation: others' handle caching, and the rename waits.
TEST_F(LeaseBreak, RenameWaitsForOthersHandles) {
  const OpenRequest first = lease(1, "RH");
  const OpenRequest second = lease(2, "RH");
  open(first);
  open(second);
  EXPECT_EQ(table.prepare(ref(first), Operation::kRename).verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "2: RH->R ack");
  ack(2, "R");
  EXPECT_EQ(sink.take_completions().size(), 1u);
  EXPECT_EQ(table.prepare(ref(first), Operation::kRename).verdict, Verdict::kGo);
  EXPECT_EQ(lease_state(1), "RH");
}

TEST_F(LeaseBreak, DeletingTakesOthersHandles) {
  open(lease(1, "RH"));
  const OpenRequest second = request(2);
  open(second);
  EXPECT_EQ(table.set_delete_pending(ref(second), true).verdict, Verdict::kWait);
  EXPECT_FALSE(table.is_delete_pending(ref(second)));
  EXPECT_EQ(sink.take_breaks(), "1: RH->R ack");
  ack(1, "R");
  EXPECT_EQ(table.set_delete_pending(ref(second), true).verdict, Verdict::kGo);
  EXPECT_TRUE(table.is_delete_pending(ref(second)));
}

// Who shares well waits for no handle; who keeps one hears of it.
TEST_F(LeaseBreak, DeleteOnCloseOpenTakesOthersHandlesAndWaitsForNone) {
  const OpenRequest kept = lease(1, "RH");
  open(kept);
  OpenRequest unlinks = request(2);
  unlinks.granted_access = kDelete;
  unlinks.delete_on_close = true;
  EXPECT_EQ(open(unlinks).decision.verdict, Verdict::kGo);
  EXPECT_EQ(sink.take_breaks(), "1: RH->R ack");
  EXPECT_FALSE(table.close(ref(unlinks)).delete_now);
  EXPECT_TRUE(table.is_delete_pending(ref(kept)));
  EXPECT_EQ(sink.take_breaks(), "");
}

TEST_F(LeaseBreak, DeleteOnCloseOpenTakesHandlesThatCameSinceWhenItCloses) {
  OpenRequest unlinks = request(2);
  unlinks.granted_access = kDelete;
  unlinks.delete_on_close = true;
  open(unlinks);
  open(lease(1, "RH"));
  EXPECT_FALSE(table.close(ref(unlinks)).delete_now);
  EXPECT_EQ(sink.take_breaks(), "1: RH->R ack");
}

TEST_F(LeaseBreak, DeleteOnCloseOpenWaitsForWriteCachingAsEveryOpenDoes) {
  open(lease(1, "RWH"));
  OpenRequest unlinks = request(2);
  unlinks.granted_access = kDelete;
  unlinks.delete_on_close = true;
  EXPECT_EQ(open(unlinks).decision.verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "1: RWH->R ack");
}

// First come, first told, whoever went between.
TEST_F(LeaseBreak, WhoWaitsIsToldInTheOrderTheyCame) {
  open(lease(1, "RWH"));
  std::vector<OpenRequest> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(request(2));
    EXPECT_EQ(open(waiting.back()).decision.verdict, Verdict::kWait);
  }
  EXPECT_TRUE(table.cancel_wait(ref(waiting[0])));
  EXPECT_EQ(ack(1, "RH"), NtStatus::kSuccess);
  const auto completions = sink.take_completions();
  ASSERT_EQ(completions.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(completions[i].token, waiting[i + 1].token);
}

// The timer of a notification that was answered is nobody's, though the break goes on.
TEST_F(LeaseBreak, TimerOfTheFirstNotificationIsNotThatOfTheSecond) {
  open(lease(1, "RWH"));
  open(request(2));
  EXPECT_EQ(sink.take_breaks(), "1: RWH->RH ack");
  const BreakId first = sink.last_break.id;
  OpenRequest overwrites = request(3);
  overwrites.overwrites = true;
  EXPECT_EQ(open(overwrites).decision.verdict, Verdict::kWait);
  EXPECT_EQ(ack(1, "RH"), NtStatus::kSuccess);
  EXPECT_EQ(sink.take_breaks(), "1: RH->R ack");
  EXPECT_FALSE(table.is_breaking(first));
  table.break_timed_out(first);
  EXPECT_TRUE(table.is_breaking(sink.last_break.id));
  EXPECT_EQ(letters(table.held(kFile)), "RH");
}

// What nobody opens by a path is known by the one it has.
TEST_F(LeaseBreak, OpenWithoutAPathTakesNoName) {
  OpenRequest named = request();
  named.path = path("f");
  open(named);
  OpenRequest other = request();
  EXPECT_EQ(open(other).decision.verdict, Verdict::kGo);
  EXPECT_EQ(*table.path_of(ref(named)), "f");
}

}  // namespace
}  // namespace braid::filestate
