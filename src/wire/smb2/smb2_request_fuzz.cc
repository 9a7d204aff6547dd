// Any request of any command: the header of the input chooses the decoder.
#include <cstdlib>

#include "wire/smb2/header.h"
#include "wire/smb2/round_trip_testing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid;
  using namespace braid::wire;
  const ByteView message(data, size);
  Reader r(message);
  const auto header = Header::decode(r);
  if (!header) return 0;
  const auto once = reencode_request(header->command, message);
  if (once && reencode_request(header->command, *once) != once) std::abort();
  return 0;
}
