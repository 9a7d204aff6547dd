// Resolving, checking, opening or making the file of a CREATE. [MS-FSA] 2.1.5.1 "Server Requests an
// Open of a File".
#include <sys/stat.h>

#include <cerrno>

#include "runtime/identity.h"
#include "smb2/commands/create/create_attempt.h"
#include "smb2/commands/create/create_rights.h"
#include "smb2/commands/create/create_security.h"
#include "smb2/common/error_status.h"
#include "smb2/common/limits.h"
#include "smb2/connections/connection.h"
#include "smb2/files/access_check.h"
#include "smb2/files/file_services.h"
#include "smb2/files/local_guarding.h"
#include "smb2/opens/kernel_access.h"
#include "smb2/shares/extended_attributes.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::CreateAction;
using wire::CreateDisposition;
using wire::CreateOptions;

// How often a name may appear or vanish under us before the client hears of it.
constexpr int kRacesMax = 8;

// Opens for what was granted. With MAXIMUM_ALLOWED what the kernel refuses is not granted instead.
Result<std::unique_ptr<vfs::File>> open_for(const CreateAttempt& attempt, const vfs::Found& found,
                                            uint32_t& granted, bool overwriting) {
  const bool is_directory = found.attributes.is_directory();
  const uint32_t demanded = map_generic(attempt.create.desired_access);
  const Share& share = *attempt.request.tree_connect->share;
  const bool is_read_only = attempt.request.tree_connect->is_read_only();
  if (share.local_access == config::LocalAccess::kStrict) {
    attempt.state.opening = attempt.request.files.local_guarding->opening(found.node->key());
  }
  for (;;) {
    // A link that is opened itself has no data.
    const vfs::DataAccess access =
        found.attributes.is_symlink()
            ? vfs::DataAccess{}
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
  FileServices& files = attempt.request.files;
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
      attempt.state.is_posix && !attempt.create.contexts.sd_buffer
          ? posix_security_for_new(attempt.request, *attempt.create.contexts.posix,
                                   *directory->security, is_directory)
          : security_for_new(attempt.request, attempt.create, *directory->security, is_directory);
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
    if (const NtStatus status = files.file_table.check_lease_key(id, std::nullopt);
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
  opened.path = missing.path;
  opened.missing = &missing;
  if (!unnamed) {
    auto making = begin_making(attempt, missing.path);
    if (!making) return making.error();
    opened.making = *std::move(making);
  }
  // Who makes a folder that he may not list has made it all the same.
  const bool lists = !attempt.state.is_posix || (security->mode & S_IRUSR);
  auto file =
      attempt.volume.create(attempt.request.credentials(), missing,
                            {.access = is_directory ? vfs::DataAccess{.read = lists}
                                                    : vfs::DataAccess{.read = true, .write = true},
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
  } else {
    auto attributes = opened.file->stat();
    if (!attributes) {
      unmake(attempt, opened, Registered::kNo);
      return attributes.error();
    }
    opened.attributes = *attributes;
  }
  opened.action = CreateAction::kCreated;
  return finish_open(attempt, std::move(opened));
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

Result<vfs::StreamHow> how_to_make_stream(const CreateAttempt& attempt, const FileRights& rights) {
  if (!(rights.maximal & Access::kFileWriteData)) return fail(NtStatus::kAccessDenied);
  const uint64_t allocation = attempt.create.contexts.allocation_size.value_or(0);
  if (allocation > kSizeMax) return fail(NtStatus::kInvalidParameter);
  return vfs::StreamHow{
      .disposition = vfs::StreamHow::Disposition::kCreate, .write = true, .allocation = allocation};
}

// The file of a new stream, and the stream. They have no name yet.
std::optional<Error> make_base(const CreateAttempt& attempt, const vfs::Missing& missing,
                               OpenedFile& opened, FileRights& rights) {
  if (!makes_new(attempt.create.create_disposition)) return Error(NtStatus::kObjectNameNotFound);
  const auto directory = rights_on_parent(attempt.request, missing.path, missing.place);
  if (!directory) return directory.error();
  if (!(directory->maximal & Access::kFileAddFile)) return Error(NtStatus::kAccessDenied);
  const auto security =
      security_for_new(attempt.request, attempt.create, *directory->security, false);
  if (!security) return security.error();
  opened.maximal_access = Access::kFileAllAccess & attempt.request.tree_connect->maximal_access;
  rights.maximal = opened.maximal_access;
  rights.by_name = directory->by_name;
  const auto how = how_to_make_stream(attempt, rights);
  if (!how) return how.error();
  auto made = attempt.volume.create(
      attempt.request.credentials(), missing,
      {.access = {.read = true, .write = true}, .mode = security->mode, .unnamed = true});
  if (!made) return made.error();
  opened.base_file = std::move(*made);
  // Before the descriptor, which may allow the maker nothing.
  auto stream = opened.base_file->open_stream(attempt.state.name.stream, *how);
  if (!stream) return stream.error();
  opened.file = std::move(*stream);
  if (const auto done = apply(attempt.request, *opened.base_file, *security); !done) {
    return done.error();
  }
  opened.action = CreateAction::kCreated;
  opened.path = missing.path;
  opened.missing = &missing;
  return std::nullopt;
}

// Whether a stream that is there may be overwritten, if it is to be.
std::optional<Error> check_overwriting(const CreateAttempt& attempt, const vfs::Attributes& file,
                                       const FileRights& rights, OpenedFile& opened) {
  const CreateDisposition disposition = attempt.create.create_disposition;
  if (!overwrites(disposition)) return std::nullopt;
  const auto needed = needed_to_overwrite(attempt, file);
  if (!needed) return needed.error();
  if (*needed & ~(rights.maximal | rights.by_name)) return Error(NtStatus::kAccessDenied);
  opened.needed_access = *needed;
  opened.action = disposition == CreateDisposition::kSupersede ? CreateAction::kSuperseded
                                                               : CreateAction::kOverwritten;
  return std::nullopt;
}

// The stream of a file that is there: opens it, or finds that it is to be made.
std::optional<Error> find_stream(const CreateAttempt& attempt, const vfs::Attributes& file,
                                 const FileRights& rights, OpenedFile& opened) {
  const CreateDisposition disposition = attempt.create.create_disposition;
  const std::string& name = attempt.state.name.stream;
  opened.stream_how = vfs::StreamHow{
      .write = !attempt.request.tree_connect->is_read_only() &&
               (overwrites(disposition) ||
                (opened.granted_access & (Access::kFileWriteData | Access::kFileAppendData)))};
  auto stream = opened.base_file->open_stream(name, *opened.stream_how);
  // What is there and cannot be found stays there for all but who ends it anyway: those make it
  // anew.
  const bool is_lost = !stream && stream.error().status() == NtStatus::kFileCorruptError;
  const bool ends_it =
      overwrites(disposition) || (attempt.has_option(CreateOptions::kDeleteOnClose) &&
                                  disposition != CreateDisposition::kCreate);
  if (!stream && !stream.error().is_os(ENOENT) && !(is_lost && ends_it)) return stream.error();
  if (!stream) {
    if (!makes_new(disposition) && !is_lost) return Error(NtStatus::kObjectNameNotFound);
    if (is_lost) {
      if (const auto refused = check_overwriting(attempt, file, rights, opened)) return refused;
    }
    auto how = how_to_make_stream(attempt, rights);
    if (!how) return how.error();
    how->truncate = is_lost;
    opened.stream_how = *how;
    opened.action = CreateAction::kCreated;
    opened.key = opened.base_file->key();
    opened.key.stream = vfs::stream_key(name);
    opened.attributes = file;
    opened.attributes.allocation_size = 0;
    return std::nullopt;
  }
  if (disposition == CreateDisposition::kCreate) return Error(NtStatus::kObjectNameCollision);
  if (const auto refused = check_overwriting(attempt, file, rights, opened)) return refused;
  opened.file = std::move(*stream);
  return std::nullopt;
}

// A named stream of a file that is there or is made first: `base` is no link. [MS-FSA] 2.1.5.1.
CreateOutcome open_stream(const CreateAttempt& attempt, const vfs::Resolved& base) {
  if (attempt.has_option(CreateOptions::kDirectoryFile)) return Error(NtStatus::kNotADirectory);
  OpenedFile opened;
  FileRights rights;
  const auto* found = std::get_if<vfs::Found>(&base);
  if (const auto error = found ? open_base(attempt, *found, opened, rights)
                               : make_base(attempt, std::get<vfs::Missing>(base), opened, rights)) {
    return *error;
  }
  auto granted = grant(attempt, rights.maximal, rights.by_name, 0);
  if (!granted) return granted.error();
  opened.granted_access = *granted;
  if (found) {
    if (const auto error = find_stream(attempt, found->attributes, rights, opened)) return *error;
  }
  if (opened.file) {
    opened.key = opened.file->key();
    auto attributes = opened.file->stat();
    if (!attributes)
      return attributes.error().is_os(ENOENT) ? Error::os(ESTALE) : attributes.error();
    opened.attributes = *attributes;
  }
  return finish_open(attempt, std::move(opened));
}

// Whether a link at the end of the path is what is meant, as with an unlink or a rename: who says
// neither asks for the name by asking to delete and for nothing of what is in the file.
bool means_link(const CreateAttempt& attempt) {
  if (attempt.has_option(CreateOptions::kOpenReparsePoint)) return true;
  const uint32_t demanded = map_generic(attempt.create.desired_access);
  constexpr uint32_t kBeside =
      Access::kDelete | Access::kSynchronize | Access::kFileReadAttributes | Access::kReadControl;
  return attempt.volume.features().follows_links && !attempt.state.is_posix &&
         (demanded & Access::kDelete) && !(demanded & ~kBeside);
}

}  // namespace

bool may_be_at_once(const Request& request, const wire::CreateRequest& create) {
  if (request.tree_connect->is_pipe() || request.header.is_replay()) return false;
  const Share& share = *request.tree_connect->share;
  if (!share.volume->features().at_once || share.slow_requests != 0 || share.persistent ||
      request.files.file_table.is_spread() || share.local_access == config::LocalAccess::kStrict) {
    return false;
  }
  const wire::CreateRequestContexts& contexts = create.contexts;
  if (contexts.durable_handle_reconnect || contexts.durable_handle_reconnect_v2 ||
      contexts.app_instance_id || contexts.timewarp_token || contexts.posix || contexts.ea_buffer ||
      contexts.sd_buffer) {
    return false;
  }
  if (create.name.size() > kNameAtOnceMax) return false;
  if (share.snapshots && create.name.contains("@GMT-")) return false;  // has one opened
  const CreateDisposition disposition = create.create_disposition;
  return (disposition == CreateDisposition::kOpen || disposition == CreateDisposition::kOpenIf) &&
         !(create.create_options & CreateOptions::kDeleteOnClose);
}

std::optional<CreateOutcome> try_at_once(Request& request, CreateState& state) {
  const ScopedAtOnce scope;
  CreateAttempt attempt{request, state, *request.tree_connect->share->volume, state.create};
  attempt.at_once = true;
  attempt.name_changes = request.files.file_table.name_changes();
  auto resolved =
      attempt.volume.lookup(request.credentials(), state.name.path, {.wait = vfs::Wait::kNever});
  auto* found = resolved ? std::get_if<vfs::Found>(&*resolved) : nullptr;
  if (!found) return std::nullopt;
  const vfs::Kind kind = found->attributes.kind;
  if (kind != vfs::Kind::kFile && kind != vfs::Kind::kDirectory) return std::nullopt;
  CreateOutcome outcome = open_existing(attempt, std::move(*found));
  const auto* error = std::get_if<Error>(&outcome);
  // Its name is another's now, or a disk has to be looked at. Of a lease in the kernel the pool
  // will hear, too.
  if (error && (error->is_os(ESTALE) || error->is_os(EAGAIN))) return std::nullopt;
  return outcome;
}

CreateOutcome try_create(Request& request, CreateState& state) {
  CreateAttempt attempt{request, state, *request.tree_connect->share->volume, state.create};
  if (state.is_quota_file) return open_quota_file(attempt);
  const CreateDisposition disposition = state.create.create_disposition;
  for (int race = 0;; ++race) {
    attempt.name_changes = request.files.file_table.name_changes();
    auto resolved = attempt.volume.lookup(
        request.credentials(), state.name.path,
        {.rules = state.is_posix ? vfs::NameRules::kExact : vfs::NameRules::kWindows,
         .follow_last = !means_link(attempt),
         .in_pieces = true});
    if (!resolved) return resolved.error();
    if (auto* link = std::get_if<vfs::Link>(&*resolved)) {
      return symlink_reply(request, state, std::move(link->target), link->path.components().size());
    }
    auto* found = std::get_if<vfs::Found>(&*resolved);
    if (found && found->attributes.is_symlink() && !means_link(attempt)) {
      return symlink_reply(request, state, std::move(found->symlink_target),
                           state.name.path.components().size());
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
