#include "smb2/access_check.h"

#include <algorithm>

#include "wire/smb2/access_mask.h"

namespace braid::smb2 {

using wire::Access;

uint32_t access_by_mode(const Principal& principal, const vfs::Attributes& attributes) {
  const UnixCredentials& who = *principal.credentials;
  if (who.uid == 0) return Access::kFileAllAccess;
  uint32_t bits = attributes.mode & 07;
  const bool is_owner = who.uid == attributes.uid;
  const bool in_group = who.gid == attributes.gid ||
                        std::ranges::find(who.groups, attributes.gid) != who.groups.end();
  if (is_owner) {
    bits = (attributes.mode >> 6) & 07;
  } else if (in_group) {
    bits = (attributes.mode >> 3) & 07;
  }
  // A stat() needs no right, and whether a name may go is up to its directory.
  uint32_t access = Access::kFileReadAttributes | Access::kReadControl | Access::kSynchronize |
                    Access::kDelete;
  if (bits & 04) access |= Access::kFileGenericRead;
  if (bits & 02) access |= Access::kFileGenericWrite | Access::kFileDeleteChild;
  if (bits & 01) access |= Access::kFileGenericExecute;
  if (is_owner) access |= Access::kFileWriteAttributes | Access::kWriteDac | Access::kWriteOwner;
  return access;
}

uint32_t maximal_access(const Principal& principal, const TreeConnect& tree,
                        const vfs::Attributes& attributes) {
  uint32_t access = access_by_mode(principal, attributes) & tree.maximal_access;
  if (!attributes.is_directory() && (attributes.dos_attributes & vfs::dos::kReadonly)) {
    access &= ~(Access::kFileWriteData | Access::kFileAppendData);
  }
  return access;
}

}  // namespace braid::smb2
