#include "base/file_system.h"

#include <linux/magic.h>

namespace braid {

bool is_of_one_kernel(long magic) {
  return magic == EXT4_SUPER_MAGIC || magic == XFS_SUPER_MAGIC || magic == BTRFS_SUPER_MAGIC ||
         magic == TMPFS_MAGIC || magic == F2FS_SUPER_MAGIC || magic == OVERLAYFS_SUPER_MAGIC;
}

}  // namespace braid
