// LZ77+Huffman. [MS-XCA] 2.1 "LZ77+Huffman Compression Algorithm Details" and
// 2.2 "LZ77+Huffman Decompression Algorithm Details".
#pragma once

#include <cstddef>
#include <optional>

#include "base/bytes.h"

namespace braid::codec {

// As in codec.h. REQUIRES: sizes up to kSizeMax.
std::optional<size_t> compress_lz77_huffman(ByteView in, MutableByteView out);
bool decompress_lz77_huffman(ByteView in, MutableByteView out);

}  // namespace braid::codec
