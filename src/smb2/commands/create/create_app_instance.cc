// CREATE by an application that moved to another client. [MS-SMB2] 3.3.5.9.13 "Handling the
// SMB2_CREATE_APP_INSTANCE_ID and SMB2_CREATE_APP_INSTANCE_VERSION Create Contexts".
#include "smb2/access_check.h"
#include "smb2/close_open.h"
#include "smb2/commands/create/create.h"
#include "smb2/connection.h"
#include "smb2/durable.h"
#include "smb2/server.h"
#include "vfs/names.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using Match = OpenTable::AppInstanceOpen;

// Whether the request may not take the place of an open with this version. Before 3.1.1 there are
// no versions.
bool is_newer(const std::optional<wire::AppInstanceVersion>& open, const Request& request,
              const wire::CreateRequestContexts& contexts) {
  if (!open) return false;
  if (!contexts.app_instance_version) return true;
  return request.connection->negotiated.dialect == wire::Dialect::kSmb311 &&
         *open >= *contexts.app_instance_version;
}

std::optional<Match> find(const Request& request, const CreateState& state, const FileKey& file) {
  const Share& share = *request.tree_connect->share;
  for (Match& match :
       request.server.open_table.find_app_instance(*state.create.contexts.app_instance_id)) {
    if (match.client_guid == request.connection->negotiated.client_guid) continue;
    if (match.try_again) return std::move(match);
    if (!vfs::equal_folded(match.share, share.name)) continue;
    if (match.file_key.device != file.device || match.file_key.inode != file.inode) continue;
    if (vfs::equal_folded(match.stream_name, state.name.stream)) return std::move(match);
  }
  return std::nullopt;
}

}  // namespace

Task<Result<void>> end_other_instance(Request& request, const CreateState& state) {
  if (!state.create.contexts.app_instance_id) co_return Result<void>{};
  Server& server = request.server;
  const auto found =
      request.tree_connect->share->volume->lookup(request.credentials(), state.name.path);
  if (!found || found->outcome != vfs::Resolved::Outcome::kFound) co_return Result<void>{};
  for (;;) {
    auto match = find(request, state, found->attributes.key);
    if (!match) co_return Result<void>{};
    if (match->try_again) {
      co_await match->try_again->wait(server.pool());
      continue;
    }
    if (is_newer(match->version, request, state.create.contexts)) {
      co_return fail(NtStatus::kFileForcedClosed);
    }
    using wire::Access;
    BRAID_CO_TRY(const auto rights, rights_on(request, *found, Access::kMaximumAllowed));
    if ((rights.maximal & Access::kFileGenericRead) != Access::kFileGenericRead) {
      co_return Result<void>{};
    }
    if (match->open) {
      co_await close_open(server, std::move(match->open));
    } else if (auto claim = server.open_table.claim(match->persistent_id); claim.open) {
      co_await close_claimed(server, std::move(*claim.open));
    }
  }
}

}  // namespace braid::smb2
