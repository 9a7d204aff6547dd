// What SMB2 messages are compressed with, as pure functions of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace braid::codec {

enum class Algorithm : uint8_t { kLznt1, kLz77, kLz77Huffman, kLz4 };
inline constexpr Algorithm kAlgorithms[] = {Algorithm::kLznt1, Algorithm::kLz77,
                                            Algorithm::kLz77Huffman, Algorithm::kLz4};

// The largest input and output: what is larger is not compressed and does not decompress.
inline constexpr size_t kSizeMax = size_t{1} << 30;

// How many bytes of `out` were written. Nothing when it would be more than there is room for: with
// less room than `in` has bytes, that is when it does not become smaller. They do not overlap.
// Thread: any.
std::optional<size_t> compress(Algorithm algorithm, ByteView in, MutableByteView out);

// Whether `in` is the compressed form of as many bytes as `out` has room for. If not, what is in
// `out` means nothing. Takes time in proportion to the sizes of both, whatever is in `in`, and
// writes nowhere else. They do not overlap. Thread: any.
bool decompress(Algorithm algorithm, ByteView in, MutableByteView out);

}  // namespace braid::codec
