#include "smb2/commands/create/create.h"

#include "base/log.h"
#include "smb2/commands/commands.h"
#include "smb2/connections/connection.h"
#include "smb2/files/access_check.h"
#include "smb2/files/durable.h"
#include "smb2/files/waiting.h"
#include "smb2/opens/quota_file.h"
#include "smb2/persistent/persistent_handles.h"
#include "smb2/server.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

Result<Reply> open_pipe(Request& request, const wire::CreateRequest& create) {
  BRAID_TRY(auto pipe, request.server.pipes().open(create.name, caller_of(request),
                                                   request.connection->memory));
  const FileId id = request.files.file_ids.next();
  const OpenAttributes attributes{.granted_access = map_generic(create.desired_access)};
  auto open = std::make_shared<Open>(OpenValues{.file_id = id, .attributes = attributes},
                                     request.session, request.tree_connect);
  open->owner = request.principal.identity;
  open->pipe = std::move(pipe);
  // For administrators only.
  if (auto name = vfs::parse_path(create.name, vfs::NameRules::kPosix)) {
    *open->path.lock() = std::move(name->path);
  }
  open->memory.begin({request.connection->memory, std::move(request.lasting_memory)});
  open->channel_sequence.start_from(request.header.channel_sequence);
  if (!request.session->add_open(open)) return fail(NtStatus::kInsufficientResources);
  wire::CreateResponse response;
  response.create_action = wire::CreateAction::kOpened;
  response.allocation_size = 4096;
  response.file_attributes = vfs::dos::kNormal;
  response.file_id = id;
  Reply reply = reply_with(response);
  reply.file_id = id;
  return reply;
}

// What a client of an older dialect cannot mean.
void drop_smb3_contexts(wire::CreateRequestContexts& contexts) {
  contexts.durable_handle_request_v2.reset();
  contexts.durable_handle_reconnect_v2.reset();
  contexts.app_instance_id.reset();
  contexts.app_instance_version.reset();
}

// The promise is on the disk before the client hears of it. What cannot be written is an ordinary
// durable one.
Task<Result<Reply>> write_promise(Request& request, CreateState& state, Reply answer) {
  const std::shared_ptr<Open> open = state.open;
  const auto done = co_await request.files.persistent->promise(open, request.connection->reactor());
  // The disk has taken its time, and somebody may have broken the lease meanwhile: then that break
  // was of a lease its client has not heard of yet.
  if (done && !state.caching.lease) co_return std::move(answer);
  if (done) {
    state.caching = request.files.file_table.grant_of(open->ref());
    co_return create_reply(request, state);
  }
  log::warn("share '{}': an open is not persistent, as it cannot be written: {}",
            request.tree_connect->share->name, done.error().message());
  take_promise_back(request.files, *open);
  state.terms = *open->durable_terms.lock();
  co_return create_reply(request, state);
}

// As long as the kernel gives those who have a lease, 45 s by default, and a little.
constexpr std::chrono::seconds kLeaseWaitMax{60};
constexpr std::chrono::milliseconds kLeaseLookFirst{2};
constexpr std::chrono::milliseconds kLeaseLookLast{50};

// Somebody has a lease on the file from the kernel, perhaps for a client (vfs/local_guard.h), and
// was asked to give it up. Nobody tells when he has.
class LeaseWait {
 public:
  Task<Result<void>> wait(Request& request, const CreateState& state) {
    FileServices& files = request.files;
    const auto now = files.clock.monotonic();
    if (!until_) until_ = now + kLeaseWaitMax;
    if (now >= *until_) co_return fail(NtStatus::kSharingViolation);
    const filestate::OpenToken token{state.file_id.volatile_id};
    const uint64_t seen = files.breaks.retries();
    co_await request.connection->reactor().schedule();
    Timer timer(request.connection->reactor());
    timer.start(patience_, [&files, token] { files.breaks.retry(token); });
    patience_ = std::min(patience_ * 2, kLeaseLookLast);
    BRAID_CO_CHECK(
        co_await wait_for_retry(request, token, seen, [](const Waiter&) { return true; }));
    timer.cancel();
    if (request.tree_connect->is_closed()) co_return fail(NtStatus::kNetworkNameDeleted);
    co_return Result<void>{};
  }

 private:
  std::optional<Clock::Instant> until_;
  std::chrono::milliseconds patience_ = kLeaseLookFirst;
};

// Waits until a break that stands in the way is acknowledged or timed out.
// `seen`: Breaks::retries() from before it asked.
Task<Result<void>> wait_for_break(Request& request, const CreateState& state, FileKey key,
                                  uint64_t seen) {
  FileServices& files = request.files;
  const filestate::OpenRef ref{key, filestate::OpenToken{state.file_id.volatile_id}};
  if (state.reservation) state.reservation->waits_for_sharing = state.caching.sharing_violation;
  BRAID_CO_CHECK(co_await wait_for_retry(request, ref.token, seen, [&files, ref](const Waiter&) {
    files.file_table.cancel_wait(ref);
    return true;
  }));
  if (state.behind) co_await state.behind->over.wait(request.connection->reactor());
  // The world may have changed: session closed, tree gone.
  if (request.tree_connect->is_closed()) co_return fail(NtStatus::kNetworkNameDeleted);
  co_return Result<void>{};
}

}  // namespace

Task<Result<Reply>> handle_create(Request& request) {
  if (request.message.size() > kCreateSizeMax) co_return fail(NtStatus::kInvalidParameter);
  wire::Reader reader = request.body();
  BRAID_CO_TRY(auto create, wire::CreateRequest::decode(reader));
  bool at_once = may_be_at_once(request, create);
  if (!at_once) BRAID_CO_CHECK(co_await request.seat.turn());
  if (request.tree_connect->is_pipe()) co_return open_pipe(request, create);
  BRAID_CO_CHECK(check_reaches(request.principal, *request.tree_connect->share));

  if (!request.connection->negotiated.is_smb3()) drop_smb3_contexts(create.contexts);
  BRAID_CO_CHECK(check_contexts(create.contexts));
  CreateState state;
  state.create = std::move(create);
  const wire::CreateRequestContexts& contexts = state.create.contexts;
  state.is_posix = contexts.posix && request.connection->negotiated.posix_extensions &&
                   request.tree_connect->share->posix;
  if (contexts.durable_handle_reconnect || contexts.durable_handle_reconnect_v2) {
    co_return co_await reconnect(request, state);
  }
  // [MS-SMB2] 3.3.5.9, before any right is looked at.
  if (state.create.create_options & wire::CreateOptions::kNoIntermediateBuffering) {
    state.create.desired_access &= ~wire::Access::kFileAppendData;
  }
  BRAID_CO_CHECK(check_create(request, state.create));
  if (contexts.ea_buffer) {
    BRAID_CO_TRY(state.eas, wire::decode_full_eas(*contexts.ea_buffer));
    for (const wire::FullEa& ea : state.eas) BRAID_CO_CHECK(wire::validate_ea_name(ea.name));
  }
  if (state.is_posix) {
    BRAID_CO_TRY(state.name, vfs::parse_path(state.create.name, vfs::NameRules::kExact));
  } else if (is_quota_file_name(state.create.name)) {
    BRAID_CO_CHECK(name_quota_file(state));
  } else {
    BRAID_CO_TRY(state.name, vfs::parse_path(state.create.name));
  }
  // [MS-FSA] 2.1.5.1: as file systems without streams answer whatever has a ":" in it.
  if (state.name.has_stream && !request.tree_connect->share->volume->features().streams) {
    co_return fail(NtStatus::kObjectNameInvalid);
  }
  BRAID_CO_TRY(auto answer, co_await answer_replay(request, state));
  if (answer) co_return std::move(*answer);
  BRAID_CO_CHECK(enter_snapshot(request, state));
  BRAID_CO_CHECK(co_await end_other_instance(request, state));
  at_once = at_once && !state.name.has_stream && !state.is_quota_file;
  // Closing somebody's open took his turns.
  if (!at_once) BRAID_CO_CHECK(co_await request.seat.turn());
  // Before anything is made, so that whoever has no room is told so and nothing else.
  BRAID_CO_TRY(state.descriptors, request.files.fds.take_files(*request.principal.identity));
  state.file_id = request.files.file_ids.next();

  // Each attempt that has to wait leaves everything as it was.
  request.repeatable = request.message;
  LeaseWait lease;
  for (;;) {
    const uint64_t seen = request.files.breaks.retries();
    auto tried = std::exchange(at_once, false) ? try_at_once(request, state) : std::nullopt;
    BRAID_CO_CHECK(tried ? Result<void>{} : co_await request.seat.turn());
    CreateOutcome outcome = tried ? *std::move(tried) : try_create(request, state);
    if (auto* done = std::get_if<Reply>(&outcome)) {
      if (state.terms.durability != filestate::Durability::kPersistent) co_return std::move(*done);
      co_return co_await write_promise(request, state, std::move(*done));
    }
    if (auto* error = std::get_if<Error>(&outcome)) {
      if (error->is_os(EAGAIN)) {
        BRAID_CO_CHECK(co_await lease.wait(request, state));
        BRAID_CO_CHECK(co_await request.seat.turn());
        continue;
      }
      if (!error->is_os(EINPROGRESS)) co_return std::unexpected(*error);
      // Its directory is large and not known yet: others have their turn between the pieces.
      BRAID_CO_CHECK(co_await request.seat.next_turn());
      continue;
    }
    if (auto* gone = std::get_if<std::shared_ptr<OneShot<bool>>>(&outcome)) {
      if (!co_await (*gone)->wait(request.seat)) co_return fail(NtStatus::kInsufficientResources);
      continue;
    }
    if (const auto* elsewhere = std::get_if<Elsewhere>(&outcome)) {
      Reactor& reactor = request.connection->reactor();
      co_await reactor.schedule();
      co_await request.files.file_table.fetch(elsewhere->file, reactor);
      if (request.tree_connect->is_closed()) co_return fail(NtStatus::kNetworkNameDeleted);
      continue;
    }
    BRAID_CO_CHECK(co_await wait_for_break(request, state, std::get<FileKey>(outcome), seen));
    BRAID_CO_CHECK(co_await request.seat.turn());
  }
}

}  // namespace braid::smb2
