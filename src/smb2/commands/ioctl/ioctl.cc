// [MS-SMB2] 3.3.5.15 "Receiving an SMB2 IOCTL Request".
#include "wire/smb2/ioctl.h"

#include "smb2/commands/commands.h"
#include "smb2/commands/ioctl/ioctl.h"
#include "smb2/compound.h"
#include "smb2/connection.h"
#include "smb2/error_status.h"

namespace braid::smb2 {
namespace {

using wire::Fsctl;

struct Row {
  Fsctl code;
  bool needs_open;
  IoctlHandler handler;
};

constexpr Row kRows[] = {
    {Fsctl::kValidateNegotiateInfo, false, ioctl_validate_negotiate_info},
    {Fsctl::kPipeTransceive, true, ioctl_pipe_transceive},
    {Fsctl::kPipePeek, true, ioctl_pipe_peek},
    {Fsctl::kPipeWait, false, ioctl_pipe_wait},
    {Fsctl::kDfsGetReferrals, false, ioctl_dfs_get_referrals},
    {Fsctl::kDfsGetReferralsEx, false, ioctl_dfs_get_referrals},
};

const Row* find_row(Fsctl code) {
  for (const Row& row : kRows) {
    if (row.code == code) return &row;
  }
  return nullptr;
}

// Like the gate of dispatch.cc, for those FSCTLs that name a file.
Result<void> find_open(Request& request, const wire::IoctlRequest& ioctl) {
  FileId id = ioctl.file_id;
  if (request.header.is_related()) {
    if (request.compound.create_error != NtStatus::kSuccess) {
      return fail(request.compound.create_error);
    }
    if (!request.compound.file_id) return fail(NtStatus::kInvalidHandle);
    id = *request.compound.file_id;
  }
  auto open = request.session->find_open(id);
  if (!open || open->tree_connect != request.tree_connect) return fail(NtStatus::kFileClosed);
  request.open = Open::use(open);
  if (!request.open) return fail(NtStatus::kFileClosed);
  request.compound.file_id = id;
  return {};
}

}  // namespace

Task<Result<Reply>> handle_ioctl(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_TRY(const auto ioctl, wire::IoctlRequest::decode(reader));
  if (!ioctl.is_fsctl()) co_return fail(NtStatus::kNotSupported);
  const uint32_t transfer_max = request.connection->negotiated.max_transact_size;
  if (ioctl.input.size() > transfer_max || ioctl.max_output_response > transfer_max ||
      ioctl.max_input_response > transfer_max) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  BRAID_CO_CHECK(request.check_credit_charge(
      ioctl.input.size(), uint64_t{ioctl.max_input_response} + ioctl.max_output_response));
  const Row* row = find_row(ioctl.ctl_code);
  const bool names_open = ioctl.file_id != FileId::all_ones() || request.header.is_related();
  if (row ? row->needs_open : names_open) BRAID_CO_CHECK(find_open(request, ioctl));
  if (!row) {
    // [MS-SMB2] 3.3.5.15 and 3.3.5.15.8: nothing below us takes it either.
    co_return fail(request.tree_connect->is_pipe() ? NtStatus::kFsDriverRequired
                                                   : NtStatus::kInvalidDeviceRequest);
  }
  BRAID_CO_TRY(const auto answer, co_await row->handler(request, ioctl));
  wire::IoctlResponse response;
  response.ctl_code = ioctl.ctl_code;
  response.file_id = ioctl.file_id;
  if (request.open) response.file_id = request.open->file_id;
  response.output = answer.output;
  co_return reply_with(response, answer.status);
}

}  // namespace braid::smb2
