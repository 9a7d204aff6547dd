// The input is a script: each byte picks the next value to read from what follows.
#include <cstdint>
#include <cstdlib>

#include "wire/ndr/ndr_reader.h"

using namespace braid;
using namespace braid::wire;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const size_t script = size < 16 ? size : 16;
  NdrReader r(ByteView(data + script, size - script));
  for (size_t i = 0; i < script && r.ok(); ++i) {
    switch (data[i] % 11) {
      case 0:
        r.u8();
        break;
      case 1:
        r.u16();
        break;
      case 2:
        r.u32();
        break;
      case 3:
        r.u64();
        break;
      case 4:
        (void)r.context_handle();
        break;
      case 5: {
        const uint32_t count = r.conformance(1000, 4);
        if (uint64_t{count} * 4 > r.remaining()) std::abort();
        break;
      }
      case 6:
        if (r.wide_string().size() > 3 * NdrReader::kStringUnitsMax) std::abort();
        break;
      case 7:
        (void)r.unique_wide_string();
        break;
      case 8: {
        const NdrUnicodeHeader header = r.unicode_header();
        (void)r.unicode_body(header);
        break;
      }
      case 9:
        (void)r.sid();
        break;
      default:
        (void)r.guid();
    }
  }
  return 0;
}
