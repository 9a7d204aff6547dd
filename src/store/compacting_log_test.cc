#include "store/compacting_log.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>

#include "store/fault_disk_testing.h"
#include "store/log_reader.h"

namespace braid::store {
namespace {

using Survives = FaultDisk::Survives;

LogOwner log_owner(uint64_t epoch = 1) {
  LogOwner owner;
  owner.share.bytes = {1, 2, 3};
  owner.server.bytes = {9, 8, 7};
  owner.worker = 2;
  owner.epoch = epoch;
  return owner;
}

// Small, so that files are written anew all the time.
LogLimits small_limits() {
  return {.bytes_max = 8 << 20, .compact_min = 4096, .step = 4096, .piece = 700};
}

// What may be found of every key: the last value that was acknowledged (none: it was erased or
// never put), and those after it of which nobody was told.
struct Expected {
  std::map<std::string, std::set<std::optional<std::string>>> keys;

  void note(const std::vector<LogChange>& changes, bool is_acknowledged) {
    for (const LogChange& change : changes) {
      auto& values =
          keys.try_emplace(change.key, std::set{std::optional<std::string>()}).first->second;
      if (is_acknowledged) values.clear();
      values.insert(change.operation == LogOperation::kPut ? std::optional(change.value)
                                                           : std::nullopt);
    }
  }
  // Empty, or what is wrong.
  std::string check(const std::map<std::string, std::string>& found) const {
    for (const auto& [key, value] : found) {
      const auto known = keys.find(key);
      if (known == keys.end()) return "a key that was never appended: " + key;
      if (!known->second.contains(value)) return "a value that is not true: " + key;
    }
    for (const auto& [key, values] : keys) {
      if (!values.contains(std::nullopt) && !found.contains(key)) return "lost: " + key;
    }
    return {};
  }
};

// A life of a server: commits of random changes, and what it was told of them.
class Life {
 public:
  Life(FaultDisk& disk, uint64_t seed, uint64_t epoch = 1)
      : disk_(disk), folder_(disk.folder()), random_(seed), epoch_(epoch) {}

  // Until the power goes or `commits` are done. False: the log could not be begun.
  bool run(int commits) {
    auto made = CompactingLog::create(*folder_, log_owner(epoch_), small_limits(), clock_);
    if (!made) return false;
    log_ = std::move(*made);
    for (int i = 0; i < commits && !disk_.is_off(); ++i) step();
    return true;
  }
  void step() {
    commit(random_changes());
    if (log_->wants_compaction()) static_cast<void>(log_->compact_piece());
    clock_.advance(std::chrono::seconds(1));
  }
  bool commit(std::vector<LogChange> changes) {
    const auto sent = changes;
    const bool is_acknowledged = log_->commit(changes).has_value();
    expected.note(sent, is_acknowledged);
    return is_acknowledged;
  }
  // Until the log takes commits again.
  bool mend() {
    for (int i = 0; i < 1000 && log_->failure(); ++i) {
      clock_.advance(std::chrono::seconds(6));
      while (log_->wants_compaction() && log_->compact_piece()) {
      }
    }
    return !log_->failure();
  }
  CompactingLog& log() { return *log_; }
  VirtualClock& clock() { return clock_; }

  Expected expected;

 private:
  std::vector<LogChange> random_changes() {
    std::vector<LogChange> changes(1 + random_() % 4);
    for (LogChange& change : changes) {
      change.key = "key " + std::to_string(random_() % 24);
      change.operation = random_() % 4 == 0 ? LogOperation::kErase : LogOperation::kPut;
      if (change.operation == LogOperation::kPut) {
        change.value = std::to_string(++values_) + std::string(random_() % 600, 'v');
      }
    }
    return changes;
  }

  FaultDisk& disk_;
  const std::unique_ptr<LogFolder> folder_;
  std::mt19937_64 random_;
  const uint64_t epoch_;
  uint64_t values_ = 0;
  VirtualClock clock_;
  std::unique_ptr<CompactingLog> log_;
};

struct Recovered {
  std::map<std::string, std::string> records;
  std::string complaints;
  LogListing listing;
};

// What is in all logs, a younger one being right.
Recovered recover(LogFolder& folder) {
  Recovered all;
  all.listing = *list_logs(folder);
  for (const std::string& name : all.listing.logs) {
    const RecoveredLog log = recover_log(folder, name, log_owner().share);
    all.complaints += log.complaint(name);
    for (const auto& [key, record] : log.records) {
      all.records[key] = record.value;
      if (record.may_be_old) all.complaints += " may be old: " + key;
    }
  }
  return all;
}

uint64_t steps_of(uint64_t seed, int commits) {
  FaultDisk disk(seed);
  EXPECT_TRUE(Life(disk, seed).run(commits));
  return disk.steps();
}

uint64_t seeds() {
  const char* const text = std::getenv("BRAID_LOG_SEEDS");
  return text ? std::strtoull(text, nullptr, 10) : 8;
}

TEST(CompactingLog, CrashAtEveryStepLosesNothingThatWasAcknowledged) {
  constexpr int kCommits = 60;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    const uint64_t steps = steps_of(seed, kCommits);
    ASSERT_GT(steps, 150u);
    for (uint64_t step = 0; step < steps; ++step) {
      for (const auto survives : {Survives::kNothing, Survives::kEverything, Survives::kSome}) {
        FaultDisk disk(seed * 1000 + step);
        if (seed % 2 == 0) disk.cut_writes();
        Life life(disk, seed);
        disk.crash_at(step);
        life.run(kCommits);
        disk.restart(survives);
        const auto folder = disk.folder();
        const Recovered found = recover(*folder);
        ASSERT_EQ(found.complaints, "") << "seed " << seed << " step " << step;
        ASSERT_EQ(life.expected.check(found.records), "")
            << "seed " << seed << " step " << step << " mode " << static_cast<int>(survives);
      }
    }
  }
}

TEST(CompactingLog, CrashWhileTheNextServerTakesOverLosesNothing) {
  for (uint64_t seed = 1; seed <= 8 * seeds(); ++seed) {
    std::mt19937_64 random(seed);
    FaultDisk disk(seed);
    Life life(disk, seed);
    ASSERT_TRUE(life.run(30));
    disk.restart(Survives::kSome);
    // Several lives, all of which end on the way but the last.
    for (int attempt = 0;; ++attempt) {
      const auto folder = disk.folder();
      const Recovered found = recover(*folder);
      ASSERT_EQ(found.complaints, "");
      ASSERT_EQ(life.expected.check(found.records), "") << "seed " << seed;
      if (attempt == 6) break;
      if (attempt < 5) disk.crash_at(disk.steps() + random() % 16);
      VirtualClock clock;
      auto next = CompactingLog::create(*folder, log_owner(found.listing.next_epoch),
                                        small_limits(), clock);
      if (next) {
        std::vector<LogChange> changes;
        for (const auto& [key, value] : found.records) {
          changes.push_back({LogOperation::kPut, key, value});
        }
        bool is_done = (*next)->commit(changes).has_value();
        for (const std::string& old : found.listing.logs) {
          is_done = is_done && remove_log(*folder, old).has_value();
        }
        if (attempt >= 5) ASSERT_TRUE(is_done);
      }
      disk.restart(Survives::kSome);
    }
    ASSERT_EQ((*list_logs(*disk.folder())).logs.size(), 1u);
  }
}

TEST(CompactingLog, ErrorAtAnyStepRefusesUntilTheLogIsMendedAndLosesNothing) {
  constexpr int kCommits = 30;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    const uint64_t steps = steps_of(seed, kCommits);
    for (uint64_t step = 0; step < steps; ++step) {
      FaultDisk disk(seed * 1000 + step);
      Life life(disk, seed);
      disk.fail_steps(step, step + 1 + step % 7, step % 2 ? EIO : ENOSPC);
      if (!life.run(kCommits)) continue;
      disk.fail_steps(~uint64_t{0}, ~uint64_t{0}, 0);
      ASSERT_TRUE(life.mend()) << "seed " << seed << " step " << step;
      ASSERT_TRUE(life.commit({{LogOperation::kPut, "last", "one"}}));
      disk.restart(Survives::kSome);
      const auto folder = disk.folder();
      const Recovered found = recover(*folder);
      ASSERT_EQ(found.complaints, "") << "seed " << seed << " step " << step;
      ASSERT_EQ(life.expected.check(found.records), "") << "seed " << seed << " step " << step;
      ASSERT_EQ(found.records.at("last"), "one");
    }
  }
}

TEST(CompactingLog, AfterASyncThatFailedNothingIsAcknowledgedInTheSameFile) {
  FaultDisk disk(1);
  Life life(disk, 1);
  ASSERT_TRUE(life.run(0));
  ASSERT_TRUE(life.commit({{LogOperation::kPut, "kept", "1"}, {LogOperation::kPut, "gone", "2"}}));
  disk.fail_steps(disk.steps() + 1, disk.steps() + 2, EIO);  // the write is not, the sync is
  EXPECT_FALSE(life.commit({{LogOperation::kPut, "refused", "3"}}));
  EXPECT_TRUE(life.log().failure() && life.log().failure()->is_os(EIO));
  // The disk would take it now, but nobody knows what the file has.
  EXPECT_FALSE(life.commit({{LogOperation::kPut, "refused too", "4"}}));
  EXPECT_FALSE(life.commit({{LogOperation::kErase, "gone", ""}}));
  EXPECT_EQ(life.log().failures(), 1u);

  ASSERT_TRUE(life.mend());
  ASSERT_TRUE(life.commit({{LogOperation::kPut, "after", "5"}}));
  disk.restart(Survives::kNothing);
  const auto folder = disk.folder();
  EXPECT_EQ(recover(*folder).records,
            (std::map<std::string, std::string>{{"kept", "1"}, {"after", "5"}}));
}

TEST(CompactingLog, TriesAgainOnlyAfterAWhile) {
  FaultDisk disk(1);
  Life life(disk, 1);
  ASSERT_TRUE(life.run(0));
  disk.fail_steps(disk.steps(), ~uint64_t{0}, ENOSPC);
  EXPECT_FALSE(life.commit({{LogOperation::kPut, "a", "1"}}));
  EXPECT_TRUE(life.log().wants_compaction());
  EXPECT_FALSE(life.log().compact_piece());
  EXPECT_FALSE(life.log().wants_compaction());
  life.clock().advance(small_limits().retry);
  EXPECT_TRUE(life.log().wants_compaction());
  EXPECT_EQ(life.log().compactions_failed(), 1u);
}

TEST(CompactingLog, FileStaysSmallHoweverMuchIsWritten) {
  FaultDisk disk(3);
  Life life(disk, 3);
  ASSERT_TRUE(life.run(2000));
  EXPECT_GT(life.log().compactions(), 50u);
  EXPECT_LT(life.log().live_bytes(), 24u * 700);
  EXPECT_LT(life.log().file_bytes(), 6u * 24 * 700);
}

TEST(CompactingLog, LogOfTheSameEpochIsNotOverwritten) {
  FaultDisk disk(1);
  Life life(disk, 1);
  ASSERT_TRUE(life.run(1));
  const auto folder = disk.folder();
  VirtualClock clock;
  const auto again = CompactingLog::create(*folder, log_owner(), small_limits(), clock);
  ASSERT_FALSE(again);
  EXPECT_TRUE(again.error().is_os(EEXIST));
}

TEST(CompactingLog, UnfinishedFilesOfThisWriterGoAndNoOthers) {
  FaultDisk disk(1);
  LogOwner other = log_owner(1);
  other.worker = 3;
  const std::string suffix(kLogUnfinishedSuffix);
  disk.put(log_name(log_owner(1)) + suffix, Bytes(100));
  disk.put(log_name(other) + suffix, Bytes(100));
  const auto folder = disk.folder();
  EXPECT_EQ(list_logs(*folder)->next_epoch, 2u);
  Life life(disk, 1, 2);
  ASSERT_TRUE(life.run(1));
  EXPECT_FALSE(disk.has(log_name(log_owner(1)) + suffix));
  EXPECT_TRUE(disk.has(log_name(other) + suffix));
}

}  // namespace
}  // namespace braid::store
