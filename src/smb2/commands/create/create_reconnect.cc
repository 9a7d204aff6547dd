// CREATE that takes back a disconnected open. [MS-SMB2] 3.3.5.9.7 "Handling the
// SMB2_CREATE_DURABLE_HANDLE_RECONNECT Create Context" and 3.3.5.9.12 "... _RECONNECT_V2 ...".
#include "smb2/commands/create/create.h"
#include "smb2/connections/connection.h"
#include "smb2/files/access_check.h"
#include "smb2/files/close_open.h"
#include "smb2/files/durable.h"
#include "smb2/files/file_services.h"
#include "smb2/files/open_claims.h"
#include "smb2/files/open_name.h"
#include "smb2/persistent/persistent_handles.h"
#include "vfs/names.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

ClaimQuestion question_of(const Request& request, const wire::CreateRequest& create) {
  const wire::CreateRequestContexts& contexts = create.contexts;
  ClaimQuestion asked{.persistent_id = 0,
                      .why = ClaimQuestion::Why::kReconnect,
                      .user = *request.principal.identity,
                      .user_id = request.session->user_id(),
                      .client = request.connection->negotiated.client_guid,
                      .name = create.name};
  if (const auto& v2 = contexts.durable_handle_reconnect_v2) {
    asked.persistent_id = v2->file_id.persistent;
    asked.why = ClaimQuestion::Why::kReconnectV2;
    asked.create_guid = v2->create_guid;
    asked.persistent = (v2->flags & wire::DurableHandleFlags::kPersistent) != 0;
  } else {
    asked.persistent_id = contexts.durable_handle_reconnect->persistent;
  }
  if (contexts.request_lease) {
    asked.lease_key = contexts.request_lease->lease_key;
    asked.lease_version = contexts.request_lease->version;
  }
  return asked;
}

// What another worker has counted is counted here from now on. STATUS_INSUFFICIENT_RESOURCES.
Result<void> count(Request& request, PreservedOpen& open) {
  if (open.memory.account) return {};
  HeldMemory here;
  here.begin({request.connection->memory, std::move(request.lasting_memory)});
  const size_t locks = request.files.file_table.locks_of(open.ref()).held.size();
  BRAID_CHECK(here.add(locks * kLockSize));
  open.counted_locks += locks;
  open.memory = here.end();
  return {};
}

// Into its new session, unless that is ending.
Task<Result<void>> attach(Request& request, std::shared_ptr<Open> open) {
  FileServices& files = request.files;
  files.open_table.add(open);
  const bool added = request.session->add_open(open);
  if (added && !request.tree_connect->is_closed()) co_return Result<void>{};
  if (added) {
    co_await close_open(files, std::move(open));
  } else {
    co_await lose_open(files, std::move(open));
  }
  co_return fail(NtStatus::kInsufficientResources);
}

}  // namespace

// The specification does not say so, but what a share refuses must not be had through another.
NtStatus check_tree(const Request& request, const PreservedOpen& open) {
  const TreeConnect& tree = *request.tree_connect;
  if (!vfs::equal_folded(tree.share->name, open.share->name) ||
      tree.share->real_path != open.share->real_path) {  // or by a reload, another folder's now
    return NtStatus::kObjectNameNotFound;
  }
  // Its names and modes are told to who has agreed on the extensions.
  const bool has_posix = request.connection->negotiated.posix_extensions && tree.share->posix;
  if (open.attributes.is_posix && !has_posix) return NtStatus::kObjectNameNotFound;
  const uint32_t file_access = open.attributes.granted_access & wire::Access::kFileAllAccess;
  if (file_access & ~tree.maximal_access) return NtStatus::kAccessDenied;
  return NtStatus::kSuccess;
}

uint32_t maximal_access_now(Request& request, const CreateState& state, const Open& open) {
  const uint32_t before = open.attributes.maximal_access;
  if (!state.create.contexts.query_maximal_access) return before;
  const auto found = request.tree_connect->share->volume->find(request.credentials(),
                                                               current_path(request.files, open));
  FileKey file = open.attributes.file_key;
  file.stream = 0;
  if (!found || found->attributes.key != file) return before;
  const auto rights = rights_on(request, *found, wire::Access::kMaximumAllowed,
                                open.attributes.is_stream ? Names::kStay : Names::kMayGo);
  return rights ? rights->told : before;
}

Task<Result<bool>> take_back(Request& request, CreateState& state, OpenClaim claim) {
  FileServices& files = request.files;
  if (auto counted = count(request, claim.open); !counted) {
    files.open_claims->give_back(std::move(claim));
    co_return std::unexpected(counted.error());
  }
  if (!files.open_claims->take(claim, request.session->session_id)) {
    files.open_claims->give_back(std::move(claim));
    co_return false;
  }
  auto open = restore(std::move(claim.open), request.session, request.tree_connect);
  // Nothing of the lost connection is under way any more; the new one counts from where it is.
  open->channel_sequence.start_from(request.header.channel_sequence);
  // Its connection was lost before it was written, and then that failed.
  const bool is_promised =
      open->durable_terms.lock()->durability == filestate::Durability::kPersistent;
  if (is_promised && !files.persistent->attach(open)) take_promise_back(files, *open);
  BRAID_CO_CHECK(co_await attach(request, open));
  const OpenUse use = Open::use(open);
  if (!use) co_return fail(NtStatus::kFileClosed);

  state.file_id = open->file_id;
  state.caching = files.file_table.grant_of(open->ref());
  state.action = open->attributes.create_action;
  state.maximal_access = maximal_access_now(request, state, *open);
  state.terms = *open->durable_terms.lock();
  BRAID_CO_TRY(state.attributes, open->file->stat());
  co_return true;
}

namespace {

// What caches no data may find the file changed, like any open that is connected: a resilient one,
// say, whose share mode lets others write.
bool may_go_on(const FileServices& files, const PreservedOpen& open) {
  const bool caches = has(files.file_table.caching_of(open.ref()), filestate::Caching::kRead);
  return caches ? is_unchanged(open) : has_name(open);
}

}  // namespace

Task<Result<Reply>> reconnect(Request& request, CreateState& state) {
  FileServices& files = request.files;
  BRAID_CO_TRY(auto claim,
               co_await files.open_claims->claim(question_of(request, state.create), request.seat));
  if (!claim) co_return fail(NtStatus::kObjectNameNotFound);
  const NtStatus status = check_tree(request, claim->open);
  if (status != NtStatus::kSuccess) {
    files.open_claims->give_back(std::move(*claim));
    co_return fail(status);
  }
  if (!may_go_on(files, claim->open)) {
    // What the client has in its cache is of another file now, whoever asks.
    co_await files.open_claims->close(std::move(*claim));
    co_return fail(NtStatus::kObjectNameNotFound);
  }
  BRAID_CO_TRY(const bool taken, co_await take_back(request, state, std::move(*claim)));
  if (!taken) co_return fail(NtStatus::kObjectNameNotFound);
  // Opened again, and no promise is made anew.
  state.action = wire::CreateAction::kOpened;
  state.terms = {};
  co_return create_reply(request, state);
}

}  // namespace braid::smb2
