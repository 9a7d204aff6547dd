// WatchNotice: what a worker says of where its clients watch, to those who change files.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace braid::store {

// Homes of users are roots of their own; beyond so many all changes are sent.
inline constexpr size_t kWatchedRootsMax = 64;

// All that is said of places at once, so that saying it again mends what was lost.
struct WatchedPlaces {
  // Where the shares begin that are watched, as hashes; 0: none. One that stays keeps its place, so
  // that whoever reads meanwhile does not miss it.
  std::array<uint64_t, kWatchedRootsMax> roots{};
  size_t deepest_root = 0;   // of how many components the deepest is
  bool are_unknown = false;  // it is to be told of all changes
};

// Words, each changed by one store. Whoever reads them may find some of before.
struct WatchNotice {
  // Directories its clients watch: nobody is told of changes without.
  std::atomic<uint32_t> watches = 0;
  std::atomic<uint32_t> roots_end = 0;  // there are none from here on
  std::atomic<uint32_t> deepest_root = 0;
  std::atomic<bool> are_unknown = false;
  std::array<std::atomic<uint64_t>, kWatchedRootsMax> roots{};

  void set_places(const WatchedPlaces& places) {
    uint32_t end = 0;
    for (size_t at = 0; at < kWatchedRootsMax; ++at) {
      if (roots[at] != places.roots[at]) roots[at] = places.roots[at];
      if (places.roots[at] != 0) end = static_cast<uint32_t>(at + 1);
    }
    // Never less than there are.
    if (end > roots_end) roots_end = end;
    deepest_root = static_cast<uint32_t>(places.deepest_root);
    are_unknown = places.are_unknown;
    if (end < roots_end) roots_end = end;
  }
  void clear() {
    watches = 0;
    set_places({});
  }
};

}  // namespace braid::store
