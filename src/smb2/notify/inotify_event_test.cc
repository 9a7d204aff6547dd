#include "smb2/notify/inotify_event.h"

#include <gtest/gtest.h>
#include <sys/inotify.h>

#include <cstring>
#include <string>
#include <vector>

namespace braid::smb2 {
namespace {

// As the kernel pads names: with at least one NUL, to a multiple of the event's size.
void add(Bytes& out, int watch, uint32_t mask, std::string_view name, uint32_t padded) {
  const inotify_event event{.wd = watch, .mask = mask, .cookie = 7, .len = padded};
  const size_t at = out.size();
  out.resize(at + sizeof event + padded);
  std::memcpy(out.data() + at, &event, sizeof event);
  std::memcpy(out.data() + at + sizeof event, name.data(), name.size());
}

std::vector<std::string> names(ByteView events) {
  std::vector<std::string> names;
  for_each_inotify_event(events, [&](const InotifyEvent& event) {
    EXPECT_EQ(event.cookie, 7u);
    names.push_back(std::to_string(event.watch) + ":" + std::string(event.name));
  });
  return names;
}

TEST(InotifyEvent, NamesEndAtTheirPadding) {
  Bytes events;
  add(events, 1, IN_CREATE, "a", 16);
  add(events, 2, IN_DELETE_SELF, "", 0);
  add(events, 3, IN_MOVED_TO, "exactly15bytes.", 16);
  EXPECT_EQ(names(events), (std::vector<std::string>{"1:a", "2:", "3:exactly15bytes."}));
}

TEST(InotifyEvent, LengthBeyondTheEndEndsTheEvents) {
  Bytes events;
  add(events, 1, IN_CREATE, "a", 16);
  const size_t first = events.size();
  add(events, 2, IN_CREATE, "b", 16);
  for (size_t size = first; size < events.size(); ++size) {
    EXPECT_EQ(names(ByteView(events).first(size)), std::vector<std::string>{"1:a"}) << size;
  }
  const uint32_t huge = 0xffff'fff0;
  std::memcpy(events.data() + first + 12, &huge, sizeof huge);
  EXPECT_EQ(names(events), std::vector<std::string>{"1:a"});
}

}  // namespace
}  // namespace braid::smb2
