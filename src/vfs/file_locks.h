// FileLocks: one process at a time changes what is kept beside a file's data.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/ids.h"

namespace braid::vfs {

// For what is read, changed and written back: DOS attributes, streams; and for a name in a
// directory, whose hash is then FileKey::stream. Files of one device may share a lock, so nobody
// takes two; those of two devices never do, as one of the disks may hang. Implemented where several
// processes serve the same files. Thread: any.
class FileLocks {
 public:
  virtual ~FileLocks() = default;
  virtual void lock(const FileKey& file) = 0;
  virtual void unlock(const FileKey& file) = 0;
  // Counts how often the ARCHIVE attribute of the file, or of others that share the count, was
  // taken away.
  virtual std::atomic<uint32_t>& archive_ends(const FileKey& file) = 0;
};

}  // namespace braid::vfs
