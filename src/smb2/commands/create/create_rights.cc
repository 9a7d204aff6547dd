#include "smb2/commands/create/create_rights.h"

#include "smb2/files/access_check.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {

using wire::Access;
using wire::CreateDisposition;
using wire::CreateOptions;

bool overwrites(CreateDisposition disposition) {
  return disposition == CreateDisposition::kSupersede ||
         disposition == CreateDisposition::kOverwrite ||
         disposition == CreateDisposition::kOverwriteIf;
}
bool makes_new(CreateDisposition disposition) {
  return disposition != CreateDisposition::kOpen && disposition != CreateDisposition::kOverwrite;
}

Result<uint32_t> grant(const CreateAttempt& attempt, uint32_t maximal, uint32_t by_name,
                       uint32_t also_needed) {
  const uint32_t desired = map_generic(attempt.create.desired_access);
  uint32_t wanted = desired & ~Access::kMaximumAllowed;
  const uint32_t refused = (wanted | also_needed) & ~(maximal | by_name);
  if (refused == Access::kAccessSystemSecurity) return fail(NtStatus::kPrivilegeNotHeld);
  if (refused) return fail(NtStatus::kAccessDenied);
  if (desired & Access::kMaximumAllowed) wanted |= maximal;
  if (attempt.has_option(CreateOptions::kDeleteOnClose) && !(wanted & Access::kDelete)) {
    return fail(NtStatus::kAccessDenied);
  }
  return wanted;
}

Result<uint32_t> needed_to_overwrite(const CreateAttempt& attempt, const vfs::Attributes& file) {
  const CreateDisposition disposition = attempt.create.create_disposition;
  if (!overwrites(disposition)) return 0;
  uint32_t needed =
      disposition == CreateDisposition::kSupersede ? Access::kDelete : Access::kFileWriteData;
  if (attempt.state.name.stream.empty()) {
    uint32_t kept = file.dos_attributes & (vfs::dos::kHidden | vfs::dos::kSystem);
    if (file.hidden_by_name) kept &= ~vfs::dos::kHidden;
    if (kept & ~attempt.create.file_attributes) return fail(NtStatus::kAccessDenied);
    needed |= Access::kFileWriteEa | Access::kFileWriteAttributes;
  }
  if (file.dos_attributes & vfs::dos::kReadonly) return fail(NtStatus::kAccessDenied);
  return needed;
}

Result<void> check_delete_on_close(const CreateAttempt& attempt, const vfs::Attributes& file,
                                   vfs::File& opened) {
  if (!attempt.has_option(CreateOptions::kDeleteOnClose)) return {};
  if (file.dos_attributes & vfs::dos::kReadonly) return fail(NtStatus::kCannotDelete);
  BRAID_TRY(const bool is_read_only, opened.is_read_only());
  if (is_read_only) return fail(NtStatus::kCannotDelete);
  return {};
}

uint32_t asked_for(const CreateAttempt& attempt, uint32_t also_needed) {
  uint32_t asked = map_generic(attempt.create.desired_access) | also_needed;
  if (attempt.create.contexts.query_maximal_access) asked |= Access::kMaximumAllowed;
  return asked;
}

}  // namespace braid::smb2
