// The SMB1 negotiate: what anyone may send as a first message.
#include "wire/smb2/smb1_negotiate.h"

#include <cstdlib>

#include "wire/smb2/round_trip_testing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid::wire;
  const auto once = reencode_payload_as<Smb1NegotiateRequest>({data, size});
  if (once && reencode_payload_as<Smb1NegotiateRequest>(*once) != once) std::abort();
  return 0;
}
