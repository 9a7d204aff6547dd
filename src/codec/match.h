// What the compressors written here have in common: finding matches and copying them.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/bytes.h"

namespace braid::codec {

// [MS-XCA] knows no shorter one.
inline constexpr size_t kMatchMin = 3;

struct Match {
  size_t length = 0;  // 0: there is none
  size_t distance = 0;
};

// Copies `length` bytes from `distance` before `at`, which may be among those that it writes.
// REQUIRES: 1 <= distance <= at, length <= out.size() - at.
inline void copy_match(MutableByteView out, size_t at, size_t distance, size_t length) {
  uint8_t* to = out.data() + at;
  const uint8_t* from = to - distance;
  if (distance == 1) {
    std::memset(to, *from, length);
    return;
  }
  // What has been copied doubles what may be copied in one go.
  while (length > 0) {
    const size_t step = std::min(length, distance);
    std::memcpy(to, from, step);
    to += step;
    length -= step;
    distance += step;
  }
}

// How many bytes at `a` and `b`, a before b, are the same, up to `limit` bytes.
inline size_t common_length(const uint8_t* a, const uint8_t* b, size_t limit) {
  size_t length = 0;
  while (limit - length >= 8) {
    uint64_t x;
    uint64_t y;
    std::memcpy(&x, a + length, 8);
    std::memcpy(&y, b + length, 8);
    if (x != y) return length + static_cast<size_t>(std::countr_zero(x ^ y)) / 8;
    length += 8;
  }
  while (length < limit && a[length] == b[length]) ++length;
  return length;
}

// Positions of `in` by what stands there, the last ones first. [MS-XCA] 2.1.4.1 "LZ77 Phase".
class MatchFinder {
 public:
  // `window`: the largest distance, a power of two. `tries`: how many positions it looks at.
  MatchFinder(ByteView in, size_t window, size_t tries)
      : in_(in),
        window_(window),
        tries_(tries),
        shift_(32 - std::clamp<int>(std::bit_width(in.size()), 8, 15)),
        last_(size_t{1} << (32 - shift_)),
        previous_(std::min(window, std::bit_ceil(in.size() + 1))) {}

  // The longest match for what is at `at`, within `end`, and not before `begin`; takes note of
  // `at`. REQUIRES: positions that ascend.
  Match find(size_t at, size_t begin, size_t end) {
    if (end - at < kMatchMin) return {};
    Match best;
    size_t candidate = note(at);
    for (size_t i = 0; i < tries_ && candidate > begin; ++i) {
      const size_t from = candidate - 1;
      if (at - from > distance_max()) break;
      if (best.length == 0 || in_[from + best.length] == in_[at + best.length]) {
        const size_t length = common_length(&in_[from], &in_[at], end - at);
        if (length > best.length) best = {length, at - from};
        if (at + length == end) break;
      }
      const size_t next = previous_[from & (previous_.size() - 1)];
      if (next >= candidate) break;  // its place was taken by a later one
      candidate = next;
    }
    return best.length < kMatchMin ? Match{} : best;
  }

  // Takes note of what is between: of the last of them only in a long match.
  void skip(size_t from, size_t to) {
    if (to - from > kNotedMax) from = to - kNotedMax;
    for (; from < to && in_.size() - from >= kMatchMin; ++from) note(from);
  }

 private:
  static constexpr size_t kNotedMax = 32;

  // The full 64 KiB has no code in LZ77+Huffman.
  size_t distance_max() const { return std::min<size_t>(window_, 65535); }
  // Both tables hold positions with 1 added; 0 is none.
  size_t note(size_t at) {
    const uint32_t bytes = in_[at] | uint32_t{in_[at + 1]} << 8 | uint32_t{in_[at + 2]} << 16;
    uint32_t& slot = last_[(bytes * 2654435761u) >> shift_];
    const size_t before = slot;
    previous_[at & (previous_.size() - 1)] = slot;
    slot = static_cast<uint32_t>(at + 1);
    return before;
  }

  const ByteView in_;
  const size_t window_;
  const size_t tries_;
  const int shift_;
  std::vector<uint32_t> last_;
  std::vector<uint32_t> previous_;
};

// How far to go on after so many positions in a row without a match: what has few is gone over
// quickly.
inline size_t stride_after(size_t misses) { return 1 + (misses >> 6); }

}  // namespace braid::codec
