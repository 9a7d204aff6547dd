// CREATE that was sent before, and the lost answer. [MS-SMB2] 3.3.5.9 "Create Context Validation"
// and 3.3.5.9.10 "Handling the SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2 Create Context".
#include <algorithm>

#include "smb2/commands/create/create.h"
#include "smb2/connection.h"
#include "smb2/server.h"

namespace braid::smb2 {
namespace {

// [MS-SMB2] 3.3.5.9 is not about a CREATE that still waits.
Result<void> meet_pending(const Request& request, CreateState& state,
                          std::shared_ptr<PendingCreate> pending) {
  if (request.tree_connect->share->compat == config::Compat::kSpec) {
    // Clients ask again: nothing is lost, and nothing done twice.
    return fail(NtStatus::kFileNotAvailable);
  }
  // Windows has an Open without an owner by then, unless it is a sharing violation that waits: that
  // has not made one, and the second CREATE takes its own turn behind the first.
  if (!pending->waits_for_sharing) return fail(NtStatus::kAccessDenied);
  state.behind = std::move(pending);
  return {};
}

Result<void> may_have(const Request& request, const wire::CreateRequest& create, const Open& open,
                      const filestate::OpenDecision& held) {
  if (!open.owner || !open.owner->is_same_user(*request.principal.identity)) {
    return fail(NtStatus::kAccessDenied);
  }
  const bool asks_for_lease =
      create.contexts.request_lease && create.requested_oplock_level == wire::OplockLevel::kLease;
  if (held.lease.has_value() != asks_for_lease ||
      (held.lease && held.lease->key != create.contexts.request_lease->lease_key)) {
    return fail(NtStatus::kAccessDenied);
  }
  if (open.session.lock() != request.session ||
      !open.tree_connect->is_part_of(*request.tree_connect)) {
    return fail(NtStatus::kDuplicateObjectid);
  }
  return {};
}

}  // namespace

Result<std::optional<Reply>> answer_replay(Request& request, CreateState& state) {
  Server& server = request.server;
  const auto& durable = state.create.contexts.durable_handle_request_v2;
  if (!durable) return std::nullopt;
  const CreateKey key{request.connection->negotiated.client_guid, durable->create_guid};
  OpenTable::Replay replay = server.open_table.find_or_reserve(key);
  if (replay.reservation) {
    state.reservation = std::move(replay.reservation);
    const wire::Header& header = request.header;
    if (!request.session->overtaken_creates.admit(durable->create_guid, header.channel_sequence,
                                                  header.is_replay())) {
      return fail(NtStatus::kFileNotAvailable);
    }
    return std::nullopt;
  }
  if (replay.pending) {
    BRAID_CHECK(meet_pending(request, state, std::move(replay.pending)));
    return std::nullopt;
  }
  // A disconnected one is taken back by its FileId; its session is not this one.
  if (!request.header.is_replay() || replay.is_disconnected) {
    return fail(NtStatus::kDuplicateObjectid);
  }
  const OpenUse open = Open::use(replay.open);
  if (!open) return fail(NtStatus::kFileNotAvailable);
  const filestate::OpenDecision held = server.file_table.grant_of(open->ref());
  BRAID_CHECK(may_have(request, state.create, *open, held));

  // The oplock is what it is; a client that asks for less now is told of no more.
  state.caching = held;
  if (!held.lease) {
    state.caching.oplock = std::min(
        held.oplock, static_cast<filestate::OplockLevel>(state.create.requested_oplock_level));
  }
  state.file_id = open->file_id;
  state.action = open->attributes.create_action;
  state.maximal_access = open->attributes.maximal_access;
  state.terms = *open->durable_terms.lock();
  if (!held.lease && state.caching.oplock != filestate::OplockLevel::kBatch) state.terms = {};
  BRAID_TRY(state.attributes, open->file->stat());
  return create_reply(request, state);
}

}  // namespace braid::smb2
