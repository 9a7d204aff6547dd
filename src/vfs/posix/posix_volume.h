// A Volume on a directory of ext4, XFS, btrfs or tmpfs.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "vfs/file_locks.h"
#include "vfs/volume.h"

namespace braid::vfs {

struct PosixOptions {
  // Names held by the folded directory indexes; about 100 bytes each.
  size_t indexed_names_max = 1'000'000;
  // Names, with wildcards (wire/fscc/name_expression.h), that are shown as hidden.
  std::vector<std::string> hidden_names = {};
  bool streams = true;  // where the file system can keep them
  // Shared with other processes that serve the files; null: none does. Outlives the volume.
  FileLocks* locks = nullptr;
};

// `root` is opened once, as the server; everything later is below that descriptor. ENOENT, ENOTDIR,
// EACCES; ENOSYS on a kernel without openat2.
Result<std::unique_ptr<Volume>> open_posix_volume(const std::string& root,
                                                  const PosixOptions& options = {});

}  // namespace braid::vfs
