// [MS-SMB2] 3.3.5.21 "Receiving an SMB2 SET_INFO Request".
#include "wire/smb2/set_info.h"

#include "smb2/commands/commands.h"
#include "smb2/commands/info_rows.h"
#include "smb2/connections/connection.h"
#include "smb2/opens/sync.h"

namespace braid::smb2 {
namespace {

Result<const InfoRow*> row_to_set(const Request& request, const wire::SetInfoRequest& set) {
  if (request.open->is_pipe()) return fail(NtStatus::kInvalidDeviceRequest);
  switch (set.info_type) {
    case wire::InfoType::kFile:
      return find_file_info(set.file_info_class);
    case wire::InfoType::kFilesystem:
      return find_filesystem_info(set.file_info_class);
    case wire::InfoType::kSecurity:
      return security_info();
    case wire::InfoType::kQuota:
      return quota_info();
  }
  return fail(NtStatus::kInvalidParameter);
}

// All that a row decides before its handler runs, and after, for every class.
Task<Result<void>> apply_row(Request& request, const wire::SetInfoRequest& set) {
  BRAID_CO_TRY(const InfoRow* const row, row_to_set(request, set));
  if (!row || !row->set.is_known) co_return fail(NtStatus::kInvalidInfoClass);
  if (set.buffer.size() < row->set.length) co_return fail(NtStatus::kInfoLengthMismatch);
  if (!row->set.rights.are_granted(*request.open, set.additional_information)) {
    co_return fail(NtStatus::kAccessDenied);
  }
  BRAID_CO_CHECK(request.check_may_change(row->set.changes));
  BRAID_CO_CHECK(co_await row->set.apply(request, set));
  if (row->set.changes == Changes::kFile) {
    BRAID_CO_CHECK(write_through(*request.open, vfs::Durability::kDataAndMetadata));
  }
  co_return Result<void>{};
}

}  // namespace

Task<Result<Reply>> handle_set_info(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_TRY(const auto set, wire::SetInfoRequest::decode(reader));
  if (set.buffer.empty() || set.buffer.size() > request.connection->negotiated.max_transact_size) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  BRAID_CO_CHECK(request.check_credit_charge(set.buffer.size(), 0));
  BRAID_CO_CHECK(co_await apply_row(request, set));
  co_return reply_with(wire::SetInfoResponse{});
}

}  // namespace braid::smb2
