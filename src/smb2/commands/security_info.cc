// [MS-SMB2] 3.3.5.20.3 and 3.3.5.21.3 "Handling SMB2_0_INFO_SECURITY".
#include "smb2/commands/query_info_parts.h"
#include "smb2/commands/set_info_parts.h"

namespace braid::smb2 {

Result<QueryAnswer> query_security_info(Request&, const wire::QueryInfoRequest&) {
  return fail(NtStatus::kNotSupported);
}

Task<Result<void>> set_security_info(Request&, const wire::SetInfoRequest&) {
  co_return fail(NtStatus::kNotSupported);
}

}  // namespace braid::smb2
