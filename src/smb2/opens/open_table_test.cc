#include "smb2/opens/open_table.h"

#include <gtest/gtest.h>

#include "smb2/opens/create_reservations.h"

namespace braid::smb2 {
namespace {

using namespace std::chrono_literals;

constexpr ClientGuid kSomeClient{{1}};
constexpr CreateGuid kSomeGuid{{2}};
constexpr Clock::Instant kStart{};

struct OpenTableTest : testing::Test {
  static constexpr size_t kMost = 8;
  OpenTable table{kMost};
  CreateReservations creates{table};
  filestate::UserId user{1};          // of the opens that are made
  std::optional<GivenUpOpen> purged;  // what is to be closed

  OpenTableTest() {
    table.set_purged([this](GivenUpOpen open) {
      EXPECT_FALSE(purged);
      purged = std::move(open);
    });
  }

  std::shared_ptr<Open> make(uint64_t id) {
    auto open = std::make_shared<Open>(OpenValues{.file_id = {id, id}}, nullptr, nullptr);
    open->names.create_guid = kSomeGuid;
    open->client_guid = kSomeClient;
    open->user = user;
    open->is_replay_eligible = true;
    table.add(open);
    return open;
  }
  static PreservedOpen preserved(const Open& open) {
    PreservedOpen preserved;
    static_cast<OpenValues&>(preserved) = open;
    preserved.changes = open.changes();
    return preserved;
  }
  // Of an open with this id.
  void park(uint64_t id, Clock::Instant deadline) {
    const auto open = make(id);
    table.begin_leaving(*open);
    table.park(preserved(*open), deadline);
  }
  static filestate::OpenRef ref(uint64_t id) { return {{}, {id}}; }
  static filestate::CloseDecision deletion() { return {.delete_now = true}; }
};

TEST_F(OpenTableTest, WhoLosesAllHeCanLeavesRoomForOthers) {
  uint64_t id = 0;
  while (table.has_room(user)) park(++id, kStart + 1s);
  EXPECT_EQ(id, kMost / 2);
  const filestate::UserId greedy = std::exchange(user, {2});
  ASSERT_TRUE(table.has_room(user));
  park(++id, kStart + 1s);
  EXPECT_TRUE(table.has_room({3}));
  EXPECT_FALSE(table.has_room(greedy));
  EXPECT_EQ(table.claim_expired(kStart + 2s).size(), id);
  EXPECT_TRUE(table.has_room(greedy));
}

TEST_F(OpenTableTest, ConnectedOpensCannotBeClaimed) {
  const auto open = make(1);
  const auto claim = table.claim(1);
  EXPECT_FALSE(claim.open);
  EXPECT_FALSE(claim.try_again);
}

TEST_F(OpenTableTest, WhoComesEarlyWaitsUntilItIsParked) {
  const auto open = make(1);
  table.begin_leaving(*open);
  const auto early = table.claim(1);
  EXPECT_FALSE(early.open);
  ASSERT_TRUE(early.try_again);
  EXPECT_FALSE(early.try_again->is_set());
  table.park(preserved(*open), kStart + 1s);
  EXPECT_TRUE(early.try_again->is_set());
  EXPECT_TRUE(table.claim(1).open);
}

TEST_F(OpenTableTest, TheSecondClaimWaitsForTheFirst) {
  park(1, kStart + 1s);
  auto first = table.claim(1);
  ASSERT_TRUE(first.open);
  const auto second = table.claim(1);
  EXPECT_FALSE(second.open);
  ASSERT_TRUE(second.try_again);
  table.give_back(std::move(*first.open));
  EXPECT_TRUE(second.try_again->is_set());
  EXPECT_TRUE(table.claim(1).open);
}

TEST_F(OpenTableTest, GivenUpWhileLeavingComesBackToBeClosed) {
  const auto open = make(1);
  table.begin_leaving(*open);
  table.purge(ref(1), deletion());
  EXPECT_FALSE(purged);
  table.park(preserved(*open), kStart + 1s);
  ASSERT_TRUE(purged);
  EXPECT_TRUE(purged->closed.delete_now);
  EXPECT_EQ(table.disconnected(), 0u);
  EXPECT_FALSE(table.claim(1).try_again);
}

TEST_F(OpenTableTest, GivenUpWhileClaimedComesBackToBeClosed) {
  park(1, kStart + 1s);
  auto claim = table.claim(1);
  table.purge(ref(1), deletion());
  EXPECT_FALSE(purged);
  table.give_back(std::move(*claim.open));
  ASSERT_TRUE(purged);
  EXPECT_TRUE(purged->closed.delete_now);
}

TEST_F(OpenTableTest, GivenUpWhileParkedIsTakenOut) {
  park(1, kStart + 1s);
  table.purge(ref(1), deletion());
  ASSERT_TRUE(purged);
  EXPECT_EQ(purged->open.file_id.persistent, 1u);
  EXPECT_FALSE(table.next_deadline());
}

TEST_F(OpenTableTest, OneThatCameFromAnotherWorkerIsFoundByItsPersistentId) {
  auto open = std::make_shared<Open>(OpenValues{.file_id = {1, 5}}, nullptr, nullptr);
  table.add(open);
  table.begin_leaving(*open);
  table.park(preserved(*open), kStart + 1s);
  EXPECT_FALSE(table.claim(5).open);
  auto claim = table.claim(1);
  ASSERT_TRUE(claim.open);
  const auto second = table.claim(1);
  ASSERT_TRUE(second.try_again);
  // And goes on to the next.
  table.moved_away(std::move(*claim.open));
  EXPECT_TRUE(second.try_again->is_set());
  EXPECT_FALSE(table.claim(1).try_again);
}

TEST_F(OpenTableTest, GivenUpBeforeItMovedAwayComesBackToBeClosed) {
  park(1, kStart + 1s);
  auto claim = table.claim(1);
  table.purge(ref(1), deletion());
  EXPECT_FALSE(purged);
  table.moved_away(std::move(*claim.open));
  ASSERT_TRUE(purged);
  EXPECT_TRUE(purged->closed.delete_now);
  EXPECT_FALSE(table.claim(1).try_again);
}

TEST_F(OpenTableTest, ExpiredOnesAreClaimedInTimeAndKeepTheirDeadline) {
  park(1, kStart + 2s);
  park(2, kStart + 1s);
  EXPECT_EQ(table.next_deadline(), kStart + 1s);
  EXPECT_TRUE(table.claim_expired(kStart).empty());
  auto expired = table.claim_expired(kStart + 1s);
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0].file_id.persistent, 2u);
  EXPECT_EQ(table.next_deadline(), kStart + 2s);
  table.give_back(std::move(expired[0]));
  EXPECT_EQ(table.next_deadline(), kStart + 1s);
}

TEST_F(OpenTableTest, CreateGuidIsReservedUntilItsCreateIsOver) {
  std::shared_ptr<PendingCreate> pending;
  {
    auto first = creates.find_or_reserve({kSomeClient, kSomeGuid});
    ASSERT_TRUE(first.reservation);
    pending = creates.find_or_reserve({kSomeClient, kSomeGuid}).pending;
    ASSERT_TRUE(pending);
    EXPECT_TRUE(creates.find_or_reserve({ClientGuid{{9}}, kSomeGuid}).reservation);
    EXPECT_TRUE(creates.find_or_reserve({kSomeClient, kSomeGuid, {9}}).reservation)
        << "another user's";
    EXPECT_FALSE(pending->over.is_set());
  }
  EXPECT_TRUE(pending->over.is_set());
  EXPECT_TRUE(creates.find_or_reserve({kSomeClient, kSomeGuid}).reservation);
}

TEST_F(OpenTableTest, CreateGuidFindsItsOpenUntilThatIsUsedOrGone) {
  const auto open = make(1);
  EXPECT_EQ(creates.find_or_reserve({kSomeClient, kSomeGuid, user}).made.open, open);
  table.begin_leaving(*open);
  EXPECT_TRUE(creates.find_or_reserve({kSomeClient, kSomeGuid, user}).made.disconnected);
  table.park(preserved(*open), kStart);
  EXPECT_TRUE(creates.find_or_reserve({kSomeClient, kSomeGuid, user}).made.disconnected);
  table.remove({1, 1});
  EXPECT_TRUE(creates.find_or_reserve({kSomeClient, kSomeGuid, user}).reservation);

  const auto used = make(2);
  used->end_replay_eligibility();
  EXPECT_TRUE(creates.find_or_reserve({kSomeClient, kSomeGuid, user}).reservation);
  // Another open with the same guid; the end of the older one does not hide it.
  const auto later = make(3);
  table.remove({2, 2});
  EXPECT_EQ(creates.find_or_reserve({kSomeClient, kSomeGuid, user}).made.open, later);
}

// [MS-SMB2] 3.3.5.22.2: of all opens of the lease, wherever they are.
TEST_F(OpenTableTest, AnswerToALeaseBreakEndsTheReplaysOfItsOpens) {
  const LeaseKey key{{3}};
  const auto make_with = [&](uint64_t id, const LeaseKey& of) {
    auto open = std::make_shared<Open>(OpenValues{.file_id = {id, id}}, nullptr, nullptr);
    open->names.create_guid = CreateGuid{{static_cast<uint8_t>(id)}};
    open->client_guid = kSomeClient;
    open->user = user;
    open->lease_key = of;
    open->is_replay_eligible = true;
    table.add(open);
    return open;
  };
  const auto first = make_with(1, key), other = make_with(2, LeaseKey{{4}}),
             closed = make_with(3, key), leaving = make_with(4, key);
  table.remove({3, 3});
  table.begin_leaving(*leaving);
  table.park(preserved(*leaving), kStart);
  table.end_replay_eligibility({kSomeClient, key, {9}});
  EXPECT_TRUE(first->is_replay_eligible) << "another user's lease";
  table.end_replay_eligibility({kSomeClient, key, user});
  EXPECT_FALSE(first->is_replay_eligible);
  EXPECT_TRUE(other->is_replay_eligible);
  EXPECT_TRUE(closed->is_replay_eligible);
  EXPECT_FALSE(table.claim(4).open->changes.is_replay_eligible);
  const auto later = make_with(5, key);
  table.end_replay_eligibility({kSomeClient, key, user});
  EXPECT_FALSE(later->is_replay_eligible);
  table.remove({1, 1});
}

}  // namespace
}  // namespace braid::smb2
