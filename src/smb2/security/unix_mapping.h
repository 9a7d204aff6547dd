// Between security descriptors and what the kernel checks by.
#pragma once

#include "auth/id_mapper.h"
#include "smb2/security/posix_acl.h"
#include "vfs/attributes.h"
#include "wire/dtyp/security_descriptor.h"

namespace braid::smb2 {

// The descriptor of a file that has none of its own: grants what the kernel grants, in the kernel's
// order. The owner who may read and write has full control; everybody may
// look at attributes and at the descriptor, as stat() asks for no right.
//
// A directory's passes on what new files would get anyway, CREATOR OWNER and CREATOR GROUP among
// it: from `default_list`, or without one (it is empty) from usual_mask(). New files inherit
// nothing from a descriptor that is made up; but who adds an entry to it and stores it, as Explorer
// does, would else leave those who make files there without rights to them.
wire::SecurityDescriptor descriptor_of_unix(const vfs::Attributes& attributes,
                                            const PosixAcl& access, const PosixAcl& default_list,
                                            const auth::IdMapper& ids);

// What new files and folders may have at most, where nobody said otherwise: others look, and so
// does the group, except that it does all where a folder's set-group-ID bit gives files to its
// group.
constexpr uint32_t usual_mask(uint32_t directory_mode) {
  constexpr uint32_t kSetGroupId = 02000;
  return directory_mode & kSetGroupId ? 0775 : 0755;
}

// The access list by which local programs, and the kernel when it opens files for us, see about
// what `descriptor` grants on a file with the owner and group of `attributes`: owner, group and
// everyone else, and the users and groups with entries of their own. The owner can always read a
// file and do everything with a directory, as an owner could take these rights at any time. A file
// that nobody could execute does not become executable by full control. Asks the system's user
// database when both users and groups are named: may wait.
PosixAcl unix_of_descriptor(const wire::SecurityDescriptor& descriptor,
                            const vfs::Attributes& attributes, const PosixAcl& before,
                            const auth::IdMapper& ids);

}  // namespace braid::smb2
