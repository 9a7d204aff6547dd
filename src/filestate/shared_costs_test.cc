// What an event costs must not depend on how many have a file open, nor on how many they are that
// one user has.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "filestate/file_table_impl.h"
#include "filestate/shared_tables_testing.h"

namespace braid::filestate {
namespace {

// What others have open costs an open nothing: neither what it writes, nor what it reads of what
// another worker did.
TEST(SharedCosts, OpenBesideManyWritesAndReadsAsMuchAsBesideFew) {
  SharedTables t({.buckets = 256, .arena_bytes = 256 << 20});
  size_t others = 0;
  struct Cost {
    uint64_t written = 0;
    uint64_t read = 0;
  };
  const auto written = [&](size_t worker) {
    return t.workers.groups[worker]->shared_records().arena().allocated_bytes();
  };
  // Of an open, a LOCK and a close in each of the workers in turn.
  const auto cost_beside = [&](size_t count) {
    for (; others < count; ++others) {
      OpenRequest other = t.request(others % 2);
      other.account = Account{static_cast<uint32_t>(1 + others % 8)};
      other.granted_access = kFileReadAttributes;
      EXPECT_EQ(t.open(others % 2, other).decision.status, NtStatus::kSuccess);
    }
    Cost most;
    for (size_t i = 0; i < 8; ++i) {
      const size_t worker = i % 2;
      const Cost before{written(worker), t.tables[worker]->parts_read()};
      const OpenRequest own = t.lease(worker, 1, "RWH");
      const LockRange range{0, 1, true};
      EXPECT_EQ(t.open(worker, own).decision.verdict, Verdict::kGo);
      EXPECT_EQ(t.tables[worker]->lock(ref(own), {&range, 1}, true, {1}).verdict, Verdict::kGo);
      t.tables[worker]->close(ref(own));
      if (i < 2) continue;  // what came before is read first
      most.written = std::max(most.written, written(worker) - before.written);
      most.read = std::max(most.read, t.tables[worker]->parts_read() - before.read);
    }
    return most;
  };
  const Cost few = cost_beside(32), many = cost_beside(16'384), most = cost_beside(70'000);
  EXPECT_LE(many.written, few.written * 2);
  EXPECT_LE(most.written, few.written * 2 + 1'000);
  EXPECT_LE(few.written, 6'000u);
  EXPECT_LE(most.read, 8u);
  EXPECT_EQ(few.read, many.read);
  EXPECT_EQ(few.read, most.read);
}

// Nor do locks that others hold, of a stream too.
TEST(SharedCosts, LockBesideManyWritesAndReadsAsMuchAsBesideFew) {
  for (const uint64_t stream : {uint64_t{0}, uint64_t{77}}) {
    const FileKey file{kFile.device, kFile.inode, stream};
    SharedTables t({.buckets = 256, .arena_bytes = 64 << 20});
    const auto open = [&](size_t worker, uint32_t account) {
      OpenRequest request = t.request(worker);
      request.account = Account{account};
      EXPECT_EQ(t.tables[worker]->open(file, request).decision.status, NtStatus::kSuccess);
      return OpenRef{file, request.token};
    };
    const OpenRef holder = open(0, 1), own = open(0, 2), reader = open(1, 3);
    uint64_t held = 0;
    struct Cost {
      uint64_t written = 0;
      uint64_t read = 0;
    };
    // Of a LOCK and an UNLOCK in one worker, and of a READ in the other after each.
    const auto cost_beside = [&](uint64_t count) {
      for (; held < count; ++held) {
        const LockRange range{10 + held, 1, true};
        EXPECT_EQ(t.tables[0]->lock(holder, {&range, 1}, true, {1}).verdict, Verdict::kGo);
      }
      EXPECT_EQ(t.tables[1]->check_io(reader, 10 + held - 1, 1, false),
                NtStatus::kFileLockConflict);
      const store::Arena& arena = t.workers.groups[0]->shared_records().arena();
      const Cost before{arena.allocated_bytes(), t.tables[1]->parts_read()};
      const LockRange range{0, 1, true};
      EXPECT_EQ(t.tables[0]->lock(own, {&range, 1}, true, {1}).verdict, Verdict::kGo);
      EXPECT_EQ(t.tables[1]->check_io(reader, 0, 1, false), NtStatus::kFileLockConflict);
      EXPECT_EQ(t.tables[0]->unlock(own, {&range, 1}), NtStatus::kSuccess);
      EXPECT_EQ(t.tables[1]->check_io(reader, 0, 1, false), NtStatus::kSuccess);
      return Cost{arena.allocated_bytes() - before.written,
                  t.tables[1]->parts_read() - before.read};
    };
    const Cost few = cost_beside(16), many = cost_beside(10'000);
    EXPECT_LE(many.written, few.written * 2 + 1'000) << stream;
    EXPECT_EQ(many.read, few.read) << stream;
    EXPECT_LE(few.read, 4u);
  }
}

// Also for a worker that has no own open of the file.
TEST(SharedCosts, WorkerThatHasNothingOfABusyFileReadsWhatHasChanged) {
  SharedTables t({.buckets = 256, .arena_bytes = 64 << 20});
  for (size_t i = 0; i < 1'000; ++i) t.open(0, t.request(0));
  const OpenRequest first = t.request(1);
  t.open(1, first);
  t.tables[1]->close(ref(first));
  const uint64_t before = t.tables[1]->parts_read();
  EXPECT_GE(before, 1'000u);
  for (int i = 0; i < 100; ++i) {
    const OpenRequest own = t.request(1), other = t.request(0);
    t.open(0, other);
    t.open(1, own);
    t.tables[1]->close(ref(own));
    t.tables[0]->close(ref(other));
  }
  EXPECT_LE(t.tables[1]->parts_read() - before, 400u);
}

// What is little is forgotten and read anew by a worker that has nothing of it; what is more stays,
// as long as nobody changes it.
TEST(SharedCosts, FilesOfMoreThanAFewOpensStayKnown) {
  for (const size_t opens : {KeptFiles::kSmall, KeptFiles::kSmall + 1}) {
    SharedTables t;
    for (size_t i = 0; i < opens; ++i) t.open(0, t.request(0));
    const auto read_by_asking = [&] {
      const uint64_t before = t.tables[1]->parts_read();
      EXPECT_TRUE(t.tables[1]->is_open(kFile));
      return t.tables[1]->parts_read() - before;
    };
    EXPECT_EQ(read_by_asking(), opens);
    EXPECT_EQ(read_by_asking(), opens == KeptFiles::kSmall ? opens : 0);
  }
}

TEST(SharedCosts, OldestOfTheFilesThatAreKeptGoWhenTheyAreTooMany) {
  KeptFiles kept;
  const auto file = [](uint64_t number) { return FileKey{1, number, 0}; };
  EXPECT_TRUE(kept.add(file(1), 1).empty());
  EXPECT_TRUE(kept.add(file(2), 2).empty());
  EXPECT_TRUE(kept.add(file(3), KeptFiles::kPartsMax - 3).empty());
  EXPECT_EQ(kept.add(file(4), 2), (std::vector{file(1), file(2)}));
  EXPECT_TRUE(kept.add(file(5), 1).empty());
  EXPECT_EQ(kept.add(file(6), 1), std::vector{file(3)});
  EXPECT_TRUE(kept.add(file(7), KeptFiles::kPartsMax - 4).empty());
  EXPECT_EQ(kept.add(file(8), 1), std::vector{file(4)});
}

TEST(SharedCosts, UserWhoOpensWhatHeCanLeavesRoomForOthers) {
  SharedTables t({.buckets = 256, .arena_bytes = 4 << 20});
  std::vector<OpenRequest> opens;
  while (true) {
    opens.push_back(t.request(0));
    opens.back().account = Account{1};
    const NtStatus status = t.open(0, opens.back()).decision.status;
    if (status == NtStatus::kSuccess) continue;
    EXPECT_EQ(status, NtStatus::kInsufficientResources);
    EXPECT_EQ(t.tables[0]->path_of(ref(opens.back())), nullptr) << "nothing of it is there";
    opens.pop_back();
    OpenRequest with_lease = t.lease(0, 1, "RWH");
    with_lease.account = Account{1};
    const OpenDecision refused = t.open(0, with_lease);
    EXPECT_EQ(refused.decision.status, NtStatus::kInsufficientResources);
    EXPECT_FALSE(refused.lease);
    EXPECT_EQ(refused.oplock, OplockLevel::kNone);
    break;
  }
  EXPECT_GT(opens.size(), 2'500u);
  EXPECT_EQ(t.open(1, t.request(1)).decision.status, NtStatus::kSuccess);
  OpenRequest of_another = t.request(0);
  of_another.account = Account{2};
  const uint64_t read = t.tables[0]->parts_read();
  EXPECT_EQ(t.open(0, of_another).decision.status, NtStatus::kSuccess);
  EXPECT_LE(t.tables[0]->parts_read() - read, 4u) << "a refusal does not make it read all again";
  // And nothing of what was refused is there.
  t.tables[0]->close(ref(opens.back()));
  opens.pop_back();
  OpenRequest again = t.request(0);
  again.account = Account{1};
  EXPECT_EQ(t.open(0, again).decision.status, NtStatus::kSuccess);
  t.tables[0]->close(ref(again));
  for (const OpenRequest& each : opens) t.tables[0]->close(ref(each));
  t.tables[0]->close(ref(of_another));
  t.kill(1);
  EXPECT_FALSE(t.tables[0]->is_open(kFile));
  t.tables[0].reset();
  EXPECT_EQ(t.workers.used_bytes(0), 0u);
}

TEST(SharedCosts, NamesThatAUserGivesCountToHim) {
  SharedTables t({.buckets = 256, .arena_bytes = 4 << 20});
  const auto long_name = [](size_t i) {
    return std::make_shared<const std::string>(std::string(20'000, 'n') + std::to_string(i));
  };
  std::vector<FileKey> files;
  for (uint64_t i = 1; i < 200; ++i) {
    FileKey file = kFile;
    file.inode += i;
    OpenRequest own = t.request(0);
    own.account = Account{1};
    own.path = std::make_shared<const std::string>("n" + std::to_string(i));
    ASSERT_EQ(t.tables[0]->open(file, own).decision.status, NtStatus::kSuccess);
    const OpenRef opened{file, own.token};
    if (!t.tables[0]->has_room_for_name(opened, long_name(i)->size())) break;
    t.tables[0]->renamed(opened, long_name(i));
    files.push_back(file);
  }
  EXPECT_GT(files.size(), 10u);
  EXPECT_LE(t.workers.groups[0]->shared_records().arena().used_bytes(), (4u << 20) / 6);
  OpenRequest of_another = t.request(0);
  of_another.account = Account{2};
  EXPECT_EQ(t.open(0, of_another).decision.status, NtStatus::kSuccess);
  EXPECT_TRUE(t.tables[0]->has_room_for_name(ref(of_another), 20'000));
}

// The name counts to who opened the file last, or has given it.
TEST(SharedCosts, NameCountsToWhoHasItNow) {
  SharedTables t({.buckets = 256, .arena_bytes = 4 << 20});
  const auto used = [&](uint32_t account) {
    return t.workers.groups[0]->shared_records().arena().used_bytes(Account{account});
  };
  const auto name = std::make_shared<const std::string>(std::string(20'000, 'n'));
  OpenRequest first = t.request(0), second = t.request(0);
  first.account = Account{1};
  second.account = Account{2};
  t.open(0, first);
  t.open(0, second);
  EXPECT_LT(used(1), 20'000u);
  t.tables[0]->renamed(ref(first), name);
  EXPECT_GE(used(1), 20'000u);
  EXPECT_LT(used(2), 20'000u);
  OpenRequest third = t.request(0);
  third.account = Account{3};
  third.path = name;
  t.open(0, third);
  EXPECT_GE(used(3), 20'000u);
  EXPECT_LT(used(1), 20'000u);
}

// A break for more holders of another worker than fit into one block.
TEST(SharedCosts, BreakOfManyLeasesReachesEachOfThem) {
  SharedTables t({.buckets = 256, .arena_bytes = 256 << 20});
  constexpr size_t kLeases = 40'000;
  for (size_t i = 0; i < kLeases; ++i) {
    OpenRequest wanted = t.lease(0, 0, "R");
    std::memcpy(wanted.lease->key.bytes.data(), &i, sizeof i);
    ASSERT_EQ(t.open(0, wanted).lease->state, Caching::kRead);
  }
  OpenRequest writer = t.request(1);
  t.open(1, writer);
  EXPECT_EQ(t.tables[1]->prepare(ref(writer), Operation::kWrite).verdict, Verdict::kGo);
  t.tables[0]->catch_up();
  EXPECT_EQ(t.sinks[0].breaks.size(), kLeases);
}

}  // namespace
}  // namespace braid::filestate
