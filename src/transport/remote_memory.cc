#include "transport/remote_memory.h"

#include <algorithm>
#include <limits>

namespace braid::transport {

Result<BufferDescriptors> part_of(const BufferDescriptors& whole, uint64_t offset, uint64_t size) {
  BufferDescriptors part;
  for (auto piece : whole) {
    // Its last byte has an address.
    if (piece.length > 0 &&
        piece.offset > std::numeric_limits<uint64_t>::max() - (piece.length - 1)) {
      return fail(NtStatus::kInvalidParameter);
    }
    const uint64_t skip = std::min<uint64_t>(offset, piece.length);
    offset -= skip;
    const uint64_t some = std::min<uint64_t>(size, piece.length - skip);
    size -= some;
    if (some == 0) continue;
    part.push_back({.offset = piece.offset + skip,
                    .token = piece.token,
                    .length = static_cast<uint32_t>(some)});
  }
  if (size > 0) return fail(NtStatus::kInvalidParameter);
  return part;
}

}  // namespace braid::transport
