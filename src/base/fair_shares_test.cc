#include "base/fair_shares.h"

#include <gtest/gtest.h>

#include <string>

namespace braid {
namespace {

size_t take_all(FairShares<std::string>& shares, const std::string& who) {
  size_t count = 0;
  while (shares.take(who)) ++count;
  return count;
}

TEST(FairShares, OneAloneLeavesAThird) {
  FairShares<std::string> shares(300);
  EXPECT_EQ(take_all(shares, "a"), 200u);
  EXPECT_EQ(shares.taken(), 200u);
}

TEST(FairShares, EachNewcomerFindsSome) {
  FairShares<std::string> shares(1'000);
  for (int i = 0; i < 20; ++i) EXPECT_GT(take_all(shares, std::to_string(i)), 0u) << i;
}

TEST(FairShares, WhatOneGivesBackTheOtherGets) {
  FairShares<std::string> shares(300);
  take_all(shares, "a");
  const size_t first = take_all(shares, "b");
  shares.give_back("a", shares.held_by("a"));
  EXPECT_GT(take_all(shares, "b"), 0u);
  EXPECT_GT(shares.held_by("b"), first);
  EXPECT_EQ(shares.held_by("a"), 0u);
}

TEST(FairShares, SmallestNumbersServeSomebody) {
  FairShares<std::string> none(0), one(1);
  EXPECT_FALSE(none.take("a"));
  EXPECT_TRUE(one.take("a"));
  EXPECT_FALSE(one.take("b"));
  one.give_back("a");
  EXPECT_TRUE(one.take("b"));
}

TEST(FairShares, SeveralAtOnceAreAllOrNone) {
  FairShares<std::string> shares(3);
  EXPECT_FALSE(shares.take("a", 4));
  EXPECT_TRUE(shares.take("a", 2));
  EXPECT_FALSE(shares.take("b", 2));
  EXPECT_EQ(shares.taken(), 2u);
}

TEST(FairShares, WhatWasCountedInBeyondTheEndIsNoCredit) {
  FairShares<std::string> shares(2);
  shares.count_in("a", 5);
  EXPECT_FALSE(shares.take("b"));
  shares.give_back("a", 4);
  EXPECT_TRUE(shares.take("b"));
}

}  // namespace
}  // namespace braid
