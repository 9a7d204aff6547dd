#include "smb2/files/access_check.h"

#include <cerrno>

#include "runtime/at_once.h"
#include "smb2/connections/connection.h"
#include "smb2/files/file_services.h"
#include "smb2/files/open_name.h"
#include "smb2/security/evaluate.h"
#include "vfs/names.h"
#include "vfs/posix/recycle_bin.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::Access;

// The kernel's answer to unlink(): the directory must be writable and, if it is sticky, the
// directory or the file one's own.
bool kernel_unlinks(const UnixCredentials& who, const FileSecurity& directory,
                    const vfs::Attributes& file) {
  constexpr uint32_t kWriteAndEnter = 03;
  constexpr uint32_t kSticky = 01000;
  const uint32_t permissions = kernel_permissions(who, directory.attributes, directory.access);
  if ((permissions & kWriteAndEnter) != kWriteAndEnter) return false;
  if (!(directory.attributes.mode & kSticky) || who.uid == 0) return true;
  return who.uid == directory.attributes.uid || who.uid == file.uid;
}

// The server makes the recycle bin of a share, and it stays where it is: who could move it away, or
// make one himself, would have everybody's deletions be for good.
bool is_recycle_bin(const Request& request, const vfs::Path& path) {
  if (request.tree_connect->share->recycle_days == 0) return false;
  const auto names = path.components();
  return names.size() == 1 && vfs::equal_folded(names.front(), vfs::kRecycleFolder);
}

Result<FileSecurityRef> directory_of(Request& request, const vfs::Path& path) {
  vfs::Volume& volume = *request.tree_connect->share->volume;
  const auto found = volume.find(request.credentials(), path.parent());
  if (!found && found.error().is_os(ENOENT)) return fail(NtStatus::kObjectPathNotFound);
  if (!found) return fail(found.error());
  return request.files.descriptors.load(volume, request.credentials(), *found);
}

// What a folder grants is for what is in it. ESTALE: that is not so; its path has led to another
// folder since `found` was, or when the folder was asked.
Result<void> check_is_in(Request& request, const vfs::Found& found, const FileKey& folder) {
  std::shared_ptr<const vfs::Node> parent = found.place.parent;
  if (!parent) {
    BRAID_TRY(const auto again, request.tree_connect->share->volume->find(
                                    request.credentials(), found.path, {.pin_parent = true}));
    if (again.attributes.key == found.attributes.key) parent = again.place.parent;
  }
  if (!parent || parent->key() != folder) return fail_os(ESTALE);
  return {};
}

}  // namespace

AccessToken token_of(const Principal& principal) {
  AccessToken token = token_of(*principal.identity);
  token.is_root = principal.credentials && principal.credentials->uid == 0;
  return token;
}

rpc::CallerInfo caller_of(const Request& request) {
  return rpc::caller_info_of(*request.principal.identity, request.connection->peer_host());
}

Result<void> check_reaches(const Principal& principal, ShareType type, bool lets_guests_in) {
  const bool has_account = !principal.identity->is_anonymous && !principal.identity->is_guest;
  if (!has_account && !lets_guests_in && type != ShareType::kPipe) {
    return fail(NtStatus::kAccessDenied);
  }
  return {};
}

OwnerGiver owner_giver(const Request& request) {
  const AccessToken token = token_of(request.principal);
  return {*request.principal.credentials, token.is_admin || token.is_root};
}

Result<FileRights> rights_on(Request& request, const vfs::Found& found, uint32_t desired,
                             Names names) {
  const AccessToken token = token_of(request.principal);
  const uint32_t tree = request.tree_connect->maximal_access;
  FileRights rights;
  BRAID_TRY(rights.security, request.files.descriptors.load(*request.tree_connect->share->volume,
                                                            request.credentials(), found));
  uint32_t granted = granted_by(rights.security->effective, token);
  const uint32_t asks_parent =
      Access::kMaximumAllowed | Access::kDelete | (Access::kFileReadAttributes & ~granted);
  if ((desired & asks_parent) && !found.path.is_root() && !token.is_root) {
    const auto directory = directory_of(request, found.path);
    if (must_not_wait() && !directory && directory.error().is_os(EAGAIN)) {
      return fail(directory.error());
    }
    const uint32_t there = directory ? granted_by((*directory)->effective, token) : 0;
    uint32_t by_folder = 0;
    if (there & Access::kFileDeleteChild) by_folder |= Access::kDelete;
    if (there & Access::kFileListDirectory) by_folder |= Access::kFileReadAttributes;
    if (by_folder & ~granted) {
      BRAID_CHECK(check_is_in(request, found, (*directory)->attributes.key));
      granted |= by_folder;
    }
    if (names == Names::kMayGo &&
        (!directory || !kernel_unlinks(*request.credentials(), **directory, found.attributes))) {
      granted &= ~Access::kDelete;
    }
  }
  if (is_recycle_bin(request, found.path)) granted &= ~Access::kDelete;
  rights.told = rights.maximal = granted & tree;
  rights.by_name = granted_by_privilege(token) & (tree | Access::kAccessSystemSecurity);
  if (!found.attributes.is_directory() && (found.attributes.dos_attributes & vfs::dos::kReadonly)) {
    rights.maximal &= ~(Access::kFileWriteData | Access::kFileAppendData);
  }
  return rights;
}

Result<FileRights> rights_on_parent(Request& request, const vfs::Path& path,
                                    const vfs::Place& place) {
  const AccessToken token = token_of(request.principal);
  const uint32_t tree = request.tree_connect->maximal_access;
  if (is_recycle_bin(request, path)) return fail(NtStatus::kAccessDenied);
  FileRights rights;
  BRAID_TRY(rights.security, directory_of(request, path));
  if (rights.security->attributes.key != place.parent->key()) return fail_os(ESTALE);
  // What comes into it would undo a deletion that has been acknowledged.
  if (request.files.file_table.pending_links(place.parent->key()) != 0) {
    return fail(NtStatus::kDeletePending);
  }
  rights.maximal = granted_by(rights.security->effective, token) & tree;
  rights.by_name = granted_by_privilege(token) & (tree | Access::kAccessSystemSecurity);
  return rights;
}

Result<void> check_may_add(Request& request, const vfs::Path& path, const vfs::Place& place,
                           bool is_directory) {
  BRAID_TRY(const FileRights rights, rights_on_parent(request, path, place));
  const uint32_t needed = is_directory ? Access::kFileAddSubdirectory : Access::kFileAddFile;
  if (!(rights.maximal & needed)) return fail(NtStatus::kAccessDenied);
  return {};
}

Result<void> check_may_replace(Request& request, const vfs::Found& target, uint32_t besides) {
  const uint32_t needed = Access::kDelete | besides;
  BRAID_TRY(const FileRights rights, rights_on(request, target, needed));
  if ((rights.maximal & needed) != needed) return fail(NtStatus::kAccessDenied);
  return {};
}

Result<void> check_may_unlink(Request& request, const vfs::Attributes& attributes) {
  const auto located = locate(request.files, *request.open, request.credentials());
  if (!located && located.error().is_os(ENOENT)) return {};  // it is gone, as is asked for
  BRAID_CHECK(located);
  if (token_of(request.principal).is_root) return {};
  BRAID_TRY(const auto directory, directory_of(request, located->path));
  if (directory->attributes.key != located->place.parent->key()) return fail_os(ESTALE);
  if (!kernel_unlinks(*request.credentials(), *directory, attributes)) {
    return fail(NtStatus::kAccessDenied);
  }
  return {};
}

bool is_visible(Request& request, const vfs::Path& directory, const vfs::DirectoryEntry& entry) {
  if (entry.name == "." || entry.name == "..") return true;
  if (!check_reaches(request.principal, *request.tree_connect->share)) return false;
  DescriptorStore& store = request.files.descriptors;
  FileSecurityRef security = store.cached(entry.attributes);
  if (!security) {
    vfs::Volume& volume = *request.tree_connect->share->volume;
    vfs::Path path = directory;
    if (!path.append(entry.name)) return false;
    const auto found = volume.find(request.credentials(), path);
    if (!found) return false;
    const auto loaded = store.load(volume, request.credentials(), *found);
    if (!loaded) return false;
    security = *loaded;
  }
  constexpr uint32_t kNeeded = Access::kFileGenericRead & ~Access::kSynchronize;
  return (granted_by(security->effective, token_of(request.principal)) & kNeeded) == kNeeded;
}

}  // namespace braid::smb2
