// The FSCTLs, each in a file of its own or with its kin.
#pragma once

#include "base/bytes.h"
#include "runtime/task.h"
#include "smb2/request.h"
#include "wire/smb2/ioctl.h"

namespace braid::smb2 {

struct IoctlAnswer {
  Bytes output;
  NtStatus status = NtStatus::kSuccess;
};
// Starts on a thread of the worker pool, with request.open found where the FSCTL needs it.
using IoctlHandler = Task<Result<IoctlAnswer>> (*)(Request&, const wire::IoctlRequest&);

Task<Result<IoctlAnswer>> ioctl_validate_negotiate_info(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_pipe_transceive(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_pipe_peek(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_pipe_wait(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_dfs_get_referrals(Request&, const wire::IoctlRequest&);

}  // namespace braid::smb2
