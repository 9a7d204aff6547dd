#include "smb2/notify/inotify_event.h"

#include <sys/inotify.h>

#include "wire/reader.h"

namespace braid::smb2 {

void for_each_inotify_event(ByteView events, const std::function<void(const InotifyEvent&)>& take) {
  wire::Reader r(events);
  while (r.remaining() >= sizeof(inotify_event)) {
    InotifyEvent event;
    event.watch = static_cast<int>(r.u32());
    event.mask = r.u32();
    event.cookie = r.u32();
    const uint32_t padded = r.u32();
    const std::string_view name = as_text(r.bytes(padded));
    if (!r.ok()) return;
    event.name = name.substr(0, name.find('\0'));
    take(event);
  }
}

}  // namespace braid::smb2
