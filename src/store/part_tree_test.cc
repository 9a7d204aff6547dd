// Records with parts.
#include "store/part_tree.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>

#include "store/shared_records.h"

namespace braid::store {
namespace {

constexpr RecordKey kKey{RecordKind::kFile, 1, 0, 0};
constexpr Account kUser{7};

struct Store {
  explicit Store(size_t arena = 4 << 20, size_t workers = 2)
      : fd(*SharedRegion::create({.workers = workers, .buckets = 16, .arena_bytes = arena})),
        region(*SharedRegion::map(fd.get())) {}
  UniqueFd fd;
  SharedRegion region;
};

using Parts = std::map<uint32_t, std::string>;

bool change(SharedRecords& records, const Parts& changes, Account account = Account::kNone) {
  std::vector<PartChange> list;
  for (const auto& [number, value] : changes) list.push_back({number, as_bytes(value), account});
  return records.lock(kKey).replace(as_bytes("head"), Urgency::kOrdinary, account, list);
}

// Brings `parts` from version `since` to now. How many values were looked at is returned.
size_t follow(SharedRecords& records, Parts& parts, uint64_t& since) {
  const auto held = records.lock(kKey);
  size_t seen = 0;
  uint32_t next = 0;
  held.visit_parts(since, [&](uint32_t first, uint32_t end, ByteView value) {
    EXPECT_GE(first, next) << "out of order";
    next = end;
    parts.erase(parts.lower_bound(first), parts.lower_bound(end));
    if (value.empty()) return;
    parts[first] = as_text(value);
    seen++;
  });
  since = held.version();
  return seen;
}

TEST(PartTree, ChangesOfManyVersionsAreFollowedFromAnyOfThem) {
  Store store;
  SharedRecords first(store.region, 0), second(store.region, 1);
  std::mt19937_64 random(3);
  Parts model, followed, seldom;
  uint64_t version = 0, seldom_version = 0;
  for (int round = 0; round < 3'000; ++round) {
    Parts changes;
    // Numbers of every height of the tree; sometimes all go.
    const uint32_t limit = uint32_t{1} << (random() % 18);
    for (size_t i = 0; i <= random() % 6; ++i) {
      const bool goes = random() % 2 == 0;
      changes[static_cast<uint32_t>(random() % limit)] =
          goes ? "" : std::string(1 + random() % 200, static_cast<char>('a' + random() % 26));
    }
    if (random() % 100 == 0) {
      for (const auto& [number, value] : model) changes[number] = "";
    }
    for (const auto& [number, value] : changes) {
      if (value.empty()) {
        model.erase(number);
      } else {
        model[number] = value;
      }
    }
    ASSERT_TRUE(change(random() % 2 ? first : second, changes));
    const size_t seen = follow(second, followed, version);
    ASSERT_LE(seen, changes.size());
    ASSERT_EQ(followed, model) << round;
    if (round % 50 == 0) follow(first, seldom, seldom_version);
    const auto number = static_cast<uint32_t>(random() % limit);
    ASSERT_EQ(as_text(first.lock(kKey).part(number)), model.contains(number) ? model[number] : "");
  }
  follow(first, seldom, seldom_version);
  EXPECT_EQ(seldom, model);
  first.lock(kKey).replace({}, Urgency::kMustNotFail);
  first.arena().used_bytes();
  SharedRecords again(store.region, 0);
  EXPECT_EQ(again.arena().used_bytes(), 0u);
}

// What is written and looked at for one part does not grow with how many there are beside it.
TEST(PartTree, ChangeOfOnePartWritesAsMuchBesideManyAsBesideFew) {
  Store store(64 << 20);
  SharedRecords records(store.region, 0);
  Parts many;
  uint64_t version = 0;
  uint32_t next = 0;
  const auto written_beside = [&](uint32_t count) {
    Parts more;
    while (next < count) more[next++] = std::string(80, 'x');
    EXPECT_TRUE(change(records, more));
    follow(records, many, version);
    const uint64_t before = records.arena().allocated_bytes();
    EXPECT_TRUE(change(records, {{next++, std::string(80, 'y')}}));
    EXPECT_EQ(follow(records, many, version), 1u);
    return records.arena().allocated_bytes() - before;
  };
  EXPECT_LE(written_beside(16), 900u);
  EXPECT_LE(written_beside(16'384), 1'300u);
  EXPECT_LE(written_beside(70'000), 1'300u);
  EXPECT_FALSE(change(records, {{kPartsMax, "x"}}));
  EXPECT_TRUE(change(records, {{kPartsMax - 1, "x"}}));
}

TEST(PartTree, AccountHasAShareAndWhatIsRefusedChangesNothing) {
  Store store(1 << 20);
  SharedRecords records(store.region, 0);
  uint32_t number = 0;
  while (change(records, {{number, std::string(900, 'x')}}, kUser)) number++;
  EXPECT_NEAR(static_cast<double>(records.arena().used_bytes(kUser)),
              (1 << 20) / Arena::kAccountShare, 4'096);
  EXPECT_TRUE(records.lock(kKey).part(number).empty());
  const size_t used = records.arena().used_bytes();
  EXPECT_FALSE(change(records, {{number, std::string(900, 'x')}}, kUser));
  EXPECT_EQ(records.arena().used_bytes(), used) << "blocks of what was refused are free again";
  EXPECT_TRUE(change(records, {{number, std::string(900, 'x')}}, Account{8})) << "others have room";
  // Who takes over finds out whose everything is.
  EXPECT_EQ(SharedRecords(store.region, 0).arena().used_bytes(kUser),
            records.arena().used_bytes(kUser));
}

// The record says what its parts add up to; each change is of several parts.
uint64_t number_in(ByteView value) {
  uint64_t number = 0;
  if (value.size() >= sizeof number) std::memcpy(&number, value.data(), sizeof number);
  return number;
}

[[noreturn]] void add_for_ever(int fd, size_t worker, uint64_t seed) {
  const SharedRegion region = *SharedRegion::map(fd);
  SharedRecords records(region, worker);
  std::mt19937_64 random(seed);
  while (true) {
    auto held = records.lock({RecordKind::kFile, random() % 10, 0, 0});
    uint64_t sum = number_in(held.value());
    std::map<uint32_t, std::string> values;
    for (size_t i = 0; i <= random() % 6; ++i) values[static_cast<uint32_t>(random() % 600)] = "";
    std::vector<PartChange> changes;
    for (auto& [number, value] : values) {
      sum -= number_in(held.part(number));
      if (random() % 3 != 0) {
        const uint64_t now = random();
        value.resize(8 + random() % 100);
        std::memcpy(value.data(), &now, sizeof now);
        sum += now;
      }
      changes.push_back({number, as_bytes(value), Account{static_cast<uint32_t>(worker + 1)}});
    }
    const Bytes head(reinterpret_cast<uint8_t*>(&sum), reinterpret_cast<uint8_t*>(&sum + 1));
    held.replace(random() % 200 == 0 ? ByteView{} : ByteView{head}, Urgency::kOrdinary,
                 Account::kNone, changes);
  }
}

// BRAID_KILLS in the environment kills more of them.
TEST(PartTree, WriterKilledAtAnyInstructionLeavesPartsThatFitTheirRecord) {
  const char* wanted = std::getenv("BRAID_KILLS");
  const uint64_t kills = wanted ? std::strtoull(wanted, nullptr, 10) : 300;
  Store store(8 << 20, 4);
  SharedRecords own(store.region, 3);
  std::array<pid_t, 3> writers{};
  uint64_t seed = 0;
  const auto start = [&](size_t worker) {
    seed++;
    writers[worker] = ::fork();
    if (writers[worker] < 0) std::abort();  // or the next kill would be of everybody
    if (writers[worker] != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // also when a check ends the test early
    add_for_ever(store.fd.get(), worker, seed);
  };
  for (size_t i = 0; i < writers.size(); ++i) start(i);
  std::mt19937_64 random(7);
  for (uint64_t i = 0; i < kills; ++i) {
    ::usleep(static_cast<useconds_t>(random() % 2'000));
    const size_t victim = random() % writers.size();
    ::kill(writers[victim], SIGKILL);
    ::waitpid(writers[victim], nullptr, 0);
    for (uint64_t number = 0; number < 10; ++number) {
      const auto held = own.lock({RecordKind::kFile, number, 0, 0});
      uint64_t sum = 0;
      held.visit_parts(0, [&](uint32_t, uint32_t, ByteView value) { sum += number_in(value); });
      ASSERT_EQ(sum, number_in(held.value())) << "kill " << i;
    }
    start(victim);
  }
  for (const pid_t pid : writers) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  for (uint64_t number = 0; number < 10; ++number) {
    own.lock({RecordKind::kFile, number, 0, 0}).replace({}, Urgency::kMustNotFail);
  }
  for (size_t i = 0; i < writers.size(); ++i) {
    EXPECT_EQ(SharedRecords(store.region, i).arena().used_bytes(), 0u);
  }
}

}  // namespace
}  // namespace braid::store
