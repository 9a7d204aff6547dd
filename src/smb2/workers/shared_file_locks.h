// SharedFileLocks: vfs::FileLocks for the workers of one machine.
#pragma once

#include "base/lock_order.h"
#include "store/shared_region.h"
#include "vfs/file_locks.h"

namespace braid::smb2 {

// Robust mutexes: a worker that is killed with one leaves it free, and the file's metadata as its
// last system call did. Thread: any. The region outlives it.
class SharedFileLocks final : public vfs::FileLocks {
 public:
  explicit SharedFileLocks(const store::SharedRegion& region) : region_(region) {}
  void lock(const FileKey& file) override {
    take_rank(LockRank::kSharedMetadata);
    store::RobustMutex::lock(mutex_of(file));
  }
  void unlock(const FileKey& file) override {
    store::RobustMutex::unlock(mutex_of(file));
    drop_rank(LockRank::kSharedMetadata);
  }
  std::atomic<uint32_t>& archive_ends(const FileKey& file) override {
    return region_.archive_ends(index_of(file));
  }

 private:
  static size_t index_of(const FileKey& file) {
    return std::hash<FileKey>{}(file) % store::SharedRegion::kFileLocks;
  }
  pthread_mutex_t& mutex_of(const FileKey& file) { return region_.file_lock(index_of(file)); }

  const store::SharedRegion& region_;
};

}  // namespace braid::smb2
