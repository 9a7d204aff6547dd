// Any bytes as compressed data, into room of a size that the input says: what is written ends where
// the room does, and it is what the plain decoder makes of them.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "codec/codec.h"
#include "codec/guarded_room_testing.h"
#include "codec/naive_decoders_testing.h"

using namespace braid;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kRoom = 1u << 18;
  static codec::GuardedRoom in_room(1u << 20);
  static codec::GuardedRoom out_room(kRoom);
  if (size < 4 || size > 1u << 20) return 0;
  const auto algorithm = codec::kAlgorithms[data[0] % std::size(codec::kAlgorithms)];
  const size_t wanted = (data[1] | data[2] << 8 | data[3] << 16) % (kRoom + 1);
  const ByteView in = in_room.copy_of({data + 4, size - 4});
  const MutableByteView out = out_room.room(wanted);
  const bool is_done = codec::decompress(algorithm, in, out);
  const auto expected = codec::naive::decompress(algorithm, in, wanted);
  // liblz4 takes no block whose last sequences are shorter than the format says.
  if (algorithm == codec::Algorithm::kLz4 ? is_done && !expected
                                          : is_done != expected.has_value()) {
    abort();
  }
  if (is_done && !std::ranges::equal(out, *expected)) abort();
  return 0;
}
