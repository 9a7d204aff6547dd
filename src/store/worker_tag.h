// WorkerTag: which life of which worker.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace braid::store {

inline constexpr size_t kWorkersMax = 64;  // the configuration takes no more

// The index of a worker and how often it has been started. Records carry it, so that what a dead
// worker left is known as such. 0: no worker, or the only one.
struct WorkerTag {
  static constexpr unsigned kBits = 20;
  static constexpr unsigned kIndexBits = 8;
  // The generations of one index that are told apart; a record of an earlier life is swept long
  // before its number comes again.
  static constexpr uint32_t kGenerations = (1u << (kBits - kIndexBits)) - 1;

  uint32_t value = 0;

  static constexpr WorkerTag make(size_t index, uint32_t life) {
    const uint32_t generation = life % kGenerations + 1;
    return {generation << kIndexBits | static_cast<uint32_t>(index)};
  }
  constexpr size_t index() const { return value & ((1u << kIndexBits) - 1); }
  constexpr auto operator<=>(const WorkerTag&) const = default;

  // Numbers that carry a tag: FileId.Persistent. 44 bits for the number itself last a worker that
  // makes 100,000 opens a second for five years.
  static constexpr unsigned kNumberBits = 64 - kBits;
  constexpr uint64_t tagged(uint64_t number) const {
    return uint64_t{value} << kNumberBits | (number & ((uint64_t{1} << kNumberBits) - 1));
  }
  static constexpr WorkerTag of(uint64_t tagged) {
    return {static_cast<uint32_t>(tagged >> kNumberBits)};
  }
};

}  // namespace braid::store
