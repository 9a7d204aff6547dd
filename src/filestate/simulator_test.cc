// Random events against FileState and the naive model. BRAID_SIMULATOR_EVENTS and
// BRAID_SIMULATOR_SEED in the environment run more of them, or one seed again.
#include <gtest/gtest.h>

#include <cstdlib>

#include "filestate/filestate_simulator_testing.h"

namespace braid::filestate {
namespace {

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(Simulator, FileStateAgreesWithTheModel) {
  const uint64_t seed = from_environment("BRAID_SIMULATOR_SEED", 1);
  const uint64_t events = from_environment("BRAID_SIMULATOR_EVENTS", 300'000);
  EXPECT_EQ(first_difference(seed, events), "");
}

}  // namespace
}  // namespace braid::filestate
