// Which times of a file follow from what is done through an open.
#pragma once

#include <cstdint>

namespace braid::vfs {

enum class TimeRule : uint8_t {
  kSystem,  // as the file system does it
  // Nothing done through this open moves it: UserSetAccessTime, UserSetModificationTime and
  // UserSetChangeTime of [MS-FSA] 2.1.1.6 "Per Open".
  kKept,
  // Moves with all that [MS-FSA] 2.1.4.17 says it moves with, also where the file system would not
  // move it: what an open has asked for that kept it before.
  kMoves,
};

struct alignas(4) TimeRules {
  TimeRule access = TimeRule::kSystem;
  TimeRule write = TimeRule::kSystem;
  TimeRule change = TimeRule::kSystem;

  bool any() const {
    return access != TimeRule::kSystem || write != TimeRule::kSystem || change != TimeRule::kSystem;
  }
  friend bool operator==(const TimeRules&, const TimeRules&) = default;
};

}  // namespace braid::vfs
