// Records of the handle log: a volume may have been written by anybody.
#include <algorithm>
#include <cstdlib>

#include "smb2/persistent/persistent_open.h"

namespace braid::smb2 {
namespace {

void check_open(ByteView bytes) {
  const auto open = read_open_record(bytes);
  if (!open) return;
  // What was read can be written, and is the same when it is read again.
  const Bytes again = open_record_of(*open);
  const auto same = read_open_record(again);
  if (!same || open_record_of(*same) != again) std::abort();
  if (kind_of_record(open_record_key(open->file_id.persistent)) != RecordKind::kOpen) std::abort();
  if (open->state.lease && kind_of_record(lease_record_key(*open)) != RecordKind::kLease) {
    std::abort();
  }
}

void check_lease(ByteView bytes) {
  const auto lease = read_lease_record(bytes);
  if (!lease) return;
  const Bytes again = lease_record_of(*lease);
  if (!std::ranges::equal(again, bytes)) std::abort();
}

}  // namespace
}  // namespace braid::smb2

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid::smb2;
  check_open({data, size});
  check_lease({data, size});
  (void)kind_of_record({data, size});
  return 0;
}
