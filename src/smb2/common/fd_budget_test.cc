#include "smb2/common/fd_budget.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <vector>

#include "smb2/common/limits.h"

namespace braid::smb2 {
namespace {

auth::Identity user(uint32_t number) {
  auth::Identity identity;
  identity.user_sid = wire::sids::kUnixUsers.with_rid(number);
  return identity;
}

std::vector<FdBudget::Files> open_all(FdBudget& budget, const auth::Identity& who) {
  std::vector<FdBudget::Files> opens;
  while (auto files = budget.take_files(who)) opens.push_back(std::move(*files));
  return opens;
}

std::vector<FdBudget::Place> connect_all(FdBudget& budget, const PeerAddress& from, bool log_on) {
  std::vector<FdBudget::Place> places;
  while (auto place = budget.connect(from)) {
    if (log_on) place.user_known();
    places.push_back(std::move(place));
  }
  return places;
}

TEST(FdBudget, PartsNeverAddUpToMoreThanTheLimit) {
  for (const size_t limit : {0u, 64u, 256u, 1'024u, 4'096u, 20'000u, 1'048'576u}) {
    const FdDivision division = FdDivision::of(limit);
    if (limit >= 256) EXPECT_LE(division.own + division.connections + division.files, limit);
    EXPECT_LE(division.strangers, division.connections);
  }
}

TEST(FdBudget, UserWhoOpensAllHeCanLeavesFilesForOthersAndConnectionsForAll) {
  FdBudget budget(1'024);
  const auto first = open_all(budget, user(1));
  EXPECT_GT(first.size(), 100u);
  EXPECT_GT(open_all(budget, user(2)).size(), 20u);
  EXPECT_TRUE(budget.connect({1}));
}

TEST(FdBudget, UserWithHisShareIsToldSo) {
  FdBudget budget(1'024);
  const auto opens = open_all(budget, user(1));
  const auto more = budget.take_files(user(1));
  ASSERT_FALSE(more);
  EXPECT_TRUE(more.error().is_os(EMFILE));
}

TEST(FdBudget, PlainFileGivesBackWhatOnlyAStreamNeeds) {
  FdBudget budget(1'024);
  const size_t of_streams = open_all(budget, user(1)).size();
  std::vector<FdBudget::Files> opens;
  while (auto files = budget.take_files(user(1))) {
    files->keep(1);
    opens.push_back(std::move(*files));
  }
  EXPECT_GT(opens.size(), of_streams * 3 / 2);
}

TEST(FdBudget, AddressWithoutLogonHasFewConnectionsAndLeavesOthersTheirs) {
  FdBudget budget(1'048'576);
  const auto flood = connect_all(budget, {1}, false);
  EXPECT_EQ(flood.size(), kStrangersPerAddressMax);
  EXPECT_TRUE(budget.connect({2}));
}

TEST(FdBudget, LogonMakesRoomAmongStrangers) {
  FdBudget budget(20'000);
  auto places = connect_all(budget, {1}, false);
  EXPECT_FALSE(budget.connect({1}));
  places.front().user_known();
  EXPECT_TRUE(budget.connect({1}));
}

TEST(FdBudget, StrangersOfManyAddressesLeaveHalfToThoseWhoLoggedOn) {
  FdBudget budget(4'096);
  std::vector<std::vector<FdBudget::Place>> floods;
  for (uint8_t address = 1; address < 200; ++address) {
    floods.push_back(connect_all(budget, {address}, false));
  }
  size_t strangers = 0;
  for (const auto& flood : floods) strangers += flood.size();
  EXPECT_LE(strangers, FdDivision::of(4'096).connections / 2);
}

TEST(FdBudget, AddressThatIsLoggedOnLeavesConnectionsToOthers) {
  FdBudget budget(1'024);
  const auto many = connect_all(budget, {1}, true);
  EXPECT_GT(many.size(), 32u);
  EXPECT_TRUE(budget.connect({2}));
}

TEST(FdBudget, EverythingComesBack) {
  FdBudget budget(1'024);
  const size_t files = open_all(budget, user(1)).size();
  const size_t connections = connect_all(budget, {1}, true).size();
  EXPECT_EQ(open_all(budget, user(1)).size(), files);
  EXPECT_EQ(connect_all(budget, {1}, true).size(), connections);
}

}  // namespace
}  // namespace braid::smb2
