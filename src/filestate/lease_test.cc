#include <gtest/gtest.h>

#include "filestate/file_table_testing.h"

namespace braid::filestate {
namespace {

struct LeaseRules : ::testing::Test, TestTable {
  std::string granted(const OpenDecision& decision) {
    return decision.lease ? letters(decision.lease->state) : "no lease";
  }
  void close_all() {
    for (uint64_t token = 1; token <= last_token; ++token) table.close({kFile, {token}});
    sink.take_breaks();
    sink.take_completions();
  }
};

// [MS-FSA] 2.1.5.18: legal combinations.
TEST_F(LeaseRules, OnlyFourStatesAreGranted) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},     {"R", "R"},   {"H", ""},  {"W", ""},
      {"RH", "RH"}, {"RW", "RW"}, {"WH", ""}, {"RWH", "RWH"},
  };
  for (const auto& [asked, expected] : cases) {
    const OpenDecision decision = open(lease(1, asked));
    EXPECT_EQ(decision.oplock, OplockLevel::kLease) << asked;
    EXPECT_EQ(granted(decision), expected) << asked;
    close_all();
  }
}

// A second key: what the first is broken to and what the second gets.
TEST_F(LeaseRules, ContendingLeaseTable) {
  const char* const cases[][4] = {
      {"R", "R", "R", "R"},       {"R", "RH", "R", "RH"},    {"R", "RW", "R", "R"},
      {"R", "RWH", "R", "RH"},    {"RH", "R", "RH", "R"},    {"RH", "RH", "RH", "RH"},
      {"RH", "RW", "RH", "R"},    {"RH", "RWH", "RH", "RH"}, {"RW", "R", "R", "R"},
      {"RW", "RH", "R", "RH"},    {"RW", "RW", "R", "R"},    {"RW", "RWH", "R", "RH"},
      {"RWH", "R", "RH", "R"},    {"RWH", "RH", "RH", "RH"}, {"RWH", "RW", "RH", "R"},
      {"RWH", "RWH", "RH", "RH"},
  };
  for (const auto& [held, asked, left, got] : cases) {
    open(lease(1, held));
    const OpenRequest second = lease(2, asked);
    OpenDecision decision = open(second);
    if (std::string(held) != left) {
      EXPECT_EQ(decision.decision.verdict, Verdict::kWait);
      EXPECT_EQ(sink.take_breaks(), std::string("1: ") + held + "->" + left + " ack");
      EXPECT_EQ(ack(1, left), NtStatus::kSuccess);
      decision = open(second);
    }
    EXPECT_EQ(granted(decision), got) << held << " vs " << asked;
    EXPECT_EQ(granted(open(lease(1, "RWH"))), left) << "no upgrade beside another";
    EXPECT_EQ(sink.take_breaks(), "");
    close_all();
  }
}

TEST_F(LeaseRules, UpgradeAlone) {
  const char* const cases[][3] = {
      {"", "R", "R"},       {"", "RWH", "RWH"},    {"R", "", "R"},       {"R", "RH", "RH"},
      {"R", "RW", "RW"},    {"R", "RWH", "RWH"},   {"RH", "R", "RH"},    {"RH", "RW", "RH"},
      {"RH", "RWH", "RWH"}, {"RW", "RH", "RW"},    {"RW", "RWH", "RWH"}, {"RWH", "R", "RWH"},
      {"RWH", "", "RWH"},   {"RWH", "RWH", "RWH"},
  };
  for (const auto& [held, asked, expected] : cases) {
    open(lease(1, held));
    EXPECT_EQ(granted(open(lease(1, asked))), expected) << held << " and " << asked;
    EXPECT_EQ(sink.take_breaks(), "");
    close_all();
  }
}

// All or nothing: unlike a first grant, an upgrade is not cut down to what fits.
TEST_F(LeaseRules, UpgradeBesideAnotherLease) {
  const char* const cases[][4] = {
      {"R", "R", "RW", "R"},    {"R", "R", "RH", "RH"},    {"R", "R", "RWH", "R"},
      {"R", "RH", "RH", "RH"},  {"R", "RH", "RWH", "R"},   {"RH", "R", "RWH", "RH"},
      {"RH", "RH", "RW", "RH"}, {"RH", "RH", "RWH", "RH"},
  };
  for (const auto& [first, second, asked, expected] : cases) {
    open(lease(1, first));
    open(lease(2, second));
    EXPECT_EQ(granted(open(lease(1, asked))), expected) << first << second << asked;
    EXPECT_EQ(sink.take_breaks(), "");
    close_all();
  }
}

TEST_F(LeaseRules, LeaseAgainstOplock) {
  using enum OplockLevel;
  for (const auto level : {kLevelII, kExclusive, kBatch}) {
    const std::tuple<const char*, const char*, OplockLevel> cases[] = {
        {"R", "R", kLevelII}, {"RH", "RH", kNone}, {"RW", "R", kLevelII}, {"RWH", "RH", kNone}};
    for (const auto& [held, left, got] : cases) {
      open(lease(1, held));
      const OpenRequest second = oplock(level, 2);
      OpenDecision decision = open(second);
      if (decision.decision.verdict == Verdict::kWait) {
        EXPECT_EQ(sink.take_breaks(), std::string("1: ") + held + "->" + left + " ack");
        ack(1, left);
        decision = open(second);
      }
      EXPECT_EQ(decision.oplock, got) << held;
      EXPECT_EQ(lease_state(1), left);
      close_all();
    }
    for (const char* asked : {"R", "RH", "RW", "RWH"}) {
      const OpenRequest first = oplock(level, 2);
      open(first);
      const OpenRequest second = lease(1, asked);
      if (open(second).decision.verdict == Verdict::kWait) {
        table.ack_oplock(ref(first), kLevelII);
        EXPECT_EQ(granted(open(second)), "R") << asked;
      } else {
        EXPECT_EQ(level, kLevelII);
        EXPECT_EQ(lease_state(1), "R") << asked;
      }
      close_all();
    }
  }
}

// [MS-SMB2] 3.3.1.4: opens of one key do not disturb each other; other keys of one client do.
TEST_F(LeaseRules, WriteBreaksOtherKeysOnly) {
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

TEST_F(LeaseRules, SameKeyOfAnotherClientIsAnotherLease) {
  open(lease(1, "RWH", -1, 1));
  EXPECT_EQ(open(lease(1, "RWH", -1, 2)).decision.verdict, Verdict::kWait);
}

TEST_F(LeaseRules, LockEndsOthersReadAndHandleWithoutWaiting) {
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
TEST_F(LeaseRules, OverwriteDoesNotWaitForReadHandle) {
  open(lease(1, "RH"));
  OpenRequest second = request(2);
  second.overwrites = true;
  EXPECT_EQ(open(second).decision.verdict, Verdict::kGo);
  EXPECT_EQ(sink.take_breaks(), "1: RH-> ack");
  second.token = {++last_token};
  EXPECT_EQ(open(second).decision.verdict, Verdict::kGo);
  EXPECT_EQ(sink.take_breaks(), "");
  const OpenDecision probe = open(lease(1, ""));
  EXPECT_EQ(granted(probe), "RH");
  EXPECT_TRUE(probe.lease->break_in_progress);
  EXPECT_EQ(ack(1, ""), NtStatus::kSuccess);
  EXPECT_EQ(sink.take_breaks(), "");
}

TEST_F(LeaseRules, ReadCachingAloneIsNotAcknowledged) {
  open(lease(1, "R"));
  OpenRequest second = request(2);
  second.overwrites = true;
  EXPECT_EQ(open(second).decision.verdict, Verdict::kGo);
  EXPECT_EQ(sink.take_breaks(), "1: R->");
  EXPECT_EQ(lease_state(1), "");
  EXPECT_EQ(ack(1, ""), NtStatus::kUnsuccessful);
}

// [MS-SMB2] 3.3.5.22.2.
TEST_F(LeaseRules, AcknowledgementStatuses) {
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

TEST_F(LeaseRules, LessThanOfferedMayBeKept) {
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
TEST_F(LeaseRules, DemandsDuringABreakFollowIt) {
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
TEST_F(LeaseRules, EpochCountsChanges) {
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

TEST_F(LeaseRules, TheLeaseKeepsTheVersionItWasMadeWith) {
  EXPECT_EQ(open(lease(1, "R", 0x10)).lease->epoch, 0x11);
  const OpenDecision upgraded = open(lease(1, "RH"));
  EXPECT_EQ(upgraded.lease->version, 2);
  EXPECT_EQ(upgraded.lease->epoch, 0x12);
  open(lease(2, "R"));
  EXPECT_EQ(open(lease(2, "R", 0x50)).lease->version, 1);
}

// [MS-FSA] 2.1.4.12, OPEN: READ_CONTROL is harmless to leases.
TEST_F(LeaseRules, StatOpensBreakNothingAndAreNotSeen) {
  OpenRequest stat = request(2);
  stat.granted_access = kFileReadAttributes | kReadControl | kSynchronize;
  open(stat);
  EXPECT_EQ(granted(open(lease(1, "RWH"))), "RWH");
  stat.token = {++last_token};
  EXPECT_EQ(open(stat).decision.verdict, Verdict::kGo);
  EXPECT_EQ(sink.take_breaks(), "");
  EXPECT_EQ(granted(open(lease(1, "RWH"))), "RWH");
}

TEST_F(LeaseRules, LeaseOfAStatOpenIsBroken) {
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
TEST_F(LeaseRules, RenameWaitsForOthersHandles) {
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

TEST_F(LeaseRules, DeletingTakesOthersHandles) {
  open(lease(1, "RH"));
  const OpenRequest second = request(2);
  open(second);
  EXPECT_EQ(table.set_delete_pending(ref(second), true).verdict, Verdict::kWait);
  EXPECT_FALSE(table.is_delete_pending(kFile));
  EXPECT_EQ(sink.take_breaks(), "1: RH->R ack");
  ack(1, "R");
  EXPECT_EQ(table.set_delete_pending(ref(second), true).verdict, Verdict::kGo);
  EXPECT_TRUE(table.is_delete_pending(kFile));
}

TEST_F(LeaseRules, DeleteOnCloseOpenTakesOthersHandles) {
  open(lease(1, "RH"));
  OpenRequest unlinks = request(2);
  unlinks.granted_access = kDelete;
  unlinks.delete_on_close = true;
  EXPECT_EQ(open(unlinks).decision.verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "1: RH->R ack");
}

// [MS-SMB2] 3.3.5.9.8: one key, one file.
TEST_F(LeaseRules, KeyBoundToAnotherFile) {
  const FileKey other{1, 101, 0};
  const LeaseId id{client(1), lease_key(1)};
  const OpenRequest first = lease(1, "RWH");
  open(first);
  EXPECT_EQ(table.check_lease_key(id, std::nullopt), NtStatus::kInvalidParameter);
  EXPECT_EQ(table.check_lease_key(id, other), NtStatus::kInvalidParameter);
  EXPECT_EQ(table.check_lease_key(id, kFile), NtStatus::kSuccess);
  EXPECT_EQ(open(lease(1, "R"), other).decision.status, NtStatus::kInvalidParameter);
  EXPECT_FALSE(table.is_open(other));
  table.close(ref(first));
  EXPECT_EQ(table.check_lease_key(id, std::nullopt), NtStatus::kSuccess);
  EXPECT_EQ(granted(open(lease(1, "R"), other)), "R");
}

TEST_F(LeaseRules, KeyOfAFileToBeDeletedIsFree) {
  OpenRequest first = lease(1, "RWH");
  first.delete_on_close = true;
  open(first);
  const FileKey other{1, 101, 0};
  EXPECT_EQ(granted(open(lease(1, "RWH"), other)), "RWH");
  table.close(ref(first));
  EXPECT_EQ(table.check_lease_key({client(1), lease_key(1)}, other), NtStatus::kSuccess);
  EXPECT_EQ(table.check_lease_key({client(1), lease_key(1)}, kFile), NtStatus::kInvalidParameter);
}

TEST_F(LeaseRules, FailedOpenBindsNoKey) {
  OpenRequest first = request(2);
  first.share_access = 0;
  open(first);
  EXPECT_EQ(open(lease(1, "RWH")).decision.status, NtStatus::kSharingViolation);
  EXPECT_EQ(table.check_lease_key({client(1), lease_key(1)}, std::nullopt), NtStatus::kSuccess);
}

// [MS-SMB2] 3.3.6.4.
TEST_F(LeaseRules, TimeOutLeavesNothing) {
  open(lease(1, "RWH"));
  const OpenRequest second = lease(2, "RWH");
  open(second);
  sink.take_breaks();
  table.break_timed_out(sink.last_break.id);
  EXPECT_EQ(granted(open(second)), "RH");
  EXPECT_EQ(ack(1, "RH"), NtStatus::kUnsuccessful);
  EXPECT_EQ(lease_state(1), "");
}

// [MS-SMB2] 3.3.5.9.11 and [MS-FSA] 2.1.4.12 with PARENT_OBJECT.
TEST_F(LeaseRules, DirectoryLease) {
  const auto directory = [&](uint8_t key, int epoch) {
    OpenRequest wanted = lease(key, "RWH", epoch);
    wanted.is_directory = true;
    return wanted;
  };
  EXPECT_EQ(granted(open(directory(1, -1))), "no lease") << "version 1";
  OpenDecision decision = open(directory(2, 0x22));
  EXPECT_EQ(granted(decision), "RH");
  EXPECT_EQ(decision.lease->epoch, 0x23);

  table.child_changed(kFile, client(1), lease_key(2));
  EXPECT_EQ(sink.take_breaks(), "") << "made by the holder itself";
  table.child_changed(kFile, client(2), lease_key(2));
  EXPECT_EQ(sink.take_breaks(), "2: RH-> ack");
  EXPECT_EQ(sink.last_break.new_epoch, 0x24);
  ack(2, "");
  decision = open(directory(2, 0x222));
  EXPECT_EQ(granted(decision), "RH");
  EXPECT_EQ(decision.lease->epoch, 0x25);

  const FileKey child{1, 102, 0};
  OpenRequest with_parent = lease(3, "RWH", 0x33);
  with_parent.lease->parent_key = lease_key(2);
  EXPECT_EQ(open(with_parent, child).lease->parent_key, lease_key(2));
  table.child_changed(kFile, {child, with_parent.token});
  EXPECT_EQ(sink.take_breaks(), "");
  const OpenRequest without_parent = request(1);
  table.close({child, with_parent.token});
  open(without_parent, child);
  table.child_changed(kFile, {child, without_parent.token});
  EXPECT_EQ(sink.take_breaks(), "2: RH-> ack");
}

}  // namespace
}  // namespace braid::filestate
