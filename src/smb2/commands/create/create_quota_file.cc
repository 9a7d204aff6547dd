// The quotas of the volume, opened as a file: smb2/opens/quota_file.h. [MS-FSA] 2.1.5.1 "Server
// Requests an Open of a File", phase 7.
#include "smb2/commands/create/create_attempt.h"
#include "smb2/opens/quota_file.h"

namespace braid::smb2 {

using wire::CreateDisposition;

Result<void> name_quota_file(CreateState& state) {
  wire::CreateRequestContexts& contexts = state.create.contexts;
  if (contexts.timewarp_token) return fail(NtStatus::kObjectNameNotFound);
  state.is_quota_file = true;
  for (const std::string_view part : {"$Extend", "$Quota:$Q:$INDEX_ALLOCATION"}) {
    BRAID_CHECK(state.name.path.append(part));
  }
  // It is neither cached nor kept beyond its connection.
  state.create.requested_oplock_level = wire::OplockLevel::kNone;
  contexts.request_lease.reset();
  contexts.durable_handle_request = {};
  contexts.durable_handle_request_v2.reset();
  contexts.app_instance_id.reset();
  contexts.app_instance_version.reset();
  return {};
}

CreateOutcome open_quota_file(const CreateAttempt& attempt) {
  vfs::Quotas* quotas = attempt.volume.quotas();
  if (!quotas || quotas->state() == vfs::QuotaState::kUnsupported) {
    return Error(NtStatus::kObjectPathNotFound);
  }
  if (attempt.has_option(wire::CreateOptions::kDirectoryFile)) {
    return Error(NtStatus::kNotADirectory);
  }
  switch (attempt.create.create_disposition) {
    case CreateDisposition::kOpen:
    case CreateDisposition::kOpenIf:
      break;
    case CreateDisposition::kCreate:
      return Error(NtStatus::kObjectNameCollision);
    default:
      return Error(NtStatus::kAccessDenied);
  }
  OpenedFile opened;
  opened.maximal_access = QuotaFile::kMaximalAccess & attempt.request.tree_connect->maximal_access;
  uint32_t wanted = map_generic(attempt.create.desired_access);
  if (wanted & wire::Access::kMaximumAllowed) {
    wanted = (wanted & ~wire::Access::kMaximumAllowed) | opened.maximal_access;
  }
  // There is no DELETE among them.
  if (wanted & ~opened.maximal_access) return Error(NtStatus::kAccessDenied);
  if (attempt.has_option(wire::CreateOptions::kDeleteOnClose)) {
    return Error(NtStatus::kAccessDenied);
  }
  opened.granted_access = wanted;
  auto file = std::make_unique<QuotaFile>(attempt.volume.features());
  opened.key = file->key();
  opened.attributes = file->stat().value();
  opened.file = std::move(file);
  opened.path = attempt.state.name.path;
  return finish_open(attempt, std::move(opened));
}

}  // namespace braid::smb2
