// What the process before this one hands over of its connections: damaged, nothing of it is taken.
#include <cstdlib>

#include "smb2/handover/live_state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid::smb2;
  const auto state = decode_live_state({data, size});
  if (!state) return 0;
  // What was read can be written, and is the same when it is read again.
  const braid::Bytes again = encode(*state);
  const auto same = decode_live_state(again);
  if (!same || encode(*same) != again) std::abort();
  return 0;
}
