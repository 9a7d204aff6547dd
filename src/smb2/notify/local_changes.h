// Changes that local programs make, and where the hub hears of them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace braid::smb2 {

// One change by somebody else. Paths are absolute, spelled as on disk.
struct LocalChange {
  enum class Kind : uint8_t {
    kAdded,
    kRemoved,
    kModified,
    kRenamed,
    kLost,  // something happened somewhere, and the kernel could not keep it
  };
  Kind kind = Kind::kModified;
  bool is_directory = false;
  uint32_t filter = 0;  // kModified: wire::CompletionFilter bits it may stand for
  std::string path;
  std::string new_path;  // kRenamed

  bool operator==(const LocalChange&) const = default;
};

class LocalChangeSink {
 public:
  virtual ~LocalChangeSink() = default;
  // Thread: that of the source.
  virtual void local_change(const LocalChange& change) = 0;
};

// A directory to watch. `root` is the share's, `directory` is it or below it; on disk, absolute.
struct LocalWatch {
  std::string root;
  std::string directory;
  uint64_t device = 0;  // of the directory
  bool tree = false;
  uint64_t user = 0;  // whose share of the watches it takes
};

// Where the kernel tells of changes. Owned by the NotifyHub. Thread: any.
class LocalChanges {
 public:
  virtual ~LocalChanges() = default;
  // What unwatch() takes; 0 if this source cannot watch there. Walks no tree on the calling thread.
  virtual uint64_t watch(const LocalWatch& watch) = 0;
  virtual void unwatch(uint64_t watch) = 0;
  // Joins the source's thread: nothing is told any more. The destructor does it too.
  virtual void stop() = 0;

  // This process did it itself, just now. Sources that know who made a change need not be told.
  virtual void own_name_change(const std::string& /*path*/) {}
  virtual void own_modification(const std::string& /*path*/) {}
};

// Tells every change on a file system, with who made it. Null where the kernel (5.17 is needed) or
// a missing capability (CAP_SYS_ADMIN, CAP_DAC_READ_SEARCH) does not let it.
// `is_ours(pid)`: another worker, which tells what it does on its own.
std::unique_ptr<LocalChanges> open_fanotify(LocalChangeSink& sink,
                                            std::function<bool(pid_t)> is_ours = {});
// One watch for each directory, without who made a change. Null when there is no inotify.
std::unique_ptr<LocalChanges> open_inotify(LocalChangeSink& sink);

}  // namespace braid::smb2
