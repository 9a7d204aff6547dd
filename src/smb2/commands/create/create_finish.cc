// The second half of an attempt: from a file that is open to an Open that the client holds.
// [MS-FSA] 2.1.5.1 "Server Requests an Open of a File", [MS-SMB2] 3.3.5.9.
#include <sys/stat.h>

#include <cerrno>

#include "filestate/elsewhere.h"
#include "smb2/commands/create/create_attempt.h"
#include "smb2/commands/create/old_streams.h"
#include "smb2/common/limits.h"
#include "smb2/common/store_account.h"
#include "smb2/connections/connection.h"
#include "smb2/files/access_check.h"
#include "smb2/files/close_open.h"
#include "smb2/files/deletion.h"
#include "smb2/files/file_services.h"
#include "smb2/files/local_access.h"
#include "smb2/files/report.h"
#include "smb2/opens/sync.h"
#include "smb2/persistent/persistent_handles.h"
#include "smb2/server.h"
#include "smb2/shares/extended_attributes.h"
#include "smb2/shares/tree_path.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::CreateAction;
using wire::CreateOptions;

// [MS-SMB2] 3.3.5.9, 3.3.5.9.8 and 3.3.5.9.11: what a share of STYPE_CLUSTER_SOFS gives at most,
// which no node need be asked about. Ours hold more between nodes (docs/protocol.md).
void limit_to_reading(filestate::OpenRequest& open) {
  if (open.lease) open.lease->state = open.lease->state & filestate::Caching::kRead;
  if (open.requested_oplock == filestate::OplockLevel::kBatch) {
    open.requested_oplock = filestate::OplockLevel::kLevelII;
  }
}

// [MS-SMB2] 3.3.5.9: a lease without a context, or before 2.1, is none.
void ask_for_caching(const CreateAttempt& attempt, filestate::OpenRequest& open) {
  const Negotiated& negotiated = attempt.request.connection->negotiated;
  const wire::OplockLevel level = attempt.create.requested_oplock_level;
  const auto& lease = attempt.create.contexts.request_lease;
  if (level == wire::OplockLevel::kLease) {
    if (!lease || negotiated.dialect == wire::Dialect::kSmb202) return;
    if (open.is_directory &&
        !(negotiated.server_capabilities & wire::Capabilities::kDirectoryLeasing)) {
      return;
    }
    open.requested_oplock = filestate::OplockLevel::kLease;
    open.lease = filestate::LeaseRequest{
        .key = lease->lease_key,
        .state = static_cast<filestate::Caching>(lease->lease_state & wire::LeaseState::kAll),
        .version = lease->version,
        .epoch = lease->epoch};
    if (lease->version == 2 && (lease->lease_flags & wire::LeaseFlags::kParentLeaseKeySet)) {
      open.lease->parent_key = lease->parent_lease_key;
    }
  } else if (!open.is_directory &&
             (level == wire::OplockLevel::kLevelIi || level == wire::OplockLevel::kExclusive ||
              level == wire::OplockLevel::kBatch)) {
    open.requested_oplock = static_cast<filestate::OplockLevel>(level);
  }
}

filestate::OpenRequest open_request(const CreateAttempt& attempt, const OpenedFile& opened,
                                    bool overwriting) {
  const Negotiated& negotiated = attempt.request.connection->negotiated;
  filestate::OpenRequest open;
  open.token = filestate::OpenToken{attempt.state.file_id.volatile_id};
  open.client_guid = negotiated.client_guid;
  open.user = attempt.request.session->user_id();
  open.session_id = attempt.request.session->session_id;
  open.account = account_of(*attempt.request.principal.identity);
  open.granted_access = opened.granted_access;
  open.share_access = attempt.create.share_access;
  open.overwrites = overwriting;
  open.needed_access = opened.needed_access;
  open.allocation_size = overwriting ? 0 : opened.attributes.allocation_size;
  open.is_directory = opened.file && opened.file->is_directory();
  open.is_new = opened.missing != nullptr;
  open.is_sole_name = open.is_directory || opened.attributes.nlink <= 1;
  open.delete_on_close = attempt.has_option(CreateOptions::kDeleteOnClose);
  if (open.delete_on_close) open.deleter = deleter_of(attempt.request, opened.path);
  open.path = std::make_shared<const std::string>(
      in_all_shares(*attempt.request.tree_connect->share, opened.path.text()));
  ask_for_caching(attempt, open);
  const Share& share = *attempt.request.tree_connect->share;
  // An exclusive oplock would be one that others have to ask for, too.
  if (share.scale_out && negotiated.is_smb3() &&
      open.requested_oplock == filestate::OplockLevel::kExclusive) {
    open.requested_oplock = filestate::OplockLevel::kLevelII;
  }
  const bool is_windows_node =
      share.compat == config::Compat::kWindows && attempt.request.files.file_table.is_spread();
  if (negotiated.is_smb3() && (share.scale_out || is_windows_node)) {
    limit_to_reading(open);
  }
  return open;
}

// Truncates and sets what SUPERSEDE and OVERWRITE reset. What may be refused comes before the
// content goes.
Result<void> overwrite(const CreateAttempt& attempt, OpenedFile& opened, const OldStreams& old) {
  if (!opened.base_file) {
    BRAID_CHECK(store_eas(*opened.file, attempt.state.eas));
    vfs::AttributesChange change;
    change.dos_attributes =
        (attempt.create.file_attributes & vfs::dos::kSettable) | vfs::dos::kArchive;
    BRAID_CHECK(opened.file->change(change));
    BRAID_CHECK(drop_streams(*opened.file, old));
  }
  BRAID_CHECK(opened.file->truncate(0));
  BRAID_TRY(opened.attributes, opened.file->stat());
  return {};
}

// [MS-SMB2] 3.3.5.9.10. A user with more opens that wait for him than others leave room for gets
// durable ones: those are not kept then.
bool asks_for_persistent(const CreateAttempt& attempt, const Open& open) {
  const Request& request = attempt.request;
  const auto& v2 = attempt.create.contexts.durable_handle_request_v2;
  return v2 && (v2->flags & wire::DurableHandleFlags::kPersistent) != 0 &&
         request.tree_connect->share->persistent && !attempt.state.is_quota_file &&
         (request.connection->negotiated.server_capabilities &
          wire::Capabilities::kPersistentHandles) != 0 &&
         request.files.open_table.has_room(open.user);
}

// Under what names the Open will be found, and whether it will outlive its connection. [MS-SMB2]
// 3.3.5.9.6, 3.3.5.9.10 and 3.3.5.9.13.
void promise(const CreateAttempt& attempt, Open& open) {
  const wire::CreateRequestContexts& asked = attempt.create.contexts;
  open.names.app_instance_id = asked.app_instance_id;
  if (asked.app_instance_id &&
      attempt.request.connection->negotiated.dialect == wire::Dialect::kSmb311) {
    open.names.app_instance_version = asked.app_instance_version;
  }
  const auto& v2 = asked.durable_handle_request_v2;
  if (v2) open.names.create_guid = v2->create_guid;
  if (attempt.request.tree_connect->is_snapshot()) return;
  // Whoever comes without an account is the same user: another guest must not get it.
  if (!attempt.request.session->security()->has_session_key) return;
  auto durability = filestate::Durability::kDurable;
  if (asks_for_persistent(attempt, open)) durability = filestate::Durability::kPersistent;
  const bool may_be_kept =
      !open.attributes.is_directory || durability == filestate::Durability::kPersistent;
  if (!may_be_kept) return;
  constexpr uint32_t kReplayable = Access::kFileReadData | Access::kFileExecute |
                                   Access::kFileWriteData | Access::kFileAppendData |
                                   Access::kDelete;
  open.is_replay_eligible = v2 && open.has_access(kReplayable);

  if (!v2 && !asked.durable_handle_request) return;
  if (!attempt.request.files.file_table.set_durability(open.ref(), durability)) return;
  std::chrono::milliseconds timeout = kDurableV1Timeout;
  if (v2) timeout = std::chrono::milliseconds{v2->timeout_ms};
  if (timeout.count() == 0) timeout = kDurableTimeoutDefault;
  attempt.state.terms = {.durability = durability,
                         .timeout = std::min(timeout, kDurableTimeoutMax)};
  *open.durable_terms.lock() = attempt.state.terms;
  if (durability == filestate::Durability::kPersistent) open.is_replay_eligible = true;
}

// As much of an Open as it takes to close one.
std::shared_ptr<Open> make_bare_open(const CreateAttempt& attempt, OpenedFile& opened) {
  OpenAttributes attributes{
      .file_key = opened.key,
      .born = opened.attributes.born.ticks,
      .granted_access = opened.granted_access,
      .share_access = attempt.create.share_access,
      .create_options = attempt.create.create_options,
      .create_disposition = static_cast<uint32_t>(attempt.create.create_disposition),
      .file_attributes = attempt.create.file_attributes,
      .is_directory = opened.file && opened.file->is_directory(),
      .is_stream = opened.base_file != nullptr,
      .maximal_access = opened.maximal_access,
      .create_action = opened.action,
      .is_posix = attempt.state.is_posix};
  auto open =
      std::make_shared<Open>(OpenValues{.file_id = attempt.state.file_id, .attributes = attributes},
                             attempt.request.session, attempt.request.tree_connect);
  open->file = std::move(opened.file);
  open->base_file = std::move(opened.base_file);
  open->local_watch = std::move(opened.local_watch);
  if (open->file) {
    open->its_stream_name = open->file->stream_name();
  } else {
    // It is still to be made, and others of that name may have left their deletion to this.
    open->its_stream_name = std::make_shared<vfs::StreamName>(attempt.state.name.stream);
  }
  open->credentials = attempt.request.credentials();
  *open->path.lock() = opened.path;
  return open;
}

// The Open of a file that filestate let through.
std::shared_ptr<Open> make_open(const CreateAttempt& attempt, OpenedFile& opened,
                                const filestate::OpenRequest& registration) {
  auto open = make_bare_open(attempt, opened);
  const OpenAttributes& attributes = open->attributes;
  open->descriptors = std::move(attempt.state.descriptors);
  if (!attributes.is_directory && !attributes.is_stream) open->descriptors.keep(1);
  open->client_guid = registration.client_guid;
  open->user = registration.user;
  open->memory.begin(
      {attempt.request.connection->memory, std::move(attempt.request.lasting_memory)});
  open->channel_sequence.start_from(attempt.request.header.channel_sequence);
  open->owner = attempt.request.principal.identity;
  if (registration.lease) {
    open->lease_key = registration.lease->key;
    open->parent_lease_key = registration.lease->parent_key;
  }
  // What FileModeInformation may change; the other options stay as they are.
  open->mode =
      attributes.create_options & (CreateOptions::kWriteThrough | CreateOptions::kSequentialOnly);
  return open;
}

// A stream that was renamed or removed after it was found: filestate has it by a name that is
// another's now, or nobody's.
bool is_called_otherwise(const OpenedFile& opened) {
  if (!opened.file) return false;
  const auto name = opened.file->stream_name();
  return name && (name->is_gone() || vfs::stream_key(name->text()) != opened.key.stream);
}

// That open is of nothing, so it goes without a trace, and the CREATE begins anew.
CreateOutcome look_again(const CreateAttempt& attempt, OpenedFile opened,
                         const filestate::OpenRequest& registration) {
  FileServices& files = attempt.request.files;
  CreateState& state = attempt.state;
  const filestate::OpenRef ref{state.caching.file, registration.token};
  (void)files.file_table.set_delete_on_close(ref, false, filestate::DeleteSemantics::kLastClose);
  filestate::CloseDecision closed = files.file_table.close(ref);
  if (closed.delete_now) {
    // Those who had the other one open have left its deletion to this.
    opened.key = state.caching.file;
    const auto open = make_bare_open(attempt, opened);
    open->its_stream_name = std::make_shared<vfs::StreamName>(state.name.stream);
    (void)finish_close(files, *open, std::move(closed));
    return Error(NtStatus::kDeletePending);
  }
  state.file_id = files.file_ids.next();
  auto now = std::make_shared<OneShot<bool>>();
  now->set(true);
  return now;
}

// Whether the name that was looked up is still that of the file, now that filestate knows of the
// open and nobody renames or deletes without it. What is made is made under its name, and that of
// the quotas is nobody's to change.
bool has_its_name(const CreateAttempt& attempt, const OpenedFile& opened) {
  if (opened.missing || attempt.state.is_quota_file) return true;
  if (attempt.request.files.file_table.name_changes() == attempt.name_changes) return true;
  vfs::File& file = opened.base_file ? *opened.base_file : *opened.file;
  const auto name = attempt.volume.name_of(file);
  if (name && *name == opened.path) return true;
  if (attempt.at_once) return false;
  const auto found = attempt.volume.find(attempt.request.credentials(), opened.path);
  return found && found->attributes.key == file.key();
}

Task<void> close_withdrawn(FileServices& files, std::shared_ptr<Open> open) {
  (void)co_await close_open(files, std::move(open));
}

// Ends the registration of a file that turned out not to be the one of that name. Nothing was done
// to it, and it is not deleted, unless it had to wait for this open with that.
void withdraw(const CreateAttempt& attempt, OpenedFile opened) {
  FileServices& files = attempt.request.files;
  const auto open = make_bare_open(attempt, opened);
  (void)files.file_table.set_delete_on_close(open->ref(), false,
                                             filestate::DeleteSemantics::kLastClose);
  if (!attempt.at_once) {
    (void)finish_close(files, *open);
    return;
  }
  // The next attempt does not wait for that.
  attempt.state.file_id = files.file_ids.next();
  files.spawn(close_withdrawn(files, open));
}

filestate::OpenRef registered(const CreateAttempt& attempt) {
  return {attempt.state.caching.file, filestate::OpenToken{attempt.state.file_id.volatile_id}};
}

// An overwrite that has done nothing yet, and cannot begin. Somebody else takes something of the
// file: when he is done it is looked up again.
CreateOutcome begin_anew(const CreateAttempt& attempt, OpenedFile opened,
                         const Result<OldStreams>& old) {
  const FileKey key = opened.key;
  withdraw(attempt, std::move(opened));
  if (!old) return old.error();
  attempt.state.file_id = attempt.request.files.file_ids.next();
  return attempt.request.files.deletion_of(key, *old->taken_by);
}

// FILE_WRITE_THROUGH is for what the CREATE itself has done, too: the file, and its name.
Result<void> write_through_new(const CreateAttempt& attempt, Open& open,
                               const vfs::Missing* missing) {
  if (open.attributes.create_action == CreateAction::kOpened) return {};
  BRAID_CHECK(write_through(open, vfs::Durability::kDataAndMetadata));
  if (!missing || !is_write_through(open)) return {};
  return sync_names(attempt.volume, missing->place.parent);
}

// Once filestate has let an open in there is one way back: it is closed like any other. What was
// there before stays, since the client is told that nothing was done; what this CREATE has made is
// gone by then, and `making` keeps others from its name until the open is, too.
Task<void> close_refused(FileServices& files, std::shared_ptr<Open> open,
                         std::shared_ptr<const void> making) {
  (void)co_await close_open(files, std::move(open));
  making.reset();
}

Error give_up(const CreateAttempt& attempt, OpenedFile& opened, std::shared_ptr<Open> open,
              const Error& why) {
  FileServices& files = attempt.request.files;
  if (opened.action == CreateAction::kCreated) unmake(attempt, opened, Registered::kYes);
  // Fails for what would not be deleted anyway.
  (void)files.file_table.set_delete_on_close(open->ref(), false,
                                             filestate::DeleteSemantics::kLastClose);
  files.spawn(close_refused(files, std::move(open), std::move(opened.making)));
  return why;
}

// Of what local programs have done since it was looked at, nobody is going to tell. False: that is
// for who may wait.
bool look_at_again(OpenedFile& opened) {
  struct stat now{};
  if (::fstat(opened.file->descriptor(), &now) != 0) return true;
  const bool is_as_it_was = to_file_time(now.st_ctim) == opened.attributes.changed &&
                            static_cast<uint64_t>(now.st_size) == opened.attributes.size;
  if (is_as_it_was) return true;
  auto again = opened.file->stat();
  if (!again) return !again.error().is_os(EAGAIN);
  opened.attributes = *std::move(again);
  return true;
}

// What was granted and cannot stay is taken back before anybody hears of it. False: as above.
bool see_to_local_programs(const CreateAttempt& attempt, OpenedFile& opened) {
  using filestate::Caching;
  FileServices& files = attempt.request.files;
  filestate::OpenDecision& caching = attempt.state.caching;
  const Caching granted =
      caching.lease ? caching.lease->state : filestate::caching_of(caching.oplock);
  // A lease that is nothing now may be more by another open, and end with this one.
  if (!filestate::any(granted) && !caching.lease) return true;
  // The file is open: whoever breaks a guard from here on is a local program.
  attempt.state.opening.reset();
  LocalAccessTerms terms =
      see_to_local_programs(files, *attempt.request.tree_connect->share, opened.key, *opened.file,
                            granted, account_of(*attempt.request.principal.identity));
  if (terms.watch) {
    opened.local_watch = std::move(terms.watch);
    if (!look_at_again(opened)) return false;
  }
  if (filestate::is_subset(granted, terms.kept)) return true;
  const auto now = files.file_table.keep_only(registered(attempt), terms.kept, caching.before);
  caching.oplock = now.oplock;
  caching.lease = now.lease;
  return true;
}

// What filestate did not let in.
CreateOutcome not_let_in(const CreateAttempt& attempt, const OpenedFile& opened) {
  FileServices& files = attempt.request.files;
  const filestate::OpenDecision& decided = attempt.state.caching;
  if (opened.making) unmake(attempt, opened, Registered::kNo);
  if (decided.decision.verdict == filestate::Verdict::kWait) return opened.key;
  if (decided.decision.status == NtStatus::kDeletePending) {
    if (decided.deletes_purged) return files.deletion_of(decided.waits_for, decided.deleted_by);
    if (auto gone = files.deletion_of(opened.key)) return gone;
  }
  return Error(decided.decision.status);
}

}  // namespace

Result<void> reserve(const CreateAttempt& attempt, vfs::File& file) {
  const auto& size = attempt.create.contexts.allocation_size;
  if (!size) return {};
  if (*size > kSizeMax) return fail(NtStatus::kInvalidParameter);
  auto done = file.allocate(*size);
  // A file system that reserves nothing makes the file all the same.
  if (!done && done.error().is_os(EOPNOTSUPP)) return {};
  return done;
}

CreateOutcome finish_open(const CreateAttempt& attempt, OpenedFile opened) {
  FileServices& files = attempt.request.files;
  CreateState& state = attempt.state;
  // What is made is nobody else's yet, and would be made twice.
  if (!opened.missing && !filestate::is_here(attempt.request.server.workers.group(), opened.key)) {
    return Elsewhere{opened.key};
  }
  const bool overwriting =
      opened.action == CreateAction::kOverwritten || opened.action == CreateAction::kSuperseded;
  const filestate::OpenRequest registration = open_request(attempt, opened, overwriting);
  attempt.request.ahead_of.reset();
  if (registration.requested_oplock != filestate::OplockLevel::kNone &&
      registration.requested_oplock != filestate::OplockLevel::kLease) {
    attempt.request.ahead_of = files.breaks.hold_back(registration.token);
  }
  state.caching = files.file_table.open(opened.key, registration);
  if (state.caching.decision.verdict != filestate::Verdict::kGo) {
    return not_let_in(attempt, opened);
  }
  if (state.is_posix && registration.delete_on_close) {
    (void)files.file_table.set_delete_on_close(registered(attempt), true,
                                               filestate::DeleteSemantics::kPosix);
  }
  if (is_called_otherwise(opened)) return look_again(attempt, std::move(opened), registration);
  opened.key = state.caching.file;
  if (!has_its_name(attempt, opened)) {
    withdraw(attempt, std::move(opened));
    return Error::os(ESTALE);
  }
  if (const auto done = complete(attempt, opened); !done) {
    withdraw(attempt, std::move(opened));
    return done.error();
  }
  if (overwriting) {
    // What others had in their caches must not come back to them after a crash.
    if (const auto done = files.persistent->settle_now(
            *attempt.request.tree_connect->share, {.files = {opened.key}, .changes_data = true});
        !done) {
      withdraw(attempt, std::move(opened));
      return done.error();
    }
    auto old = take_old_streams(attempt.request, *opened.file, registered(attempt));
    if (!old || old->taken_by) return begin_anew(attempt, std::move(opened), old);
    // All or nothing: there is room before the old content goes, with which what was reserved goes.
    auto done = reserve(attempt, *opened.file);
    if (done) done = overwrite(attempt, opened, *old);
    if (done) done = reserve(attempt, *opened.file);
    if (!done) {
      return give_up(attempt, opened, make_open(attempt, opened, registration), done.error());
    }
    if (attempt.create.contexts.allocation_size) {
      if (auto now = opened.file->stat()) opened.attributes = *now;
    }
  }
  if (!see_to_local_programs(attempt, opened)) {
    withdraw(attempt, std::move(opened));
    return Error::os(ESTALE);
  }
  state.action = opened.action;
  state.attributes = opened.attributes;
  state.maximal_access = opened.maximal_access;
  const auto open = make_open(attempt, opened, registration);
  if (open->attributes.is_directory && state.caching.lease) files.granted_directory_lease();
  if (overwriting) report_overwritten(files, *open);
  if (const auto done = write_through_new(attempt, *open, opened.missing); !done) {
    return give_up(attempt, opened, open, done.error());
  }
  promise(attempt, *open);
  if (open->is_replay_eligible || open->names.app_instance_id ||
      state.terms.durability != filestate::Durability::kNone) {
    files.open_table.add(open);
  }
  if (!attempt.request.session->add_open(open) || attempt.request.tree_connect->is_closed()) {
    return give_up(attempt, opened, open, NtStatus::kInsufficientResources);
  }
  if (opened.missing) {
    files.file_table.child_changed(opened.missing->place.parent->key(), open->parent_lease());
  }
  if (opened.action == CreateAction::kCreated) report_added(files, *open);
  state.open = open;
  return create_reply(attempt.request, state);
}

}  // namespace braid::smb2
