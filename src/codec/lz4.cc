#include "codec/lz4.h"

#include <lz4.h>

#include "codec/byte_room.h"

namespace braid::codec {
namespace {

constexpr uint8_t kLongLength = 15;
constexpr size_t kShortestMatch = 4;

// What follows a length of 15 in a token.
void skip_long_length(ByteSource& in, size_t& length) {
  if (length < kLongLength) return;
  for (uint8_t more = 255; more == 255 && in.ok();) length += more = in.u8();
}

// liblz4 takes a distance of 0, and leaves in `out` what was there before: somebody else's data.
// This stops where the block has made more than `size_max`, which liblz4 refuses.
bool has_distance_0(ByteView block, size_t size_max) {
  ByteSource in(block);
  size_t size = 0;
  while (in.ok() && size <= size_max) {
    const uint8_t token = in.u8();
    size_t literals = token >> 4;
    skip_long_length(in, literals);
    in.bytes(literals);
    size += literals;
    if (in.remaining() == 0) return false;
    if (in.u16() == 0 && in.ok()) return true;
    size_t match = token & 15;
    skip_long_length(in, match);
    size += match + kShortestMatch;
  }
  return false;
}

const char* chars(ByteView bytes) { return reinterpret_cast<const char*>(bytes.data()); }
char* chars(MutableByteView bytes) { return reinterpret_cast<char*>(bytes.data()); }

}  // namespace

std::optional<size_t> compress_lz4(ByteView in, MutableByteView out) {
  const int size = LZ4_compress_default(chars(in), chars(out), static_cast<int>(in.size()),
                                        static_cast<int>(out.size()));
  if (size <= 0) return std::nullopt;
  return static_cast<size_t>(size);
}

bool decompress_lz4(ByteView in, MutableByteView out) {
  if (has_distance_0(in, out.size())) return false;
  const int size = LZ4_decompress_safe(chars(in), chars(out), static_cast<int>(in.size()),
                                       static_cast<int>(out.size()));
  return size >= 0 && static_cast<size_t>(size) == out.size();
}

}  // namespace braid::codec
