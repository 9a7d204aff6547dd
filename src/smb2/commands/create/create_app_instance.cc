// CREATE by an application that moved to another client. [MS-SMB2] 3.3.5.9.13 "Handling the
// SMB2_CREATE_APP_INSTANCE_ID and SMB2_CREATE_APP_INSTANCE_VERSION Create Contexts".
#include "smb2/commands/create/create.h"
#include "smb2/connections/connection.h"
#include "smb2/files/access_check.h"
#include "smb2/files/app_instance.h"
#include "smb2/files/file_services.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {

Task<Result<void>> end_other_instance(Request& request, const CreateState& state) {
  const wire::CreateRequestContexts& contexts = state.create.contexts;
  if (!contexts.app_instance_id) co_return Result<void>{};
  FileServices& files = request.files;
  if (!files.app_instances->may_have(*contexts.app_instance_id)) co_return Result<void>{};
  const auto found =
      request.tree_connect->share->volume->find(request.credentials(), state.name.path);
  if (!found) co_return Result<void>{};
  using wire::Access;
  BRAID_CO_TRY(const auto rights, rights_on(request, *found, Access::kMaximumAllowed));
  const bool may_end = (rights.maximal & Access::kFileGenericRead) == Access::kFileGenericRead;
  const AppInstanceArrival arrival{
      .id = *contexts.app_instance_id,
      .version = contexts.app_instance_version,
      .compares_versions = request.connection->negotiated.dialect == wire::Dialect::kSmb311,
      .may_end = may_end,
      .client = request.connection->negotiated.client_guid,
      .share = request.tree_connect->share->name,
      .file = found->attributes.key,
      .stream = state.name.stream};
  BRAID_CO_TRY(const bool has_newer, co_await files.app_instances->end(arrival, request.seat));
  if (has_newer) co_return fail(NtStatus::kFileForcedClosed);
  co_return Result<void>{};
}

}  // namespace braid::smb2
