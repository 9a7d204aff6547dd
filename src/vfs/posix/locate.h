// Where the name by which a descriptor was opened is now.
#pragma once

#include "vfs/posix/context.h"

namespace braid::vfs {

// The kernel keeps with every descriptor the name it was opened by, not only the file: it follows
// each rename of it and of the directories above, and tells apart the names of a file that has
// several. Both fail as Volume::locate() does; after a rename by another machine, which this kernel
// has not heard of, too.
//
// `fd` holds `key`. Acts with the rights of the thread.
Result<Located> posix_locate(PosixContext& context, int fd, FileKey key);
// Reads no disk.
Result<Path> posix_name_of(const PosixContext& context, int fd);

}  // namespace braid::vfs
