// FileWatch: what other processes do to single files and directories.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <unordered_map>
#include <variant>

#include "base/guarded.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "smb2/notify/fanotify_record.h"

namespace braid::smb2 {

class FileWatchSink {
 public:
  virtual ~FileWatchSink() = default;
  // Somebody else has done something to these. Thread: the FileWatch's.
  virtual void changed_elsewhere(std::span<const FileKey> files) = 0;
};

// fanotify(7) with a mark on each file, which an ordinary user may have, too (Linux 5.19): the
// kernel says of which process an event is, so that what this one does is no news. To an ordinary
// user it does not say which other process: other workers are strangers then.
//
// Of a file it tells when its data, times, permissions, extended attributes or number of names
// change, when it is renamed, and when one that was open to be written is closed, since nothing is
// said of writes through mmap(2). Of a directory: names made, removed and renamed in it, data and
// attributes of what is in it, and renaming it. Of an event that the kernel had no room for: all
// that are watched.
//
// The kernel drops a mark with the file's inode, so a file is to be open while it is watched.
//
// Thread: any. A thread of its own reads the events, from the first watch on.
class FileWatch {
 public:
  // `is_ours(pid)`: another worker, which sees to it itself that others hear of what it does.
  explicit FileWatch(FileWatchSink& sink, std::function<bool(pid_t)> is_ours = {});
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;
  ~FileWatch() { stop(); }
  // Joins the thread: nothing is told any more, and nothing watched.
  void stop();

  // From now on, through `descriptor`, which may be an O_PATH one. Each has its unwatch(), and only
  // the first costs system calls. ENOSPC: this user has as many marks as the kernel lets him; other
  // errors: the kernel or the file system has no such events. May wait for the disk.
  Result<void> watch(const FileKey& file, int descriptor, bool is_directory);
  // `descriptor`: any of the file, still open.
  void unwatch(const FileKey& file, int descriptor);
  // Of how many files.
  size_t size() const { return state_.lock()->files.size(); }

 private:
  struct Entry {
    DirectoryHandle handle;
    size_t uses = 0;
    bool is_directory = false;
  };
  // Held while a mark on this device is made or removed, as the later of two calls is to hold; a
  // disk that does not answer keeps the others of its own device only.
  using Marking = Guarded<std::monostate, LockRank::kLocalChanges>;
  struct State {
    std::unordered_map<FileKey, Entry> files;
    std::map<DirectoryHandle, FileKey> by_handle;
    std::unordered_map<uint64_t, std::shared_ptr<Marking>> devices;
  };

  Result<void> start();
  void run();
  bool read_events();
  std::shared_ptr<Marking> marking(const FileKey& file);
  Result<void> mark(unsigned flags, int descriptor, bool is_directory) const;

  FileWatchSink& sink_;
  const std::function<bool(pid_t)> is_ours_;
  std::mutex starting_;
  std::atomic<bool> is_started_ = false;
  std::atomic<bool> stopping_ = false;
  // Set once, before is_started_.
  UniqueFd group_;
  UniqueFd wake_;
  Guarded<State> state_;
  std::thread thread_;
};

}  // namespace braid::smb2
