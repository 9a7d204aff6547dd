// Runs of one byte. [MS-SMB2] 3.1.4.4.1 "Algorithm for Scanning Data Patterns V1".
#pragma once

#include <algorithm>
#include <cstddef>

#include "base/bytes.h"

namespace braid::codec {

// How many bytes at the beginning are the same as the first.
inline size_t leading_run(ByteView bytes) {
  if (bytes.empty()) return 0;
  return static_cast<size_t>(
      std::ranges::find_if(bytes, [first = bytes.front()](uint8_t b) { return b != first; }) -
      bytes.begin());
}

// How many bytes at the end are the same as the last.
inline size_t trailing_run(ByteView bytes) {
  size_t count = 0;
  while (count < bytes.size() && bytes[bytes.size() - 1 - count] == bytes.back()) ++count;
  return count;
}

}  // namespace braid::codec
