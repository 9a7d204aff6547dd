// FileRenameInformation and FileLinkInformation: [MS-FSA] 2.1.5.15.12 and 2.1.5.15.7.
#include <algorithm>
#include <cerrno>

#include "smb2/commands/info_handlers.h"
#include "smb2/commands/rename_target.h"
#include "smb2/files/access_check.h"
#include "smb2/files/file_services.h"
#include "smb2/files/open_name.h"
#include "smb2/files/operation.h"
#include "smb2/files/report.h"
#include "smb2/persistent/persistent_handles.h"
#include "smb2/shares/tree_path.h"
#include "vfs/names.h"
#include "wire/fscc/set_information.h"
#include "wire/smb2/access_mask.h"
#include "wire/smb2/change_notify.h"

namespace braid::smb2 {
namespace {

// Whoever has a directory open with the right to delete it keeps the names in it as they are.
Result<void> check_directory(Request& request, const vfs::Place& child) {
  if (request.files.file_table.is_open_with(child.parent->key(), wire::Access::kDelete)) {
    return fail(NtStatus::kSharingViolation);
  }
  return {};
}

// To the kernel another spelling of what is to be replaced is another name, which would stay: so
// its place is taken first, and then the name as it is wanted. Returns what it is called then:
// where the second step fails the spelling of what was replaced, as that is gone and the file is
// there.
Result<vfs::Path> put(Request& request, const vfs::Place& from, const RenameTarget& target,
                      FileKey key) {
  // Only what was taken is replaced.
  const bool replace = target.taken.has_value();
  vfs::Volume& volume = *request.tree_connect->share->volume;
  const bool is_itself = target.taken && target.taken->place.name == from.name &&
                         target.place.parent->key() == from.parent->key();
  const bool respelled =
      replace && target.taken && !is_itself && target.taken->place.name != target.place.name;
  if (!respelled) {
    BRAID_CHECK(volume.rename(request.credentials(), from, key, target.place, replace));
    return target.path;
  }
  const vfs::Place& there = target.taken->place;
  BRAID_CHECK(volume.rename(request.credentials(), from, key, there, true));
  const auto spelled = volume.rename(request.credentials(), there, key, target.place, false);
  return spelled ? target.path : target.taken->path;
}

Result<void> move(Request& request, Open& open, const RenameTarget& target) {
  FileServices& files = request.files;
  const FileKey key = open.attributes.file_key;
  if (open.path.lock()->is_root()) return fail(NtStatus::kInvalidParameter);
  BRAID_TRY(const vfs::Located source, locate(files, open, request.credentials()));
  const vfs::Path& old_path = source.path;
  const bool same_file = target.taken && target.taken->attributes.key == key;
  // As they are now, whatever they were when the file was opened.
  BRAID_CHECK(check_may_add(request, target.path, target.place, open.attributes.is_directory));
  BRAID_CHECK(check_directory(request, source.place));
  // To a POSIX open it is a name; what is open below is found by its descriptor. But what outlives
  // the server is found by its path.
  const bool moves =
      open.attributes.is_posix && !request.tree_connect->share->continuous_availability;
  if (open.attributes.is_directory && !moves &&
      files.file_table.any_open_below(
          in_all_shares(*request.tree_connect->share, old_path.text()))) {
    return fail(NtStatus::kAccessDenied);
  }
  // Longer than the name it was opened by, it takes more room.
  BRAID_CHECK(open.memory.reach(kOpenSize + 2 * target.path.text().size()));
  const std::string path = in_all_shares(*request.tree_connect->share, target.path.text());
  if (!files.file_table.has_room_for_name(open.ref(), path.size())) {
    return fail(NtStatus::kInsufficientResources);
  }
  // A free name may be taken by something empty first (vfs/posix/renaming.h), which nobody is to
  // open. Who has found it already sees after this that the name is another's.
  std::shared_ptr<const void> making;
  if (!target.taken) {
    making = files.file_table.begin_making(path);
    if (!making) return fail(NtStatus::kInsufficientResources);
    making = files.announce_until(files.file_table.key_of_name(path), std::move(making));
  }
  const Share& share = *request.tree_connect->share;
  const auto begun =
      share.persistent ? files.persistent->begin_rename(share, key, target.path) : Result<void>();
  const auto put_there =
      begun ? put(request, source.place, target, key) : Result<vfs::Path>(fail(begun.error()));
  if (put_there) {
    replaced(request, target);
    *open.path.lock() = *put_there;
    files.file_table.renamed(
        open.ref(), std::make_shared<const std::string>(in_all_shares(share, put_there->text())));
  }
  if (share.persistent) files.persistent->end_rename(key);
  BRAID_TRY(const vfs::Path now, put_there);
  files.file_table.child_changed(source.place.parent->key(), open.ref());
  if (target.place.parent->key() != source.place.parent->key()) {
    files.file_table.child_changed(target.place.parent->key(), open.ref());
  }
  const std::string old_name = old_path.text();
  const std::string new_name = now.text();
  const std::string replaced =
      target.taken && !same_file ? target.taken->path.text() : std::string();
  files.notify.renamed(*request.tree_connect->share,
                       {.from = old_name,
                        .to = new_name,
                        .replaced = replaced,
                        .is_directory = open.attributes.is_directory});
  // A rename sets ARCHIVE.
  if (!open.attributes.is_directory) {
    note_modified(files, open, wire::CompletionFilter::kAttributes);
  }
  return {};
}

// How often a name may be made anew before the client hears of it.
constexpr int kMadeAnewMax = 8;

// Somebody has made the name that was free: it is looked at like what was there before.
bool came_between(const Result<void>& done, bool replaces, int race) {
  return !done && done.error().is_os(EEXIST) && replaces && race < kMadeAnewMax;
}

Task<Result<void>> rename_to(Request& request, std::string name, RenameHow how) {
  if (request.open->attributes.is_stream) {
    co_return co_await rename_stream(request, std::move(name), how.replace);
  }
  BRAID_CO_CHECK(co_await prepare_operation(request, filestate::Operation::kRename));
  // Others must have allowed that the name goes.
  if (const NtStatus status =
          request.files.file_table.check_sharing(request.open->ref(), wire::Access::kDelete);
      status != NtStatus::kSuccess) {
    co_return fail(status);
  }
  if (request.open->attributes.is_directory) {
    const std::string path = current_path(request.files, *request.open).text();
    BRAID_CO_CHECK(
        co_await break_handles_below(request, in_all_shares(*request.tree_connect->share, path)));
  }
  const FileKey key = request.open->attributes.file_key;
  // What is taken for one attempt is given back before the next waits for its turn.
  for (int race = 0;; ++race) {
    {
      BRAID_CO_TRY(const RenameTarget target, co_await take_target(request, name, key, how));
      auto moved = move(request, *request.open, target);
      if (!came_between(moved, how.replace, race)) co_return moved;
    }
    BRAID_CO_CHECK(co_await request.seat.next_turn());
  }
}

Result<void> link_to(Request& request, const RenameTarget& target, bool replace) {
  if (target.taken && !replace) return fail(NtStatus::kObjectNameCollision);
  BRAID_CHECK(check_may_add(request, target.path, target.place, false));
  // What is replaced keeps its spelling: another one would be another name to the kernel.
  BRAID_CHECK(request.tree_connect->share->volume->link(
      request.credentials(), *request.open->file, target.taken ? target.taken->place : target.place,
      target.taken.has_value()));
  replaced(request, target);
  request.files.file_table.child_changed(target.place.parent->key(), request.open->ref());
  request.files.notify.linked(*request.tree_connect->share, target.path.text(),
                              target.taken ? target.taken->path.text() : std::string());
  return {};
}

}  // namespace

Task<Result<void>> rename_file(Request& request, wire::FileRenameInformation info) {
  if (info.root_directory != 0) co_return fail(NtStatus::kInvalidParameter);
  co_return co_await rename_to(
      request, info.file_name,
      {.replace = info.replace_if_exists, .posix_semantics = request.open->attributes.is_posix});
}

// [MS-FSCC] 2.4.43 "FileRenameInformationEx".
Task<Result<void>> rename_file_ex(Request& request, wire::FileRenameInformationEx info) {
  using Ex = wire::FileRenameInformationEx;
  if (info.root_directory != 0) co_return fail(NtStatus::kInvalidParameter);
  // Nothing is pinned here and nothing reserved, so nothing of that kind is inherited; the other
  // flags ask for reserves to be resized.
  constexpr uint32_t kKnown = Ex::kReplaceIfExists | Ex::kPosixSemantics |
                              Ex::kIgnoreReadOnlyAttribute | Ex::kSuppressPinStateInheritance |
                              Ex::kSuppressStorageReserveInheritance;
  if (info.flags & ~kKnown) co_return fail(NtStatus::kNotSupported);
  co_return co_await rename_to(
      request, info.file_name,
      {.replace = (info.flags & Ex::kReplaceIfExists) != 0,
       .posix_semantics =
           (info.flags & Ex::kPosixSemantics) != 0 || request.open->attributes.is_posix,
       .ignore_readonly = (info.flags & Ex::kIgnoreReadOnlyAttribute) != 0});
}

Task<Result<void>> link_file(Request& request, wire::FileLinkInformation info) {
  if (info.root_directory != 0) co_return fail(NtStatus::kInvalidParameter);
  if (request.open->attributes.is_directory) co_return fail(NtStatus::kFileIsADirectory);
  if (request.open->attributes.is_stream) co_return fail(NtStatus::kInvalidParameter);
  const FileKey key = request.open->attributes.file_key;
  for (int race = 0;; ++race) {
    {
      BRAID_CO_TRY(const RenameTarget target,
                   co_await take_target(request, info.file_name, key,
                                        {.replace = info.replace_if_exists,
                                         .posix_semantics = request.open->attributes.is_posix}));
      auto linked = link_to(request, target, info.replace_if_exists);
      if (!came_between(linked, info.replace_if_exists, race)) co_return linked;
    }
    BRAID_CO_CHECK(co_await request.seat.next_turn());
  }
}

}  // namespace braid::smb2
