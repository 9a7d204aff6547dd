// What the process before this one hands over: damaged, it must cost an open and nothing more.
#include "smb2/persistent/handed_open.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid::smb2;
  const auto handed = decode_handed_open({data, size});
  if (!handed) return 0;
  // What was read can be written, and is the same when it is read again.
  const braid::Bytes again = encode(*handed);
  const auto same = decode_handed_open(again);
  if (!same || encode(*same) != again) std::abort();
  return 0;
}
