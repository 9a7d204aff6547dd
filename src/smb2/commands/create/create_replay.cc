// CREATE that was sent before, and the lost answer. [MS-SMB2] 3.3.5.9 "Receiving an SMB2 CREATE
// Request", Create Context Validation, and 3.3.5.9.10 "Handling the
// SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2 Create Context".
#include <algorithm>

#include "smb2/commands/create/create.h"
#include "smb2/connections/connection.h"
#include "smb2/files/durable.h"
#include "smb2/files/file_services.h"

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

// Whether the open is its own, and asked for as it was.
Result<void> may_have(const Request& request, const wire::CreateRequest& create,
                      const std::shared_ptr<const auth::Identity>& owner,
                      const filestate::OpenDecision& held) {
  if (!owner || !owner->is_same_user(*request.principal.identity)) {
    return fail(NtStatus::kAccessDenied);
  }
  const bool asks_for_lease =
      create.contexts.request_lease && create.requested_oplock_level == wire::OplockLevel::kLease;
  if (held.lease.has_value() != asks_for_lease ||
      (held.lease && held.lease->key != create.contexts.request_lease->lease_key)) {
    return fail(NtStatus::kAccessDenied);
  }
  return {};
}

// The oplock is what it is; a client that asks for less now is told of no more.
Reply answer_as_before(const Request& request, CreateState& state) {
  if (!state.caching.lease) {
    state.caching.oplock =
        std::min(state.caching.oplock,
                 static_cast<filestate::OplockLevel>(state.create.requested_oplock_level));
    if (state.caching.oplock != filestate::OplockLevel::kBatch &&
        state.terms.durability != filestate::Durability::kPersistent) {
      state.terms = {};
    }
  }
  return create_reply(request, state);
}

Result<Reply> answer_connected(Request& request, CreateState& state,
                               const std::shared_ptr<Open>& found) {
  FileServices& files = request.files;
  const OpenUse open = Open::use(found);
  if (!open) return fail(NtStatus::kFileNotAvailable);
  state.caching = files.file_table.grant_of(open->ref());
  BRAID_CHECK(may_have(request, state.create, open->owner, state.caching));
  if (open->session.lock() != request.session ||
      !open->tree_connect->is_part_of(*request.tree_connect)) {
    return fail(NtStatus::kDuplicateObjectid);
  }
  state.file_id = open->file_id;
  state.action = open->attributes.create_action;
  state.maximal_access = maximal_access_now(request, state, *open);
  state.terms = *open->durable_terms.lock();
  BRAID_TRY(state.attributes, open->file->stat());
  return answer_as_before(request, state);
}

// The client has never heard of the open, so there is nothing in its cache that might be wrong by
// now, and no FileId to come back with. Nothing: there is no such open any more, or it has a
// session.
Task<Result<std::optional<Reply>>> answer_disconnected(Request& request, CreateState& state,
                                                       const CreateKey& key,
                                                       uint64_t persistent_id) {
  FileServices& files = request.files;
  ClaimQuestion asked{.persistent_id = persistent_id,
                      .why = ClaimQuestion::Why::kReplay,
                      .user = *request.principal.identity,
                      .user_id = key.user,
                      .client = key.client,
                      .create_guid = key.guid,
                      .name = {},
                      .desired_access = state.create.desired_access,
                      .share_access = state.create.share_access,
                      .create_options = state.create.create_options};
  const auto& lease = state.create.contexts.request_lease;
  if (lease && state.create.requested_oplock_level == wire::OplockLevel::kLease) {
    asked.lease_key = lease->lease_key;
  }
  auto claim = co_await files.open_claims->claim(std::move(asked), request.seat);
  if (!claim && claim.error() != Error(NtStatus::kObjectNameNotFound)) {
    co_return std::unexpected(claim.error());
  }
  if (!claim || !*claim) co_return std::nullopt;
  const PreservedOpen& open = (*claim)->open;
  if (const NtStatus status = check_tree(request, open); status != NtStatus::kSuccess) {
    files.open_claims->give_back(std::move(**claim));
    co_return fail(status == NtStatus::kAccessDenied ? status : NtStatus::kDuplicateObjectid);
  }
  if (!has_name(open)) {
    co_await files.open_claims->close(std::move(**claim));
    co_return std::nullopt;
  }
  BRAID_CO_TRY(const bool taken, co_await take_back(request, state, std::move(**claim)));
  if (!taken) co_return std::nullopt;
  co_return answer_as_before(request, state);
}

}  // namespace

Task<Result<std::optional<Reply>>> answer_replay(Request& request, CreateState& state) {
  FileServices& files = request.files;
  const auto& durable = state.create.contexts.durable_handle_request_v2;
  if (!durable) co_return std::nullopt;
  const CreateKey key{request.connection->negotiated.client_guid, durable->create_guid,
                      request.session->user_id()};
  bool is_second_look = false;
  for (;;) {
    CreateReservations::Replay replay = files.create_reservations.find_or_reserve(key);
    if (replay.reservation) {
      state.reservation = std::move(replay.reservation);
      const wire::Header& header = request.header;
      if (!request.session->overtaken_creates.admit(durable->create_guid, header.channel_sequence,
                                                    header.is_replay())) {
        co_return fail(NtStatus::kFileNotAvailable);
      }
      co_return std::nullopt;
    }
    if (replay.pending) {
      BRAID_CO_CHECK(meet_pending(request, state, std::move(replay.pending)));
      co_return std::nullopt;
    }
    if (!request.header.is_replay()) co_return fail(NtStatus::kDuplicateObjectid);
    // Once this is answered the client may close the open; an earlier repetition that is read only
    // then is not to make it anew. As long as it is there nobody has the reservation.
    (void)request.session->overtaken_creates.admit(
        durable->create_guid, request.header.channel_sequence, /*is_replay=*/true);
    std::shared_ptr<OneShot<bool>> loss;
    if (const auto open = std::exchange(replay.made.open, nullptr)) {
      loss = loss_under_way(*open, key.client, key.user);
      // It may have been over between the look and the question.
      if (!loss && !std::exchange(is_second_look, true)) continue;
      if (!loss) co_return answer_connected(request, state, open);
    }
    if (loss) {
      // Its client has ended the connection and is back before that was noticed.
      co_await loss->wait(request.seat);
      continue;
    }
    BRAID_CO_TRY(auto answer,
                 co_await answer_disconnected(request, state, key, *replay.made.disconnected));
    if (answer) co_return std::move(answer);
    // What became of it shows when it is looked for again.
    BRAID_CO_CHECK(co_await request.seat.next_turn());
  }
}

}  // namespace braid::smb2
