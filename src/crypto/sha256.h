// SHA-256, for values that other programs compute alike.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace braid::crypto {

using Digest32 = std::array<uint8_t, 32>;

Digest32 sha256(ByteView data);

}  // namespace braid::crypto
