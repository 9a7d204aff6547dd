// TimeHistogram: how long things took.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/thread_shard.h"

namespace braid::smb2 {

// Counts of times by powers of two: from less than 16.384 us in the first bucket, twice as much in
// each that follows, to all that is longer in the last. Threads count apart, so that they do not
// wait for each other's cache line. Thread: any.
class TimeHistogram {
 public:
  static constexpr size_t kBuckets = 21;

  struct Counts {
    std::array<uint64_t, kBuckets> buckets{};
    uint64_t sum_ns = 0;

    uint64_t count() const {
      uint64_t all = 0;
      for (const uint64_t each : buckets) all += each;
      return all;
    }
  };

  // The bound of a bucket, in seconds. Of the last there is none.
  static constexpr double bound_s(size_t bucket) {
    return static_cast<double>(kFirstNs << bucket) / 1e9;
  }

  void count(std::chrono::nanoseconds time) {
    const uint64_t ns = time.count() > 0 ? static_cast<uint64_t>(time.count()) : 0;
    const auto width = static_cast<size_t>(std::bit_width(ns / kFirstNs));
    const ThreadShard& own = ThreadShard::of_thread();
    Shard& shard = shards_[own.index()];
    own.add(shard.buckets[width < kBuckets ? width : kBuckets - 1], 1);
    own.add(shard.sum_ns, ns);
  }

  Counts counts() const {
    Counts all;
    for (const Shard& shard : shards_) {
      for (size_t i = 0; i < kBuckets; ++i) {
        all.buckets[i] += shard.buckets[i].load(std::memory_order_relaxed);
      }
      all.sum_ns += shard.sum_ns.load(std::memory_order_relaxed);
    }
    return all;
  }

 private:
  static constexpr uint64_t kFirstNs = 16'384;

  struct alignas(64) Shard {
    std::array<std::atomic<uint64_t>, kBuckets> buckets{};
    std::atomic<uint64_t> sum_ns = 0;
  };

  std::array<Shard, ThreadShard::kCount> shards_;
};

// Of each command, by its number: from when a request is looked at to its answer.
using CommandTimes = std::array<TimeHistogram, 19>;

// What a share was asked, since the server has it in its configuration. Thread: any.
struct ShareCounters {
  TimeHistogram times;
  std::atomic<uint64_t> bytes_read = 0;
  std::atomic<uint64_t> bytes_written = 0;
  std::atomic<uint64_t> refused = 0;  // requests answered with STATUS_ACCESS_DENIED
};

}  // namespace braid::smb2
