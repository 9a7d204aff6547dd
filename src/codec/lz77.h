// Plain LZ77. [MS-XCA] 2.3 "Plain LZ77 Compression Algorithm Details" and
// 2.4 "Plain LZ77 Decompression Algorithm Details".
#pragma once

#include <cstddef>
#include <optional>

#include "base/bytes.h"

namespace braid::codec {

// As in codec.h. REQUIRES: sizes up to kSizeMax.
std::optional<size_t> compress_lz77(ByteView in, MutableByteView out);
bool decompress_lz77(ByteView in, MutableByteView out);

}  // namespace braid::codec
