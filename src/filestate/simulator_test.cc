// Random events against FileState and the naive model. BRAID_SIMULATOR_EVENTS and
// BRAID_SIMULATOR_SEED in the environment run more of them, or one seed again.
#include <gtest/gtest.h>

#include <cstdlib>

#include "filestate/filestate_simulator_testing.h"

namespace braid::filestate {
namespace {

constexpr uint64_t kEventsPerSeed = 2000;

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// The first difference in `events` events, or nothing.
template <Defect kDefect>
std::string first_difference(uint64_t first_seed, uint64_t events) {
  for (uint64_t seed = first_seed; events > 0; ++seed) {
    const uint64_t now = std::min(events, kEventsPerSeed);
    const std::string difference = Simulator<kDefect>(seed).run(now);
    if (!difference.empty()) return difference;
    events -= now;
  }
  return {};
}

TEST(Simulator, FileStateAgreesWithTheModel) {
  const uint64_t seed = from_environment("BRAID_SIMULATOR_SEED", 1);
  const uint64_t events = from_environment("BRAID_SIMULATOR_EVENTS", 300'000);
  EXPECT_EQ(first_difference<Defect::kNone>(seed, events), "");
}

template <class Planted>
struct SimulatorFinds : ::testing::Test {};

template <Defect kDefect>
using Planted = std::integral_constant<Defect, kDefect>;
using EveryDefect =
    ::testing::Types<Planted<Defect::kBreaksOwnLease>, Planted<Defect::kForgetsWaiters>,
                     Planted<Defect::kGrantsWriteBesideOthers>, Planted<Defect::kKeepsReadOnWrite>,
                     Planted<Defect::kNoFollowUpBreak>, Planted<Defect::kEpochStandsStill>,
                     Planted<Defect::kSharedLockStopsNoWrite>,
                     Planted<Defect::kDeleteOnCloseIgnored>, Planted<Defect::kOvertakenLockIsTaken>,
                     Planted<Defect::kPendingForAllLinks>, Planted<Defect::kPendingNameIsOpened>,
                     Planted<Defect::kRenameIsForgotten>>;
TYPED_TEST_SUITE(SimulatorFinds, EveryDefect);

TYPED_TEST(SimulatorFinds, ThePlantedDefect) {
  const std::string difference = first_difference<TypeParam::value>(1, 100'000);
  EXPECT_NE(difference, "");
  EXPECT_NE(difference.find("seed "), std::string::npos) << "so that it can be run again";
}

}  // namespace
}  // namespace braid::filestate
