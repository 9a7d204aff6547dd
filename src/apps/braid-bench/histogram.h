// Histogram: how long many operations took, in little memory.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>

namespace braid::bench {

// Counts numbers in ranges that grow with them: each power of two is cut into 128 parts of the same
// width, and what is below 256 counts exactly. So any 64-bit number is known to 1/128 of itself,
// and the memory is the same (57 KiB) whatever was counted. A value. Thread: one.
class Histogram {
 public:
  void add(uint64_t number) {
    ++(*counts_)[index_of(number)];
    ++total_;
    sum_ += static_cast<double>(number);
    smallest_ = std::min(smallest_, number);
    largest_ = std::max(largest_, number);
  }
  void add(const Histogram& other);

  uint64_t total() const { return total_; }
  // 0 of nothing.
  uint64_t smallest() const { return total_ == 0 ? 0 : smallest_; }
  uint64_t largest() const { return largest_; }
  double mean() const { return total_ == 0 ? 0 : sum_ / static_cast<double>(total_); }
  // A number that so many percent of all do not exceed: never less than the exact one, and more by
  // at most 1/128 of it. 0 of nothing.
  uint64_t percentile(double percent) const;

 private:
  static constexpr int kPartBits = 7;
  static constexpr uint64_t kParts = 1 << kPartBits;
  static constexpr size_t kRanges = (64 - kPartBits + 1) * kParts;
  using Counts = std::array<uint64_t, kRanges>;

  static size_t index_of(uint64_t number) {
    const int excess = std::max<int>(static_cast<int>(std::bit_width(number)) - kPartBits - 1, 0);
    return static_cast<size_t>(excess) * kParts + static_cast<size_t>(number >> excess);
  }
  static uint64_t last_in(size_t index);

  std::unique_ptr<Counts> counts_ = std::make_unique<Counts>();
  uint64_t total_ = 0;
  double sum_ = 0;
  uint64_t smallest_ = ~uint64_t{0};
  uint64_t largest_ = 0;
};

}  // namespace braid::bench
