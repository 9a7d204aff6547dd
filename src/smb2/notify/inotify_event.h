// What the kernel writes about inotify events.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/bytes.h"

namespace braid::smb2 {

struct InotifyEvent {
  int watch = 0;          // descriptor
  uint32_t mask = 0;      // IN_*
  uint32_t cookie = 0;    // joins the two halves of a rename
  std::string_view name;  // into the buffer; "" for the directory itself
};

// The events of one read(), each in turn. What the kernel wrote is trusted to be well formed; a
// length that is not ends them.
void for_each_inotify_event(ByteView events, const std::function<void(const InotifyEvent&)>& take);

}  // namespace braid::smb2
