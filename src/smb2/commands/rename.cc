// FileRenameInformation and FileLinkInformation: [MS-FSA] 2.1.5.15.11 and 2.1.5.15.6.
#include <algorithm>

#include "smb2/access_check.h"
#include "smb2/commands/set_info_parts.h"
#include "smb2/error_status.h"
#include "smb2/notify/report.h"
#include "smb2/operation.h"
#include "smb2/server.h"
#include "smb2/tree_path.h"
#include "vfs/names.h"
#include "wire/fscc/set_information.h"
#include "wire/smb2/access_mask.h"
#include "wire/smb2/change_notify.h"

namespace braid::smb2 {
namespace {

// Where a new name goes, with its directory held, and what has the name now.
struct Target {
  vfs::Place place;  // spelled as the client wants it
  vfs::Path path;    // the same
  std::optional<vfs::Found> taken;
};

// Where the new name would be, with its directory held.
Result<Target> resolve_target(Request& request, const std::string& name) {
  BRAID_CHECK(check_reaches(request.principal, request.tree_connect->share->type));
  BRAID_TRY(const auto parsed, vfs::parse_path(name));
  if (parsed.path.is_root()) return fail(NtStatus::kInvalidParameter);
  if (parsed.has_stream) return fail(NtStatus::kObjectNameInvalid);
  BRAID_TRY(auto resolved, request.tree_connect->share->volume->lookup(
                               request.credentials(), parsed.path, {.pin_parent = true}));
  if (std::holds_alternative<vfs::Link>(resolved)) return fail(NtStatus::kObjectPathNotFound);
  if (auto* missing = std::get_if<vfs::Missing>(&resolved)) {
    return Target{std::move(missing->place), std::move(missing->path), std::nullopt};
  }
  auto& found = std::get<vfs::Found>(resolved);
  Target target{{found.place.parent, found.wanted_name}, found.path.parent(), std::nullopt};
  BRAID_CHECK(target.path.append(vfs::to_client(found.wanted_name)));
  target.taken = std::move(found);
  return target;
}

// The target is in the way: whether it may be replaced.
Result<void> check_target(Request& request, const vfs::Found& target, bool replace) {
  Server& server = request.server;
  const FileKey key = target.attributes.key;
  if (!replace) return fail(NtStatus::kObjectNameCollision);
  if (target.attributes.is_directory()) return fail(NtStatus::kAccessDenied);
  if (target.attributes.dos_attributes & vfs::dos::kReadonly) return fail(NtStatus::kAccessDenied);
  if (server.file_table.is_open(key)) return fail(NtStatus::kAccessDenied);
  return check_may_replace(request, target);
}

// Whoever has a directory open with the right to delete it keeps the names in it as they are.
Result<void> check_directory(Request& request, const vfs::Place& child) {
  if (request.server.file_table.is_open_with(child.parent->key(), wire::Access::kDelete)) {
    return fail(NtStatus::kSharingViolation);
  }
  return {};
}

Result<void> move(Request& request, Open& open, const std::string& name, bool replace) {
  Server& server = request.server;
  vfs::Volume& volume = *request.tree_connect->share->volume;
  const FileKey key = open.attributes.file_key;
  const vfs::Path old_path = *open.path.lock();
  if (old_path.is_root()) return fail(NtStatus::kInvalidParameter);
  BRAID_TRY(const vfs::Found source,
            volume.find(request.credentials(), old_path, {.pin_parent = true}));
  BRAID_TRY(const Target target, resolve_target(request, name));
  const bool same_file = target.taken && target.taken->attributes.key == key;
  if (target.taken && !same_file) BRAID_CHECK(check_target(request, *target.taken, replace));
  if (target.place.parent->key() != source.place.parent->key()) {
    BRAID_CHECK(check_may_add(request, target.path, target.place, open.attributes.is_directory));
  }
  BRAID_CHECK(check_directory(request, source.place));
  BRAID_CHECK(check_directory(request, target.place));
  if (open.attributes.is_directory && server.file_table.any_open_below(in_all_shares(
                                          *request.tree_connect->share, old_path.text()))) {
    return fail(NtStatus::kAccessDenied);
  }
  // Longer than the name it was opened by, it takes more room.
  BRAID_CHECK(open.memory.reach(kOpenSize + 2 * target.path.text().size()));
  BRAID_CHECK(
      volume.rename(request.credentials(), source.place, key, target.place, replace || same_file));

  *open.path.lock() = target.path;
  server.file_table.renamed(key, std::make_shared<const std::string>(in_all_shares(
                                     *request.tree_connect->share, target.path.text())));
  server.file_table.child_changed(source.place.parent->key(), open.ref());
  if (target.place.parent->key() != source.place.parent->key()) {
    server.file_table.child_changed(target.place.parent->key(), open.ref());
  }
  const std::string old_name = old_path.text();
  const std::string new_name = target.path.text();
  const std::string replaced =
      target.taken && !same_file ? target.taken->path.text() : std::string();
  server.notify.renamed(*request.tree_connect->share,
                        {.from = old_name,
                         .to = new_name,
                         .replaced = replaced,
                         .is_directory = open.attributes.is_directory});
  // A rename sets ARCHIVE.
  if (!open.attributes.is_directory) {
    note_modified(server, open, wire::CompletionFilter::kAttributes);
  }
  return {};
}

}  // namespace

Task<Result<void>> rename_file(Request& request, ByteView buffer) {
  wire::Reader reader(buffer);
  BRAID_CO_TRY(const auto info, wire::FileRenameInformation::decode(reader));
  if (info.root_directory != 0) co_return fail(NtStatus::kInvalidParameter);
  if (request.open->attributes.is_stream) {
    co_return rename_stream(request.server, *request.open, info.file_name, info.replace_if_exists);
  }
  BRAID_CO_CHECK(co_await prepare_operation(request, filestate::Operation::kRename));
  // Others must have allowed that the name goes.
  if (const NtStatus status =
          request.server.file_table.check_sharing(request.open->ref(), wire::Access::kDelete);
      status != NtStatus::kSuccess) {
    co_return fail(status);
  }
  if (request.open->attributes.is_directory) {
    // Copied first: within the co_await the lock would be held as long as that waits.
    const std::string path = request.open->path.lock()->text();
    BRAID_CO_CHECK(
        co_await break_handles_below(request, in_all_shares(*request.tree_connect->share, path)));
  }
  co_return move(request, *request.open, info.file_name, info.replace_if_exists);
}

Task<Result<void>> link_file(Request& request, ByteView buffer) {
  wire::Reader reader(buffer);
  BRAID_CO_TRY(const auto info, wire::FileLinkInformation::decode(reader));
  if (info.root_directory != 0) co_return fail(NtStatus::kInvalidParameter);
  if (request.open->attributes.is_directory) co_return fail(NtStatus::kFileIsADirectory);
  if (request.open->attributes.is_stream) co_return fail(NtStatus::kInvalidParameter);
  BRAID_CO_TRY(const Target target, resolve_target(request, info.file_name));
  if (target.taken) {
    BRAID_CO_CHECK(check_target(request, *target.taken, info.replace_if_exists));
  }
  BRAID_CO_CHECK(check_may_add(request, target.path, target.place, false));
  BRAID_CO_CHECK(request.tree_connect->share->volume->link(
      request.credentials(), *request.open->file, target.place, info.replace_if_exists));
  request.server.file_table.child_changed(target.place.parent->key(), request.open->ref());
  request.server.notify.linked(*request.tree_connect->share, target.path.text(),
                               target.taken ? target.taken->path.text() : std::string());
  co_return Result<void>{};
}

}  // namespace braid::smb2
