// WorkCounters: how much was signed and encrypted, by algorithm.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/thread_shard.h"
#include "crypto/algorithms.h"

namespace braid::crypto {

enum class Work : uint8_t { kSign, kVerify, kEncrypt, kDecrypt };

// Keys tell it what is done with them. Thread: any.
class WorkCounters {
 public:
  struct Counts {
    uint64_t messages = 0;
    uint64_t bytes = 0;  // that went in: of messages whole, of those in parts all parts
  };

  // REQUIRES kSign or kVerify.
  void count(Work work, SigningAlgorithm algorithm, size_t bytes) {
    add(place_of(work, algorithm), bytes);
  }
  // REQUIRES kEncrypt or kDecrypt, and a cipher that is one.
  void count(Work work, Cipher cipher, size_t bytes) { add(place_of(work, cipher), bytes); }
  // A signature or a tag that did not fit, beside its message.
  void count_refused() { refused_.fetch_add(1, std::memory_order_relaxed); }

  Counts counts(Work work, SigningAlgorithm algorithm) const {
    return counts(place_of(work, algorithm));
  }
  Counts counts(Work work, Cipher cipher) const { return counts(place_of(work, cipher)); }
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kSigningAlgorithms = 3;
  static constexpr size_t kCiphers = 4;
  static constexpr size_t kPlaces = 2 * (kSigningAlgorithms + kCiphers);

  static constexpr size_t place_of(Work work, SigningAlgorithm algorithm) {
    return (work == Work::kVerify ? kSigningAlgorithms : 0) + static_cast<size_t>(algorithm);
  }
  static constexpr size_t place_of(Work work, Cipher cipher) {
    return 2 * kSigningAlgorithms + (work == Work::kDecrypt ? kCiphers : 0) +
           static_cast<size_t>(cipher) - 1;
  }

  void add(size_t place, size_t bytes) {
    const ThreadShard& own = ThreadShard::of_thread();
    Place& counted = shards_[own.index()].places[place];
    own.add(counted.messages, 1);
    own.add(counted.bytes, bytes);
  }
  Counts counts(size_t place) const {
    Counts all;
    for (const Shard& shard : shards_) {
      all.messages += shard.places[place].messages.load(std::memory_order_relaxed);
      all.bytes += shard.places[place].bytes.load(std::memory_order_relaxed);
    }
    return all;
  }

  struct Place {
    std::atomic<uint64_t> messages = 0;
    std::atomic<uint64_t> bytes = 0;
  };
  struct alignas(64) Shard {
    std::array<Place, kPlaces> places;
  };
  std::array<Shard, ThreadShard::kCount> shards_;
  std::atomic<uint64_t> refused_ = 0;
};

}  // namespace braid::crypto
