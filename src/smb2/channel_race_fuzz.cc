// Two channels of one session, each on a thread: see channel_race_testing.h. The same input may
// take another course when it runs again.
#include "base/log.h"
#include "smb2/channel_race_testing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid;
  static const bool quiet = [] {
    log::set_level(log::Level::kError);
    return true;
  }();
  (void)quiet;
  smb2::ChannelRace().play(ByteView(data, size));
  return 0;
}
