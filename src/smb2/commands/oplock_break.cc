// [MS-SMB2] 3.3.5.22 "Receiving an SMB2 OPLOCK_BREAK Acknowledgment".
#include "wire/smb2/oplock_break.h"

#include "smb2/commands/commands.h"
#include "smb2/connections/connection.h"
#include "smb2/files/file_services.h"

namespace braid::smb2 {
namespace {

// 3.3.5.22.1 "Processing an Oplock Acknowledgment".
Result<Reply> acknowledge_oplock(Request& request, const wire::OplockBreakAcknowledgment& ack) {
  const auto open = request.session->find_open(ack.file_id);
  if (!open || open->is_pipe()) return fail(NtStatus::kFileClosed);
  const OpenUse use = Open::use(open);
  if (!use) return fail(NtStatus::kFileClosed);
  open->end_replay_eligibility();
  const filestate::OplockAck answer = request.files.file_table.ack_oplock(
      open->ref(), static_cast<filestate::OplockLevel>(ack.oplock_level));
  if (answer.status != NtStatus::kSuccess) return fail(answer.status);
  wire::OplockBreakResponse response;
  response.oplock_level = static_cast<wire::OplockLevel>(answer.level);
  response.file_id = ack.file_id;
  return reply_with(response);
}

// 3.3.5.22.2 "Processing a Lease Acknowledgment".
Result<Reply> acknowledge_lease(Request& request, const wire::LeaseBreakAcknowledgment& ack) {
  const filestate::LeaseId lease = request.session->lease(ack.lease_key);
  // Of all the user's sessions, and before anything is said against the acknowledgement.
  request.files.open_table.end_replay_eligibility(lease);
  const filestate::LeaseAck answer = request.files.file_table.ack_lease(
      lease, static_cast<filestate::Caching>(ack.lease_state & wire::LeaseState::kAll));
  if (answer.status != NtStatus::kSuccess) return fail(answer.status);
  wire::LeaseBreakResponse response;
  response.lease_key = ack.lease_key;
  response.lease_state = static_cast<uint32_t>(answer.state);
  return reply_with(response);
}

}  // namespace

Task<Result<Reply>> handle_oplock_break(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_TRY(const auto ack, wire::decode_break_acknowledgment(reader));
  const filestate::FileTable& table = request.files.file_table;
  Executor& reactor = request.connection->reactor();
  if (const auto* oplock = std::get_if<wire::OplockBreakAcknowledgment>(&ack)) {
    const auto open = request.session->find_open(oplock->file_id);
    if (open && !open->is_pipe()) co_await table.fetch(open->attributes.file_key, reactor);
  } else {
    const auto& lease = std::get<wire::LeaseBreakAcknowledgment>(ack);
    co_await table.fetch(request.session->lease(lease.lease_key), reactor);
  }
  if (const auto* oplock = std::get_if<wire::OplockBreakAcknowledgment>(&ack)) {
    co_return acknowledge_oplock(request, *oplock);
  }
  co_return acknowledge_lease(request, std::get<wire::LeaseBreakAcknowledgment>(ack));
}

}  // namespace braid::smb2
