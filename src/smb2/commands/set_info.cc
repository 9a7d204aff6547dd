// [MS-SMB2] 3.3.5.21 "Receiving an SMB2 SET_INFO Request".
#include "wire/smb2/set_info.h"

#include "smb2/commands/commands.h"
#include "smb2/commands/set_info_parts.h"
#include "smb2/commands/set_info_rules.h"
#include "smb2/connections/connection.h"
#include "smb2/opens/sync.h"
#include "wire/smb2/query_info.h"

namespace braid::smb2 {
namespace {

constexpr auto kAll = vfs::Durability::kDataAndMetadata;

bool changes_file(const wire::SetInfoRequest& set) {
  const auto rule = set_info_rule(static_cast<wire::FileInfoClass>(set.file_info_class));
  return rule && rule->changes_file;
}

}  // namespace

Task<Result<Reply>> handle_set_info(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_TRY(const auto set, wire::SetInfoRequest::decode(reader));
  if (set.buffer.size() > request.connection->negotiated.max_transact_size) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  BRAID_CO_CHECK(request.check_credit_charge(set.buffer.size(), 0));
  Result<void> done = fail(NtStatus::kInvalidParameter);
  if (request.open->is_pipe()) {
    done = fail(NtStatus::kInvalidDeviceRequest);
  } else {
    switch (set.info_type) {
      case wire::InfoType::kFile:
        done = co_await set_file_info(request, set);
        if (done && changes_file(set)) done = write_through(*request.open, kAll);
        break;
      case wire::InfoType::kFilesystem:
        done = set_filesystem_info(request, set);
        break;
      case wire::InfoType::kSecurity:
        done = co_await set_security_info(request, set);
        if (done) done = write_through(*request.open, kAll);
        break;
      case wire::InfoType::kQuota:
        done = set_quota_info(request, set);
        break;
    }
  }
  if (!done) co_return std::unexpected(done.error());
  co_return reply_with(wire::SetInfoResponse{});
}

}  // namespace braid::smb2
