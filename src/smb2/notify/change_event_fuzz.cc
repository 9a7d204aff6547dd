// What workers tell each other of changes: what decodes stays the same when it is sent on.
#include "smb2/notify/change_event.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid;
  const auto event = smb2::ChangeEvent::decode(ByteView(data, size));
  if (!event) return 0;
  const auto again = smb2::ChangeEvent::decode(event->encode());
  if (!again || *again != *event) std::abort();
  return 0;
}
