#include "vfs/copy.h"

#include <algorithm>

namespace braid::vfs {
namespace {

constexpr uint64_t kPieceMax = 1 << 20;  // enough to make the system calls cheap

}  // namespace

Progress copy_through_memory(File& source, uint64_t source_offset, File& target, uint64_t offset,
                             uint64_t length) {
  BRAID_TRY(const Attributes attributes, source.stat());
  if (source_offset >= attributes.size) return 0;
  length = std::min(length, attributes.size - source_offset);
  // From the back when the target begins inside the source: what is read was not yet overwritten.
  const bool backwards =
      source.key() == target.key() && offset > source_offset && offset - source_offset < length;
  Buffer buffer(std::min(length, kPieceMax));
  const auto at_the_front = [&](uint64_t done) { return backwards ? 0 : done; };
  for (uint64_t done = 0; done < length;) {
    const uint64_t piece = std::min(length - done, kPieceMax);
    const uint64_t at = backwards ? length - done - piece : done;
    const auto got = source.read(source_offset + at, buffer.view().first(piece));
    if (!got) return {at_the_front(done), got.error()};
    if (*got == 0) return at_the_front(done);
    const Progress put = target.write(offset + at, buffer.view().first(*got));
    done += put.done();
    if (!put) return {at_the_front(done), put.error()};
    if (*got < piece) return at_the_front(done);
  }
  return length;
}

}  // namespace braid::vfs
