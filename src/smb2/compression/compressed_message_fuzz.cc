// A compressed message as a client sends it. The first byte says what was negotiated.
#include <cstdint>
#include <cstdlib>

#include "codec/guarded_room_testing.h"
#include "smb2/compression/compressed_message.h"

using namespace braid;
using namespace braid::smb2;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kTransferMax = 1u << 18;
  constexpr size_t kMax = kTransferMax + (1u << 16);
  static codec::GuardedRoom message_room(kMax);
  static codec::GuardedRoom room(kMax);
  if (size < 1 || size > kMax) return 0;
  NegotiatedCompression negotiated;
  negotiated.compression_ids = data[0] & 0x3E;
  negotiated.supports_chained_compression = (data[0] & 1) != 0;
  const ByteView message = message_room.copy_of({data + 1, size - 1});
  const auto decoded = CompressedMessage::decode(message, negotiated, kTransferMax, kMax);
  if (!decoded) return 0;
  if (decoded->size() > kMax) abort();
  // Twice over different bytes: none of the room is left as it was.
  const MutableByteView out = room.room(decoded->size());
  std::memset(out.data(), 0x55, out.size());
  if (!decoded->decompress(out)) return 0;
  const Bytes first(out.begin(), out.end());
  std::memset(out.data(), 0xAA, out.size());
  if (!decoded->decompress(out)) abort();
  if (!std::equal(out.begin(), out.end(), first.begin())) abort();
  return 0;
}
