// Copying through memory, where the file system does not do it.
#pragma once

#include "vfs/file.h"

namespace braid::vfs {

// File::copy_range by reading and writing; ranges of one file may overlap, as with memmove.
Progress copy_through_memory(File& source, uint64_t source_offset, File& target, uint64_t offset,
                             uint64_t length);

}  // namespace braid::vfs
