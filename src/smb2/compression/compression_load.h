// CompressionLoad: whether the processors have the time to compress, and what came of it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <thread>
#include <utility>

#include "smb2/compression/limits.h"

namespace braid::smb2 {

// Messages that went over the wire compressed, and how many bytes they had with and without. Of a
// connection, or of all. Thread: any.
struct CompressionCounters {
  struct Direction {
    std::atomic<uint64_t> messages = 0;
    std::atomic<uint64_t> plain_bytes = 0;
    std::atomic<uint64_t> wire_bytes = 0;

    void add(size_t plain, size_t wire) {
      messages.fetch_add(1, std::memory_order_relaxed);
      plain_bytes.fetch_add(plain, std::memory_order_relaxed);
      wire_bytes.fetch_add(wire, std::memory_order_relaxed);
    }
  };
  Direction in;
  Direction out;
};

// One for each worker. Thread: any; outlives its Places.
class CompressionLoad {
 public:
  explicit CompressionLoad(uint64_t limit = kCompressingMaxPerProcessor *
                                            std::max(1u, std::thread::hardware_concurrency()))
      : limit_(limit) {}

  // An answer that waits to be compressed, or is.
  class Place {
   public:
    Place(Place&& other) noexcept
        : load_(std::exchange(other.load_, nullptr)), size_(other.size_) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(load_, other.load_);
      std::swap(size_, other.size_);
      return *this;
    }
    ~Place() {
      if (load_) load_->under_way_.fetch_sub(size_, std::memory_order_relaxed);
    }

   private:
    friend class CompressionLoad;
    Place(CompressionLoad& load, size_t size) : load_(&load), size_(size) {}
    CompressionLoad* load_;
    size_t size_;
  };
  // None when there are so many already that it is better sent as it is.
  std::optional<Place> take(size_t size) {
    if (under_way_.fetch_add(size, std::memory_order_relaxed) < limit_) return Place(*this, size);
    under_way_.fetch_sub(size, std::memory_order_relaxed);
    given_up.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  }

  CompressionCounters totals;
  std::atomic<uint64_t> given_up = 0;  // answers that were sent as they are for want of time

 private:
  const uint64_t limit_;
  std::atomic<uint64_t> under_way_ = 0;
};

}  // namespace braid::smb2
