// The space that files take.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "vfs/file.h"

namespace braid::vfs {

// Of the file system that `fd` (any descriptor) is on.
Result<Space> space_of(int fd);

// The blocks that a file takes.
uint64_t allocated_bytes(const struct statx& st);

// Reserves blocks for the first `size` bytes of what `fd` holds, which is open for writing, without
// changing its size; gives back those beyond. All or nothing: ENOSPC and EDQUOT leave it as it was,
// but for holes inside its size that were filled before a quota was met. `as_root`: the blocks kept
// for root may be taken. REQUIRES that nobody appends to it meanwhile.
Result<void> reserve(int fd, uint64_t size, bool as_root);

// The ranges that hold data within `within` of what `fd` holds, at most `max`, in order.
Result<std::vector<Range>> data_ranges(int fd, Range within, size_t max);
// Makes a range within the size of what `fd` holds a hole. False where the file system has none.
Result<bool> punch(int fd, Range range);

// Whether the data of what `fd` (any descriptor) holds has checksums. EOPNOTSUPP where the file
// system has none for any file.
Result<bool> keeps_checksums(int fd);

}  // namespace braid::vfs
