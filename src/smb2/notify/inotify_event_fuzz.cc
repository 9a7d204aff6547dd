// Change events: the kernel's own, whose lengths are looked at all the same.
#include "smb2/notify/inotify_event.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid;
  const ByteView events(data, size);
  size_t total = 0;
  smb2::for_each_inotify_event(events, [&](const smb2::InotifyEvent& event) {
    total += 16 + event.name.size();
    if (event.name.find('\0') != event.name.npos) std::abort();
  });
  if (total > size) std::abort();
  return 0;
}
