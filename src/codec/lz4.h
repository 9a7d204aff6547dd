// LZ4 blocks, by liblz4.
#pragma once

#include <cstddef>
#include <optional>

#include "base/bytes.h"

namespace braid::codec {

// As in codec.h. REQUIRES: sizes up to kSizeMax.
std::optional<size_t> compress_lz4(ByteView in, MutableByteView out);
bool decompress_lz4(ByteView in, MutableByteView out);

}  // namespace braid::codec
