// Random events on two ends of a connection. BRAID_SIMULATOR_EVENTS and BRAID_SIMULATOR_SEED in the
// environment run more of them, or one seed again.
#include <gtest/gtest.h>

#include <cstdlib>

#include "transport/smbdirect/simulator_testing.h"

namespace braid::transport::smbdirect {
namespace {

constexpr uint64_t kEventsPerSeed = 3000;

uint64_t simulator_setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// The first thing that is wrong within `events` events, or nothing.
std::string first_wrong(uint64_t events, Defect defect, bool hostile) {
  uint64_t seed = simulator_setting("BRAID_SIMULATOR_SEED", 1);
  for (uint64_t done = 0; done < events; done += kEventsPerSeed) {
    const std::string wrong = Simulator(seed++, defect, hostile).run(kEventsPerSeed);
    if (!wrong.empty()) return wrong;
  }
  return {};
}

TEST(SmbDirectSimulator, BothEndsKeepTheRules) {
  const uint64_t events = simulator_setting("BRAID_SIMULATOR_EVENTS", 300'000);
  EXPECT_EQ(first_wrong(events, Defect::kNone, false), "");
}

TEST(SmbDirectSimulator, APeerThatSendsAnythingGetsNothingBeyondItsLimits) {
  const uint64_t events = simulator_setting("BRAID_SIMULATOR_EVENTS", 300'000);
  EXPECT_EQ(first_wrong(events, Defect::kNone, true), "");
}

struct SmbDirectSimulatorFinds : ::testing::TestWithParam<Defect> {};

TEST_P(SmbDirectSimulatorFinds, ThePlantedDefect) {
  const bool hostile = GetParam() == Defect::kTakesAnyLength;
  const std::string wrong = first_wrong(300'000, GetParam(), hostile);
  EXPECT_NE(wrong.find("seed "), std::string::npos) << "so that it can be run again";
  RecordProperty("found", wrong);
}

std::vector<Defect> every_defect() {
  std::vector<Defect> all;
  for (int i = 1; i <= static_cast<int>(Defect::kTakesAnyLength); ++i) {
    all.push_back(static_cast<Defect>(i));
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Each, SmbDirectSimulatorFinds, ::testing::ValuesIn(every_defect()));

}  // namespace
}  // namespace braid::transport::smbdirect
