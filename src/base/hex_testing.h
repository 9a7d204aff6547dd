// Byte vectors as the specifications print them, for tests.
#pragma once

#include <string_view>

#include "base/bytes.h"

namespace braid {

// Whatever is no hexadecimal digit is skipped.
inline Bytes unhex(std::string_view text) {
  Bytes bytes;
  int high = -1;
  for (char c : text) {
    int digit;
    if (c >= '0' && c <= '9') {
      digit = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      digit = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = c - 'A' + 10;
    } else {
      continue;
    }
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<uint8_t>(high << 4 | digit));
      high = -1;
    }
  }
  return bytes;
}

}  // namespace braid
