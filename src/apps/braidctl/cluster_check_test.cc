#include "apps/braidctl/cluster_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace braid::braidctl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

using Tunables = std::map<std::string, uint32_t>;

TEST(ClusterCheck, CtdbsOwnValuesDoNotFit) {
  EXPECT_THAT(
      unfit_tunables({{"KeepaliveInterval", 5},
                      {"KeepaliveLimit", 5},
                      {"MonitorInterval", 15},
                      {"NoIPFailback", 0},
                      {"RecoveryDropAllIPs", 120}}),
      ElementsAre("KeepaliveInterval = 5 and KeepaliveLimit = 5 of ctdbd: a machine that is "
                  "lost is waited for 25 seconds; set 1 and 3",
                  StartsWith("MonitorInterval = 15 of ctdbd: "),
                  StartsWith("NoIPFailback = 0 of ctdbd: "),
                  StartsWith("RecoveryDropAllIPs = 120 of ctdbd: ")));
}

TEST(ClusterCheck, ShortestAndLongestThatFit) {
  for (const auto& [interval, limit] : {std::pair{1u, 2u}, {2u, 1u}, {1u, 6u}, {3u, 2u}}) {
    EXPECT_THAT(unfit_tunables({{"KeepaliveInterval", interval}, {"KeepaliveLimit", limit}}),
                IsEmpty());
  }
  for (const auto& [interval, limit] : {std::pair{1u, 1u}, {1u, 7u}, {~0u, ~0u}}) {
    EXPECT_EQ(unfit_tunables({{"KeepaliveInterval", interval}, {"KeepaliveLimit", limit}}).size(),
              1u);
  }
}

TEST(ClusterCheck, WhatAnotherCtdbDoesNotHaveIsNotMissed) {
  EXPECT_THAT(unfit_tunables({}), IsEmpty());
  EXPECT_THAT(unfit_tunables({{"KeepaliveInterval", 100}}), IsEmpty());
}

// Tests run in the folder of the sources.
TEST(ClusterCheck, WhatIsShippedFitsAndIsWhole) {
  std::ifstream file("packaging/ctdb/ctdb.tunables");
  Tunables shipped;
  for (std::string line; std::getline(file, line);) {
    const size_t equals = line.find('=');
    if (line.empty() || line[0] == '#' || equals == std::string::npos) continue;
    shipped[line.substr(0, equals)] = static_cast<uint32_t>(std::stoul(line.substr(equals + 1)));
  }
  EXPECT_THAT(unfit_tunables(shipped), IsEmpty());
  for (const std::string& name : looked_at_tunables()) EXPECT_TRUE(shipped.contains(name)) << name;
  EXPECT_EQ(shipped.size(), looked_at_tunables().size());
}

}  // namespace
}  // namespace braid::braidctl
