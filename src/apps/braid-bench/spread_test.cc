#include "apps/braid-bench/spread.h"

#include <gtest/gtest.h>

namespace braid::bench {
namespace {

TEST(Spread, OfNothingIsNothing) { EXPECT_EQ(spread_of({}), std::nullopt); }

TEST(Spread, OneIsAllThree) {
  EXPECT_EQ(spread_of({2}), (Spread{.median = 2, .low = 2, .high = 2}));
}

TEST(Spread, OrderDoesNotMatter) {
  EXPECT_EQ(spread_of({9, 1, 4}), (Spread{.median = 4, .low = 1, .high = 9}));
  EXPECT_EQ(spread_of({9, 1, 4, 6}), (Spread{.median = 5, .low = 1, .high = 9}));
}

TEST(Spread, RatiosAreOfPairs) {
  // 1/2, 6/2, 4/4: the ratio of the medians would be 2.
  EXPECT_EQ(spread_of_ratios({1, 6, 4}, {2, 2, 4}), (Spread{.median = 1, .low = 0.5, .high = 3}));
}

TEST(Spread, APairWithoutBothIsLeftOut) {
  EXPECT_EQ(spread_of_ratios({1, std::nullopt, 4, 5}, {2, 1, std::nullopt, 0}),
            (Spread{.median = 0.5, .low = 0.5, .high = 0.5}));
  EXPECT_EQ(spread_of_ratios({1, 2}, {}), std::nullopt);
  EXPECT_EQ(spread_of_ratios({1}, {0}), std::nullopt);
}

}  // namespace
}  // namespace braid::bench
