// ThreadShard: where a thread counts, so that threads do not wait for each other's cache lines.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace braid {

// Whoever counts on a hot path keeps kCount sets of counters and adds them up when somebody asks.
// The first threads that count have one each, and need no locked instruction; all further ones
// share the last. Thread: of_thread() gives the calling thread's own, which no other may use.
class ThreadShard {
 public:
  static constexpr size_t kCount = 8;

  static const ThreadShard& of_thread() {
    thread_local const ThreadShard own(next());
    return own;
  }

  size_t index() const { return index_; }

  // `counter` belongs to the set index().
  void add(std::atomic<uint64_t>& counter, uint64_t value) const {
    if (index_ == kCount - 1) {
      counter.fetch_add(value, std::memory_order_relaxed);
    } else {
      counter.store(counter.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
    }
  }

 private:
  explicit ThreadShard(size_t number) : index_(number < kCount ? number : kCount - 1) {}
  static size_t next() {
    static std::atomic<size_t> next = 0;
    return next.fetch_add(1, std::memory_order_relaxed);
  }

  const size_t index_;
};

}  // namespace braid
