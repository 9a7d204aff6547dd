// A rename to a name that must be free, on every file system.
#pragma once

#include <string>

#include "vfs/posix/context.h"

namespace braid::vfs {

struct NameIn {
  int directory;
  const std::string& name;
};

// Renames a file, or a directory, to a name that is free; EEXIST. What has the old name is open, so
// that its descriptors must go on knowing their name (locate.h): a second link whose first name
// then goes would leave them without.
//
// renameat2() does it in one step. NFS, CephFS, 9p and others refuse its flags (EINVAL). There the
// name is taken first, by an empty file or directory that is made exclusively, and the rename
// replaces that: nothing that was there is ever replaced. What a local program puts into a file
// between these two steps goes with it; a directory that is not empty then is EEXIST. Known from
// the first such rename on, so that it is asked for once. REQUIRES a NameClaim, so that clients
// meanwhile make no such name.
Result<void> rename_to_free(PosixContext& context, NameIn from, NameIn to, bool is_directory);

}  // namespace braid::vfs
