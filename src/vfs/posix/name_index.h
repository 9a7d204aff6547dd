// NameIndex: finding a name in a directory without regard to case.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "base/ids.h"
#include "base/result.h"
#include "vfs/posix/descriptor.h"

namespace braid::vfs {

// Folded names of directories, read once and kept true by the kernel's change events: the watch is
// set before the directory is read, events are taken from the queue before every answer, and the
// kernel queues an event before the call that caused it returns. So a change is seen once whoever
// made it has been told that it is done, and our own creates, renames and deletes cost no rescan.
//
// Where events do not tell everything (file systems with other writers, no watches left) a
// directory is read again whenever its times changed, or are too young to tell.
//
// Bounded by names: the least recently used directories go, a directory with more names than the
// bound is read at every question. And by directories, each of which is a watch of the kernel's:
// small ones go first, so that who walks through many folders does not make everybody read the
// large ones again. Owned by a posix Volume. Thread: any.
class NameIndex {
 public:
  struct Counters {
    uint64_t scans = 0;   // directories read
    uint64_t events = 0;  // changes applied
    size_t names = 0;     // held now
    size_t directories = 0;
  };

  enum class Events { kTrusted, kIgnored };
  NameIndex(size_t names_max, Events events, size_t directories_max = usual_directories_max());

  // A part of what the kernel lets this user watch in all (fs.inotify.max_user_watches).
  static size_t usual_directories_max();

  // How the name a client calls `client_name` is spelled in `directory`; nothing when there is
  // none. Of several spellings the first by bytes. Reads as the server.
  Result<std::optional<std::string>> find(int directory_fd, FileKey directory,
                                          std::string_view client_name);
  Counters counters() const;

 private:
  using Names = std::unordered_multimap<uint64_t, std::string>;  // fold_hash to spelling on disk
  struct Change {
    bool added;
    std::string name;
  };
  struct Stamp {
    int64_t mtime_ns = 0;
    int64_t ctime_ns = 0;
    bool settled = false;  // old enough that a later change must show
    bool operator==(const Stamp&) const = default;
  };
  struct Directory {
    FileKey key;
    int watch = -1;
    bool building = true;
    bool stale = false;  // an event was lost while building
    Stamp stamp;         // without a watch
    Names names;
    std::vector<Change> pending;  // while building
    bool is_small = true;         // as it was read
    uint64_t used_at = 0;         // grows with each use
    std::list<FileKey>::iterator used;
  };
  using DirectoryRef = std::shared_ptr<Directory>;
  struct State {
    std::unordered_map<FileKey, DirectoryRef> directories;
    std::unordered_map<int, DirectoryRef> by_watch;
    std::list<FileKey> small, large;  // front: most recently used
    uint64_t uses = 0;
    Counters counters;

    std::list<FileKey>& order_of(const Directory& directory) {
      return directory.is_small ? small : large;
    }
    void use(Directory& directory) {
      auto& order = order_of(directory);
      order.splice(order.begin(), order, directory.used);
      directory.used_at = ++uses;
    }
  };

  static Result<Stamp> stamp_of(int directory_fd);
  static Result<Names> scan(int directory_fd);
  static std::optional<std::string> pick(const Names& names, std::string_view client_name);

  DirectoryRef begin(State& state, int directory_fd, FileKey key);
  static void settle(State& state, Directory& directory, Names names);
  void drain(State& state);
  void handle(State& state, int watch, uint32_t mask, std::string name);
  static void apply(State& state, Directory& directory, const Change& change);
  void forget(State& state, const DirectoryRef& directory);
  void keep_within_bounds(State& state);

  const size_t names_max_;
  const size_t directories_max_;
  const Descriptor inotify_;  // invalid: events are ignored
  Guarded<State> state_;
  std::condition_variable built_;
};

}  // namespace braid::vfs
