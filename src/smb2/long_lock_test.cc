// LOCKs and UNLOCKs of very many ranges: [MS-SMB2] 3.3.5.14.1 and 3.3.5.14.2.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <set>

#include "filestate/byte_range_locks.h"
#include "smb2/raw_client_testing.h"
#include "wire/smb2/lock.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::LockFlags;

constexpr size_t kMany = 16383;
constexpr uint32_t kExclusive = LockFlags::kExclusiveLock | LockFlags::kFailImmediately;
constexpr uint32_t kShared = LockFlags::kSharedLock | LockFlags::kFailImmediately;

struct LongLockTest : testing::Test {
  Engine engine;
  RawClient client{engine, ClientGuid{{7}}};
  RawClient other{engine, ClientGuid{{8}}};
  FileId file, theirs;
  filestate::OpenRef ref;

  void SetUp() override {
    ASSERT_TRUE(client.log_on());
    ASSERT_TRUE(other.log_on());
    file = client.create("file");
    theirs = other.create("file");
    ASSERT_NE(theirs, FileId{});
    const auto session = engine.server().logons.session_table.find(client.session_id);
    ref = session->find_open(file)->ref();
  }

  static std::vector<wire::LockElement> many(uint32_t flags) {
    std::vector<wire::LockElement> list;
    for (size_t i = 0; i < kMany; ++i)
      list.push_back({.offset = 4 * i, .length = 2, .flags = flags});
    return list;
  }
  static Bytes lock(RawClient& by, FileId id, std::vector<wire::LockElement> list) {
    return by.request(Command::kLock, wire::LockRequest{.file_id = id, .locks = std::move(list)});
  }
  size_t held() { return engine.server().files.file_table.locks_of(ref).held.size(); }

  // How many locks others saw in their turns while the request was worked through.
  std::set<size_t> seen_during(Bytes request) {
    struct Look {
      LongLockTest& test;
      std::set<size_t> seen;
      std::atomic<bool> enough = false;
      std::promise<void> over;

      void turn() {
        if (enough) return over.set_value();
        seen.insert(test.held());
        test.engine.reactor().post([this] { turn(); });
      }
    } look{*this, {}, {}, {}};
    engine.reactor().post([&look] { look.turn(); });
    EXPECT_EQ(client.status_of(std::move(request)), NtStatus::kSuccess);
    look.enough = true;
    look.over.get_future().wait();
    return look.seen;
  }
};

TEST_F(LongLockTest, OthersHaveTheirTurnsMeanwhile) {
  const size_t turns = kMany / filestate::kRangesPerTurn;
  EXPECT_GE(seen_during(lock(client, file, many(kExclusive))).size(), turns);
  EXPECT_EQ(held(), kMany);
  EXPECT_GE(seen_during(lock(client, file, many(LockFlags::kUnlock))).size(), turns);
  EXPECT_EQ(held(), 0u);
}

TEST_F(LongLockTest, AllRangesOrNone) {
  const wire::LockElement own{.offset = 400, .length = 2, .flags = kExclusive};
  const wire::LockElement last{.offset = 4 * (kMany - 1), .length = 2, .flags = kExclusive};
  ASSERT_EQ(client.status_of(lock(client, file, {own})), NtStatus::kSuccess);
  ASSERT_EQ(other.status_of(lock(other, theirs, {last})), NtStatus::kSuccess);
  auto list = many(kShared);
  list.erase(list.begin(), list.begin() + 2);  // so that the file has room
  EXPECT_EQ(client.status_of(lock(client, file, std::move(list))), NtStatus::kLockNotGranted);
  const auto locks = engine.server().files.file_table.locks_of(ref);
  ASSERT_EQ(locks.held.size(), 1u);
  EXPECT_TRUE(locks.held[0].exclusive) << "what it held before is what it holds";
}

TEST_F(LongLockTest, UnlockStopsAtTheFirstThatIsNotHeld) {
  ASSERT_EQ(client.status_of(lock(client, file, many(kExclusive))), NtStatus::kSuccess);
  auto list = many(LockFlags::kUnlock);
  list[1000].length = 1;
  EXPECT_EQ(client.status_of(lock(client, file, std::move(list))), NtStatus::kRangeNotLocked);
  EXPECT_EQ(held(), kMany - 1000);
}

TEST_F(LongLockTest, BadRangesAreRefusedBeforeAnyIsTaken) {
  auto list = many(kExclusive);
  list.back() = {.offset = ~uint64_t{0}, .length = 2, .flags = kExclusive};
  EXPECT_EQ(client.status_of(lock(client, file, list)), NtStatus::kInvalidLockRange);
  EXPECT_EQ(held(), 0u);
  auto more = many(kExclusive);
  more.resize(filestate::ByteRangeLocks::kLocksAlone + 1,
              {.offset = 0, .length = 0, .flags = kShared});
  EXPECT_EQ(client.status_of(lock(client, file, more)), NtStatus::kInsufficientResources);
  EXPECT_EQ(held(), 0u);
}

TEST_F(LongLockTest, CloseComesBehindIt) {
  client.send(lock(client, file, many(kExclusive)));
  EXPECT_EQ(client.close_file(file), NtStatus::kSuccess);
  EXPECT_EQ(held(), 0u);
  const wire::LockElement first{.offset = 0, .length = 1, .flags = kExclusive};
  EXPECT_EQ(other.status_of(lock(other, theirs, {first})), NtStatus::kSuccess);
}

}  // namespace
}  // namespace braid::smb2
