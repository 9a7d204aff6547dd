// [MS-SMB2] 3.3.5.15.1 "Handling an Enumeration of Previous Versions Request".
#include "smb2/commands/ioctl/ioctl.h"
#include "wire/smb2/srv_snapshot_array.h"

namespace braid::smb2 {

Task<Result<IoctlAnswer>> ioctl_enumerate_snapshots(Request&, const wire::IoctlRequest& ioctl) {
  if (ioctl.max_output_response < wire::SrvSnapshotArray::kHeadSize) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  // No share has any.
  IoctlAnswer answer;
  wire::Writer writer(answer.output);
  wire::SrvSnapshotArray{}.encode(writer);
  co_return answer;
}

}  // namespace braid::smb2
