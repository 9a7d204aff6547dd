// The shares with local_access = "notify": what clients cache there ends when others change it.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <span>

#include "filestate/file_table.h"
#include "smb2/notify/file_watch.h"
#include "vfs/file.h"

namespace braid::smb2 {

// Between the grant of a lease or an oplock and the end of all of them the file is watched. What
// local programs and NFS do to it has been done when it is heard of, so nobody is held off: what
// clients cache is taken from them, as if somebody had written to the file by another open.
// Named streams are not watched, as local programs do not know them.
//
// Owned by FileServices. Thread: any.
class LocalWatching final : public FileWatchSink {
 public:
  // `is_ours`: FileWatch's.
  LocalWatching(filestate::FileTable& table, std::function<bool(pid_t)> is_ours)
      : table_(table), watch_(*this, std::move(is_ours)) {}
  ~LocalWatching() override { stop(); }

  // FileTable has just granted something to an open of `file`. `attributes`: what its client is
  // about to be told, made what the file is now if somebody has changed it since they were read.
  void granted(const FileKey& key, vfs::File& file, vfs::Attributes& attributes);
  // The same for an open that has been granted something before.
  void keeps(const FileKey& key, const vfs::File& file);
  // FileTable has closed an open of the file. `file`: still open, or null. Costs a load while
  // nothing is watched.
  void closed(const FileKey& key, const vfs::File* file);
  // An open that keeps() what it has is another worker's from now on, which watches as well.
  void gave_away(const FileKey& key, const vfs::File* file);
  void stop() { watch_.stop(); }

  void changed_elsewhere(std::span<const FileKey> files) override;

 private:
  bool watch(const FileKey& key, const vfs::File& file);

  filestate::FileTable& table_;
  std::atomic<bool> told_ = false;  // that there is something that cannot be watched
  FileWatch watch_;
};

}  // namespace braid::smb2
