// CallToken: names a call that waits.
#pragma once

#include <compare>
#include <cstdint>

namespace braid::rpc {

struct CallToken {
  uint64_t association = 0;  // whose call it is
  uint64_t number = 0;       // within that; never used twice
  constexpr auto operator<=>(const CallToken&) const = default;
};

}  // namespace braid::rpc
