#include "smb2/persistent/handle_journal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "base/crc32c.h"
#include "smb2/persistent/persistent_open_testing.h"
#include "store/fault_disk_testing.h"
#include "store/log_reader.h"

namespace braid::smb2 {
namespace {

using filestate::Caching;

class HandleJournalTest : public testing::Test {
 protected:
  static constexpr store::ShareId kShareId{{1}};
  static constexpr store::ServerId kServer{{2}};

  // The next life of the server, or of one of its workers.
  HandleJournal::Begun begin(uint32_t worker = 0, const store::LogLimits& limits = {}) {
    HandleJournal::Begun begun;
    scope_.spawn(begin_into(begun, worker, limits));
    scope_.wait();
    return begun;
  }
  // From now on it has so many workers; the clients are theirs by the first byte of their GUIDs.
  void set_workers(size_t count, uint8_t kin) {
    workers_ = HandleJournal::Workers{.kin = {kin}, .worker_of = [count](const ClientGuid& client) {
                                        return client.bytes[0] % count;
                                      }};
  }
  static PersistentOpen open_of_client(uint8_t client, uint64_t id) {
    PersistentOpen open = leased_open(id, Caching::kReadWriteHandle);
    open.client_guid.bytes[0] = client;
    return open;
  }
  static std::vector<uint64_t> ids_of_others(const HandleJournal::Begun& begun) {
    std::vector<uint64_t> all;
    for (const auto& open : begun.of_others) all.push_back(open.file_id.persistent);
    return all;
  }
  Result<void> put(HandleJournal& journal, const PersistentOpen& open) {
    return wait(journal.put(open, store::Urgency::kOrdinary).value());
  }
  Result<void> wait(HandleJournal::Tickets tickets) {
    Result<void> result;
    scope_.spawn(await(std::move(tickets), result));
    scope_.wait();
    return result;
  }
  // The power goes, and what was not synced with it.
  void crash(HandleJournal::Begun& begun) {
    begun.journal.reset();
    disk_.restart(store::FaultDisk::Survives::kNothing);
  }
  std::vector<std::string> logs() { return store::list_logs(*folder_)->logs; }
  size_t records(const HandleJournal& journal) {
    return store::recover_log(*folder_, journal.name(), kShareId).records.size();
  }
  static std::vector<uint64_t> ids(const HandleJournal::Begun& begun) {
    std::vector<uint64_t> all;
    for (const auto& open : begun.opens) all.push_back(open.file_id.persistent);
    return all;
  }
  // A log of an earlier life with these records.
  void leave_log(uint64_t epoch, const std::vector<std::pair<Bytes, Bytes>>& of) {
    const store::LogOwner owner{.share = kShareId, .server = kServer, .worker = 0, .epoch = epoch};
    auto log = store::HandleLog::create(*folder_, owner, {}, pool_, {}).value();
    for (const auto& [key, value] : of) {
      static_cast<void>(log->put(key, value, store::Urgency::kOrdinary));
    }
    log->stop();
  }

  VirtualClock clock_;
  store::ServerId server_ = kServer;
  std::function<bool()> wait_for_owner_;
  store::FaultDisk disk_{1};
  std::unique_ptr<store::LogFolder> folder_ = disk_.folder();
  WorkerPool pool_{2};
  WorkerPool waiter_pool_{1};
  WorkerPool::Seat waiter_{waiter_pool_, {}};
  TaskScope scope_;
  std::optional<HandleJournal::Workers> workers_;

 private:
  Task<void> begin_into(HandleJournal::Begun& begun, uint32_t worker, store::LogLimits limits) {
    begun = co_await HandleJournal::begin({.folder = *folder_,
                                           .share = kShareId,
                                           .server = server_,
                                           .worker = worker,
                                           .workers = workers_,
                                           .wait_for_owner = wait_for_owner_},
                                          limits, pool_, {}, clock_);
  }
  Task<void> await(HandleJournal::Tickets tickets, Result<void>& result) {
    for (const auto& ticket : tickets) {
      if (auto done = co_await ticket.committed(waiter_); !done) result = done;
    }
  }
};

TEST_F(HandleJournalTest, WhatWasWrittenIsThereAfterACrash) {
  auto first = begin();
  EXPECT_EQ(first.failure, "");
  EXPECT_TRUE(put(*first.journal, plain_open(2)));
  EXPECT_TRUE(put(*first.journal, plain_open(1)));
  EXPECT_TRUE(put(*first.journal, plain_open(3)));
  EXPECT_TRUE(wait(first.journal->erase(3)));
  crash(first);
  for (int life = 0; life < 3; ++life) {
    auto next = begin();
    EXPECT_EQ(next.failure, "");
    EXPECT_TRUE(next.complaints.empty());
    EXPECT_EQ(ids(next), (std::vector<uint64_t>{1, 2}));
    EXPECT_EQ(logs(), std::vector<std::string>{next.journal->name()});
    crash(next);
  }
}

TEST_F(HandleJournalTest, AnotherServerTakesOverWhatOneThatEndedHasLeft) {
  auto first = begin();
  EXPECT_TRUE(first.taken_over.empty());
  const std::string log = first.journal->name();
  EXPECT_TRUE(put(*first.journal, plain_open(1)));
  EXPECT_TRUE(put(*first.journal, plain_open(2)));
  server_ = {{3}};
  {
    const auto refused = begin();
    EXPECT_EQ(refused.failure, log +
                                   ": another server serves this folder now; end that one, or take "
                                   "the share out of one of the two configurations");
    EXPECT_FALSE(refused.journal);
    EXPECT_TRUE(refused.opens.empty());
  }
  EXPECT_EQ(logs(), std::vector{log});
  first.journal.reset();
  auto next = begin();
  EXPECT_EQ(next.failure, "");
  EXPECT_TRUE(next.complaints.empty());
  EXPECT_EQ(next.taken_over, std::vector{log});
  EXPECT_EQ(ids(next), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(logs(), std::vector{next.journal->name()});
  // And back again.
  crash(next);
  server_ = kServer;
  EXPECT_EQ(ids(begin()), (std::vector<uint64_t>{1, 2}));
}

// The kernel closes the log of a server that was killed some time after others see it gone.
TEST_F(HandleJournalTest, LogOfAServerThatIsStillDyingIsWaitedFor) {
  auto first = begin();
  EXPECT_TRUE(put(*first.journal, plain_open(1)));
  const std::string log = first.journal->name();
  server_ = {{3}};
  int left = 3;
  wait_for_owner_ = [&] {
    if (--left == 0) first.journal.reset();
    return true;
  };
  auto next = begin();
  EXPECT_EQ(next.failure, "");
  EXPECT_EQ(left, 0);
  EXPECT_EQ(next.taken_over, std::vector{log});
  EXPECT_EQ(ids(next), std::vector<uint64_t>{1});
}

TEST_F(HandleJournalTest, WhereNobodyCanTellWhetherAnotherServerHasEndedTheFolderIsNotServed) {
  auto first = begin();
  EXPECT_TRUE(put(*first.journal, plain_open(1)));
  const std::string log = first.journal->name();
  crash(first);
  disk_.share();
  server_ = {{3}};
  const auto next = begin();
  EXPECT_EQ(next.failure, log +
                              ": another server's, and on this file system nobody can tell whether "
                              "that has ended; if it has, remove this file, and with it what that "
                              "has promised");
  EXPECT_TRUE(next.opens.empty());
  EXPECT_FALSE(next.journal);
  EXPECT_EQ(logs(), std::vector{log});
  server_ = kServer;
  EXPECT_EQ(ids(begin()), std::vector<uint64_t>{1});
}

TEST_F(HandleJournalTest, LogThatCannotBeClaimedIsNamed) {
  auto first = begin();
  EXPECT_TRUE(put(*first.journal, plain_open(1)));
  const std::string log = first.journal->name();
  crash(first);
  disk_.refuse_claims(EPERM);
  const auto next = begin();
  EXPECT_EQ(next.failure,
            log + ": Operation not permitted; whether its server has ended is not known");
  EXPECT_FALSE(next.journal);
  disk_.refuse_claims(0);
  EXPECT_EQ(ids(begin()), std::vector<uint64_t>{1});
}

// One record, however many opens have it, which is there as long as one of them is.
TEST_F(HandleJournalTest, LeaseIsWrittenOnce) {
  auto first = begin();
  EXPECT_TRUE(put(*first.journal, leased_open(1, Caching::kReadHandle)));
  EXPECT_TRUE(put(*first.journal, leased_open(2, Caching::kReadWriteHandle)));
  EXPECT_EQ(records(*first.journal), 3u);
  crash(first);
  auto next = begin();
  ASSERT_EQ(ids(next), (std::vector<uint64_t>{1, 2}));
  for (const auto& open : next.opens) {
    EXPECT_EQ(open.state.lease.value().state, Caching::kReadWriteHandle);
    EXPECT_EQ(open.state.lease->key, *open.lease_key);
  }
  EXPECT_TRUE(wait(next.journal->erase(1)));
  EXPECT_EQ(records(*next.journal), 2u);
  EXPECT_TRUE(wait(next.journal->erase(2)));
  EXPECT_EQ(records(*next.journal), 0u);
}

// The record of a lease is of all opens with it, whichever of them it was put for.
TEST_F(HandleJournalTest, LeaseThatIsNotThereIsMissedByEachOpenWithIt) {
  auto first = begin();
  for (const uint64_t id : {1, 2, 3}) {
    EXPECT_TRUE(put(*first.journal, leased_open(id, Caching::kReadWriteHandle)));
  }
  disk_.fail_steps(disk_.steps(), ~uint64_t{0}, EIO);
  for (const uint64_t id : {1, 2, 3}) {
    EXPECT_FALSE(put(*first.journal, leased_open(id, Caching::kReadHandle))) << id;
  }
}

// What did not get there is put again by whoever tells of the lease next, though it says the same.
TEST_F(HandleJournalTest, LeaseThatIsNotThereIsPutAgain) {
  auto first = begin();
  EXPECT_TRUE(put(*first.journal, leased_open(1, Caching::kReadWriteHandle)));
  EXPECT_TRUE(put(*first.journal, leased_open(2, Caching::kReadWriteHandle)));
  disk_.fail_steps(disk_.steps(), ~uint64_t{0}, EIO);
  EXPECT_FALSE(put(*first.journal, leased_open(1, Caching::kReadHandle)));
  disk_.fail_steps(0, 0, 0);
  clock_.advance(std::chrono::seconds(6));  // until the log is tried again
  EXPECT_TRUE(put(*first.journal, leased_open(2, Caching::kReadHandle)));
  crash(first);
  const auto next = begin();
  ASSERT_EQ(ids(next), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(next.opens[0].state.lease.value().state, Caching::kReadHandle);
}

// One user does not take the room of all.
TEST_F(HandleJournalTest, UserHasHisShare) {
  auto first = begin(0, {.bytes_max = 8 << 20});
  PersistentOpen open = plain_open(1);
  open.user = {1};
  open.moving_to.assign(200'000, 'x');
  constexpr uint64_t kMore = 200'000;
  uint64_t id = 0;
  while (first.journal->has_room({1}, kMore)) {
    ASSERT_LT(++id, 100u);
    open.file_id.persistent = id;
    EXPECT_TRUE(put(*first.journal, open)) << id;
  }
  EXPECT_EQ(id, 7u) << "three quarters of two MiB";
  EXPECT_TRUE(first.journal->has_room({2}, kMore));
  open.user = {2};
  for (const uint64_t other : {100, 101}) {
    open.file_id.persistent = other;
    EXPECT_TRUE(put(*first.journal, open));
  }
  EXPECT_FALSE(first.journal->has_room({2}, kMore));
  EXPECT_TRUE(wait(first.journal->erase(1)));
  EXPECT_TRUE(first.journal->has_room({2}, 100'000));
}

// What an earlier life had comes before what the later one wrote.
TEST_F(HandleJournalTest, LaterEpochIsRight) {
  leave_log(1, {{open_record_key(1), open_record_of(plain_open(1, "old"))},
                {open_record_key(2), open_record_of(plain_open(2))}});
  leave_log(2, {{open_record_key(1), open_record_of(plain_open(1, "new"))}});
  auto next = begin();
  ASSERT_EQ(ids(next), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(next.opens[0].changes.path.text(), "new");
}

// As long as a worker lives its log is its own, and what it has left then is its next life's.
TEST_F(HandleJournalTest, LogOfALivingWorkerIsLeftAlone) {
  set_workers(3, 7);
  auto one = begin(1);
  auto two = begin(2);
  EXPECT_TRUE(put(*one.journal, open_of_client(1, 1)));
  EXPECT_TRUE(put(*two.journal, open_of_client(2, 2)));
  two.journal.reset();
  auto again = begin(2);
  EXPECT_EQ(ids(again), std::vector<uint64_t>{2});
  EXPECT_EQ(ids_of_others(again), std::vector<uint64_t>{});
  EXPECT_EQ(logs(), (std::vector<std::string>{one.journal->name(), again.journal->name()}));
  EXPECT_TRUE(put(*one.journal, open_of_client(4, 3)));
  one.journal.reset();
  auto zero = begin(0);
  EXPECT_EQ(ids(zero), std::vector<uint64_t>{});
  EXPECT_EQ(ids_of_others(zero), std::vector<uint64_t>{});
  EXPECT_EQ(ids(begin(1)), (std::vector<uint64_t>{1, 3}));
}

// The first of the next workers has them all, and each of the others what its clients have open:
// however many there were before, and whoever comes first.
TEST_F(HandleJournalTest, FirstWorkerWritesLogsForTheOthers) {
  for (const size_t before : {1, 2, 4}) {
    if (before > 1) set_workers(before, 1);
    std::vector<HandleJournal::Begun> all;
    for (uint32_t worker = 0; worker < before; ++worker) all.push_back(begin(worker));
    for (uint8_t client = 0; client < 8; ++client) {
      ASSERT_TRUE(put(*all[client % before].journal, open_of_client(client, 1 + client)));
    }
    all.clear();
    set_workers(3, 2);
    auto two = begin(2);
    EXPECT_EQ(two.failure, "");
    EXPECT_EQ(ids(two), (std::vector<uint64_t>{3, 6})) << before;
    EXPECT_EQ(ids_of_others(two), (std::vector<uint64_t>{1, 2, 4, 5, 7, 8})) << before;
    two.parcels.clear();
    auto zero = begin(0);
    EXPECT_EQ(ids(zero), (std::vector<uint64_t>{1, 4, 7})) << before;
    EXPECT_TRUE(ids_of_others(zero).empty());
    auto one = begin(1);
    EXPECT_EQ(ids(one), (std::vector<uint64_t>{2, 5, 8})) << before;
    EXPECT_EQ(logs().size(), 3u);
    // Each has the records of its own only, with their leases.
    EXPECT_EQ(records(*one.journal), 6u);
    two.journal.reset();
    zero.journal.reset();
    one.journal.reset();
    for (const std::string& name : logs()) EXPECT_TRUE(store::remove_log(*folder_, name));
    workers_.reset();
  }
}

TEST_F(HandleJournalTest, FirstWorkerMayBeInterruptedAnywhere) {
  auto first = begin();
  for (uint8_t client = 0; client < 8; ++client) {
    ASSERT_TRUE(put(*first.journal, open_of_client(client, 1 + client)));
  }
  crash(first);
  for (uint64_t step = 0;; ++step) {
    set_workers(2, static_cast<uint8_t>(1 + step % 100));
    disk_.crash_at(disk_.steps() + step);
    auto zero = begin(0);
    const bool was_interrupted = disk_.is_off();
    zero.parcels.clear();
    crash(zero);
    auto one = begin(1);
    EXPECT_EQ(one.failure, "") << step;
    ASSERT_EQ(one.opens.size() + one.of_others.size(), 8u) << step;
    one.parcels.clear();
    auto next = begin(0);
    ASSERT_EQ(ids(next), (std::vector<uint64_t>{1, 3, 5, 7})) << step;
    one.journal.reset();
    crash(next);
    if (!was_interrupted) break;
    ASSERT_LT(step, 1000u);
  }
}

// Its workers have other numbers, and the same id: it has a copy of state_dir.
TEST_F(HandleJournalTest, CopyOfTheServerWithWorkersIsSeen) {
  set_workers(2, 1);
  const auto one = begin(1);
  ASSERT_EQ(one.failure, "");
  set_workers(2, 2);
  EXPECT_EQ(begin(0).failure, one.journal->name() +
                                  ": another server serves this folder now; end that one, or take "
                                  "the share out of one of the two configurations");
  set_workers(2, 1);
  EXPECT_EQ(begin(0).failure, "");
}

TEST_F(HandleJournalTest, NewerLogIsRefusedByNameAndKept) {
  auto first = begin();
  EXPECT_TRUE(put(*first.journal, plain_open(1)));
  const std::string name = first.journal->name();
  first.journal.reset();
  Bytes bytes = disk_.bytes(name);
  bytes[8] = 2;
  const uint32_t crc = crc32c(ByteView(bytes).first(508));
  std::memcpy(bytes.data() + 508, &crc, sizeof crc);
  disk_.put(name, bytes);
  const auto next = begin();
  EXPECT_EQ(next.failure.find(name), 0u) << next.failure;
  EXPECT_FALSE(next.journal);
  EXPECT_EQ(logs(), std::vector<std::string>{name});
}

TEST_F(HandleJournalTest, NewerRecordIsRefusedByNameAndKept) {
  Bytes newer = open_record_of(plain_open(1));
  newer[0] = kOpenRecordVersion + 1;
  leave_log(1, {{open_record_key(1), newer}, {open_record_key(2), open_record_of(plain_open(2))}});
  const auto before = logs();
  const auto next = begin();
  EXPECT_EQ(next.failure, "record 6f0100000000000000: of a newer version");
  EXPECT_EQ(logs(), before);
}

TEST_F(HandleJournalTest, WhatCannotBeReadIsNamedAndTheRestIsKept) {
  const PersistentOpen leased = leased_open(4, Caching::kReadHandle);
  leave_log(1, {{open_record_key(1), open_record_of(plain_open(1))},
                {open_record_key(2), Bytes{1, 0, 3}},
                {open_record_key(3), open_record_of(plain_open(33))},
                {open_record_key(4), open_record_of(leased)},
                {{'?'}, Bytes{1}}});
  disk_.put("notes", Bytes{1});
  const auto next = begin();
  EXPECT_EQ(next.failure, "");
  EXPECT_EQ(ids(next), std::vector<uint64_t>{1});
  EXPECT_EQ(next.complaints, (std::vector<std::string>{
                                 "notes: no handle log",
                                 "record 3f: of no kind that is known",
                                 "record 6f0200000000000000: truncated",
                                 "record 6f0300000000000000: is of another open",
                                 "record 6f0400000000000000: there is no record of its lease",
                             }));
}

TEST_F(HandleJournalTest, EmptyLogIsTold) {
  const store::LogOwner owner{.share = kShareId, .server = kServer, .worker = 0, .epoch = 1};
  disk_.put(store::log_name(owner), Bytes{});
  const auto next = begin();
  EXPECT_EQ(next.failure, "");
  EXPECT_EQ(next.complaints,
            std::vector<std::string>{store::log_name(owner) +
                                     ": empty, which no log is; what it has promised is lost"});
  EXPECT_EQ(logs(), std::vector<std::string>{next.journal->name()});
}

// A share that was renamed, and gets its name back later.
TEST_F(HandleJournalTest, LogOfAnotherShareIsVoid) {
  const store::LogOwner owner{.share = {{9}}, .server = kServer, .worker = 0, .epoch = 1};
  store::HandleLog::create(*folder_, owner, {}, pool_, {}).value()->stop();
  const auto next = begin();
  EXPECT_EQ(next.failure, "");
  EXPECT_EQ(next.complaints,
            std::vector<std::string>{store::log_name(owner) +
                                     ": belongs to another share; what that has promised is "
                                     "not kept, and the log removed"});
  EXPECT_EQ(logs(), std::vector<std::string>{next.journal->name()});
}

// A lease without an open, as a crash between the two leaves it, is nobody's.
TEST_F(HandleJournalTest, LeaseOfNobodyGoes) {
  const PersistentOpen open = leased_open(1, Caching::kReadHandle);
  leave_log(1, {{lease_record_key(open), lease_record_of(*open.state.lease)}});
  const auto next = begin();
  EXPECT_TRUE(next.opens.empty());
  EXPECT_TRUE(next.complaints.empty());
  EXPECT_EQ(records(*next.journal), 0u);
}

// Nothing found is given up before it is on the disk again.
TEST_F(HandleJournalTest, BeginningAnewMayBeInterruptedAnywhere) {
  auto first = begin();
  for (uint64_t id = 1; id <= 20; ++id) {
    EXPECT_TRUE(put(*first.journal, leased_open(id, Caching::kReadHandle)));
  }
  crash(first);
  for (uint64_t step = 0;; ++step) {
    disk_.crash_at(disk_.steps() + step);
    auto next = begin();
    const bool was_interrupted = disk_.is_off();
    if (!was_interrupted) EXPECT_EQ(next.failure, "") << step;
    crash(next);
    if (!was_interrupted) break;
    auto after = begin();
    EXPECT_EQ(after.failure, "");
    ASSERT_EQ(after.opens.size(), 20u) << step;
    crash(after);
    ASSERT_LT(step, 1000u);
  }
}

TEST_F(HandleJournalTest, DiskThatIsFullIsNamed) {
  auto first = begin();
  EXPECT_TRUE(put(*first.journal, plain_open(1)));
  crash(first);
  const auto before = logs();
  disk_.fail_steps(disk_.steps(), ~uint64_t{0}, ENOSPC);
  auto next = begin();
  EXPECT_NE(next.failure.find("No space left"), std::string::npos) << next.failure;
  next.journal.reset();
  disk_.restart(store::FaultDisk::Survives::kEverything);
  EXPECT_EQ(ids(begin()), std::vector<uint64_t>{1});
}

TEST_F(HandleJournalTest, OpenThatIsTooLargeForARecordIsRefused) {
  auto first = begin();
  PersistentOpen open = plain_open(1);
  EXPECT_TRUE(put(*first.journal, open));
  open.stream.assign(store::kLogValueMax, 'x');
  EXPECT_FALSE(first.journal->put(open, store::Urgency::kOrdinary));
  EXPECT_EQ(records(*first.journal), 1u);
}

}  // namespace
}  // namespace braid::smb2
