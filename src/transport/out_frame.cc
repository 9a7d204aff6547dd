#include "transport/out_frame.h"

#include <cstring>

namespace braid::transport {

Buffer flatten(const OutFrame& frame) {
  Buffer whole(frame.size());
  uint8_t* to = whole.data();
  const auto append = [&to](ByteView bytes) {
    if (bytes.empty()) return;
    std::memcpy(to, bytes.data(), bytes.size());
    to += bytes.size();
  };
  append(frame.head);
  for (const Part& part : frame.parts) append(view_of(part));
  return whole;
}

}  // namespace braid::transport
