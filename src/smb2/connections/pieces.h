// Long work on a file, cut into turns on the worker pool.
#pragma once

#include <functional>

#include "runtime/task.h"
#include "smb2/connections/request.h"
#include "vfs/file.h"

namespace braid::smb2 {

// Calls `work` for one piece of `range` after the other, and lets others have their turn in
// between. A piece begins with kBytesPerTurn and grows while it takes no time: holes and shared
// blocks are made by the terabyte. Ends with the first error; and, when nobody wants the result any
// more, with that of the request's seat, between two pieces. REQUIRES: on the pool.
Task<Result<void>> in_pieces(Request& request, vfs::Range range,
                             std::function<Result<void>(vfs::Range)> work);

}  // namespace braid::smb2
