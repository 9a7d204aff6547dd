// NamesInMaking: the names by which a worker is just making something.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace braid::store {

// Hashes of them, in memory that the workers share. There are none most of the time, and looking
// whether there are costs one load. Nothing waits. Thread: any.
class NamesInMaking {
 public:
  // More than a worker has threads that make files.
  static constexpr size_t kMax = 128;

  // `name` is not 0. Where it is, for remove(); nothing: there are too many.
  std::optional<size_t> add(uint64_t name) {
    ++count_;
    for (size_t at = 0; at < kMax; ++at) {
      uint64_t free = 0;
      if (names_[at] == 0 && names_[at].compare_exchange_strong(free, name)) return at;
    }
    --count_;
    return std::nullopt;
  }
  void remove(size_t at) {
    names_[at] = 0;
    --count_;
  }
  bool empty() const { return count_ == 0; }
  bool contains(uint64_t name) const {
    for (const auto& each : names_) {
      if (each == name) return true;
    }
    return false;
  }
  // REQUIRES: whoever made something has ended.
  void clear() {
    for (auto& each : names_) each = 0;
    count_ = 0;
  }

 private:
  std::atomic<uint64_t> count_ = 0;
  std::array<std::atomic<uint64_t>, kMax> names_{};
};

}  // namespace braid::store
