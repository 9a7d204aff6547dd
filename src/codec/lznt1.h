// LZNT1. [MS-XCA] 2.5 "LZNT1 Algorithm Details".
#pragma once

#include <cstddef>
#include <optional>

#include "base/bytes.h"

namespace braid::codec {

// As in codec.h. REQUIRES: sizes up to kSizeMax.
std::optional<size_t> compress_lznt1(ByteView in, MutableByteView out);
bool decompress_lznt1(ByteView in, MutableByteView out);

}  // namespace braid::codec
