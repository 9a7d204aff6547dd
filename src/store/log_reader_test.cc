#include "store/log_reader.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/crc32c.h"
#include "store/fault_disk_testing.h"
#include "store/log_writer.h"
#include "wire/writer.h"

namespace braid::store {
namespace {

constexpr uint64_t kStep = 4096;

LogOwner reader_owner() {
  LogOwner owner;
  owner.share.bytes = {4, 5, 6};
  owner.server.bytes = {1};
  owner.epoch = 5;
  return owner;
}

// A log as its writer leaves it: each inner list is a commit, each text KEY or KEY=VALUE.
struct Written {
  explicit Written(const std::vector<std::vector<std::string>>& commits) {
    auto file = *folder->create(name);
    LogWriter writer(std::move(file), {reader_owner(), 77}, kStep);
    EXPECT_TRUE(writer.commit());
    for (const auto& commit : commits) {
      for (const std::string& text : commit) {
        places.push_back(writer.end());
        const size_t sign = text.find('=');
        if (sign == std::string::npos) {
          writer.add(LogOperation::kErase, as_bytes(text), {});
          tails.push_back(places.back() + LogRecord::kFixedBytes + text.size());
        } else {
          const std::string_view whole = text;
          writer.add(LogOperation::kPut, as_bytes(whole.substr(0, sign)),
                     as_bytes(whole.substr(sign + 1)));
          tails.push_back(places.back() + LogRecord::kFixedBytes + text.size() - 1);
        }
      }
      EXPECT_TRUE(writer.commit());
    }
    end = writer.end();
  }
  RecoveredLog recover() { return recover_log(*folder, name, reader_owner().share); }
  void flip(uint64_t position) { disk.bytes(name)[position] ^= 0x10; }

  FaultDisk disk{1};
  const std::unique_ptr<LogFolder> folder = disk.folder();
  const std::string name = log_name(reader_owner());
  std::vector<uint64_t> places;  // of the records
  std::vector<uint64_t> tails;   // where they end, without the zeros behind them
  uint64_t end = 0;
};

std::string shown(const RecoveredLog& log) {
  std::string text;
  for (const auto& [key, record] : log.records) {
    text += key + "=" + record.value + (record.may_be_old ? "? " : " ");
  }
  return text;
}

TEST(LogReader, LastValueOfEveryKeyIsThere) {
  Written log({{"a=1", "b=2"}, {"a=3", "c=4"}, {"b"}, {"d="}});
  const RecoveredLog found = log.recover();
  EXPECT_EQ(found.condition, LogCondition::kWhole);
  EXPECT_EQ(shown(found), "a=3 c=4 d= ");
  EXPECT_EQ(found.header.owner, reader_owner());
  EXPECT_EQ(found.end, log.end);
  EXPECT_EQ(found.torn_bytes, 0u);
  EXPECT_EQ(found.complaint("x"), "");
}

TEST(LogReader, TailOfTheLastCommitThatCannotBeReadIsCutOff) {
  Written log({{"a=1"}, {"b=2", "c=3", "d=4"}});
  log.flip(log.places[2] + 20);
  const RecoveredLog found = log.recover();
  EXPECT_EQ(found.condition, LogCondition::kWhole);
  EXPECT_EQ(shown(found), "a=1 b=2 ");
  EXPECT_EQ(found.end, log.places[2]);
  EXPECT_GT(found.torn_bytes, 40u);
}

TEST(LogReader, ValueOfTheLastCommitThatCannotBeReadIsCutOffWithWhatFollows) {
  Written log({{"a=1"}, {"a=2", "c=3"}});
  log.flip(log.places[1] + LogRecord::kFixedBytes + 1);
  EXPECT_EQ(shown(log.recover()), "a=1 ");
  EXPECT_EQ(log.recover().condition, LogCondition::kWhole);
}

TEST(LogReader, RecordInTheMiddleThatCannotBeReadIsNamedAndTheRestKept) {
  Written log({{"a=1"}, {"b=2"}, {"c=3"}});
  log.flip(log.places[1] + 20);
  const RecoveredLog found = log.recover();
  EXPECT_EQ(found.condition, LogCondition::kDamaged);
  // It may have been a newer value of a.
  EXPECT_EQ(shown(found), "a=1? c=3 ");
  ASSERT_EQ(found.damages.size(), 1u);
  EXPECT_EQ(found.damages[0].position, log.places[1]);
  EXPECT_EQ(found.damages[0].bytes, log.places[2] - log.places[1]);
  EXPECT_EQ(found.damages[0].key, "");
  EXPECT_EQ(found.complaint("NAME"),
            "NAME: cannot be read in 1 places, 2 records are kept: 48 bytes at 560");
}

TEST(LogReader, RecordWhoseValueAloneCannotBeReadLosesThatKeyOnly) {
  Written log({{"a=1", "b=1"}, {"b=2"}, {"c=3"}, {"b2=4"}});
  log.flip(log.places[2] + LogRecord::kFixedBytes + 1);
  const RecoveredLog found = log.recover();
  EXPECT_EQ(found.condition, LogCondition::kDamaged);
  EXPECT_EQ(shown(found), "a=1 b2=4 c=3 ");  // never b=1
  ASSERT_EQ(found.damages.size(), 1u);
  EXPECT_EQ(found.damages[0].key, "b");
  EXPECT_NE(found.complaint("NAME").find("(record 62)"), std::string::npos);
}

TEST(LogReader, DamageThatReachesIntoTheLastCommitEndsThere) {
  Written log({{"a=1"}, {"b=2"}, {"c=3", "d=4"}});
  log.flip(log.places[1] + 20);
  log.flip(log.places[2] + 20);
  const RecoveredLog found = log.recover();
  EXPECT_EQ(found.condition, LogCondition::kDamaged);
  EXPECT_EQ(shown(found), "a=1? ");
  EXPECT_EQ(found.end, log.places[2]);
}

TEST(LogReader, FileCutShortWhereSomethingWasOnTheDiskIsDamaged) {
  Written log({{"a=1"}, {"b=2"}, {"c=3"}});
  Bytes& bytes = log.disk.bytes(log.name);
  bytes.resize(log.places[1] + 20);
  EXPECT_EQ(shown(log.recover()), "a=1 ");  // nothing tells that b was on the disk
  EXPECT_EQ(log.recover().condition, LogCondition::kWhole);
}

TEST(LogReader, SectorThatTheDiskCannotGiveIsDamageAndTheRestIsKept) {
  std::vector<std::vector<std::string>> commits;
  for (char c = 'a'; c <= 'z'; ++c) {
    commits.push_back({std::string(1, c) + "=" + std::string(1000, c)});
  }
  Written log(commits);
  log.disk.make_unreadable(log.name, 9000);
  const RecoveredLog found = log.recover();
  EXPECT_EQ(found.condition, LogCondition::kDamaged);
  EXPECT_FALSE(found.records.contains("i"));
  EXPECT_TRUE(found.records.at("a").may_be_old);
  EXPECT_EQ(found.records.at("z").value, std::string(1000, 'z'));
  EXPECT_FALSE(found.records.at("z").may_be_old);
}

TEST(LogReader, SectorOfTheEndThatTheDiskCannotGiveIsDamage) {
  Written log({{"a=1"}, {"b=" + std::string(9000, 'b')}});
  log.disk.make_unreadable(log.name, log.end - 1);
  EXPECT_EQ(log.recover().condition, LogCondition::kDamaged);
}

TEST(LogReader, NewerVersionIsRefusedByName) {
  Written log({{"a=1"}});
  Bytes header;
  LogHeader{reader_owner(), 77}.encode(header);
  header[8] = 2;
  header.resize(kLogHeaderBytes - 4);
  wire::Writer(header).u32(crc32c(ByteView(header)));
  std::copy(header.begin(), header.end(), log.disk.bytes(log.name).begin());
  const RecoveredLog found = log.recover();
  EXPECT_EQ(found.condition, LogCondition::kNewer);
  EXPECT_EQ(found.version, 2u);
  EXPECT_FALSE(found.is_usable());
  EXPECT_EQ(found.complaint("NAME"), "NAME: of version 2, and this program reads up to 1");
}

TEST(LogReader, LogOfAnotherShareIsRefusedByName) {
  Written log({{"a=1"}});
  ShareId other;
  other.bytes = {7};
  const RecoveredLog found = recover_log(*log.folder, log.name, other);
  EXPECT_EQ(found.condition, LogCondition::kOtherShare);
  EXPECT_EQ(found.complaint("NAME"), "NAME: belongs to another share");
  EXPECT_TRUE(found.records.empty());
}

TEST(LogReader, CopyByAnotherNameIsRefused) {
  Written log({{"a=1"}});
  LogOwner other = reader_owner();
  other.epoch = 6;
  log.disk.put(log_name(other), log.disk.bytes(log.name));
  const RecoveredLog found = recover_log(*log.folder, log_name(other), other.share);
  EXPECT_EQ(found.condition, LogCondition::kMisnamed);
  EXPECT_TRUE(found.records.empty());
}

TEST(LogReader, MissingEmptyAndDamagedFilesAreToldApart) {
  Written log({{"a=1"}});
  EXPECT_EQ(recover_log(*log.folder, "none", {}).condition, LogCondition::kMissing);
  log.disk.put("empty", {});
  EXPECT_EQ(recover_log(*log.folder, "empty", {}).condition, LogCondition::kEmpty);
  log.disk.put("zeros", Bytes(10'000));
  EXPECT_EQ(recover_log(*log.folder, "zeros", {}).condition, LogCondition::kEmpty);
  Bytes late(10'000);
  late.back() = 1;
  log.disk.put("late", late);
  EXPECT_EQ(recover_log(*log.folder, "late", {}).condition, LogCondition::kNoLog);
  log.disk.put("short", Bytes(100, 'x'));
  EXPECT_EQ(recover_log(*log.folder, "short", {}).condition, LogCondition::kNoLog);
  log.flip(30);
  EXPECT_EQ(log.recover().condition, LogCondition::kNoLog);
  log.disk.make_unreadable(log.name, 0);
  EXPECT_EQ(log.recover().condition, LogCondition::kUnreadable);
}

TEST(LogReader, EveryFileCutShortGivesWhatIsBeforeTheCut) {
  Written log({{"a=1"}, {"a=2", "b=2"}, {"c=3"}, {"a", "d=4"}});
  const Bytes whole = log.disk.bytes(log.name);
  const std::vector<std::string> states{
      "", "a=1 ", "a=2 ", "a=2 b=2 ", "a=2 b=2 c=3 ", "b=2 c=3 ", "b=2 c=3 d=4 "};
  ASSERT_EQ(states.size(), log.tails.size() + 1);
  for (size_t size = kLogHeaderBytes; size <= log.end; ++size) {
    const RecoveredLog found = read_log(ByteView(whole).first(size), reader_owner().share);
    const auto read = std::ranges::count_if(log.tails, [&](uint64_t tail) { return tail <= size; });
    ASSERT_EQ(found.condition, LogCondition::kWhole) << size;
    ASSERT_EQ(shown(found), states[static_cast<size_t>(read)]) << size;
  }
}

TEST(LogReader, ListingHasTheOldestFirstAndWhatIsNoLogApart) {
  FaultDisk disk(1);
  LogOwner one = reader_owner(), two = reader_owner(), three = reader_owner();
  one.epoch = 9;
  two.epoch = 10;
  two.worker = 1;
  three.epoch = 12;
  disk.put(log_name(two), {});
  disk.put(log_name(one), {});
  disk.put(log_name(three) + ".new", {});
  disk.put("README", {});
  const auto listing = list_logs(*disk.folder());
  ASSERT_TRUE(listing);
  EXPECT_EQ(listing->logs, (std::vector{log_name(one), log_name(two)}));
  EXPECT_EQ(listing->strangers, (std::vector<std::string>{"README"}));
  EXPECT_EQ(listing->next_epoch, 13u);
}

}  // namespace
}  // namespace braid::store
