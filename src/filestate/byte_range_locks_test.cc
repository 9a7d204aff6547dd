#include "filestate/byte_range_locks.h"

#include <gtest/gtest.h>

#include "filestate/byte_range_locks_testing.h"
#include "filestate/file_table_testing.h"

namespace braid::filestate {
namespace {

constexpr OpenToken kA{1};
constexpr OpenToken kB{2};
constexpr uint64_t kEnd = ~uint64_t{0};

constexpr LockRange shared(uint64_t offset, uint64_t length) { return {offset, length, false}; }
constexpr LockRange exclusive(uint64_t offset, uint64_t length) { return {offset, length, true}; }

struct Locks : ::testing::Test {
  SharedLocks shared_locks;
  ByteRangeLocks& locks = shared_locks.locks;
  bool lock(OpenToken owner, LockRange range) {
    return locks.lock(owner, {&range, 1}) == NtStatus::kSuccess;
  }
  NtStatus unlock(OpenToken owner, LockRange range) { return locks.unlock(owner, {&range, 1}); }
};

// [MS-FSA] 2.1.5.8: the last byte there is may be locked, and none after it.
TEST_F(Locks, RangesReachTheLastByte) {
  EXPECT_TRUE(ByteRangeLocks::is_valid(exclusive(kEnd, 1)));
  EXPECT_TRUE(ByteRangeLocks::is_valid(exclusive(0, kEnd)));
  EXPECT_TRUE(ByteRangeLocks::is_valid(exclusive(kEnd, 0)));
  EXPECT_TRUE(ByteRangeLocks::is_valid(exclusive(2, kEnd - 1)));
  EXPECT_FALSE(ByteRangeLocks::is_valid(exclusive(2, kEnd)));
  EXPECT_FALSE(ByteRangeLocks::is_valid(exclusive(kEnd, 2)));
  EXPECT_TRUE(lock(kA, exclusive(kEnd, 1)));
  EXPECT_FALSE(lock(kB, exclusive(kEnd - 3, 4)));
  EXPECT_TRUE(lock(kB, exclusive(kEnd - 3, 3)));
  EXPECT_TRUE(locks.blocks_io(kB, kEnd - 1, 100, false)) << "cut at the last byte";
}

// What a user had before the server was restarted is his, also where another one has come back
// before him and the fair_share() of both is less than he has.
TEST_F(Locks, ThoseOfAnEarlierLifeAreRefusedForNoWantOfRoom) {
  const auto ranges = [](size_t count, uint64_t from) {
    std::vector<LockRange> list;
    for (uint64_t i = 0; i < count; ++i) list.push_back(shared(from + i, 1));
    return list;
  };
  constexpr size_t kAlone = ByteRangeLocks::kLocksAlone;
  const auto first = ranges(kAlone, 0);
  const auto second = ranges(fair_share(ByteRangeLocks::kLocksMax, kAlone), kAlone);
  constexpr auto kHad = ByteRangeLocks::Room::kHad;
  ByteRangeLocks after;
  EXPECT_EQ(after.lock(kB, second, Account{9}, kHad), NtStatus::kSuccess);
  EXPECT_EQ(after.lock(kA, first, Account{8}), NtStatus::kInsufficientResources);
  EXPECT_EQ(after.lock(kA, first, Account{8}, kHad), NtStatus::kSuccess);
  EXPECT_EQ(after.locks_of(kA).held.size(), kAlone);
}

// [MS-FSA] 2.1.4.10.
TEST_F(Locks, ExclusiveStacksOnNothingSharedOnOwnExclusive) {
  EXPECT_TRUE(lock(kA, exclusive(0, 10)));
  EXPECT_FALSE(lock(kA, exclusive(9, 1)));
  EXPECT_TRUE(lock(kA, shared(0, 10)));
  EXPECT_FALSE(lock(kB, shared(0, 1)));
  EXPECT_TRUE(lock(kB, shared(10, 5)));
  EXPECT_TRUE(lock(kA, shared(10, 5)));
  EXPECT_FALSE(lock(kA, exclusive(12, 1)));
}

TEST_F(Locks, ZeroLengthMeetsOnlyWhatItLiesInside) {
  EXPECT_TRUE(lock(kA, exclusive(10, 10)));
  EXPECT_TRUE(lock(kB, exclusive(10, 0)));
  EXPECT_TRUE(lock(kB, exclusive(20, 0)));
  EXPECT_FALSE(lock(kB, exclusive(11, 0)));
  EXPECT_FALSE(lock(kB, exclusive(19, 0)));
  EXPECT_TRUE(lock(kB, exclusive(0, 0)));
  EXPECT_TRUE(lock(kA, exclusive(0, 0)));
  EXPECT_FALSE(lock(kB, exclusive(5, 10)));
  EXPECT_TRUE(lock(kB, exclusive(30, 0)));
  EXPECT_TRUE(lock(kA, exclusive(30, 0))) << "two of no length never meet";
  EXPECT_TRUE(lock(kA, exclusive(30, 5)));
}

TEST_F(Locks, UnlockWantsTheVeryRange) {
  lock(kA, exclusive(0, 10));
  EXPECT_EQ(unlock(kA, shared(0, 9)), NtStatus::kRangeNotLocked);
  EXPECT_EQ(unlock(kA, shared(1, 9)), NtStatus::kRangeNotLocked);
  EXPECT_EQ(unlock(kB, shared(0, 10)), NtStatus::kRangeNotLocked);
  EXPECT_EQ(unlock(kA, shared(0, 10)), NtStatus::kSuccess);
  EXPECT_EQ(unlock(kA, shared(0, 10)), NtStatus::kRangeNotLocked);
}

TEST_F(Locks, UnlockTakesTheExclusiveOneOfAStackFirst) {
  lock(kA, exclusive(0, 10));
  lock(kA, shared(0, 10));
  EXPECT_EQ(unlock(kA, shared(0, 10)), NtStatus::kSuccess);
  EXPECT_TRUE(lock(kB, shared(0, 10)));
  EXPECT_FALSE(lock(kB, exclusive(0, 1)));
}

// [MS-SMB2] 3.3.5.14.1 and .2: lists.
TEST_F(Locks, ListsAreTakenWholeAndGivenBackInOrder) {
  lock(kB, exclusive(20, 1));
  const LockRange wanted[] = {exclusive(0, 1), exclusive(10, 1), exclusive(20, 1)};
  EXPECT_EQ(locks.lock(kA, wanted), NtStatus::kLockNotGranted);
  EXPECT_TRUE(lock(kB, exclusive(0, 11))) << "nothing was kept";
  EXPECT_EQ(unlock(kB, shared(0, 11)), NtStatus::kSuccess);
  const LockRange own_overlap[] = {exclusive(0, 5), exclusive(4, 5)};
  EXPECT_EQ(locks.lock(kA, own_overlap), NtStatus::kLockNotGranted);

  lock(kA, exclusive(0, 1));
  lock(kA, exclusive(2, 1));
  const LockRange given[] = {shared(0, 1), shared(1, 1), shared(2, 1)};
  EXPECT_EQ(locks.unlock(kA, given), NtStatus::kRangeNotLocked);
  EXPECT_TRUE(lock(kB, exclusive(0, 1))) << "the first stays unlocked";
  EXPECT_FALSE(lock(kB, exclusive(2, 1))) << "the third was not reached";
}

TEST_F(Locks, ReadsAndWritesMeetLocks) {
  lock(kA, exclusive(0, 10));
  lock(kA, shared(20, 10));
  EXPECT_FALSE(locks.blocks_io(kA, 0, 10, true));
  EXPECT_TRUE(locks.blocks_io(kB, 9, 1, false));
  EXPECT_FALSE(locks.blocks_io(kB, 10, 10, true));
  EXPECT_FALSE(locks.blocks_io(kB, 20, 1, false));
  EXPECT_TRUE(locks.blocks_io(kB, 29, 1, true));
  EXPECT_TRUE(locks.blocks_io(kA, 20, 1, true)) << "a shared lock stops its owner's writes, too";
  EXPECT_FALSE(locks.blocks_io(kB, 5, 0, true));
}

TEST_F(Locks, TooManyAreRefused) {
  const std::vector<LockRange> many(ByteRangeLocks::kLocksAlone, shared(0, 1));
  EXPECT_EQ(locks.lock(kA, many), NtStatus::kSuccess);
  EXPECT_EQ(locks.lock(kA, {many.data(), 1}), NtStatus::kInsufficientResources);
}

TEST_F(Locks, WhoTakesAllHeCanLeavesRoomForOthers) {
  constexpr Account kGreedy{1}, kNext{2}, kLast{3};
  const std::vector<LockRange> many(ByteRangeLocks::kLocksAlone, shared(0, 1));
  EXPECT_EQ(locks.lock(kA, many, kGreedy), NtStatus::kSuccess);
  const LockRange one = shared(0, 1);
  EXPECT_EQ(locks.lock({3}, {&one, 1}, kGreedy), NtStatus::kInsufficientResources)
      << "by whichever of his opens";
  EXPECT_EQ(locks.lock(kB, {many.data(), many.size() / 2}, kNext), NtStatus::kSuccess);
  EXPECT_EQ(locks.lock({4}, {many.data(), 100}, kLast), NtStatus::kSuccess);

  const LockRange waited = exclusive(0, 1);
  uint64_t id = 0;
  EXPECT_FALSE(locks.wait({kA, {++id}, waited, {}, kGreedy})) << "it would hold more";
  locks.unlock(kA, {many.data(), many.size() / 4 * 3});
  while (locks.wait({kA, {++id}, waited, {}, kGreedy})) {
  }
  EXPECT_EQ(id - 2, ByteRangeLocks::kWaitersAlone);
  EXPECT_TRUE(locks.wait({kB, {++id}, waited, {}, kNext}));

  SharedLocks elsewhere;
  ASSERT_TRUE(elsewhere.take(shared_locks));
  EXPECT_FALSE(elsewhere.locks.wait({{3}, {1}, waited, {}, kGreedy}));
  locks.drop_waiting(kA);
  EXPECT_TRUE(locks.wait({{3}, {1}, waited, {}, kGreedy})) << "given back";
}

struct WaitingLocks : ::testing::Test, TestTable {
  Decision lock(const OpenRequest& of, LockRange range, uint64_t id, bool fail_immediately = false,
                std::optional<LockSequence> sequence = {}) {
    return table.lock(ref(of), {&range, 1}, fail_immediately, {id}, sequence);
  }
  NtStatus unlock(const OpenRequest& of, LockRange range,
                  std::optional<LockSequence> sequence = {}) {
    return table.unlock(ref(of), {&range, 1}, sequence);
  }
};

TEST_F(WaitingLocks, GrantedInOrderWhenTheWayIsFree) {
  const OpenRequest a = request(1), b = request(2), c = request(3);
  for (const auto& each : {a, b, c}) open(each);
  EXPECT_EQ(lock(a, exclusive(0, 10), 1).verdict, Verdict::kGo);
  EXPECT_EQ(lock(b, exclusive(0, 10), 2, true).status, NtStatus::kLockNotGranted);
  EXPECT_EQ(lock(b, shared(0, 10), 2).verdict, Verdict::kWait);
  EXPECT_EQ(lock(c, shared(5, 10), 3).verdict, Verdict::kWait);
  EXPECT_EQ(lock(c, exclusive(0, 1), 4).verdict, Verdict::kWait);
  unlock(a, shared(0, 10));
  auto completions = sink.take_completions();
  ASSERT_EQ(completions.size(), 2u);
  EXPECT_EQ(completions[0].kind, Completion::Kind::kLock);
  EXPECT_EQ(completions[0].token, b.token);
  EXPECT_EQ(completions[0].lock, LockId{2});
  EXPECT_EQ(completions[0].status, NtStatus::kSuccess);
  EXPECT_EQ(completions[1].token, c.token);
  table.close(ref(b));
  completions = sink.take_completions();
  ASSERT_EQ(completions.size(), 1u);
  EXPECT_EQ(completions[0].lock, LockId{4});
}

TEST_F(WaitingLocks, CancelAndClose) {
  const OpenRequest a = request(1), b = request(2);
  open(a);
  open(b);
  lock(a, exclusive(0, 10), 1);
  EXPECT_EQ(lock(b, exclusive(0, 10), 2).verdict, Verdict::kWait);
  EXPECT_EQ(lock(b, exclusive(5, 10), 3).verdict, Verdict::kWait);
  EXPECT_TRUE(table.cancel_lock(ref(b), {2}));
  EXPECT_FALSE(table.cancel_lock(ref(b), {2}));
  EXPECT_FALSE(table.cancel_lock(ref(a), {3}));
  table.close(ref(b));
  const auto completions = sink.take_completions();
  ASSERT_EQ(completions.size(), 1u);
  EXPECT_EQ(completions[0].lock, LockId{3});
  EXPECT_EQ(completions[0].status, NtStatus::kRangeNotLocked);
  unlock(a, shared(0, 10));
  EXPECT_TRUE(sink.take_completions().empty());
}

// [MS-FSA] 2.1.5.8: a lock ends others' caching first, and its answer may have to wait for that.
TEST_F(WaitingLocks, WaitsForABreakAndIsAnsweredThen) {
  OpenRequest a = request(1);
  a.granted_access = kFileReadAttributes;
  open(a);
  const OpenRequest b = oplock(OplockLevel::kBatch, 2);
  EXPECT_EQ(open(b).oplock, OplockLevel::kBatch);
  EXPECT_EQ(lock(a, exclusive(0, 10), 1, true).verdict, Verdict::kWait);
  EXPECT_EQ(lock(a, exclusive(5, 10), 2, true).verdict, Verdict::kWait);
  EXPECT_EQ(lock(a, exclusive(50, 10), 3, true).verdict, Verdict::kWait);
  EXPECT_FALSE(table.cancel_wait(ref(a)));
  EXPECT_TRUE(table.cancel_lock(ref(a), {3}));
  EXPECT_EQ(sink.take_breaks(), "#2: none ack");
  table.ack_oplock(ref(b), OplockLevel::kNone);
  const auto completions = sink.take_completions();
  ASSERT_EQ(completions.size(), 2u);
  EXPECT_EQ(completions[0].kind, Completion::Kind::kLock);
  EXPECT_EQ(completions[0].lock, LockId{1});
  EXPECT_EQ(completions[0].status, NtStatus::kSuccess);
  EXPECT_EQ(completions[1].lock, LockId{2});
  EXPECT_EQ(completions[1].status, NtStatus::kLockNotGranted);
}

TEST_F(WaitingLocks, BadRequests) {
  const OpenRequest a = request();
  open(a);
  EXPECT_EQ(lock(a, exclusive(kEnd, 2), 1).status, NtStatus::kInvalidLockRange);
  EXPECT_EQ(unlock(a, exclusive(kEnd, 2)), NtStatus::kInvalidLockRange);
  EXPECT_EQ(unlock(a, exclusive(0, 2)), NtStatus::kRangeNotLocked);
  OpenRequest directory = request();
  directory.is_directory = true;
  const FileKey key{1, 55, 0};
  open(directory, key);
  const LockRange range = exclusive(0, 1);
  EXPECT_EQ(table.lock({key, directory.token}, {&range, 1}, true, {1}).status,
            NtStatus::kInvalidParameter);
  EXPECT_EQ(table.lock({key, {77}}, {&range, 1}, true, {1}).status, NtStatus::kFileClosed);
}

// [MS-SMB2] 3.3.5.14: a repeated request succeeds without being done again.
TEST_F(WaitingLocks, SequencesAreRemembered) {
  const OpenRequest a = request(1), b = request(2);
  open(a);
  open(b);
  EXPECT_EQ(lock(a, exclusive(0, 1), 1, true, LockSequence{1, 5}).verdict, Verdict::kGo);
  EXPECT_EQ(lock(a, exclusive(0, 1), 1, true, LockSequence{1, 5}).verdict, Verdict::kGo);
  EXPECT_EQ(lock(a, exclusive(0, 1), 1, true, LockSequence{1, 6}).status,
            NtStatus::kLockNotGranted);
  EXPECT_EQ(lock(a, exclusive(0, 1), 1, true, LockSequence{1, 5}).status, NtStatus::kLockNotGranted)
      << "a failure forgets the entry";
  EXPECT_EQ(unlock(a, exclusive(0, 1), LockSequence{64, 0}), NtStatus::kSuccess);
  EXPECT_EQ(unlock(a, exclusive(0, 1), LockSequence{64, 0}), NtStatus::kSuccess);
  EXPECT_EQ(unlock(a, exclusive(0, 1), LockSequence{65, 0}), NtStatus::kRangeNotLocked);

  lock(a, exclusive(0, 1), 1, true);
  EXPECT_EQ(lock(b, exclusive(0, 1), 2, false, LockSequence{3, 1}).verdict, Verdict::kWait);
  unlock(a, exclusive(0, 1));
  EXPECT_EQ(sink.take_completions().size(), 1u);
  EXPECT_EQ(lock(b, exclusive(0, 1), 3, false, LockSequence{3, 1}).verdict, Verdict::kGo);
}

// The first sending of a LOCK, read from a lost channel after its repetition and the UNLOCK behind
// that were answered.
TEST_F(WaitingLocks, OvertakenRequestDoesNothing) {
  const OpenRequest a = request(1);
  open(a);
  EXPECT_EQ(lock(a, exclusive(0, 1), 1, true, LockSequence{1, 5, 0}).verdict, Verdict::kGo);
  EXPECT_EQ(unlock(a, exclusive(0, 1), LockSequence{1, 6, 1}), NtStatus::kSuccess);
  EXPECT_EQ(lock(a, exclusive(0, 1), 2, true, LockSequence{1, 5, 0}).status,
            NtStatus::kFileNotAvailable);
  EXPECT_EQ(unlock(a, exclusive(0, 1), LockSequence{1, 6, 0}), NtStatus::kSuccess) << "done once";
  EXPECT_EQ(unlock(a, exclusive(0, 1), LockSequence{1, 7, 1}), NtStatus::kRangeNotLocked);
  EXPECT_EQ(unlock(a, exclusive(0, 1), LockSequence{1, 8, 0}), NtStatus::kFileNotAvailable)
      << "nor after one that failed";
  EXPECT_EQ(lock(a, exclusive(0, 1), 3, true, LockSequence{2, 5, 0xFFFF}).verdict, Verdict::kGo)
      << "an entry that was never used has no past";
  EXPECT_EQ(unlock(a, exclusive(0, 1), LockSequence{2, 6, 0}), NtStatus::kSuccess) << "wraps";
}

// A new session counts its channels from 0 again.
TEST_F(WaitingLocks, ClientThatCameBackIsNotOvertaken) {
  OpenRequest a = request(1);
  open(a);
  EXPECT_EQ(lock(a, exclusive(0, 1), 1, true, LockSequence{1, 5, 7}).verdict, Verdict::kGo);
  table.set_durability(ref(a), Durability::kResilient);
  ASSERT_TRUE(table.disconnect(ref(a)));
  ASSERT_TRUE(table.reconnect(ref(a), {9}));
  EXPECT_EQ(lock(a, exclusive(0, 1), 2, true, LockSequence{1, 5, 0}).verdict, Verdict::kGo)
      << "done before";
  EXPECT_EQ(unlock(a, exclusive(0, 1), LockSequence{1, 6, 0}), NtStatus::kSuccess);
  EXPECT_EQ(unlock(a, exclusive(0, 1), LockSequence{1, 7, 0}), NtStatus::kRangeNotLocked);
}

// Both sendings of one LOCK wait: the later one gets it, and it is taken once.
TEST_F(WaitingLocks, RepetitionTakesThePlaceOfWhatWaits) {
  const OpenRequest a = request(1), b = request(2);
  open(a);
  open(b);
  lock(a, exclusive(0, 1), 1, true);
  EXPECT_EQ(lock(b, exclusive(0, 1), 2, false, LockSequence{3, 1, 0}).verdict, Verdict::kWait);
  EXPECT_EQ(lock(b, exclusive(0, 1), 3, false, LockSequence{3, 1, 1}).verdict, Verdict::kWait);
  auto over = sink.take_completions();
  ASSERT_EQ(over.size(), 1u);
  EXPECT_EQ(over[0].lock, LockId{2});
  EXPECT_EQ(over[0].status, NtStatus::kFileNotAvailable);
  unlock(a, exclusive(0, 1));
  over = sink.take_completions();
  ASSERT_EQ(over.size(), 1u);
  EXPECT_EQ(over[0].lock, LockId{3});
  EXPECT_EQ(over[0].status, NtStatus::kSuccess);
  EXPECT_EQ(unlock(b, exclusive(0, 1)), NtStatus::kSuccess);
  EXPECT_EQ(unlock(b, exclusive(0, 1)), NtStatus::kRangeNotLocked);
}

// What an administrator is shown, and what an open has to give up.
TEST_F(WaitingLocks, AreToldWithThoseThatAreHeld) {
  const OpenRequest first = request(), second = request(2);
  open(first);
  open(second);
  EXPECT_FALSE(table.cancel_lock(ref(first), {9})) << "nobody has any";
  EXPECT_EQ(lock(first, {0, 10, true}, 1).verdict, Verdict::kGo);
  EXPECT_EQ(lock(second, {5, 1, false}, 2).verdict, Verdict::kWait);
  EXPECT_EQ(lock(second, {7, 1, true}, 3).verdict, Verdict::kWait);
  const LocksOfOpen locks = table.locks_of(ref(second));
  EXPECT_TRUE(locks.held.empty());
  ASSERT_EQ(locks.waiting.size(), 2u);
  EXPECT_EQ(locks.waiting[0].offset, 5u);
  EXPECT_EQ(locks.waiting[1].offset, 7u);
  // Giving back is an unlock to who waits.
  const LockRange held{0, 10, true};
  table.give_back(ref(first), {&held, 1});
  EXPECT_EQ(sink.take_completions().size(), 2u);
  EXPECT_EQ(table.locks_of(ref(second)).held.size(), 2u);
}

// [MS-SMB2] 3.3.5.14: a list that comes in parts is one request.
TEST_F(WaitingLocks, PartsOfALongList) {
  const OpenRequest own = request();
  open(own);
  const LockRange first{0, 1, true}, second{10, 1, true};
  const LockSequence sequence{.index = 1, .number = 3};
  constexpr LockPart kFirst{.is_first = true, .is_last = false};
  constexpr LockPart kLast{.is_first = false, .is_last = true};
  bool is_repeated = false;
  const auto lock_part = [&](const LockRange& range, LockPart part) {
    is_repeated = false;
    return table.lock_part(ref(own), {&range, 1}, sequence, part, is_repeated);
  };
  EXPECT_EQ(lock_part(first, kFirst).verdict, Verdict::kGo);
  EXPECT_FALSE(is_repeated);
  EXPECT_EQ(lock_part(first, kFirst).status, NtStatus::kLockNotGranted) << "not done yet";
  EXPECT_EQ(lock_part(second, kLast).verdict, Verdict::kGo);
  EXPECT_EQ(lock_part(first, kFirst).verdict, Verdict::kGo);
  EXPECT_TRUE(is_repeated) << "all of it was done";
  const LockRange bad{~uint64_t{0}, 2, true};
  EXPECT_EQ(lock_part(bad, kLast).status, NtStatus::kInvalidLockRange);
  EXPECT_EQ(table.locks_of(ref(own)).held.size(), 2u);

  const auto unlock_part = [&](const LockRange& range, LockPart part, uint8_t number) {
    is_repeated = false;
    return table.unlock_part(ref(own), {&range, 1}, LockSequence{.index = 1, .number = number},
                             part, is_repeated);
  };
  EXPECT_EQ(unlock_part(first, kFirst, 3), NtStatus::kSuccess);
  EXPECT_TRUE(is_repeated);
  EXPECT_EQ(unlock_part(first, kFirst, 4), NtStatus::kSuccess);
  EXPECT_FALSE(is_repeated);
  EXPECT_EQ(unlock_part(second, kLast, 4), NtStatus::kSuccess);
  EXPECT_EQ(unlock_part(second, kFirst, 4), NtStatus::kSuccess);
  EXPECT_TRUE(is_repeated);
  EXPECT_TRUE(table.locks_of(ref(own)).held.empty());
}

TEST_F(WaitingLocks, PartsWaitForABreakAndOvertakenOnesAreTold) {
  OpenRequest own = request();
  own.granted_access = kFileReadAttributes;  // beside which a lease is granted
  open(own);
  open(lease(1, "RW", -1, 2));
  const LockRange range{0, 1, true};
  bool is_repeated = false;
  const auto lock_part = [&](const std::optional<LockSequence>& sequence) {
    return table.lock_part(ref(own), {&range, 1}, sequence, {}, is_repeated);
  };
  EXPECT_EQ(lock_part({}).verdict, Verdict::kWait);
  EXPECT_EQ(ack(1, "", 2), NtStatus::kSuccess);
  const auto completions = sink.take_completions();
  ASSERT_EQ(completions.size(), 1u);
  EXPECT_EQ(completions[0].kind, Completion::Kind::kRetryOperation);
  EXPECT_EQ(lock_part(LockSequence{1, 1, 5}).verdict, Verdict::kGo);
  EXPECT_EQ(lock_part(LockSequence{1, 2, 4}).status, NtStatus::kFileNotAvailable);
  EXPECT_FALSE(is_repeated);
}

TEST_F(WaitingLocks, DirectoriesHaveNone) {
  OpenRequest own = request();
  own.is_directory = true;
  open(own);
  const LockRange range{0, 1, true};
  bool is_repeated = false;
  constexpr auto kInvalid = NtStatus::kInvalidParameter;
  EXPECT_EQ(lock(own, range, 1).status, kInvalid);
  EXPECT_EQ(unlock(own, range), kInvalid);
  EXPECT_EQ(table.lock_part(ref(own), {&range, 1}, {}, {}, is_repeated).status, kInvalid);
  EXPECT_EQ(table.unlock_part(ref(own), {&range, 1}, {}, {}, is_repeated), kInvalid);
}

}  // namespace
}  // namespace braid::filestate
