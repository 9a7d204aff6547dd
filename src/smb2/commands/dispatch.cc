#include "smb2/commands/dispatch.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <variant>

#include "base/log.h"
#include "base/serving_term.h"
#include "filestate/elsewhere.h"
#include "runtime/way_back.h"
#include "smb2/commands/audit.h"
#include "smb2/commands/commands.h"
#include "smb2/commands/direct_placement.h"
#include "smb2/commands/given.h"
#include "smb2/common/error_status.h"
#include "smb2/common/limits.h"
#include "smb2/connections/compound.h"
#include "smb2/connections/connection.h"
#include "smb2/files/close_open.h"
#include "smb2/files/file_services.h"
#include "smb2/opens/work_owner.h"
#include "smb2/persistent/persistent_handles.h"
#include "smb2/server.h"
#include "smb2/sessions/close_under_way.h"
#include "wire/smb2/access_mask.h"
#include "wire/smb2/create.h"
#include "wire/smb2/error_response.h"
#include "wire/smb2/oplock_break.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using wire::Command;

// Where a handler starts. kPool: it may wait for a disk or a library, as many names or bytes as the
// client likes, and the client hears of it when that takes long. kEither: the same, but it begins
// on the reactor, does there what takes no disk's time, and takes a turn on the pool for the rest.
enum class RunsOn : uint8_t { kReactor, kPool, kEither };

// How large the answer may be, which is reserved before the handler runs.
struct AnswerRoom {
  uint8_t length_offset;  // in the body, of the field that says so; 0: small, whatever is asked
  uint8_t copies;         // of as many bytes, until it is sent
};
constexpr AnswerRoom kSmall{};
// File data is sent from where it was read to. Everything else is made first and copied then.
constexpr AnswerRoom read_to(uint8_t offset) { return {offset, 1}; }
constexpr AnswerRoom made(uint8_t offset) { return {offset, 2}; }

struct Row {
  Command command;
  uint16_t structure_size;
  bool needs_session;
  bool needs_tree_connect;
  NameOpens opens;
  Conduct conduct;
  bool allowed_when_expired;  // [MS-SMB2] 3.3.5.2.9
  AnswerRoom answer;
  size_t lasting_size;  // what a success leaves behind until the client lets go of it
  RunsOn runs_on;
  Given<Handler> handler;
};

constexpr bool kSession = true, kNoSession = false;
constexpr bool kTree = true, kNoTree = false;
constexpr bool kWhenExpired = true, kNotWhenExpired = false;

// OPLOCK_BREAK finds its open itself, at once.
constexpr NameOpens kNoOpen = nullptr;

// The FileId is there in the body.
template <size_t offset>
Result<NamedOpens> open_at(const Request& request) {
  wire::Reader reader(request.message, wire::Header::kSize + offset);
  const FileId id = reader.file_id();
  if (!reader.ok()) return fail(reader.error());
  return NamedOpens{.open = id};
}

// clang-format off
constexpr std::array<Row, wire::kCommandCount> kRows{{
  {Command::kNegotiate,      36, kNoSession, kNoTree, kNoOpen,     {Target::kNone,       Changes::kClient,     Waits::kNever},         kWhenExpired,    kSmall,     0,         RunsOn::kReactor, handle_negotiate},
  {Command::kSessionSetup,   25, kNoSession, kNoTree, kNoOpen,     {Target::kNone,       Changes::kClient,     Waits::kNever},         kWhenExpired,    kSmall,     0,         RunsOn::kReactor, handle_session_setup},
  {Command::kLogoff,          4, kSession,   kNoTree, kNoOpen,     {Target::kNone,       Changes::kClient,     Waits::kNever},         kWhenExpired,    kSmall,     0,         RunsOn::kReactor, handle_logoff},
  {Command::kTreeConnect,     9, kSession,   kNoTree, kNoOpen,     {Target::kNone,       Changes::kClient,     Waits::kNever},         kNotWhenExpired, kSmall,     kTreeSize, RunsOn::kReactor, handle_tree_connect},
  {Command::kTreeDisconnect,  4, kSession,   kTree,   kNoOpen,     {Target::kNone,       Changes::kClient,     Waits::kNever},         kNotWhenExpired, kSmall,     0,         RunsOn::kReactor, handle_tree_disconnect},
  {Command::kCreate,         57, kSession,   kTree,   kNoOpen,     {Target::kNone,       Changes::kRepeatable, Waits::kBounded},       kNotWhenExpired, kSmall,     kOpenSize, RunsOn::kEither,  handle_create},
  {Command::kClose,          24, kSession,   kTree,   open_at<8>,  {Target::kFileOrPipe, Changes::kClient,     Waits::kNever},         kWhenExpired,    kSmall,     0,         RunsOn::kEither,  handle_close},
  {Command::kFlush,          24, kSession,   kTree,   open_at<8>,  {Target::kFileOrPipe, Changes::kRepeatable, Waits::kBounded},       kNotWhenExpired, kSmall,     0,         RunsOn::kPool,    handle_flush},
  {Command::kRead,           49, kSession,   kTree,   open_at<16>, {Target::kFileOrPipe, Changes::kNothing,    Waits::kForEverOnPipe}, kNotWhenExpired, read_to(4), 0,         RunsOn::kReactor, handle_read},
  {Command::kWrite,          49, kSession,   kTree,   open_at<16>, {Target::kFileOrPipe, Changes::kFile,       Waits::kBounded},       kNotWhenExpired, kSmall,     0,         RunsOn::kReactor, handle_write},
  {Command::kLock,           48, kSession,   kTree,   open_at<8>,  {Target::kFileOnly,   Changes::kRepeatable, Waits::kForEver},       kWhenExpired,    kSmall,     0,         RunsOn::kReactor, handle_lock},
  {Command::kIoctl,          57, kSession,   kTree,   ioctl_opens, {Target::kFileOrPipe, Changes::kNothing,    Waits::kNever},         kNotWhenExpired, made(44),   0,         RunsOn::kPool,    handle_ioctl},
  {Command::kCancel,          4, kNoSession, kNoTree, kNoOpen,     {Target::kNone,       Changes::kClient,     Waits::kNever},         kWhenExpired,    kSmall,     0,         RunsOn::kReactor, nullptr},
  {Command::kEcho,            4, kNoSession, kNoTree, kNoOpen,     {Target::kNone,       Changes::kNothing,    Waits::kNever},         kWhenExpired,    kSmall,     0,         RunsOn::kReactor, handle_echo},
  {Command::kQueryDirectory, 33, kSession,   kTree,   open_at<8>,  {Target::kFileOnly,   Changes::kNothing,    Waits::kNever},         kNotWhenExpired, made(28),   0,         RunsOn::kPool,    handle_query_directory},
  {Command::kChangeNotify,   32, kSession,   kTree,   open_at<8>,  {Target::kFileOnly,   Changes::kClient,     Waits::kForEver},       kNotWhenExpired, kSmall,     0,         RunsOn::kReactor, handle_change_notify},
  {Command::kQueryInfo,      41, kSession,   kTree,   open_at<24>, {Target::kFileOrPipe, Changes::kNothing,    Waits::kNever},         kNotWhenExpired, made(4),    0,         RunsOn::kEither,  handle_query_info},
  {Command::kSetInfo,        33, kSession,   kTree,   open_at<16>, {Target::kFileOrPipe, Changes::kOpen,       Waits::kBounded},       kNotWhenExpired, kSmall,     0,         RunsOn::kPool,    handle_set_info},
  {Command::kOplockBreak,     0, kSession,   kTree,   kNoOpen,     {Target::kNone,       Changes::kClient,     Waits::kNever},         kNotWhenExpired, kSmall,     0,         RunsOn::kReactor, handle_oplock_break},
}};
// clang-format on

static_assert(std::ranges::all_of(kRows, [](const Row& row) {
  return &row == &kRows[static_cast<size_t>(row.command)];
}));
// Whoever names an open says of what kind it may be, and nobody else.
static_assert(std::ranges::all_of(kRows, [](const Row& row) {
  return (row.opens == kNoOpen) == (row.conduct.target == Target::kNone);
}));

// Where the session is on this connection. What came before the connection was lost is carried out
// to the end of its frame.
std::shared_ptr<Channel> find_channel(const Request& request, SessionId id) {
  if (auto channel = request.connection->find_channel(id)) return channel;
  const auto& before = request.compound.channel;
  const bool was_here = before && before->session->session_id == id;
  return request.connection->is_ending() && was_here ? before : nullptr;
}

// [MS-SMB2] 3.3.5.2.4 "Verifying the Signature", for all but SESSION_SETUP that makes or binds a
// session: its handler knows which key counts.
Result<void> verify_signature(Request& request) {
  if (request.is_encrypted) return {};
  if (request.header.is_signed()) {
    if (!request.channel) return fail(NtStatus::kUserSessionDeleted);
    const auto& key = request.channel->signing_key;
    if (!key) return fail(NtStatus::kNotSupported);
    // Before its gates only what waited in the process before has: that had verified it, and what
    // has come of its message is what is needed to ask again.
    if (request.async_id() != AsyncId{}) {
      request.signature_verified = true;
      return {};
    }
    // In a long frame no other key counts than the one it was looked at with: that of a session
    // which the frame itself has made is one that no client uses there.
    const VerifiedSignature& before = request.compound.verified(request.index);
    const bool is_valid = request.compound.is_long()
                              ? before.key == key && before.is_valid
                              : key->verify(request.message, wire::Header::kSignatureOffset,
                                            nonce_of(request.header));
    if (!is_valid) return fail(NtStatus::kAccessDenied);
    request.signature_verified = true;
    return {};
  }
  if (request.session) {
    const SessionSecurity* security = request.session->security();
    if (security && security->signing_required) return fail(NtStatus::kAccessDenied);
  }
  return {};
}

// [MS-SMB2] 3.3.5.2.9 "Verifying the Session".
Result<void> verify_session(Request& request, const Row& row) {
  if (!request.session) return fail(NtStatus::kUserSessionDeleted);
  const FileTime now = request.files.clock.now();
  switch (request.session->state(now)) {
    case SessionState::kClosed:
      return fail(NtStatus::kUserSessionDeleted);
    case SessionState::kInProgress:
      // Nothing a client may do before it is known, whatever the command.
      return fail(NtStatus::kUserSessionDeleted);
    case SessionState::kExpired:
      if (!row.allowed_when_expired) return fail(NtStatus::kNetworkSessionExpired);
      break;
    case SessionState::kValid:
      break;
  }
  if (request.session->security()->encrypt_data && !request.is_encrypted) {
    return fail(NtStatus::kAccessDenied);
  }
  request.principal = request.session->principal();
  request.session->use(now);
  return {};
}

// [MS-SMB2] 3.3.5.2.11 "Verifying the Tree Connect".
Result<void> verify_tree_connect(Request& request, TreeId tree_id) {
  request.tree_connect = request.session->find_tree(tree_id);
  if (!request.tree_connect) return fail(NtStatus::kNetworkNameDeleted);
  if (request.tree_connect->share->encrypt && !request.is_encrypted &&
      request.connection->negotiated.cipher != crypto::Cipher::kNone) {
    return fail(NtStatus::kAccessDenied);
  }
  // Each channel for itself: the one that connected may have been another.
  if (!request.connection->comes_from(request.tree_connect->share->hosts)) {
    return fail(NtStatus::kAccessDenied);
  }
  request.principal =
      request.tree_connect->principal_of(std::move(request.principal), request.files.ids);
  return {};
}

// Its handler then waits for the first.
bool is_close_sent_again(const Request& request, FileId id) {
  const auto first = request.session->find_closing(id);
  return first && first->connection != request.connection->number &&
         first->tree_connect->is_part_of(*request.tree_connect);
}

// Finds the Open a request names, or the one the request before it in the compound left.
Result<void> find_open(Request& request, const Row& row, const NamedOpens& named, bool related,
                       OpenUse kept) {
  FileId id = *named.open;
  if (related) {
    if (request.compound.create_error != NtStatus::kSuccess) {
      return fail(request.compound.create_error);
    }
    if (!request.compound.file_id) return fail(NtStatus::kInvalidHandle);
    id = *request.compound.file_id;
  }
  // Also when there is no such open: what follows in the compound then fails for the same reason.
  request.compound.file_id = id;
  if (kept && kept->file_id != id) kept.release();
  const auto open = kept ? kept.get() : request.session->find_open(id);
  if (!open && row.command == Command::kClose && is_close_sent_again(request, id)) return {};
  if (!open || !open->tree_connect->is_part_of(*request.tree_connect)) {
    return fail(NtStatus::kFileClosed);
  }
  request.tree_connect = open->tree_connect;
  if (open->is_pipe() && request.conduct.target == Target::kFileOnly) {
    return fail(NtStatus::kInvalidDeviceRequest);
  }
  request.open = kept ? std::move(kept) : Open::use(open);
  if (!request.open) {
    const bool waits = row.command == Command::kClose && is_close_sent_again(request, id);
    return waits ? Result<void>{} : fail(NtStatus::kFileClosed);
  }
  if (row.command != Command::kClose) request.open->end_replay_eligibility();
  if (named.source) {
    const auto source = request.session->find_open(*named.source);
    if (source && request.connection->comes_from(source->tree_connect->share->hosts)) {
      request.source = Open::use(source);
    }
  }
  return request.verify_channel_sequence();
}

Result<void> pass_gates(Request& request, const Row& row) {
  Compound& compound = request.compound;
  request.conduct = row.conduct;
  OpenUse kept = std::move(compound.kept_use);
  const wire::Header& header = request.header;
  const bool related = header.is_related() && request.index != 0;
  // The first of a chain has nothing to be related to; its own ids say who is answered.
  const bool related_to_nothing = header.is_related() && request.index == 0;
  if (!related) compound.begin_unrelated();
  if (row.command == Command::kNegotiate) {
    if (header.is_signed()) return fail(NtStatus::kInvalidParameter);
  } else if (row.command != Command::kSessionSetup) {
    const SessionId session_id = related ? compound.session_id : header.session_id;
    if (related && row.needs_session && !compound.has_session) {
      return fail(NtStatus::kInvalidParameter);
    }
    request.channel = find_channel(request, session_id);
    if (request.channel) request.session = request.channel->session;
    if (request.channel) compound.channel = request.channel;
    BRAID_CHECK(verify_signature(request));
    if (related_to_nothing) return fail(NtStatus::kInvalidParameter);
    if (row.needs_session) BRAID_CHECK(verify_session(request, row));
    compound.session_id = session_id;
    compound.has_session = request.session != nullptr;
  }
  if (row.structure_size != 0) {
    wire::Reader reader = request.body();
    reader.expect_u16(row.structure_size);
    if (!reader.ok()) return fail(reader.error());
  }
  if (row.needs_tree_connect) {
    if (related && !compound.has_tree) return fail(NtStatus::kInvalidParameter);
    const TreeId tree_id = related ? compound.tree_id : header.tree_id;
    compound.tree_id = tree_id;
    compound.has_tree = true;
    BRAID_CHECK(verify_tree_connect(request, tree_id));
  }
  if (row.opens == kNoOpen) return {};
  BRAID_TRY(const NamedOpens named, row.opens(request));
  if (named.conduct) request.conduct = *named.conduct;
  if (!named.open) return {};
  return find_open(request, row, named, related, std::move(kept));
}

// How large the answer may become, and what is transferred besides. What says more than is allowed
// is refused by the handler.
size_t answer_size_max(const Request& request, const Row& row) {
  if (row.answer.length_offset == 0) return request.transfer_size;
  wire::Reader reader(request.message, wire::Header::kSize + row.answer.length_offset);
  const size_t answer = std::min(reader.u32(), kMaxTransferSize);
  return request.transfer_size + row.answer.copies * answer;
}

// Whether there is room at once for what the request may need.
bool take_room(Request& request, const Row& row) {
  MemoryAccount& account = *request.connection->memory;
  if (row.lasting_size > 0) {
    // What stays has a name, and that is kept in more than one place.
    const size_t size = row.lasting_size + 2 * request.message.size();
    auto lasting = account.try_take(size, MemoryUse::kLasting);
    if (!lasting) return false;
    request.lasting_memory = std::move(*lasting);
  }
  auto answer = account.try_take(answer_size_max(request, row), MemoryUse::kAnswer);
  if (answer) request.answer_memory = std::move(*answer);
  return answer.has_value();
}

// Waits for it, as long as clients wait. STATUS_INSUFFICIENT_RESOURCES.
Task<Result<void>> wait_for_room(Request& request, const Row& row) {
  // Another connection may be what holds the rest; what lasts goes when its client wants.
  if (row.lasting_size == 0) {
    // The answers before it hold room, too.
    request.compound.send_replies();
    auto answer = co_await request.connection->take_memory(answer_size_max(request, row));
    if (answer) {
      request.answer_memory = std::move(*answer);
      co_return Result<void>();
    }
  }
  request.connection->memory->budget().count_refusal();
  co_return fail(NtStatus::kInsufficientResources);
}

// The opens and the lease that the request names or has made: what it tells of, it tells of these.
PersistentHandles::About about(const Request& request, const Result<Reply>& result) {
  PersistentHandles::About about;
  const auto add = [&about](const Open* open) {
    if (open && !open->is_pipe()) about.files.push_back(open->attributes.file_key);
  };
  const auto add_found = [&](const FileId& id) {
    if (request.session) add(request.session->find_open(id).get());
  };
  if (request.open) add(&*request.open);
  if (request.source) add(&*request.source);
  if (request.closed) about.files.push_back(*request.closed);
  if (result && result->file_id) add_found(*result->file_id);
  if (request.header.command != Command::kOplockBreak || !request.session) return about;
  wire::Reader reader = request.body();
  const auto ack = wire::decode_break_acknowledgment(reader);
  if (!ack) return about;
  if (const auto* lease = std::get_if<wire::LeaseBreakAcknowledgment>(&*ack)) {
    about.lease = request.session->lease(lease->lease_key);
  } else {
    add_found(std::get<wire::OplockBreakAcknowledgment>(*ack).file_id);
  }
  return about;
}

// What the request has changed of persistent opens, its own or others', is on the disk before it is
// answered. False: it cannot be written, and so there is no answer that would stay true; the client
// comes back and asks again.
Task<bool> settle_changes(Request& request, const Result<Reply>& result) {
  const auto& tree = request.tree_connect;
  if (!tree || !tree->share->persistent || request.conduct.changes == Changes::kNothing) {
    co_return true;
  }
  const auto done = co_await request.files.persistent->settle(*tree->share, about(request, result),
                                                              request.connection->reactor());
  if (done) co_return true;
  log::error("share '{}': {}: cannot write down what a request has changed: {}; it is not answered",
             tree->share->name, request.connection->peer_host(), done.error().message());
  request.connection->disconnect();
  co_return false;
}

// For the administrator who is asked why. MAXIMUM_ALLOWED is a question, not an attempt.
void log_denied_create(const Request& request) {
  if (!log::enabled(log::Level::kInfo) || !request.tree_connect || !request.principal.identity ||
      request.tree_connect->is_pipe()) {
    return;
  }
  wire::Reader reader = request.body();
  const auto create = wire::CreateRequest::decode(reader);
  if (!create || (create->desired_access & wire::Access::kMaximumAllowed)) return;
  using wire::Access;
  constexpr uint32_t kWrite = Access::kFileWriteData | Access::kFileAppendData |
                              Access::kFileWriteEa | Access::kFileWriteAttributes |
                              Access::kGenericWrite | Access::kGenericAll;
  constexpr uint32_t kSecurity = Access::kWriteDac | Access::kWriteOwner;
  const bool writes = (create->desired_access & kWrite) != 0 ||
                      create->create_disposition != wire::CreateDisposition::kOpen;
  const char* const what = create->desired_access & Access::kDelete ? "delete"
                           : writes                                 ? "write"
                           : create->desired_access & kSecurity     ? "change the permissions of"
                                                                    : "read";
  log::info("{}: '{}' may not {} '{}' of share '{}'; braidctl why says who refuses it",
            request.connection->peer_host(), request.principal.identity->account_name, what,
            create->name, request.tree_connect->share->name);
}

// The same for a CREATE that did not come as far as the file.
void log_create_at_gate(const Request& request) {
  if (!request.tree_connect || !request.principal.identity) return;
  const Share& share = *request.tree_connect->share;
  const std::string& account = request.principal.identity->account_name;
  if (!request.connection->comes_from(share.hosts)) {
    log::info("{}: '{}' may not use share '{}' from there; its `hosts` say from where",
              request.connection->peer_host(), account, share.name);
  } else if (share.encrypt && !request.is_encrypted) {
    log::info(
        "{}: '{}' does not encrypt, as share '{}' asks since it connected; it has to connect "
        "again",
        request.connection->peer_host(), account, share.name);
  }
}

// For administrators: how long it took, of its command, its channel's address and its share, and
// what it carried.
void count_request(const Request& request, size_t command, const Result<Reply>& result,
                   std::chrono::nanoseconds time) {
  static_assert(std::tuple_size_v<CommandTimes> == kRows.size());
  request.files.command_times[command].count(time);
  if (request.channel) request.connection->channel_counters->times.count(time);
  if (!request.tree_connect) return;
  ShareCounters& share = *request.tree_connect->share->counters;
  share.times.count(time);
  constexpr auto kRelaxed = std::memory_order_relaxed;
  if (!result) {
    if (result.error() == Error(NtStatus::kAccessDenied)) share.refused.fetch_add(1, kRelaxed);
  } else if (request.header.command == Command::kRead) {
    share.bytes_read.fetch_add(result->payload.size(), kRelaxed);
  } else if (request.header.command == Command::kWrite) {
    wire::Reader reader(result->message, wire::Header::kSize);
    const auto written = wire::WriteResponse::decode(reader);
    if (written) share.bytes_written.fetch_add(written->count, kRelaxed);
  }
}

// What other nodes have of the file, so that no event of it waits with its thread. CHANGE_NOTIFY is
// queued first. A CANCEL that comes meanwhile is not missed.
Task<void> fetch_record(Request& request) {
  const FileKey& file = request.open->attributes.file_key;
  if (request.header.command == Command::kChangeNotify ||
      filestate::is_here(request.server.workers.group(), file)) {
    co_return;
  }
  request.may_take_long();
  co_await request.files.file_table.fetch(file, request.connection->reactor());
}

Reply error_reply(NtStatus status) { return reply_with(wire::ErrorResponse{}, status); }

}  // namespace

Task<std::optional<Reply>> dispatch(Request& request) {
  const auto number = static_cast<size_t>(request.header.command);
  if (number >= kRows.size()) {
    // [MS-SMB2] 3.3.5.2.6 would end the connection; Windows and Samba answer, and so a client may
    // ask for something newer and go on.
    request.channel = request.connection->find_channel(request.header.session_id);
    if (request.channel) request.session = request.channel->session;
    co_return error_reply(NtStatus::kInvalidParameter);
  }
  const Row& row = kRows[number];

  if (row.command == Command::kCancel) {
    // No answer, whatever comes of it; a forged one does nothing.
    request.channel = request.connection->find_channel(request.header.session_id);
    if (request.channel) request.session = request.channel->session;
    if (verify_signature(request)) request.connection->cancel(request.header);
    co_return std::nullopt;
  }

  const auto begun = std::chrono::steady_clock::now();
  const PlacementNeeds needs = placement_needs(request);
  request.transfer_size = needs.memory;
  request.invalidate = needs.invalidate;
  Result<Reply> result = fail(NtStatus::kSuccess);
  bool is_settled = true;
  Result<void> admitted = pass_gates(request, row);
  if (admitted && !take_room(request, row)) admitted = co_await wait_for_room(request, row);
  if (!admitted) {
    result = std::unexpected(admitted.error());
  } else {
    note_for_audit(request);
    if (row.runs_on != RunsOn::kReactor) request.may_take_long();
    const Share* share = request.tree_connect ? request.tree_connect->share.get() : nullptr;
    request.seat.begin(work_of(request.principal.identity.get(), share),
                       unheard_of(request.conduct.changes));
    if (request.open && !request.open->is_pipe()) co_await fetch_record(request);
    Result<void> turn;
    if (row.runs_on == RunsOn::kPool) turn = co_await request.seat.turn();
    if (turn) {
      check_serving_term();
      result = co_await row.handler.value(request);
    } else {
      result = std::unexpected(turn.error());
    }
    // What a CREATE was granted may be asked back at once; its answer must not be overtaken.
    if (row.command == Command::kCreate) {
      co_await request.connection->reactor().schedule();
    } else {
      co_await WayBack(request.connection->reactor());
    }
    is_settled = co_await settle_changes(request, result);
  }
  audit_request(request, result);
  count_request(request, number, result, std::chrono::steady_clock::now() - begun);
  if (request.compound.is_before_related(request.index)) {
    request.compound.kept_use = std::move(request.open);
  }
  request.open.release();
  request.source.release();
  request.sequence_use.release();
  request.finish_async();
  if (!is_settled) co_return std::nullopt;

  if (!result) {
    const NtStatus status = to_status(result.error());
    if (row.command == Command::kCreate && status == NtStatus::kAccessDenied) {
      admitted ? log_denied_create(request) : log_create_at_gate(request);
    }
    if (row.command == Command::kCreate && is_error(status)) {
      request.compound.create_error = status;
      request.compound.file_id.reset();
    }
    log::debug("{} message {} failed: {}", name_of(row.command), request.header.message_id.value,
               name_of(status));
    co_return error_reply(status);
  }
  if (row.command == Command::kCreate && severity(result->status) >= 2) {
    request.compound.create_error = result->status;
  }
  if (result->file_id) request.compound.file_id = result->file_id;
  if (request.reply_session_id) {
    request.compound.session_id = *request.reply_session_id;
    request.compound.has_session = true;
  }
  if (request.reply_tree_id) {
    request.compound.tree_id = *request.reply_tree_id;
    request.compound.has_tree = true;
  }
  co_return std::move(*result);
}

}  // namespace braid::smb2
