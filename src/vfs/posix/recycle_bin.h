// The recycle bin of a share: what is deleted is moved to .recycle/USER in its root.
#pragma once

#include "vfs/posix/context.h"

namespace braid::vfs {

// Clients see it, and in it what each user has deleted; USER/ is that user's and nobody else's.
inline constexpr std::string_view kRecycleFolder = ".recycle";

// Volume::recycle. REQUIRES the thread's identity to be `who`'s.
Result<bool> move_to_bin(PosixContext& context, const Credentials& who, const Place& place,
                         const Path& path, FileKey expected);

// Volume::sweep_bin. `volume` owns the context and outlives the result.
std::unique_ptr<Sweep> sweep_of_bin(PosixContext& context, Volume& volume, FileTime before);

}  // namespace braid::vfs
