#include "smb2/commands/create/create.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::CreateDisposition;
using wire::CreateOptions;

// Bits that no right, generic or not, stands on. [MS-SMB2] 2.2.13.1.
constexpr uint32_t kUndefinedAccess = 0x0CE0FE00;
// Options that only mean something to a local caller or are reserved. [MS-SMB2] 2.2.13.
constexpr uint32_t kOptionsInvalid = 0xFF000000;
constexpr uint32_t kOptionsUnsupported = 0x00000080 /* FILE_CREATE_TREE_CONNECTION */ |
                                         CreateOptions::kOpenByFileId |
                                         CreateOptions::kReserveOpfilter;
// [MS-FSCC] 2.6: what may be set at creation, and what is ignored there.
constexpr uint32_t kAttributesInvalid = 0xFFFF8048;

}  // namespace

// [MS-SMB2] 3.3.5.9.6, .7, .10 and .12. A DHnQ beside a DHnC is ignored.
Result<void> check_contexts(const wire::CreateRequestContexts& contexts) {
  const bool v1 = contexts.durable_handle_request || contexts.durable_handle_reconnect;
  if (contexts.durable_handle_request_v2 && (v1 || contexts.durable_handle_reconnect_v2)) {
    return fail(NtStatus::kInvalidParameter);
  }
  if (contexts.durable_handle_reconnect_v2 && v1) return fail(NtStatus::kInvalidParameter);
  return {};
}

Result<void> check_create(const Request& request, const wire::CreateRequest& create) {
  if (create.impersonation_level > wire::ImpersonationLevel::kDelegate) {
    return fail(NtStatus::kBadImpersonationLevel);
  }
  if (create.create_disposition > CreateDisposition::kOverwriteIf) {
    return fail(NtStatus::kInvalidParameter);
  }
  if (create.share_access & ~wire::ShareAccess::kAll) return fail(NtStatus::kInvalidParameter);
  if ((create.desired_access & kUndefinedAccess) || create.desired_access == 0) {
    return fail(NtStatus::kAccessDenied);
  }
  if (create.create_options & kOptionsInvalid) return fail(NtStatus::kInvalidParameter);
  if (create.create_options & kOptionsUnsupported) return fail(NtStatus::kNotSupported);
  if (create.file_attributes & kAttributesInvalid) return fail(NtStatus::kInvalidParameter);
  const bool directory = (create.create_options & CreateOptions::kDirectoryFile) != 0;
  if (directory) {
    if (create.create_options & CreateOptions::kNonDirectoryFile) {
      return fail(NtStatus::kInvalidParameter);
    }
    if (create.create_disposition == CreateDisposition::kSupersede ||
        create.create_disposition == CreateDisposition::kOverwrite ||
        create.create_disposition == CreateDisposition::kOverwriteIf) {
      return fail(NtStatus::kInvalidParameter);
    }
  }
  if (create.create_options & CreateOptions::kDeleteOnClose) {
    const uint32_t access = map_generic(create.desired_access);
    if (!(access & (Access::kDelete | Access::kMaximumAllowed))) {
      return fail(NtStatus::kInvalidParameter);
    }
  }
  (void)request;
  return {};
}

}  // namespace braid::smb2
