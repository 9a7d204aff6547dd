// The simulator finds each defect that is planted in the rules: filestate_planted_test has them a
// second time, with BRAID_PLANTED_DEFECTS.
#include <gtest/gtest.h>

#include "filestate/filestate_simulator_testing.h"

namespace braid::filestate {
namespace {

struct Planted {
  Defect defect;
  const char* name;
};
void PrintTo(const Planted& planted, std::ostream* out) { *out << planted.name; }

class SimulatorFinds : public ::testing::TestWithParam<Planted> {
 protected:
  ~SimulatorFinds() override { planted_defect = Defect::kNone; }
};

TEST_P(SimulatorFinds, ThePlantedDefect) {
  planted_defect = GetParam().defect;
  const std::string difference = first_difference(1, 100'000);
  EXPECT_NE(difference, "");
  EXPECT_NE(difference.find("seed "), std::string::npos) << "so that it can be run again";
}

INSTANTIATE_TEST_SUITE_P(
    Every, SimulatorFinds,
    ::testing::Values(Planted{Defect::kBreaksOwnLease, "BreaksOwnLease"},
                      Planted{Defect::kForgetsWaiters, "ForgetsWaiters"},
                      Planted{Defect::kGrantsWriteBesideOthers, "GrantsWriteBesideOthers"},
                      Planted{Defect::kKeepsReadOnWrite, "KeepsReadOnWrite"},
                      Planted{Defect::kNoFollowUpBreak, "NoFollowUpBreak"},
                      Planted{Defect::kEpochStandsStill, "EpochStandsStill"},
                      Planted{Defect::kSharedLockStopsNoWrite, "SharedLockStopsNoWrite"},
                      Planted{Defect::kDeleteOnCloseIgnored, "DeleteOnCloseIgnored"},
                      Planted{Defect::kOvertakenLockIsTaken, "OvertakenLockIsTaken"},
                      Planted{Defect::kPendingForAllLinks, "PendingForAllLinks"},
                      Planted{Defect::kPendingNameIsOpened, "PendingNameIsOpened"},
                      Planted{Defect::kRenameIsForgotten, "RenameIsForgotten"}),
    [](const auto& info) { return std::string(info.param.name); });

// Otherwise the others would say nothing of the defects.
TEST(SimulatorFinds, NothingWhereNothingIsPlanted) { EXPECT_EQ(first_difference(1, 100'000), ""); }

}  // namespace
}  // namespace braid::filestate
