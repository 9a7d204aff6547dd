// Resolving, checking, opening or making the file of a CREATE. [MS-FSA] 2.1.5.1 "Server Requests an
// Open of a File".
#include "smb2/access_check.h"
#include "smb2/commands/create/create_attempt.h"
#include "smb2/commands/create/create_security.h"
#include "smb2/connection.h"
#include "smb2/error_status.h"
#include "smb2/extended_attributes.h"
#include "smb2/limits.h"
#include "smb2/server.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

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

// The rights to grant, or why not. `maximal` is what the user could have, `by_name` what there is
// besides for who asks for it.
Result<uint32_t> grant(const CreateAttempt& attempt, uint32_t maximal, uint32_t by_name,
                       uint32_t also_needed) {
  const uint32_t desired = map_generic(attempt.create.desired_access);
  uint32_t wanted = desired & ~Access::kMaximumAllowed;
  const uint32_t refused = (wanted | also_needed) & ~(maximal | by_name);
  if (refused == Access::kAccessSystemSecurity) return fail(NtStatus::kPrivilegeNotHeld);
  if (refused) return fail(NtStatus::kAccessDenied);
  if (desired & Access::kMaximumAllowed) wanted |= maximal;
  if (attempt.has_option(CreateOptions::kDeleteOnClose) && !(wanted & Access::kDelete)) {
    return fail(NtStatus::kAccessDenied);
  }
  return wanted;
}

// What carrying out the disposition on a file, or on a named stream of it, that is there takes
// besides what was asked for; 0 unless it overwrites. [MS-FSA] 2.1.5.1.2 "Open of an Existing
// File".
Result<uint32_t> needed_to_overwrite(const CreateAttempt& attempt, const vfs::Attributes& file) {
  const CreateDisposition disposition = attempt.create.create_disposition;
  if (!overwrites(disposition)) return 0;
  uint32_t needed =
      disposition == CreateDisposition::kSupersede ? Access::kDelete : Access::kFileWriteData;
  if (attempt.state.name.stream.empty()) {
    uint32_t kept = file.dos_attributes & (vfs::dos::kHidden | vfs::dos::kSystem);
    if (file.hidden_by_name) kept &= ~vfs::dos::kHidden;
    if (kept & ~attempt.create.file_attributes) return fail(NtStatus::kAccessDenied);
    needed |= Access::kFileWriteEa | Access::kFileWriteAttributes;
  }
  if (file.dos_attributes & vfs::dos::kReadonly) return fail(NtStatus::kAccessDenied);
  return needed;
}

// Whether what is there may be opened to be deleted at the close: [MS-FSA] 2.1.5.1.2.1. Asked now,
// as nobody hears of it then. `opened`: the file itself.
Result<void> check_delete_on_close(const CreateAttempt& attempt, const vfs::Attributes& file,
                                   vfs::File& opened) {
  if (!attempt.has_option(CreateOptions::kDeleteOnClose)) return {};
  if (file.dos_attributes & vfs::dos::kReadonly) return fail(NtStatus::kCannotDelete);
  BRAID_TRY(const bool is_read_only, opened.is_read_only());
  if (is_read_only) return fail(NtStatus::kCannotDelete);
  return {};
}

// What is asked of the file, in whatever way, for rights_on().
uint32_t asked_for(const CreateAttempt& attempt, uint32_t also_needed) {
  uint32_t asked = map_generic(attempt.create.desired_access) | also_needed;
  if (attempt.create.contexts.query_maximal_access) asked |= Access::kMaximumAllowed;
  return asked;
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
Result<std::unique_ptr<vfs::File>> open_for(const CreateAttempt& attempt, const vfs::Found& found,
                                            uint32_t& granted, bool overwriting) {
  const bool is_directory = found.attributes.is_directory();
  const uint32_t demanded = map_generic(attempt.create.desired_access);
  const bool is_read_only = attempt.request.tree_connect->share->read_only;
  for (;;) {
    // A link that is opened itself has no data.
    const vfs::Access access =
        found.attributes.is_symlink()
            ? vfs::Access{}
            : kernel_access(granted, is_directory, overwriting, is_read_only);
    auto file = attempt.volume.open(attempt.request.credentials(), found, {.access = access});
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

CreateOutcome open_existing(const CreateAttempt& attempt, vfs::Found found) {
  const CreateDisposition disposition = attempt.create.create_disposition;
  const vfs::Attributes& attributes = found.attributes;
  const bool is_directory = attributes.is_directory();
  const vfs::PathAndStream& name = attempt.state.name;
  if (is_directory && name.has_stream && !name.stream_is_index) {
    // "dir::$DATA": a directory has no unnamed data stream.
    return Error(attempt.has_option(CreateOptions::kDirectoryFile) ? NtStatus::kNotADirectory
                                                                   : NtStatus::kFileIsADirectory);
  }
  if (attempt.has_option(CreateOptions::kNonDirectoryFile) && is_directory) {
    return Error(NtStatus::kFileIsADirectory);
  }
  if (attempt.has_option(CreateOptions::kDirectoryFile) && !is_directory) {
    // A CREATE of a directory meets the name first.
    return Error(disposition == CreateDisposition::kCreate ? NtStatus::kObjectNameCollision
                                                           : NtStatus::kNotADirectory);
  }
  if (disposition == CreateDisposition::kCreate) return Error(NtStatus::kObjectNameCollision);
  const bool overwriting = overwrites(disposition);
  if (is_directory && overwriting) {
    return Error(found.path.is_root() ? NtStatus::kAccessDenied : NtStatus::kObjectNameCollision);
  }
  const auto needed = needed_to_overwrite(attempt, attributes);
  if (!needed) return needed.error();
  if (attempt.has_option(CreateOptions::kDeleteOnClose) && found.path.is_root()) {
    return Error(NtStatus::kAccessDenied);
  }

  OpenedFile opened;
  const auto rights = rights_on(attempt.request, found, asked_for(attempt, *needed));
  if (!rights) return rights.error();
  opened.maximal_access = rights->told;
  opened.needed_access = *needed;
  auto granted = grant(attempt, rights->maximal, rights->by_name, *needed);
  if (!granted) return granted.error();
  opened.granted_access = *granted;
  auto file = open_for(attempt, found, opened.granted_access, overwriting);
  if (!file) return file.error();
  opened.file = std::move(*file);
  if (auto may = check_delete_on_close(attempt, attributes, *opened.file); !may) return may.error();
  opened.key = opened.file->key();
  opened.path = std::move(found.path);
  opened.attributes = attributes;
  if (overwriting) {
    opened.action = disposition == CreateDisposition::kSupersede ? CreateAction::kSuperseded
                                                                 : CreateAction::kOverwritten;
  }
  return finish_open(attempt, std::move(opened));
}

CreateOutcome make_new(const CreateAttempt& attempt, const vfs::Missing& missing) {
  Server& server = attempt.request.server;
  const bool is_directory = attempt.has_option(CreateOptions::kDirectoryFile);
  // [MS-FSA] 2.1.5.1.1 "Creation of a New File".
  if (is_directory && (attempt.create.file_attributes & vfs::dos::kTemporary)) {
    return Error(NtStatus::kInvalidParameter);
  }
  const uint32_t needed = is_directory ? Access::kFileAddSubdirectory : Access::kFileAddFile;
  const auto directory = rights_on_parent(attempt.request, missing.path, missing.place);
  if (!directory) return directory.error();
  if (!(directory->maximal & needed)) return Error(NtStatus::kAccessDenied);
  const auto security =
      security_for_new(attempt.request, attempt.create, *directory->security, is_directory);
  if (!security) return security.error();
  if (attempt.state.name.trailing_separator && !is_directory) {
    return Error(NtStatus::kObjectNameInvalid);
  }
  if (attempt.has_option(CreateOptions::kDeleteOnClose) &&
      (attempt.create.file_attributes & vfs::dos::kReadonly)) {
    return Error(NtStatus::kCannotDelete);
  }
  const auto& lease = attempt.create.contexts.request_lease;
  if (lease && attempt.create.requested_oplock_level == wire::OplockLevel::kLease) {
    const filestate::LeaseId id = attempt.request.session->lease(lease->lease_key);
    if (const NtStatus status = server.file_table.check_lease_key(id, std::nullopt);
        status != NtStatus::kSuccess) {
      return Error(status);
    }
  }
  // Who wants it encrypted on the disk must not believe that it is.
  if (!is_directory && (attempt.create.file_attributes & vfs::dos::kEncrypted)) {
    return Error(NtStatus::kAccessDenied);
  }
  OpenedFile opened;
  opened.maximal_access = Access::kFileAllAccess & attempt.request.tree_connect->maximal_access;
  auto granted = grant(attempt, opened.maximal_access, directory->by_name, 0);
  if (!granted) return granted.error();
  opened.granted_access = *granted;

  // What follows may be refused, and then there has been no file.
  const bool is_reserved = !is_directory && attempt.create.contexts.allocation_size;
  const bool unnamed = security->descriptor || !attempt.state.eas.empty() || is_reserved;
  auto file =
      attempt.volume.create(attempt.request.credentials(), missing,
                            {.access = is_directory ? vfs::Access{.read = true}
                                                    : vfs::Access{.read = true, .write = true},
                             .directory = is_directory,
                             .mode = security->mode,
                             .dos_attributes = attempt.create.file_attributes & vfs::dos::kSettable,
                             .compress = !attempt.has_option(CreateOptions::kNoCompression),
                             .unnamed = unnamed});
  if (!file) return file.error();
  opened.file = std::move(*file);
  opened.key = opened.file->key();
  if (unnamed) {
    auto done = apply(attempt.request, *opened.file, *security);
    if (done) done = store_eas(*opened.file, attempt.state.eas);
    if (done && is_reserved) done = reserve(attempt, *opened.file);
    if (!done) return done.error();
  }
  opened.path = missing.path;
  opened.parent = missing.place.parent;
  auto attributes =
      unnamed ? attempt.volume.publish(attempt.request.credentials(), missing, *opened.file)
              : opened.file->stat();
  if (!attributes) return attributes.error();
  opened.attributes = *attributes;
  opened.action = CreateAction::kCreated;
  return finish_open(attempt, std::move(opened));
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

// The file of a stream: the one there is, or a new one. Nothing: done.
std::optional<Error> open_base(const CreateAttempt& attempt, const vfs::Found& found,
                               OpenedFile& opened, FileRights& rights) {
  const bool supersedes = attempt.create.create_disposition == CreateDisposition::kSupersede;
  auto there = rights_on(attempt.request, found,
                         asked_for(attempt, supersedes ? Access::kDelete : 0), Names::kStay);
  if (!there) return there.error();
  rights = *std::move(there);
  opened.maximal_access = rights.told;
  auto file = attempt.volume.open(attempt.request.credentials(), found, {});
  if (!file) return file.error();
  opened.base_file = std::move(*file);
  if (auto may = check_delete_on_close(attempt, found.attributes, *opened.base_file); !may) {
    return may.error();
  }
  opened.path = found.path;
  return std::nullopt;
}

// It has no name before its stream is there.
std::optional<Error> make_base(const CreateAttempt& attempt, const vfs::Missing& missing,
                               OpenedFile& opened, FileRights& rights) {
  if (!makes_new(attempt.create.create_disposition)) return Error(NtStatus::kObjectNameNotFound);
  const auto directory = rights_on_parent(attempt.request, missing.path, missing.place);
  if (!directory) return directory.error();
  if (!(directory->maximal & Access::kFileAddFile)) return Error(NtStatus::kAccessDenied);
  const auto security =
      security_for_new(attempt.request, attempt.create, *directory->security, false);
  if (!security) return security.error();
  auto made = attempt.volume.create(
      attempt.request.credentials(), missing,
      {.access = {.read = true, .write = true}, .mode = security->mode, .unnamed = true});
  if (!made) return made.error();
  opened.base_file = std::move(*made);
  if (const auto done = apply(attempt.request, *opened.base_file, *security); !done) {
    return done.error();
  }
  opened.maximal_access = Access::kFileAllAccess & attempt.request.tree_connect->maximal_access;
  rights.maximal = opened.maximal_access;
  rights.by_name = directory->by_name;
  opened.path = missing.path;
  return std::nullopt;
}

// A named stream of a file that is there or is made first. [MS-FSA] 2.1.5.1.
CreateOutcome open_stream(const CreateAttempt& attempt, const vfs::Resolved& base) {
  const CreateDisposition disposition = attempt.create.create_disposition;
  if (attempt.has_option(CreateOptions::kDirectoryFile)) return Error(NtStatus::kNotADirectory);
  OpenedFile opened;
  FileRights rights;
  const auto* found = std::get_if<vfs::Found>(&base);
  const auto* nothing = std::get_if<vfs::Missing>(&base);
  if (!found && !nothing) return Error(NtStatus::kObjectPathNotFound);
  if (const auto error = found ? open_base(attempt, *found, opened, rights)
                               : make_base(attempt, *nothing, opened, rights)) {
    return *error;
  }
  auto granted = grant(attempt, rights.maximal, rights.by_name, 0);
  if (!granted) return granted.error();
  opened.granted_access = *granted;
  const bool writes =
      !attempt.request.tree_connect->share->read_only &&
      (overwrites(disposition) ||
       (opened.granted_access & (Access::kFileWriteData | Access::kFileAppendData)));

  vfs::StreamHow how{.disposition = vfs::StreamHow::Disposition::kOpen, .write = writes};
  auto stream = opened.base_file->open_stream(attempt.state.name.stream, how);
  const bool missing = !stream && stream.error().is_os(ENOENT);
  if (!stream && !missing) return stream.error();
  if (missing) {
    if (!makes_new(disposition)) return Error(NtStatus::kObjectNameNotFound);
    if (!(rights.maximal & Access::kFileWriteData)) return Error(NtStatus::kAccessDenied);
    how.disposition = vfs::StreamHow::Disposition::kCreate;
    how.write = true;
    how.allocation = attempt.create.contexts.allocation_size.value_or(0);
    if (how.allocation > kSizeMax) return Error(NtStatus::kInvalidParameter);
    stream = opened.base_file->open_stream(attempt.state.name.stream, how);
    if (!stream) return stream.error();
    opened.action = CreateAction::kCreated;
  } else {
    if (disposition == CreateDisposition::kCreate) return Error(NtStatus::kObjectNameCollision);
    if (overwrites(disposition)) {
      // There was a file, as there is a stream of it.
      const auto needed = needed_to_overwrite(attempt, found->attributes);
      if (!needed) return needed.error();
      if (*needed & ~(rights.maximal | rights.by_name)) return Error(NtStatus::kAccessDenied);
      opened.needed_access = *needed;
      opened.action = disposition == CreateDisposition::kSupersede ? CreateAction::kSuperseded
                                                                   : CreateAction::kOverwritten;
    }
  }
  if (!missing)
    attempt.state.name.stream = stored_spelling(*opened.base_file, attempt.state.name.stream);
  opened.file = std::move(*stream);
  opened.key = opened.file->key();
  auto attributes = opened.file->stat();
  if (!attributes) return attributes.error();
  opened.attributes = *attributes;
  if (nothing) {
    const auto named =
        attempt.volume.publish(attempt.request.credentials(), *nothing, *opened.base_file);
    if (!named) return named.error();
    opened.parent = nothing->place.parent;
  }
  return finish_open(attempt, std::move(opened));
}

}  // namespace

CreateOutcome try_create(Request& request, CreateState& state) {
  CreateAttempt attempt{request, state, *request.tree_connect->share->volume, state.create};
  if (state.is_quota_file) return open_quota_file(attempt);
  const CreateDisposition disposition = state.create.create_disposition;
  for (int race = 0;; ++race) {
    attempt.name_changes = request.server.file_table.name_changes();
    auto resolved =
        attempt.volume.lookup(request.credentials(), state.name.path, {.in_pieces = true});
    if (!resolved) return resolved.error();
    const vfs::Path& path = state.name.path;
    if (auto* link = std::get_if<vfs::Link>(&*resolved)) {
      return symlink_reply(request, std::move(link->target), link->path.components().size(), path);
    }
    auto* found = std::get_if<vfs::Found>(&*resolved);
    if (found && found->attributes.is_symlink() &&
        !attempt.has_option(CreateOptions::kOpenReparsePoint)) {
      return symlink_reply(request, std::move(found->symlink_target), path.components().size(),
                           path);
    }

    CreateOutcome outcome = Error(NtStatus::kInternalError);
    if (!state.name.stream.empty()) {
      outcome = open_stream(attempt, *resolved);
    } else if (found) {
      outcome = open_existing(attempt, std::move(*found));
    } else if (makes_new(disposition)) {
      outcome = make_new(attempt, std::get<vfs::Missing>(*resolved));
    } else {
      return Error(NtStatus::kObjectNameNotFound);
    }
    // Somebody was faster with this name: look again, unless it keeps happening.
    const auto* error = std::get_if<Error>(&outcome);
    const bool raced = error && (error->is_os(EEXIST) || error->is_os(ESTALE));
    if (!raced || race >= kRacesMax) return outcome;
  }
}

}  // namespace braid::smb2
