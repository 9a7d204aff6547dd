#include "smb2/commands/create/create_security.h"

#include "smb2/files/file_services.h"
#include "smb2/security/inherit.h"
#include "smb2/security/new_mode.h"
#include "wire/fscc/file_information.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

// What new files inherit: the directory's list as it is stored, so that another server of the
// directory still knows every account in it, except that accounts of a foreign domain are those
// the evaluator takes them for.
wire::SecurityDescriptor inheritable(const FileSecurity& directory, const auth::IdMapper& ids) {
  wire::SecurityDescriptor parent = directory.descriptor;
  const auto& effective = directory.effective.dacl;
  if (!parent.dacl || !effective || parent.dacl->aces.size() != effective->aces.size()) {
    return directory.effective;
  }
  for (size_t index = 0; index < effective->aces.size(); ++index) {
    wire::Sid& sid = parent.dacl->aces[index].sid;
    if (!ids.uid_of(sid) && !ids.gid_of(sid)) sid = effective->aces[index].sid;
  }
  return parent;
}

// The kernel's rule: the maker's, except where a set-group-ID bit says the directory's.
wire::Sid group_of_new(const FileSecurity& directory, const auth::Identity& maker,
                       const auth::IdMapper& ids) {
  constexpr uint32_t kSetGroupId = 02000;
  const vfs::Attributes& attributes = directory.attributes;
  return attributes.mode & kSetGroupId ? ids.sid_of_gid(attributes.gid) : maker.primary_group_sid;
}

}  // namespace

Result<void> check_owner(const Request& request, const wire::Sid& owner) {
  const AccessToken token = token_of(request.principal);
  if (owner == token.user || token.is_admin || token.is_root) return {};
  const auth::IdMapper& ids = request.files.ids;
  if (!ids.uid_of(owner) && !ids.gid_of(owner)) return {};
  return fail(NtStatus::kInvalidOwner);
}

Result<NewSecurity> security_for_new(const Request& request, const wire::CreateRequest& create,
                                     const FileSecurity& directory, bool is_directory) {
  NewSecurity made;
  std::optional<wire::SecurityDescriptor> given;
  if (create.contexts.sd_buffer) {
    BRAID_TRY(given, wire::SecurityDescriptor::decode(*create.contexts.sd_buffer));
    const AccessToken token = token_of(request.principal);
    if (given->owner) BRAID_CHECK(check_owner(request, *given->owner));
    if (given->sacl && !given->sacl->aces.empty() && !token.is_admin && !token.is_root) {
      return fail(NtStatus::kPrivilegeNotHeld);
    }
    made.is_asked_for = true;
  }
  const auth::Identity& identity = *request.principal.identity;
  std::optional<wire::SecurityDescriptor> parent;
  if (directory.is_stored) parent = inheritable(directory, request.files.ids);
  made.descriptor =
      new_descriptor(parent ? &*parent : nullptr, given ? &*given : nullptr, is_directory,
                     identity.user_sid, group_of_new(directory, identity, request.files.ids));
  if (made.descriptor && made.descriptor->dacl) BRAID_CHECK(made.descriptor->dacl->check());
  made.mode = made.descriptor ? private_mode(is_directory)
                              : new_mode(*request.tree_connect->share, directory, is_directory);
  return made;
}

Result<NewSecurity> posix_security_for_new(const Request& request,
                                           const wire::PosixCreateRequest& posix,
                                           const FileSecurity& directory, bool is_directory) {
  constexpr uint32_t kNoMode16 = 0xFFFF;
  constexpr uint32_t kNoMode32 = 0xFFFFFFFF;
  NewSecurity made;
  made.mode = posix.mode == kNoMode16 || posix.mode == kNoMode32
                  ? new_mode(*request.tree_connect->share, directory, is_directory)
                  : posix.mode & wire::PosixMode::kPermissions;
  return made;
}

Result<void> apply(Request& request, vfs::File& file, const NewSecurity& security) {
  if (!security.descriptor) return {};
  auto done = request.files.descriptors.store(file, *security.descriptor, owner_giver(request));
  // What a directory would pass on cannot be kept on every file system; what was asked for must be.
  if (!done && !security.is_asked_for && done.error() == Error(NtStatus::kNotSupported)) return {};
  return done;
}

}  // namespace braid::smb2
