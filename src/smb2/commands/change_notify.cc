// [MS-SMB2] 3.3.5.19 "Receiving an SMB2 CHANGE_NOTIFY Request".
#include "wire/smb2/change_notify.h"

#include "smb2/commands/commands.h"

namespace braid::smb2 {

Task<Result<Reply>> handle_change_notify(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_CHECK(wire::ChangeNotifyRequest::decode(reader));
  if (!request.open->attributes.is_directory) co_return fail(NtStatus::kInvalidParameter);
  // 3.3.5.19: what a server without change notification answers.
  co_return fail(NtStatus::kNotSupported);
}

}  // namespace braid::smb2
