// CompressionTrials: whether what is read through an open becomes smaller.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "smb2/compression/limits.h"

namespace braid::smb2 {

// Of an Open; the answers under way share it. Thread: any; what several note at the same time may
// count once.
class CompressionTrials {
 public:
  // Whether the next answer is to be tried. Counts it.
  bool is_due() {
    if (untried_.load(std::memory_order_relaxed) <= 0) return true;
    untried_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  void note(bool became_smaller) {
    const uint32_t pause =
        became_smaller ? 0
                       : std::clamp(2 * pause_.load(std::memory_order_relaxed), 2u, kUntriedMax);
    pause_.store(pause, std::memory_order_relaxed);
    untried_.store(static_cast<int32_t>(pause), std::memory_order_relaxed);
  }

 private:
  std::atomic<uint32_t> pause_ = 0;
  std::atomic<int32_t> untried_ = 0;
};

}  // namespace braid::smb2
