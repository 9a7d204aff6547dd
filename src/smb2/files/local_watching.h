// The shares with local_access = "notify": what clients cache there ends when others change it.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "base/ids.h"
#include "filestate/file_table.h"
#include "smb2/notify/file_watch.h"
#include "vfs/file.h"

namespace braid::smb2 {

// From the grant of a lease or an oplock to an open until the end of that open its file is watched.
// What local programs and NFS do to it has been done when it is heard of, so nobody is held off:
// what clients cache is taken from them, as if somebody had written to the file by another open.
// Named streams are not watched, as local programs do not know them.
//
// Owned by FileServices. Thread: any.
class LocalWatching final : public FileWatchSink {
 public:
  // `is_ours`: FileWatch's.
  LocalWatching(filestate::FileTable& table, std::function<bool(pid_t)> is_ours)
      : table_(table), watch_(std::make_shared<FileWatch>(*this, std::move(is_ours))) {}
  ~LocalWatching() override { stop(); }

  struct Watch {
    filestate::Caching kept{};
    // To be reset before the file is closed. Null where the file cannot be watched.
    std::shared_ptr<const void> until_closed;
  };
  // What of `granted` an open may keep that FileTable has just granted it to, or has had it for
  // long: nothing, where the kernel has no room for a watch; all, where it has none of this file,
  // which the log says once. May wait for the disk.
  Watch watch(const FileKey& key, const vfs::File& file, filestate::Caching granted);
  size_t watched() const { return watch_->size(); }
  void stop() { watch_->stop(); }

  void changed_elsewhere(std::span<const FileKey> files) override;

 private:
  filestate::FileTable& table_;
  std::atomic<bool> told_none_ = false;  // that there is something that cannot be watched
  std::atomic<bool> told_full_ = false;
  const std::shared_ptr<FileWatch> watch_;  // an Open may outlive the others
};

}  // namespace braid::smb2
