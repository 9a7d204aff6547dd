// Lists of create contexts of both directions.
#include <cstdlib>

#include "wire/smb2/aapl.h"
#include "wire/smb2/create_context.h"
#include "wire/smb2/round_trip_testing.h"

namespace {

using namespace braid;
using namespace braid::wire;

template <class T>
void check(ByteView list) {
  const auto once = reencode_payload_as<T>(list);
  if (once && reencode_payload_as<T>(*once) != once) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  check<CreateRequestContexts>({data, size});
  check<CreateResponseContexts>({data, size});
  // What is in one of them.
  check<AaplQuery>({data, size});
  check<AaplAnswer>({data, size});
  return 0;
}
