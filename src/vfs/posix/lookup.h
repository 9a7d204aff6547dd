// From a Path to what it names on disk.
#pragma once

#include "vfs/posix/context.h"

namespace braid::vfs {

// Volume::lookup. REQUIRES the thread's identity to be the user's.
//
// The usual case is one openat2 of the whole path. When a name is missing it is looked for without
// regard to case, directory by directory; the path so spelled is then opened from the root again,
// so that what is returned was at one moment reached from the root by names alone.
Result<Resolved> posix_lookup(PosixContext& context, const Path& path,
                              const LookupOptions& options);
// Volume::glance. REQUIRES the thread's identity to be the user's.
Result<Attributes> posix_glance(PosixContext& context, const Path& path);

}  // namespace braid::vfs
