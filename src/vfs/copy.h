// Copying through memory, where the file system does not do it.
#pragma once

#include "vfs/file.h"

namespace braid::vfs {

// File::copy_range by reading and writing; ranges of one file may overlap, as with memmove. Then it
// may go from the back, and tells of nothing done until all is: what is counted is at the front.
Progress copy_through_memory(File& source, uint64_t source_offset, File& target, uint64_t offset,
                             uint64_t length);

}  // namespace braid::vfs
