// Spread: what several rounds gave.
#pragma once

#include <optional>
#include <vector>

namespace braid::bench {

// A value. The median, since a round that something else disturbed says nothing; the smallest and
// the largest beside it, since they show whether that happened.
struct Spread {
  double median = 0;
  double low = 0;
  double high = 0;

  bool operator==(const Spread&) const = default;
};

// Nothing of nothing. The median of an even number is between the two in the middle.
std::optional<Spread> spread_of(std::vector<double> numbers);

// One round's number of one server by that of the other, for pairs that ran one after the other:
// what the machine did meanwhile met both. Pairs without both, or with a divisor of 0, are left
// out.
std::optional<Spread> spread_of_ratios(const std::vector<std::optional<double>>& numbers,
                                       const std::vector<std::optional<double>>& divisors);

}  // namespace braid::bench
