// What the kernel is asked for where a client has been granted something.
#pragma once

#include <cstdint>

#include "vfs/volume.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {

// On a read-only share, such as a previous version, nothing is opened for writing, whatever was
// granted.
inline vfs::DataAccess kernel_access(uint32_t granted, bool is_directory, bool overwriting,
                                     bool is_read_only) {
  using wire::Access;
  if (is_directory) return {.read = (granted & Access::kFileListDirectory) != 0};
  return {.read = (granted & (Access::kFileReadData | Access::kFileExecute)) != 0,
          .write = !is_read_only &&
                   (overwriting || (granted & (Access::kFileWriteData | Access::kFileAppendData)))};
}

}  // namespace braid::smb2
