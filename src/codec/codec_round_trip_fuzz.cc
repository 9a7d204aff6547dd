// Whatever is compressed fits the room, and both decoders make the same of it again.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "codec/codec.h"
#include "codec/guarded_room_testing.h"
#include "codec/naive_decoders_testing.h"

using namespace braid;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kRoom = 1u << 19;
  static codec::GuardedRoom in_room(kRoom);
  static codec::GuardedRoom out_room(2 * kRoom);
  static codec::GuardedRoom back_room(kRoom);
  if (size < 4 || size > kRoom) return 0;
  const auto algorithm = codec::kAlgorithms[data[0] % std::size(codec::kAlgorithms)];
  const size_t repeated = 1 + data[1] * size_t{16};
  const size_t room = data[2] * size_t{2048};
  const ByteView piece(data + 3, size - 3);
  Bytes text;
  for (size_t i = 0; i < repeated && text.size() + piece.size() <= kRoom; ++i) {
    text.insert(text.end(), piece.begin(), piece.end());
  }
  const ByteView in = in_room.copy_of(text);
  const MutableByteView out = out_room.room(room == 0 ? in.size() + in.size() / 8 + 600 : room);
  const auto written = codec::compress(algorithm, in, out);
  if (!written) {
    if (room == 0) abort();
    return 0;
  }
  const MutableByteView back = back_room.room(in.size());
  if (!codec::decompress(algorithm, out.first(*written), back)) abort();
  if (!std::ranges::equal(in, back)) abort();
  const auto plain = codec::naive::decompress(algorithm, out.first(*written), in.size());
  if (!plain || !std::ranges::equal(in, *plain)) abort();
  return 0;
}
