#include "apps/braid-bench/histogram.h"

#include <cmath>

namespace braid::bench {

void Histogram::add(const Histogram& other) {
  for (size_t i = 0; i < kRanges; ++i) (*counts_)[i] += (*other.counts_)[i];
  total_ += other.total_;
  sum_ += other.sum_;
  smallest_ = std::min(smallest_, other.smallest_);
  largest_ = std::max(largest_, other.largest_);
}

// index_of() the other way: the first two powers of two are at their own numbers.
uint64_t Histogram::last_in(size_t index) {
  if (index < 2 * kParts) return index;
  const size_t excess = index / kParts - 1;
  const uint64_t part = index - excess * kParts;
  return ((part + 1) << excess) - 1;
}

uint64_t Histogram::percentile(double percent) const {
  if (total_ == 0) return 0;
  const double wanted = std::ceil(static_cast<double>(total_) * percent / 100);
  const uint64_t rank = std::clamp<uint64_t>(static_cast<uint64_t>(wanted), 1, total_);
  uint64_t seen = 0;
  for (size_t i = 0; i < kRanges; ++i) {
    seen += (*counts_)[i];
    if (seen >= rank) return std::min(last_in(i), largest_);
  }
  return largest_;
}

}  // namespace braid::bench
