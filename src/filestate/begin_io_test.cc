// What every READ and WRITE asks: caching taken from others and their locks in one look, for which
// the record of a shared file is locked only when it has changed or something is to be taken.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <thread>

#include "filestate/shared_tables_testing.h"

namespace braid::filestate {
namespace {

constexpr IoRange kPage{0, 4096};
constexpr LockRange kWhole{0, 4096, true};

struct BeginIo : ::testing::Test, TestTable {};

// [MS-FSA] 2.1.5.3 and 2.1.5.4 come to the locks when the breaks are over.
TEST_F(BeginIo, TakesCachingFirstAndThenMeetsLocks) {
  OpenRequest own = request(1);
  own.granted_access = kFileReadAttributes;  // so that the lease is granted beside it
  open(own);
  const OpenRequest holder = lease(1, "RW", -1, 2);
  EXPECT_EQ(letters(open(holder).lease->state), "RW");
  EXPECT_EQ(table.lock(ref(holder), {&kWhole, 1}, true, {1}).verdict, Verdict::kGo);
  EXPECT_EQ(table.begin_io(ref(own), Operation::kWrite, kPage).verdict, Verdict::kWait);
  EXPECT_EQ(sink.take_breaks(), "1: RW-> ack");
  EXPECT_EQ(ack(1, "", 2), NtStatus::kSuccess);
  EXPECT_EQ(sink.take_completions().size(), 1u);
  EXPECT_EQ(table.begin_io(ref(own), Operation::kWrite, kPage).status, NtStatus::kFileLockConflict);
  EXPECT_EQ(table.begin_io(ref(own), Operation::kRead, kPage).status, NtStatus::kFileLockConflict);
  EXPECT_EQ(table.begin_io(ref(holder), Operation::kWrite, kPage).verdict, Verdict::kGo);
}

TEST_F(BeginIo, LooksAtEachOfTheRanges) {
  const OpenRequest own = request(1), other = request(2);
  open(own);
  open(other);
  const LockRange range{100, 1, true};
  EXPECT_EQ(table.lock(ref(other), {&range, 1}, true, {1}).verdict, Verdict::kGo);
  const IoRange free[] = {{0, 100}, {101, 5}}, met[] = {{0, 100}, {100, 1}};
  EXPECT_EQ(table.begin_io(ref(own), Operation::kZeroData, free).verdict, Verdict::kGo);
  EXPECT_EQ(table.begin_io(ref(own), Operation::kZeroData, met).status,
            NtStatus::kFileLockConflict);
}

// Only reading is allowed beside a shared lock, to its holder too. [MS-FSA] 2.1.4.10.
TEST_F(BeginIo, ReadsBesideSharedLockAndDoesNotWrite) {
  const OpenRequest own = request(1);
  open(own);
  const LockRange range{0, 1, false};
  EXPECT_EQ(table.lock(ref(own), {&range, 1}, true, {1}).verdict, Verdict::kGo);
  EXPECT_EQ(table.begin_io(ref(own), Operation::kRead, kPage).verdict, Verdict::kGo);
  for (const Operation operation : {Operation::kWrite, Operation::kZeroData}) {
    EXPECT_EQ(table.begin_io(ref(own), operation, kPage).status, NtStatus::kFileLockConflict);
  }
}

// What it says without having changed anything. It is asked where there is one worker.
TEST_F(BeginIo, IsUnobstructedWhereNothingIsTakenAndNothingIsMet) {
  if (group) GTEST_SKIP() << "several workers";
  const OpenRequest own = request(1);
  EXPECT_FALSE(table.is_unobstructed(ref(own), Operation::kWrite, kPage)) << "not open";
  open(own);
  EXPECT_TRUE(table.is_unobstructed(ref(own), Operation::kWrite, kPage));
  const OpenRequest other = request(2);
  open(other);
  const LockRange range{100, 1, false};
  EXPECT_EQ(table.lock(ref(other), {&range, 1}, true, {1}).verdict, Verdict::kGo);
  EXPECT_FALSE(table.is_unobstructed(ref(own), Operation::kWrite, kPage));
  EXPECT_TRUE(table.is_unobstructed(ref(own), Operation::kWrite, {101, 5}));
  EXPECT_TRUE(table.is_unobstructed(ref(own), Operation::kRead, kPage));
}

TEST_F(BeginIo, IsObstructedByWhatOthersCache) {
  OpenRequest own = request(1);
  own.granted_access = kFileReadAttributes;
  open(own);
  open(lease(1, "RW", -1, 2));
  EXPECT_FALSE(table.is_unobstructed(ref(own), Operation::kWrite, kPage));
  EXPECT_EQ(sink.take_breaks(), "");
}

TEST_F(BeginIo, FailsForAnOpenThatIsNotThere) {
  EXPECT_EQ(table.begin_io({kFile, token(9)}, Operation::kRead, kPage).status,
            NtStatus::kFileClosed);
  open(request());
  EXPECT_EQ(table.begin_io({kFile, token(9)}, Operation::kRead, kPage).status,
            NtStatus::kFileClosed);
}

// Whether `ask` is answered while somebody else has the record of the file.
template <class Ask>
bool needs_no_record(SharedTables& t, Ask ask) {
  std::promise<void> held, asked;
  std::thread other([&] {
    const auto record =
        t.workers.groups[1]->records().lock({store::RecordKind::kFile, kFile.device, kFile.inode});
    held.set_value();
    asked.get_future().wait();
  });
  held.get_future().wait();
  auto answer = std::async(std::launch::async, ask);
  // Far more than it takes; reached only when it does wait.
  const bool is_answered = answer.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
  asked.set_value();
  other.join();
  return is_answered;
}

TEST(SharedBeginIo, NeedsNoRecordAsLongAsNobodyChangesIt) {
  SharedTables t;
  const OpenRequest own = t.lease(0, 1, "RWH");
  EXPECT_EQ(letters(t.open(0, own).lease->state), "RWH");
  const auto begin = [&](Operation operation) {
    return t.tables[0]->begin_io(ref(own), operation, kPage).verdict;
  };
  EXPECT_EQ(begin(Operation::kRead), Verdict::kGo);
  EXPECT_TRUE(needs_no_record(t, [&] {
    EXPECT_EQ(begin(Operation::kRead), Verdict::kGo);
    EXPECT_EQ(begin(Operation::kWrite), Verdict::kGo);
    EXPECT_EQ(t.tables[0]->check_io(ref(own), 0, 1, true), NtStatus::kSuccess);
    EXPECT_EQ(t.tables[0]->caching_of(ref(own)), Caching::kReadWriteHandle);
  }));
}

// And sees at once what another worker has changed, told or not.
TEST(SharedBeginIo, SeesWhatAnotherWorkerHasJustDone) {
  SharedTables t;
  const OpenRequest own = t.request(0), other = t.lease(1, 1, "R");
  t.open(0, own);
  const auto begin = [&](Operation operation) {
    return t.tables[0]->begin_io(ref(own), operation, kPage);
  };
  EXPECT_EQ(begin(Operation::kWrite).verdict, Verdict::kGo);
  EXPECT_EQ(t.open(1, other).lease->state, Caching::kRead);
  EXPECT_EQ(begin(Operation::kWrite).verdict, Verdict::kGo);
  EXPECT_EQ(t.breaks_of(1), "1: R->");
  EXPECT_EQ(t.tables[1]->lock(ref(other), {&kWhole, 1}, true, {1}).verdict, Verdict::kGo);
  EXPECT_EQ(begin(Operation::kRead).status, NtStatus::kFileLockConflict);
  EXPECT_TRUE(needs_no_record(
      t, [&] { EXPECT_EQ(begin(Operation::kRead).status, NtStatus::kFileLockConflict); }));
  t.tables[1]->close(ref(other));
  EXPECT_EQ(begin(Operation::kRead).verdict, Verdict::kGo);
}

// What a worker that died had locked is in nobody's way.
TEST(SharedBeginIo, SeesThatAWorkerHasDied) {
  SharedTables t;
  const OpenRequest own = t.request(0), other = t.request(1);
  t.open(0, own);
  t.open(1, other);
  EXPECT_EQ(t.tables[1]->lock(ref(other), {&kWhole, 1}, true, {1}).verdict, Verdict::kGo);
  EXPECT_EQ(t.tables[0]->begin_io(ref(own), Operation::kRead, kPage).status,
            NtStatus::kFileLockConflict);
  t.workers.kill(1);
  EXPECT_EQ(t.tables[0]->begin_io(ref(own), Operation::kRead, kPage).verdict, Verdict::kGo);
}

// A file whose last open went, and that another worker opened anew, is not the one that was known.
TEST(SharedBeginIo, KnowsAFileThatWasForgottenAndOpenedAnew) {
  SharedTables t;
  const OpenRequest first = t.request(0);
  t.open(0, first);
  EXPECT_EQ(t.tables[0]->begin_io(ref(first), Operation::kRead, kPage).verdict, Verdict::kGo);
  t.tables[0]->close(ref(first));
  EXPECT_EQ(t.tables[0]->begin_io(ref(first), Operation::kRead, kPage).status,
            NtStatus::kFileClosed);
  const OpenRequest other = t.request(1), again = t.request(0);
  t.open(1, other);
  EXPECT_EQ(t.tables[1]->lock(ref(other), {&kWhole, 1}, true, {1}).verdict, Verdict::kGo);
  t.open(0, again);
  EXPECT_EQ(t.tables[0]->begin_io(ref(again), Operation::kRead, kPage).status,
            NtStatus::kFileLockConflict);
}

}  // namespace
}  // namespace braid::filestate
