// [MS-SMB2] 3.3.5.21.2 "Handling SMB2_0_INFO_FILESYSTEM"; [MS-FSA] 2.1.5.16 "Server Requests
// Setting of File System Information".
#include "smb2/commands/set_info_parts.h"
#include "smb2/opens/quota_file.h"
#include "wire/fscc/fs_information.h"
#include "wire/fscc/info_class.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using Control = wire::FileFsControlInformation;

Result<std::optional<uint64_t>> default_limit(uint64_t given) {
  if (given == Control::kNoLimit) return std::optional<uint64_t>();
  if (given > INT64_MAX) return fail(NtStatus::kInvalidParameter);
  return std::optional<uint64_t>(given);
}

// [MS-FSA] 2.1.5.16.6. What is as it should be is left alone, so that a client can write back what
// it read where not everything can be set.
Result<void> set_control(Request& request, ByteView buffer) {
  if (!request.open->has_access(wire::Access::kFileWriteData) ||
      !may_manage_quotas(request.principal)) {
    return fail(NtStatus::kAccessDenied);
  }
  vfs::Quotas* quotas = request.tree_connect->share->volume->quotas();
  const auto state = quotas ? quotas->state() : vfs::QuotaState::kUnsupported;
  if (state == vfs::QuotaState::kUnsupported) return fail(NtStatus::kVolumeNotUpgraded);
  wire::Reader reader(buffer);
  BRAID_TRY(const auto control, Control::decode(reader));
  vfs::QuotaLimits limits;
  BRAID_TRY(limits.soft, default_limit(control.default_quota_threshold));
  BRAID_TRY(limits.hard, default_limit(control.default_quota_limit));

  // The first of these two flags wins when both are there.
  vfs::QuotaState wanted = vfs::QuotaState::kOff;
  if (control.file_system_control_flags & Control::kQuotaTrack) {
    wanted = vfs::QuotaState::kTracked;
  } else if (control.file_system_control_flags & Control::kQuotaEnforce) {
    wanted = vfs::QuotaState::kEnforced;
  }
  // Counting begins when a file system is mounted.
  const bool counts = state >= vfs::QuotaState::kTracked;
  if (counts != (wanted >= vfs::QuotaState::kTracked)) return fail(NtStatus::kNotSupported);
  if (!counts) return {};
  BRAID_TRY(const vfs::QuotaLimits before, quotas->default_limits());
  if (limits != before) BRAID_CHECK(quotas->set_default_limits(limits));
  if (wanted != state) BRAID_CHECK(quotas->set_enforced(wanted == vfs::QuotaState::kEnforced));
  return {};
}

}  // namespace

Result<void> set_filesystem_info(Request& request, const wire::SetInfoRequest& set) {
  const auto info_class = static_cast<wire::FsInfoClass>(set.file_info_class);
  const auto minimum = wire::minimum_set_length(info_class);
  if (!minimum) return fail(NtStatus::kInvalidInfoClass);
  if (info_class != wire::FsInfoClass::kControl) {
    // Labels and object ids are the administrator's, who has the file system's own tools.
    return fail(NtStatus::kAccessDenied);
  }
  if (set.buffer.size() < *minimum) return fail(NtStatus::kInfoLengthMismatch);
  return set_control(request, set.buffer);
}

}  // namespace braid::smb2
