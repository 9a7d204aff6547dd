// Resolving, checking, opening or making the file of a CREATE. [MS-FSA] 2.1.5.1 "Server Requests an
// Open of a File".
#include "smb2/access_check.h"
#include "smb2/commands/create/create.h"
#include "smb2/commands/create/create_security.h"
#include "smb2/connection.h"
#include "smb2/error_status.h"
#include "smb2/extended_attributes.h"
#include "smb2/limits.h"
#include "smb2/notify/report.h"
#include "smb2/server.h"
#include "smb2/tree_path.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using vfs::Resolved;
using wire::Access;
using wire::CreateAction;
using wire::CreateDisposition;
using wire::CreateOptions;

// How often a name may appear or vanish under us before the client hears of it.
constexpr int kRacesMax = 8;

bool overwrites(CreateDisposition disposition) {
  return disposition == CreateDisposition::kSupersede ||
         disposition == CreateDisposition::kOverwrite ||
         disposition == CreateDisposition::kOverwriteIf;
}
bool makes_new(CreateDisposition disposition) {
  return disposition != CreateDisposition::kOpen && disposition != CreateDisposition::kOverwrite;
}

// What is about to become an Open.
struct Opened {
  std::unique_ptr<vfs::File> file;
  std::unique_ptr<vfs::File> base_file;  // of a stream
  vfs::Path path;
  FileKey key;
  std::shared_ptr<vfs::Node> parent;  // known when something was made
  vfs::Attributes attributes;
  uint32_t granted_access = 0;
  uint32_t maximal_access = 0;
  CreateAction action = CreateAction::kOpened;
};

struct Context {
  Request& request;
  CreateState& state;
  vfs::Volume& volume;
  const wire::CreateRequest& create;
  bool has_option(uint32_t option) const { return (create.create_options & option) != 0; }
};

// The rights to grant, or why not. `maximal` is what the user could have, `by_name` what there is
// besides for who asks for it.
Result<uint32_t> grant(const Context& context, uint32_t maximal, uint32_t by_name,
                       uint32_t also_needed) {
  const uint32_t desired = map_generic(context.create.desired_access);
  uint32_t wanted = desired & ~Access::kMaximumAllowed;
  const uint32_t refused = (wanted | also_needed) & ~(maximal | by_name);
  if (refused == Access::kAccessSystemSecurity) return fail(NtStatus::kPrivilegeNotHeld);
  if (refused) return fail(NtStatus::kAccessDenied);
  if (desired & Access::kMaximumAllowed) wanted |= maximal;
  if (context.has_option(CreateOptions::kDeleteOnClose) && !(wanted & Access::kDelete)) {
    return fail(NtStatus::kAccessDenied);
  }
  return wanted;
}

// What is asked of the file, in whatever way, for rights_on().
uint32_t asked_for(const Context& context, uint32_t also_needed) {
  uint32_t asked = map_generic(context.create.desired_access) | also_needed;
  if (context.create.contexts.query_maximal_access) asked |= Access::kMaximumAllowed;
  return asked;
}

filestate::OpenRequest open_request(const Context& context, const Opened& opened,
                                    bool overwriting) {
  const Negotiated& negotiated = context.request.connection->negotiated;
  filestate::OpenRequest open;
  open.token = filestate::OpenToken{context.state.file_id.persistent};
  open.client_guid = negotiated.client_guid;
  open.session_id = context.request.session->session_id;
  open.granted_access = opened.granted_access;
  open.share_access = context.create.share_access;
  open.overwrites = overwriting;
  open.is_directory = opened.file->is_directory();
  open.delete_on_close = context.has_option(CreateOptions::kDeleteOnClose);
  open.path = std::make_shared<const std::string>(
      in_all_shares(*context.request.tree_connect->share, opened.path.text()));
  const auto& lease = context.create.contexts.request_lease;
  switch (context.create.requested_oplock_level) {
    case wire::OplockLevel::kLease:
      // [MS-SMB2] 3.3.5.9: without a context, or before 2.1, as if none was asked for.
      if (!lease || negotiated.dialect == wire::Dialect::kSmb202) break;
      if (open.is_directory &&
          !(negotiated.server_capabilities & wire::Capabilities::kDirectoryLeasing)) {
        break;
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
      break;
    case wire::OplockLevel::kLevelIi:
    case wire::OplockLevel::kExclusive:
    case wire::OplockLevel::kBatch:
      if (!open.is_directory) {
        open.requested_oplock =
            static_cast<filestate::OplockLevel>(context.create.requested_oplock_level);
      }
      break;
    default:
      break;
  }
  return open;
}

// Truncates and sets what SUPERSEDE and OVERWRITE reset.
Result<void> overwrite(const Context& context, Opened& opened) {
  BRAID_CHECK(opened.file->truncate(0));
  if (!opened.base_file) {
    vfs::AttributesChange change;
    change.dos_attributes =
        (context.create.file_attributes & vfs::dos::kSettable) | vfs::dos::kArchive;
    BRAID_CHECK(opened.file->change(change));
    BRAID_CHECK(store_eas(*opened.file, context.state.eas));
  }
  BRAID_TRY(opened.attributes, opened.file->stat());
  context.request.server.write_times.overwritten(opened.key, opened.attributes.write_time);
  return {};
}

// Under what names the Open will be found, and whether it will outlive its connection. [MS-SMB2]
// 3.3.5.9.6, 3.3.5.9.10 and 3.3.5.9.13.
void promise(const Context& context, Open& open) {
  const wire::CreateRequestContexts& asked = context.create.contexts;
  open.names.app_instance_id = asked.app_instance_id;
  if (asked.app_instance_id &&
      context.request.connection->negotiated.dialect == wire::Dialect::kSmb311) {
    open.names.app_instance_version = asked.app_instance_version;
  }
  const auto& v2 = asked.durable_handle_request_v2;
  if (v2) open.names.create_guid = v2->create_guid;
  if (open.attributes.is_directory || context.request.tree_connect->is_snapshot()) return;
  constexpr uint32_t kReplayable = Access::kFileReadData | Access::kFileExecute |
                                   Access::kFileWriteData | Access::kFileAppendData |
                                   Access::kDelete;
  open.is_replay_eligible = v2 && open.has_access(kReplayable);

  if (!v2 && !asked.durable_handle_request) return;
  const auto durable = filestate::Durability::kDurable;
  if (!context.request.server.file_table.set_durability(open.ref(), durable)) return;
  std::chrono::milliseconds timeout = kDurableV1Timeout;
  if (v2) timeout = std::chrono::milliseconds{v2->timeout_ms};
  if (timeout.count() == 0) timeout = kDurableTimeoutDefault;
  context.state.terms = {.durability = durable, .timeout = std::min(timeout, kDurableTimeoutMax)};
  *open.durable_terms.lock() = context.state.terms;
}

// Registers with filestate, finishes what the disposition asks for and puts the Open in its tables.
CreateOutcome finish(const Context& context, Opened opened) {
  Server& server = context.request.server;
  CreateState& state = context.state;
  const bool overwriting =
      opened.action == CreateAction::kOverwritten || opened.action == CreateAction::kSuperseded;
  const filestate::OpenRequest registration = open_request(context, opened, overwriting);
  state.caching = server.file_table.open(opened.key, registration);
  switch (state.caching.decision.verdict) {
    case filestate::Verdict::kWait:
      return opened.key;
    case filestate::Verdict::kFail:
      if (state.caching.decision.status == NtStatus::kDeletePending) {
        auto gone = server.deletion_of(opened.key);
        if (!gone && state.caching.deletes_purged) {
          gone = std::make_shared<OneShot<bool>>();
          gone->set(true);  // it was quick
        }
        if (gone) return gone;
      }
      return Error(state.caching.decision.status);
    case filestate::Verdict::kGo:
      break;
  }
  const filestate::OpenRef ref{opened.key, registration.token};
  if (overwriting) {
    if (auto done = overwrite(context, opened); !done) {
      server.file_table.close(ref);
      return done.error();
    }
  }
  if (const auto& size = context.create.contexts.allocation_size;
      size && opened.action != CreateAction::kOpened && !opened.file->is_directory()) {
    if (auto done = opened.file->allocate(*size); done) {
      if (auto now = opened.file->stat()) opened.attributes = *now;
    } else if (done.error().is_os(ENOSPC)) {
      server.file_table.close(ref);
      return done.error();
    }
  }
  OpenAttributes attributes{
      .file_key = opened.key,
      .granted_access = opened.granted_access,
      .share_access = context.create.share_access,
      .create_options = context.create.create_options,
      .create_disposition = static_cast<uint32_t>(context.create.create_disposition),
      .file_attributes = context.create.file_attributes,
      .is_directory = opened.file->is_directory(),
      .is_stream = opened.base_file != nullptr,
      .maximal_access = opened.maximal_access,
      .create_action = opened.action};
  state.action = opened.action;
  state.attributes = opened.attributes;
  server.write_times.show(state.attributes);
  state.maximal_access = opened.maximal_access;
  auto open = std::make_shared<Open>(state.file_id, context.request.session,
                                     context.request.tree_connect, attributes);
  open->file = std::move(opened.file);
  open->base_file = std::move(opened.base_file);
  open->stream_name = state.name.stream;
  open->credentials = context.request.credentials();
  open->client_guid = registration.client_guid;
  open->channel_sequence.start_from(context.request.header.channel_sequence);
  open->owner = context.request.principal.identity;
  if (registration.lease) {
    open->lease_key = registration.lease->key;
    open->parent_lease_key = registration.lease->parent_key;
  }
  open->is_modified = overwriting;
  *open->path.lock() = opened.path;
  if (attributes.is_directory && state.caching.lease) server.has_directory_leases = true;
  promise(context, *open);
  if (open->is_replay_eligible || open->names.app_instance_id ||
      state.terms.durability != filestate::Durability::kNone) {
    server.open_table.add(open);
  }
  if (!context.request.session->add_open(open) || context.request.tree_connect->is_closed()) {
    context.request.session->remove_open(state.file_id);
    server.open_table.remove(state.file_id.persistent);
    server.file_table.close(ref);
    return Error(NtStatus::kInsufficientResources);
  }
  if (opened.action == CreateAction::kCreated && opened.parent) {
    server.file_table.child_changed(opened.parent->key(), open->client_guid,
                                    open->parent_lease_key);
  }
  if (opened.action == CreateAction::kCreated) report_added(server, *open);
  if (overwriting) report_overwritten(server, *open);
  state.open = std::move(open);
  return create_reply(context.request, state);
}

// The kernel's part of opening for `granted`. On a read-only share,
// such as a previous version, nothing is opened for writing, whatever was granted.
vfs::Access kernel_access(uint32_t granted, bool is_directory, bool overwriting,
                          bool is_read_only) {
  if (is_directory) return {.read = (granted & Access::kFileListDirectory) != 0};
  return {.read = (granted & (Access::kFileReadData | Access::kFileExecute)) != 0,
          .write = !is_read_only &&
                   (overwriting || (granted & (Access::kFileWriteData | Access::kFileAppendData)))};
}

// Opens for what was granted. With MAXIMUM_ALLOWED what the kernel refuses is not granted instead.
Result<std::unique_ptr<vfs::File>> open_for(const Context& context, const Resolved& resolved,
                                            uint32_t& granted, bool overwriting) {
  const bool is_directory = resolved.attributes.is_directory();
  const uint32_t demanded = map_generic(context.create.desired_access);
  const bool is_read_only = context.request.tree_connect->share->read_only;
  for (;;) {
    // A link that is opened itself has no data.
    const vfs::Access access =
        resolved.attributes.is_symlink()
            ? vfs::Access{}
            : kernel_access(granted, is_directory, overwriting, is_read_only);
    auto file = context.volume.open(context.request.credentials(), resolved, {.access = access});
    if (file || !file.error().is_os(EACCES) || !(demanded & Access::kMaximumAllowed)) return file;
    const uint32_t write = Access::kFileWriteData | Access::kFileAppendData;
    const uint32_t read = Access::kFileReadData | Access::kFileExecute;
    if ((granted & write & ~demanded) != 0) {
      granted &= ~(write & ~demanded);
    } else if ((granted & read & ~demanded) != 0) {
      granted &= ~(read & ~demanded);
    } else {
      return file;
    }
  }
}

CreateOutcome open_existing(const Context& context, Resolved resolved) {
  const CreateDisposition disposition = context.create.create_disposition;
  const vfs::Attributes& attributes = resolved.attributes;
  const bool is_directory = attributes.is_directory();
  const vfs::PathAndStream& name = context.state.name;
  if (is_directory && name.has_stream && !name.stream_is_index) {
    // "dir::$DATA": a directory has no unnamed data stream.
    return Error(context.has_option(CreateOptions::kDirectoryFile) ? NtStatus::kNotADirectory
                                                                   : NtStatus::kFileIsADirectory);
  }
  if (context.has_option(CreateOptions::kNonDirectoryFile) && is_directory) {
    return Error(NtStatus::kFileIsADirectory);
  }
  if (context.has_option(CreateOptions::kDirectoryFile) && !is_directory) {
    // A CREATE of a directory meets the name first.
    return Error(disposition == CreateDisposition::kCreate ? NtStatus::kObjectNameCollision
                                                           : NtStatus::kNotADirectory);
  }
  if (disposition == CreateDisposition::kCreate) return Error(NtStatus::kObjectNameCollision);
  const bool overwriting = overwrites(disposition);
  if (is_directory && overwriting) {
    return Error(resolved.path.is_root() ? NtStatus::kAccessDenied
                                         : NtStatus::kObjectNameCollision);
  }
  uint32_t also_needed = 0;
  if (overwriting) {
    const uint32_t kept = attributes.dos_attributes & (vfs::dos::kHidden | vfs::dos::kSystem);
    if (kept & ~context.create.file_attributes) return Error(NtStatus::kAccessDenied);
    also_needed =
        disposition == CreateDisposition::kSupersede ? Access::kDelete : Access::kFileWriteData;
    if (attributes.dos_attributes & vfs::dos::kReadonly) return Error(NtStatus::kAccessDenied);
  }
  if (context.has_option(CreateOptions::kDeleteOnClose)) {
    if (attributes.dos_attributes & vfs::dos::kReadonly) return Error(NtStatus::kCannotDelete);
    if (resolved.path.is_root()) return Error(NtStatus::kAccessDenied);
  }

  Opened opened;
  const auto rights = rights_on(context.request, resolved, asked_for(context, also_needed));
  if (!rights) return rights.error();
  opened.maximal_access = rights->maximal;
  auto granted = grant(context, rights->maximal, rights->by_name, also_needed);
  if (!granted) return granted.error();
  opened.granted_access = *granted;
  auto file = open_for(context, resolved, opened.granted_access, overwriting);
  if (!file) return file.error();
  opened.file = std::move(*file);
  opened.key = opened.file->key();
  opened.path = std::move(resolved.path);
  opened.attributes = attributes;
  if (overwriting) {
    opened.action = disposition == CreateDisposition::kSupersede ? CreateAction::kSuperseded
                                                                 : CreateAction::kOverwritten;
  }
  return finish(context, std::move(opened));
}

CreateOutcome make_new(const Context& context, const Resolved& resolved) {
  Server& server = context.request.server;
  const bool is_directory = context.has_option(CreateOptions::kDirectoryFile);
  const uint32_t needed = is_directory ? Access::kFileAddSubdirectory : Access::kFileAddFile;
  const auto directory = rights_on_parent(context.request, resolved);
  if (!directory) return directory.error();
  if (!(directory->maximal & needed)) return Error(NtStatus::kAccessDenied);
  const auto security =
      security_for_new(context.request, context.create, *directory->security, is_directory);
  if (!security) return security.error();
  if (context.state.name.trailing_separator && !is_directory) {
    return Error(NtStatus::kObjectNameInvalid);
  }
  if (context.has_option(CreateOptions::kDeleteOnClose) &&
      (context.create.file_attributes & vfs::dos::kReadonly)) {
    return Error(NtStatus::kCannotDelete);
  }
  const auto& lease = context.create.contexts.request_lease;
  if (lease && context.create.requested_oplock_level == wire::OplockLevel::kLease) {
    const filestate::LeaseId id{context.request.connection->negotiated.client_guid,
                                lease->lease_key};
    if (const NtStatus status = server.file_table.check_lease_key(id, std::nullopt);
        status != NtStatus::kSuccess) {
      return Error(status);
    }
  }
  // Who wants it encrypted on the disk must not believe that it is.
  if (!is_directory && (context.create.file_attributes & vfs::dos::kEncrypted)) {
    return Error(NtStatus::kAccessDenied);
  }
  Opened opened;
  opened.maximal_access = Access::kFileAllAccess & context.request.tree_connect->maximal_access;
  auto granted = grant(context, opened.maximal_access, directory->by_name, 0);
  if (!granted) return granted.error();
  opened.granted_access = *granted;

  // Nobody else gets at it before its descriptor is there.
  const uint32_t mode =
      security->descriptor ? (is_directory ? 0700u : 0600u) : (is_directory ? 0755u : 0644u);
  auto file =
      context.volume.create(context.request.credentials(), resolved,
                            {.access = is_directory ? vfs::Access{.read = true}
                                                    : vfs::Access{.read = true, .write = true},
                             .directory = is_directory,
                             .mode = mode,
                             .dos_attributes = context.create.file_attributes & vfs::dos::kSettable,
                             .compress = !context.has_option(CreateOptions::kNoCompression)});
  if (!file) return file.error();
  opened.file = std::move(*file);
  opened.key = opened.file->key();
  auto done = apply(context.request, *opened.file, *security);
  if (done) done = store_eas(*opened.file, context.state.eas);
  if (!done) {
    (void)context.volume.remove(context.request.credentials(), resolved.place, opened.key);
    return done.error();
  }
  opened.path = resolved.path;
  opened.parent = resolved.place.parent;
  auto attributes = opened.file->stat();
  if (!attributes) return attributes.error();
  opened.attributes = *attributes;
  opened.action = CreateAction::kCreated;
  return finish(context, std::move(opened));
}

// The stream's name as it was given when it was made.
std::string stored_spelling(vfs::File& base_file, const std::string& name) {
  if (const auto streams = base_file.streams()) {
    for (const vfs::StreamInfo& stream : *streams) {
      if (vfs::equal_folded(stream.name, name)) return stream.name;
    }
  }
  return name;
}

// A named stream of a file that is there or is made first. [MS-FSA] 2.1.5.1.
CreateOutcome open_stream(const Context& context, Resolved resolved) {
  const CreateDisposition disposition = context.create.create_disposition;
  if (context.has_option(CreateOptions::kDirectoryFile)) return Error(NtStatus::kNotADirectory);
  const Credentials& who = context.request.credentials();
  Opened opened;
  uint32_t by_name = 0;
  if (resolved.outcome == Resolved::Outcome::kMissing) {
    if (!makes_new(disposition)) return Error(NtStatus::kObjectNameNotFound);
    const auto directory = rights_on_parent(context.request, resolved);
    if (!directory) return directory.error();
    if (!(directory->maximal & Access::kFileAddFile)) return Error(NtStatus::kAccessDenied);
    const auto security =
        security_for_new(context.request, context.create, *directory->security, false);
    if (!security) return security.error();
    auto made = context.volume.create(
        who, resolved,
        {.access = {.read = true, .write = true}, .mode = security->descriptor ? 0600u : 0644u});
    if (!made) return made.error();
    opened.base_file = std::move(*made);
    if (const auto done = apply(context.request, *opened.base_file, *security); !done) {
      (void)context.volume.remove(who, resolved.place, opened.base_file->key());
      return done.error();
    }
    opened.maximal_access = Access::kFileAllAccess & context.request.tree_connect->maximal_access;
    by_name = directory->by_name;
  } else {
    const auto rights = rights_on(context.request, resolved, asked_for(context, 0), Names::kStay);
    if (!rights) return rights.error();
    opened.maximal_access = rights->maximal;
    by_name = rights->by_name;
    auto found = context.volume.open(who, resolved, {});
    if (!found) return found.error();
    opened.base_file = std::move(*found);
  }
  auto granted = grant(context, opened.maximal_access, by_name, 0);
  if (!granted) return granted.error();
  opened.granted_access = *granted;
  const bool writes =
      !context.request.tree_connect->share->read_only &&
      (overwrites(disposition) ||
       (opened.granted_access & (Access::kFileWriteData | Access::kFileAppendData)));

  vfs::StreamHow how{.disposition = vfs::StreamHow::Disposition::kOpen, .write = writes};
  auto stream = opened.base_file->open_stream(context.state.name.stream, how);
  const bool missing = !stream && stream.error().is_os(ENOENT);
  if (!stream && !missing) return stream.error();
  if (missing) {
    if (!makes_new(disposition)) return Error(NtStatus::kObjectNameNotFound);
    if (!(opened.maximal_access & Access::kFileWriteData)) return Error(NtStatus::kAccessDenied);
    how.disposition = vfs::StreamHow::Disposition::kCreate;
    how.write = true;
    stream = opened.base_file->open_stream(context.state.name.stream, how);
    if (!stream) return stream.error();
    opened.action = CreateAction::kCreated;
  } else {
    if (disposition == CreateDisposition::kCreate) return Error(NtStatus::kObjectNameCollision);
    if (overwrites(disposition)) {
      opened.action = disposition == CreateDisposition::kSupersede ? CreateAction::kSuperseded
                                                                   : CreateAction::kOverwritten;
    }
  }
  if (!missing)
    context.state.name.stream = stored_spelling(*opened.base_file, context.state.name.stream);
  opened.file = std::move(*stream);
  opened.key = opened.file->key();
  opened.path = std::move(resolved.path);
  auto attributes = opened.file->stat();
  if (!attributes) return attributes.error();
  opened.attributes = *attributes;
  return finish(context, std::move(opened));
}

}  // namespace

CreateOutcome try_create(Request& request, CreateState& state) {
  Context context{request, state, *request.tree_connect->share->volume, state.create};
  const CreateDisposition disposition = state.create.create_disposition;
  for (int race = 0;; ++race) {
    auto resolved = context.volume.lookup(request.credentials(), state.name.path);
    if (!resolved) return resolved.error();
    const bool is_link =
        resolved->outcome == Resolved::Outcome::kSymlink ||
        (resolved->outcome == Resolved::Outcome::kFound && resolved->attributes.is_symlink() &&
         !context.has_option(CreateOptions::kOpenReparsePoint));
    if (is_link) return symlink_reply(request, *resolved, state.name.path);

    CreateOutcome outcome = Error(NtStatus::kInternalError);
    if (!state.name.stream.empty()) {
      outcome = open_stream(context, std::move(*resolved));
    } else if (resolved->outcome == Resolved::Outcome::kFound) {
      outcome = open_existing(context, std::move(*resolved));
    } else if (makes_new(disposition)) {
      outcome = make_new(context, *resolved);
    } else {
      return Error(NtStatus::kObjectNameNotFound);
    }
    // Somebody local was faster with this name: look again, unless it keeps happening.
    const auto* error = std::get_if<Error>(&outcome);
    const bool raced = error && (error->is_os(EEXIST) || error->is_os(ESTALE));
    if (!raced || race >= kRacesMax) return outcome;
  }
}

}  // namespace braid::smb2
