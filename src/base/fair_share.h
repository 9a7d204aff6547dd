// What one of many may take of something that there is so much of and no more.
#pragma once

#include <algorithm>
#include <cstddef>

namespace braid {

// Half of what the others have left of `limit`: who is alone gets half of it, and the next always
// finds something, however many came before.
constexpr size_t fair_share(size_t limit, size_t others_have) {
  return (limit - std::min(limit, others_have)) / 2;
}

}  // namespace braid
