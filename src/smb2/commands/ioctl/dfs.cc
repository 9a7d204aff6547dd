// [MS-SMB2] 3.3.5.15.2 "Handling a DFS Referral Information Request".
#include "smb2/commands/ioctl/ioctl.h"

namespace braid::smb2 {

Task<Result<IoctlAnswer>> ioctl_dfs_get_referrals(Request&, const wire::IoctlRequest&) {
  // No share is in a DFS namespace, so there is no DFS service to ask.
  co_return fail(NtStatus::kFsDriverRequired);
}

}  // namespace braid::smb2
