// SharedFileLocks: vfs::FileLocks for all workers of a group.
#pragma once

#include "base/lock_order.h"
#include "store/group.h"
#include "vfs/file_locks.h"

namespace braid::smb2 {

// Thread: any. The group outlives it.
class SharedFileLocks final : public vfs::FileLocks {
 public:
  explicit SharedFileLocks(store::Group& group) : group_(group) {}
  void lock(const FileKey& file) override {
    take_rank(LockRank::kSharedMetadata);
    group_.lock_metadata(file);
  }
  void unlock(const FileKey& file) override {
    group_.unlock_metadata(file);
    drop_rank(LockRank::kSharedMetadata);
  }

 private:
  store::Group& group_;
};

}  // namespace braid::smb2
