// FileWatch: what other processes do to single files and directories.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

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
// attributes of what is in it, and renaming it.
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

  // From now on, through `descriptor`, which may be an O_PATH one. Watching twice is watching once.
  // An error where the kernel or the file system has no such events, or there are too many watches.
  // May wait for the disk.
  Result<void> watch(const FileKey& file, int descriptor, bool is_directory);
  // Another number with each watch() of the file; 0: it is not watched.
  uint64_t use_of(const FileKey& file) const;
  // Ends it, unless it was watched again since `use`. `descriptor`: any of the file, or -1.
  void unwatch(const FileKey& file, uint64_t use, int descriptor);
  bool is_used() const { return count_ != 0; }
  size_t size() const { return count_; }

 private:
  struct Entry {
    DirectoryHandle handle;
    uint64_t use = 0;
    bool is_directory = false;
  };
  struct State {
    std::unordered_map<FileKey, Entry> files;
    std::map<DirectoryHandle, FileKey> by_handle;
    uint64_t last_use = 0;
  };

  Result<void> start();
  void run();
  // Returns whether all it read was of this process, and whether there was anything.
  enum class Heard : uint8_t { kNothing, kOwn, kNews };
  Heard read_events();
  Result<void> mark(unsigned flags, int descriptor, bool is_directory) const;
  static void forget(State& state, const FileKey& file);

  FileWatchSink& sink_;
  const std::function<bool(pid_t)> is_ours_;
  std::mutex starting_;
  std::atomic<bool> is_started_ = false;
  std::atomic<bool> stopping_ = false;
  // Set once, before is_started_.
  UniqueFd group_;
  UniqueFd wake_;
  std::atomic<size_t> count_ = 0;  // of State::files
  Guarded<State> state_;
  std::thread thread_;
};

}  // namespace braid::smb2
