#include "apps/braid-bench/histogram.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace braid::bench {
namespace {

TEST(Histogram, OfNothingIsAllZero) {
  const Histogram none;
  EXPECT_EQ(none.total(), 0u);
  EXPECT_EQ(none.smallest(), 0u);
  EXPECT_EQ(none.largest(), 0u);
  EXPECT_EQ(none.mean(), 0);
  EXPECT_EQ(none.percentile(50), 0u);
}

TEST(Histogram, SmallNumbersAreExact) {
  Histogram some;
  for (uint64_t number = 1; number <= 200; ++number) some.add(number);
  EXPECT_EQ(some.total(), 200u);
  EXPECT_EQ(some.smallest(), 1u);
  EXPECT_EQ(some.largest(), 200u);
  EXPECT_DOUBLE_EQ(some.mean(), 100.5);
  EXPECT_EQ(some.percentile(0), 1u);
  EXPECT_EQ(some.percentile(50), 100u);
  EXPECT_EQ(some.percentile(99), 198u);
  EXPECT_EQ(some.percentile(99.9), 200u);
  EXPECT_EQ(some.percentile(100), 200u);
}

// One number alone is the whole of its histogram, so that its percentile would be capped to it: a
// larger one beside it shows the range.
TEST(Histogram, EveryNumberIsKnownToAPart) {
  const auto check = [](uint64_t number) {
    Histogram two;
    two.add(number);
    two.add(~uint64_t{0});
    const uint64_t found = two.percentile(50);
    EXPECT_GE(found, number);
    EXPECT_LE(found - number, number / 128) << number;
  };
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t power = uint64_t{1} << bit;
    check(power);
    check(power - 1);
    check(power + 1);
    check(power + power / 2);
  }
  check(~uint64_t{0});
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) check(random() >> (random() % 64));
}

TEST(Histogram, PercentilesAreThoseOfTheSortedNumbers) {
  std::mt19937_64 random(2);
  std::vector<uint64_t> numbers;
  Histogram all;
  for (int i = 0; i < 10'000; ++i) {
    numbers.push_back(random() >> (20 + random() % 30));
    all.add(numbers.back());
  }
  std::ranges::sort(numbers);
  for (const double percent : {1.0, 10.0, 50.0, 90.0, 99.0, 99.9}) {
    const uint64_t exact = numbers[static_cast<size_t>(percent * 100) - 1];
    EXPECT_GE(all.percentile(percent), exact);
    EXPECT_LE(all.percentile(percent) - exact, exact / 128);
  }
  EXPECT_EQ(all.percentile(100), numbers.back());
}

TEST(Histogram, TwoBecomeOne) {
  Histogram one;
  Histogram other;
  for (uint64_t number = 1; number <= 100; ++number) (number % 2 == 0 ? one : other).add(number);
  one.add(other);
  EXPECT_EQ(one.total(), 100u);
  EXPECT_EQ(one.smallest(), 1u);
  EXPECT_EQ(one.largest(), 100u);
  EXPECT_EQ(one.percentile(25), 25u);
  EXPECT_DOUBLE_EQ(one.mean(), 50.5);
}

}  // namespace
}  // namespace braid::bench
