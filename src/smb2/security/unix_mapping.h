// Between security descriptors and what the kernel checks by.
#pragma once

#include "auth/id_mapper.h"
#include "smb2/security/posix_acl.h"
#include "vfs/attributes.h"
#include "wire/dtyp/security_descriptor.h"

namespace braid::smb2 {

// The descriptor of a file that has none of its own: grants what the kernel grants, in the kernel's
// order, and passes nothing on. The owner who may read and write has full control; everybody may
// look at attributes and at the descriptor, as stat() asks for no right.
wire::SecurityDescriptor descriptor_of_unix(const vfs::Attributes& attributes,
                                            const PosixAcl& access, const auth::IdMapper& ids);

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
