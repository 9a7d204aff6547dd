#include <gtest/gtest.h>

#include "filestate/file_table_testing.h"

namespace braid::filestate {
namespace {

struct LeaseRules : ::testing::Test, TestTable {
  std::string granted(const OpenDecision& decision) {
    return decision.lease ? letters(decision.lease->state) : "no lease";
  }
  void close_all() {
    for (uint64_t number = 1; number <= last_token; ++number) table.close({kFile, token(number)});
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

// A ClientGuid is no secret: whoever else comes with it, and with the key, has a lease of his own.
TEST_F(LeaseRules, ALeaseIsOfOneUserOfItsClient) {
  const auto as = [&](uint64_t user, std::string_view state) {
    OpenRequest wanted = lease(1, state);
    wanted.user = {user};
    return wanted;
  };
  const LeaseId victims = lease_of(as(1, "")), others = lease_of(as(2, ""));
  EXPECT_EQ(granted(open(as(1, "RWH"))), "RWH");
  EXPECT_EQ(open(as(2, "RWH")).decision.verdict, Verdict::kWait) << "as for any other lease";
  EXPECT_EQ(sink.take_breaks(), "1: RWH->RH ack");
  EXPECT_EQ(sink.last_break.lease, victims);
  EXPECT_EQ(table.ack_lease(others, caching("RH")).status, NtStatus::kObjectNameNotFound);
  EXPECT_TRUE(table.is_breaking(sink.last_break.id));
  EXPECT_EQ(table.ack_lease(victims, caching("RH")).status, NtStatus::kSuccess);
  EXPECT_EQ(granted(open(as(2, "RWH"))), "RH");
  EXPECT_EQ(table.check_lease_key(others, FileKey{1, 101, 0}), NtStatus::kInvalidParameter);
  const OpenRequest elsewhere = as(3, "R");
  EXPECT_EQ(granted(open(elsewhere, {1, 101, 0})), "R") << "the key binds nobody else to the file";
}

// [MS-SMB2] 3.3.6.5.
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

  table.child_changed(kFile, LeaseId{client(1), lease_key(2)});
  EXPECT_EQ(sink.take_breaks(), "") << "made by the holder itself";
  table.child_changed(kFile, LeaseId{client(2), lease_key(2)});
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
