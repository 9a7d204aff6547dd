// The inputs of FSCTLs that a server decodes: the first byte chooses.
#include <cstdlib>

#include "wire/smb2/duplicate_extents.h"
#include "wire/smb2/file_ranges.h"
#include "wire/smb2/network_resiliency.h"
#include "wire/smb2/offload.h"
#include "wire/smb2/pipe_fsctl.h"
#include "wire/smb2/query_info.h"
#include "wire/smb2/round_trip_testing.h"
#include "wire/smb2/srv_copychunk.h"
#include "wire/smb2/validate_negotiate_info.h"

namespace {

using namespace braid;
using namespace braid::wire;

template <class T>
void check(ByteView payload) {
  const auto once = reencode_payload_as<T>(payload);
  if (once && reencode_payload_as<T>(*once) != once) std::abort();
}

// Both forms of what a quota query asks for.
void check_sids(ByteView payload) {
  Reader r(payload);
  const auto query = QueryQuotaInfo::decode(r);
  if (!query) return;
  if (const auto start = query->start_sid(); start && *start) {
    if ((*start)->encoded_size() != query->start_sid_length) std::abort();
  }
  if (const auto list = query->sid_list(); list && query->sid_list_length > 0) {
    if (list->empty() || list->size() > query->sid_list_length) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const ByteView payload(data + 1, size - 1);
  switch (data[0] % 11) {
    case 0:
      check<ValidateNegotiateInfoRequest>(payload);
      break;
    case 1:
      check<SrvCopychunkCopy>(payload);
      break;
    case 2:
      check<NetworkResiliencyRequest>(payload);
      break;
    case 3:
      check<PipeWaitRequest>(payload);
      break;
    case 4:
      check<DuplicateExtentsData>(payload);
      break;
    case 5:
      check<DuplicateExtentsDataEx>(payload);
      break;
    case 6:
      check<FileLevelTrim>(payload);
      break;
    case 7:
      check<QueryAllocatedRangesReply>(payload);
      break;
    case 8:
      check<QueryQuotaInfo>(payload);
      check_sids(payload);
      break;
    case 9:
      check<OffloadReadInput>(payload);
      break;
    case 10:
      check<OffloadWriteInput>(payload);
      break;
  }
  return 0;
}
