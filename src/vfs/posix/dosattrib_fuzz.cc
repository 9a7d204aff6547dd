// Any bytes: decoding ends, and what it gives survives being written again.
#include <cstdlib>

#include "vfs/posix/dos_attrib.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using braid::vfs::DosAttrib;
  const auto decoded = DosAttrib::decode({data, size});
  if (!decoded) return 0;
  const auto again = DosAttrib::decode(decoded->encode());
  if (!again || again->attributes != decoded->attributes ||
      again->creation_time != decoded->creation_time) {
    std::abort();
  }
  return 0;
}
