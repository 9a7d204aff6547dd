#include "store/shared_records.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <thread>

#include "store/shared_region.h"

namespace braid::store {
namespace {

RecordKey key(uint64_t number) { return {RecordKind::kFile, number, 0, 0}; }

struct Region {
  explicit Region(size_t workers = 2, size_t buckets = 64, size_t arena = 1 << 20)
      : fd(*SharedRegion::create({.workers = workers, .buckets = buckets, .arena_bytes = arena})),
        region(*SharedRegion::map(fd.get())) {}
  UniqueFd fd;
  SharedRegion region;
};

std::string get(SharedRecords& records, const RecordKey& of) {
  return std::string(as_text(records.lock(of).value()));
}
bool put(SharedRecords& records, const RecordKey& of, std::string_view value) {
  return records.lock(of).replace(as_bytes(value), Urgency::kOrdinary);
}

TEST(SharedRecords, ValueStoredByOneWorkerIsReadByAnother) {
  Region shared;
  SharedRecords first(shared.region, 0);
  const SharedRegion again = *SharedRegion::map(shared.fd.get());
  SharedRecords second(again, 1);
  EXPECT_TRUE(put(first, key(1), "one"));
  EXPECT_EQ(get(second, key(1)), "one");
  EXPECT_TRUE(put(second, key(1), "another"));
  EXPECT_EQ(get(first, key(1)), "another");
  EXPECT_EQ(get(first, key(2)), "");
}

TEST(SharedRecords, ChainOfManyKeysLosesNone) {
  Region shared(2, /*buckets=*/2);
  SharedRecords records(shared.region, 0);
  SharedRecords other(shared.region, 1);
  std::map<uint64_t, std::string> model;
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t number = random() % 40;
    SharedRecords& by = random() % 2 ? records : other;
    if (random() % 3 == 0) {
      model.erase(number);
      EXPECT_TRUE(put(by, key(number), ""));
    } else {
      model[number] = std::string(1 + random() % 900, static_cast<char>('a' + random() % 26));
      ASSERT_TRUE(put(by, key(number), model[number]));
    }
    const uint64_t look = random() % 40;
    ASSERT_EQ(get(by, key(look)), model.contains(look) ? model[look] : "");
  }
  size_t seen = 0;
  records.for_each([&](const RecordKey& of, ByteView value) {
    EXPECT_EQ(as_text(value), model[of.a]);
    seen++;
  });
  EXPECT_EQ(seen, model.size());
}

TEST(SharedRecords, VersionIsNeverUsedTwiceForAKey) {
  Region shared;
  SharedRecords records(shared.region, 0);
  put(records, key(1), "one");
  const uint64_t first = records.lock(key(1)).version();
  put(records, key(1), "");
  EXPECT_EQ(records.lock(key(1)).version(), 0u);
  EXPECT_GT(records.lock(key(1)).next_version(), first);
  put(records, key(1), "one");
  EXPECT_GT(records.lock(key(1)).version(), first);
}

TEST(SharedRecords, FullArenaKeepsAReserveForWhatMustNotFail) {
  Region shared(2, 64, 64 << 10);
  SharedRecords records(shared.region, 0);
  uint64_t number = 0;
  while (put(records, key(++number), std::string(500, 'x'))) {
  }
  EXPECT_GT(number, 50u);
  auto held = records.lock(key(number));
  EXPECT_TRUE(held.replace(as_bytes("must be"), Urgency::kMustNotFail));
}

TEST(SharedRecords, MemoryThatOthersReleaseIsUsedAgain) {
  Region shared(2, 64, 64 << 10);
  SharedRecords first(shared.region, 0);
  SharedRecords second(shared.region, 1);
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(put(first, key(1), std::string(5'000, 'x'))) << i;
    ASSERT_TRUE(put(second, key(1), "")) << i;
  }
}

TEST(SharedRecords, NewLifeTakesOverWhatTheOldOneLeft) {
  Region shared(2, 64, 256 << 10);
  {
    SharedRecords old_life(shared.region, 0);
    for (uint64_t i = 0; i < 40; ++i) put(old_life, key(i), std::string(1'000, 'a'));
    for (uint64_t i = 0; i < 40; i += 2) put(old_life, key(i), "");
  }
  SharedRecords new_life(shared.region, 0);
  EXPECT_EQ(new_life.arena().used_bytes(), 20u * 2048);
  EXPECT_EQ(get(new_life, key(1)), std::string(1'000, 'a'));
  for (int round = 0; round < 100; ++round) {
    for (uint64_t i = 0; i < 40; i += 2) {
      ASSERT_TRUE(put(new_life, key(i), std::string(100, 'b')));
      ASSERT_TRUE(put(new_life, key(i), ""));
    }
  }
  for (uint64_t i = 1; i < 40; i += 2) EXPECT_EQ(get(new_life, key(i)), std::string(1'000, 'a'));
}

TEST(SharedRecords, RegionOfAnotherSizeIsRefused) {
  Region shared;
  ASSERT_EQ(::ftruncate(shared.fd.get(), 100'000), 0);
  EXPECT_FALSE(SharedRegion::map(shared.fd.get()));
  EXPECT_FALSE(SharedRegion::create({.workers = kWorkersMax + 1}));
}

// A value says its own length and is all of one letter, so that a torn one shows.
std::string self_describing(std::mt19937_64& random) {
  const size_t size = 8 + random() % 3'000;
  std::string text(size, static_cast<char>('a' + random() % 26));
  std::memcpy(text.data(), &size, sizeof size);
  return text;
}
bool is_whole(ByteView value) {
  size_t size = 0;
  if (value.size() < sizeof size) return false;
  std::memcpy(&size, value.data(), sizeof size);
  if (size != value.size()) return false;
  for (const uint8_t letter : value.subspan(sizeof size)) {
    if (letter != value[sizeof size]) return false;
  }
  return true;
}

[[noreturn]] void write_for_ever(int fd, size_t worker, uint64_t seed) {
  const SharedRegion region = *SharedRegion::map(fd);
  SharedRecords records(region, worker);
  std::mt19937_64 random(seed);
  while (true) {
    auto held = records.lock(key(random() % 100));
    if (random() % 3 == 0) {
      held.replace({}, Urgency::kMustNotFail);
    } else {
      held.replace(as_bytes(self_describing(random)), Urgency::kOrdinary);
    }
  }
}

// BRAID_KILLS in the environment kills more of them.
TEST(SharedRecords, WriterKilledAtAnyInstructionLeavesWholeRecordsAndFreeLocks) {
  const char* wanted = std::getenv("BRAID_KILLS");
  const uint64_t kills = wanted ? std::strtoull(wanted, nullptr, 10) : 300;
  Region shared(4, /*buckets=*/16, 4 << 20);
  SharedRecords own(shared.region, 3);
  std::array<pid_t, 3> writers{};
  uint64_t seed = 0;
  const auto start = [&](size_t worker) {
    seed++;
    writers[worker] = ::fork();
    if (writers[worker] < 0) std::abort();  // or the next kill would be of everybody
    if (writers[worker] != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // also when a check ends the test early
    write_for_ever(shared.fd.get(), worker, seed);
  };
  for (size_t i = 0; i < writers.size(); ++i) start(i);
  std::mt19937_64 random(7);
  uint64_t refused = 0;
  for (uint64_t i = 0; i < kills; ++i) {
    ::usleep(static_cast<useconds_t>(random() % 2'000));
    const size_t victim = random() % writers.size();
    ::kill(writers[victim], SIGKILL);
    ::waitpid(writers[victim], nullptr, 0);
    for (uint64_t number = 0; number < 100; ++number) {
      auto held = own.lock(key(number));  // a lock that was left taken would hang here
      ASSERT_TRUE(held.value().empty() || is_whole(held.value())) << "kill " << i;
      if (number == i % 100) {
        refused += !held.replace(as_bytes(self_describing(random)), Urgency::kOrdinary);
      }
    }
    start(victim);
  }
  for (const pid_t pid : writers) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  EXPECT_EQ(refused, 0u);
  // Whatever the dead lost is found again.
  for (uint64_t number = 0; number < 100; ++number) put(own, key(number), "");
  for (size_t i = 0; i < writers.size(); ++i) {
    EXPECT_EQ(SharedRecords(shared.region, i).arena().used_bytes(), 0u);
  }
}

TEST(SharedRecords, ThreadsOfOneWorkerDoNotLoseUpdates) {
  Region shared;
  SharedRecords records(shared.region, 0);
  constexpr int kThreads = 4, kRounds = 5'000;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < kRounds; ++i) {
          auto held = records.lock(key(static_cast<uint64_t>(i % 3)));
          const std::string now(as_text(held.value()));
          const int count = now.empty() ? 0 : std::stoi(now);
          held.replace(as_bytes(std::to_string(count + 1)), Urgency::kOrdinary);
        }
      });
    }
  }
  int sum = 0;
  for (uint64_t i = 0; i < 3; ++i) sum += std::stoi(get(records, key(i)));
  EXPECT_EQ(sum, kThreads * kRounds);
}

}  // namespace
}  // namespace braid::store
