// [MS-SMB2] 3.3.5.15.1 "Handling an Enumeration of Previous Versions Request".
#include <algorithm>

#include "smb2/shares/snapshots.h"

#include "smb2/commands/ioctl/ioctl.h"
#include "wire/smb2/srv_snapshot_array.h"

namespace braid::smb2 {
namespace {

// What a client must have room for; and clients take no answer that is shorter, so that one without
// a token has NULs behind its head.
constexpr size_t kAnswerMin = 16;

}  // namespace

Task<Result<IoctlAnswer>> ioctl_enumerate_snapshots(Request& request,
                                                    const wire::IoctlRequest& ioctl) {
  if (ioctl.max_output_response < kAnswerMin) co_return fail(NtStatus::kInvalidParameter);
  wire::SrvSnapshotArray array;
  if (const auto& snapshots = request.tree_connect->share->snapshots) {
    BRAID_CO_TRY(array.snapshots, snapshots->list());
  }
  array.number_of_snapshots = static_cast<uint32_t>(array.snapshots.size());
  array.snapshot_array_size = wire::SrvSnapshotArray::array_size_for(array.number_of_snapshots);
  // All or none: a client first asks how much room they need.
  if (ioctl.max_output_response < wire::SrvSnapshotArray::kHeadSize + array.snapshot_array_size) {
    array.snapshots.clear();
  }
  IoctlAnswer answer;
  wire::Writer writer(answer.output);
  array.encode(writer);
  answer.output.resize(std::max(answer.output.size(), kAnswerMin));
  co_return answer;
}

}  // namespace braid::smb2
