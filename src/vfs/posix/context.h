// What a posix Volume and its open files share.
#pragma once

#include <array>
#include <ctime>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/lock_order.h"
#include "base/unique_fd.h"
#include "vfs/posix/name_index.h"
#include "vfs/posix/posix_volume.h"
#include "vfs/posix/system.h"
#include "wire/fscc/name_expression.h"

namespace braid::vfs {

// The folder in a share's root for what the server keeps beside the files. Clients cannot see it.
inline constexpr std::string_view kPrivateFolder = ".braid";

// The seconds since 1970 that a file system has numbers for.
struct TimeRange {
  int64_t first = 0;
  int64_t last = 0;
  bool has(const timespec& time) const { return time.tv_sec >= first && time.tv_sec <= last; }
};

// Owned by the Volume and every open file together. Thread: any.
struct PosixContext {
  PosixContext(UniqueFd root_fd, FileKey key, PosixOptions how, NameIndex::Events events)
      : root(std::move(root_fd)), root_key(key), options(how), index(how.index_bytes_max, events) {
    for (const std::string& pattern : how.hidden_names) hidden.emplace_back(pattern);
  }

  const UniqueFd root;  // O_PATH
  const FileKey root_key;
  const PosixOptions options;
  Features features;
  // A stream up to this many bytes lives in an extended attribute.
  size_t inline_stream_max = 0;
  // The file system (ext4, XFS) counts the block of a file's extended attributes among those of
  // its data.
  bool counts_attribute_block = false;
  uint64_t block_size = 4096;
  std::vector<wire::NameExpression> hidden;
  NameIndex index;

  bool hides(std::string_view disk_name) const;
  // Whether this name in `directory` is the server's own, which clients neither see nor reach.
  bool is_own(const FileKey& directory, std::string_view disk_name) const;
  // What depends on the share: takes a block of attributes out of the allocation size, and shows a
  // name that is hidden so.
  void adjust(Attributes& attributes, bool hide) const;

  // That of the root's file system, once it was asked for.
  Guarded<std::optional<TimeRange>> time_range;

  // 64: more than the threads of a worker pool, so that two files seldom share one.
  std::array<RankedMutex<LockRank::kMetadata>, 64> metadata_locks;
};

// Held while DOSATTRIB or a stream of one file is read and written back.
class MetadataLock {
 public:
  MetadataLock(PosixContext& context, const FileKey& key)
      : file_{key.device, key.inode, 0},
        others_(context.options.locks),
        lock_(context.metadata_locks[std::hash<FileKey>{}(file_) % context.metadata_locks.size()]) {
    if (others_) others_->lock(file_);
  }
  MetadataLock(const MetadataLock&) = delete;
  MetadataLock& operator=(const MetadataLock&) = delete;
  ~MetadataLock() {
    if (others_) others_->unlock(file_);
  }

 private:
  const FileKey file_;
  FileLocks* const others_;
  const std::lock_guard<RankedMutex<LockRank::kMetadata>> lock_;
};

using PosixContextRef = std::shared_ptr<PosixContext>;

}  // namespace braid::vfs
