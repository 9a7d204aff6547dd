#include "apps/braid-bench/spread.h"

#include <algorithm>

namespace braid::bench {

std::optional<Spread> spread_of(std::vector<double> numbers) {
  if (numbers.empty()) return std::nullopt;
  std::ranges::sort(numbers);
  const size_t middle = numbers.size() / 2;
  const double median =
      numbers.size() % 2 == 1 ? numbers[middle] : (numbers[middle - 1] + numbers[middle]) / 2;
  return Spread{.median = median, .low = numbers.front(), .high = numbers.back()};
}

std::optional<Spread> spread_of_ratios(const std::vector<std::optional<double>>& numbers,
                                       const std::vector<std::optional<double>>& divisors) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(numbers.size(), divisors.size()); ++i) {
    if (numbers[i] && divisors[i] && *divisors[i] != 0)
      ratios.push_back(*numbers[i] / *divisors[i]);
  }
  return spread_of(std::move(ratios));
}

}  // namespace braid::bench
