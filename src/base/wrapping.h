// Numbers that start again at 0.
#pragma once

#include <cstdint>

namespace braid {

// On a circle of 16 bits, of which the larger half is behind: how [MS-SMB2] 3.3.5.2.10 compares.
constexpr bool is_behind(uint16_t number, uint16_t of) {
  return static_cast<uint16_t>(number - of) > 0x7FFF;
}

}  // namespace braid
