// [MS-SMB2] 3.3.5.15.9 "Handling a Resiliency Request".
#include "smb2/commands/ioctl/ioctl.h"
#include "smb2/common/limits.h"
#include "smb2/connections/connection.h"
#include "smb2/files/file_services.h"
#include "wire/smb2/network_resiliency.h"

namespace braid::smb2 {

Task<Result<IoctlAnswer>> ioctl_request_resiliency(Request& request,
                                                   const wire::IoctlRequest& ioctl) {
  FileServices& files = request.files;
  const std::shared_ptr<Open>& open = request.open.get();
  if (request.connection->negotiated.dialect == wire::Dialect::kSmb202) {
    co_return fail(NtStatus::kInvalidDeviceRequest);
  }
  wire::Reader reader(ioctl.input);
  const auto asked = wire::NetworkResiliencyRequest::decode(reader);
  const std::chrono::milliseconds timeout{asked ? asked->timeout_ms : 0};
  if (!asked || timeout > kDurableTimeoutMax) co_return fail(NtStatus::kInvalidParameter);
  // There is nothing in a directory that could be taken up again where it was; and guests are all
  // the same user.
  if (open->attributes.is_directory || request.tree_connect->is_snapshot() ||
      !request.session->security()->has_session_key) {
    co_return fail(NtStatus::kInvalidDeviceRequest);
  }
  // What was promised already is more, and written down.
  if (open->durable_terms.lock()->durability == filestate::Durability::kPersistent) {
    co_return IoctlAnswer{};
  }
  const auto resilient = filestate::Durability::kResilient;
  if (!files.file_table.set_durability(open->ref(), resilient)) {
    co_return fail(NtStatus::kFileClosed);
  }
  *open->durable_terms.lock() = {.durability = resilient,
                                 .timeout = timeout.count() ? timeout : kResilientTimeoutDefault};
  if (!open->is_in_open_table) files.open_table.add(open);
  co_return IoctlAnswer{};
}

}  // namespace braid::smb2
