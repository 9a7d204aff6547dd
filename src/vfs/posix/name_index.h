// NameIndex: finding a name in a directory without regard to case.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "base/ids.h"
#include "base/lock_order.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "vfs/posix/folded_names.h"

namespace braid::vfs {

// Folded names of directories, read once and kept true by the kernel's change events: the watch is
// set before the directory is read, events are taken from the queue before every answer, and the
// kernel queues an event before the call that caused it returns. So a change is seen once whoever
// made it has been told that it is done, and our own creates, renames and deletes cost no rescan.
//
// The kernel keeps so many events and then loses them. So whoever changes names through the Volume
// sees to it that they are taken in time, and what was lost by others costs the directories that
// have changed since they were last seen not to have: the others keep what is known of them.
//
// Where events do not tell everything (file systems with other writers, no watches left) a
// directory is read again whenever its times changed, or are too young to tell.
//
// A large directory is read in pieces of some thousand names, each by whoever asks about it and has
// its turn: nobody reads for the others, and nobody but the one whose piece is being read is waited
// for. Then it is kept.
//
// Bounded by bytes, those of what is being read too: the least recently used directories go. When
// all indexes of the process hold more than usual_bytes_of_all() each has an equal part of that, so
// that many shares do not hold many times as much. Of a directory that does not fit alone
// only hashes are kept, which tell a free name; it is read for a name that may be there in another
// spelling, and at every question should even the hashes not fit. And by directories, each of which
// is a watch of the kernel's: small ones go first, so that who walks through many folders does not
// make everybody read the large ones again. Owned by a posix Volume. Thread: any.
class NameIndex {
 public:
  struct Counters {
    uint64_t scans = 0;   // directories read
    uint64_t pieces = 0;  // of them
    uint64_t events = 0;  // changes applied
    size_t names = 0;     // held now
    size_t bytes = 0;     // for them
    size_t directories = 0;
  };

  enum class Events { kTrusted, kIgnored };
  // What all indexes of one process hold between them.
  struct All {
    explicit All(size_t most) : bytes_max(most) {}
    const size_t bytes_max;
    std::atomic<size_t> bytes = 0;
    std::atomic<size_t> holders = 0;  // indexes that hold any
  };
  // How letters with marks compare: as they are written, or the same always (compared_name()).
  enum class Marks { kAsWritten, kComposed };
  NameIndex(size_t bytes_max, Events events, size_t directories_max = usual_directories_max(),
            All& all = all_of_process(), Marks marks = Marks::kAsWritten);
  ~NameIndex();

  // A part of what the kernel lets this user watch in all (fs.inotify.max_user_watches).
  static size_t usual_directories_max();
  // A part of the machine's memory.
  static size_t usual_bytes_of_all();
  static All& all_of_process();

  // How the name a client calls `client_name` is spelled in `directory`; nothing when there is
  // none. Of several spellings the first by bytes. Reads as the server. With `in_pieces` it reads
  // no more than one piece of a directory: EINPROGRESS when there are more.
  Result<std::optional<std::string>> find(int directory_fd, FileKey directory,
                                          std::string_view client_name, bool in_pieces = false);
  Counters counters() const;
  // The Volume has changed a name: takes events from the queue long before it is full.
  void changed_name();

 private:
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
    bool stale = false;           // an event was lost while building
    std::vector<Change> pending;  // while building
    size_t counted_names = 0;     // in Counters
    size_t counted_bytes = 0;

    // While building with this lock, which comes before that of the State; then with that one.
    RankedMutex<LockRank::kNamePiece> piece;
    UniqueFd reading;
    Stamp stamp;  // of a time since when nothing was heard of that is not in `names`
    FoldedNames names;
    bool is_complete = false;
    bool is_too_large = false;
    bool is_doubtful = false;                          // events were lost since the stamp
    bool has_changed = false;                          // events were applied since the stamp
    std::chrono::steady_clock::time_point changed_at;  // the last of them

    void note_change(bool is_one) {
      has_changed = is_one;
      if (is_one) changed_at = std::chrono::steady_clock::now();
    }

    bool is_small = true;                           // as it was read
    std::chrono::steady_clock::time_point read_at;  // its last piece
    uint64_t used_at = 0;                           // grows with each use
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
  // What the directory itself says, name by name.
  Result<std::optional<std::string>> search(int directory_fd, std::string_view client_name) const;
  Result<std::optional<std::string>> find_as_compared(int directory_fd, FileKey directory,
                                                      std::string_view client_name, bool in_pieces);

  // What is known of the directory; nothing when it has to be read.
  Result<DirectoryRef> known(State& state, int directory_fd, FileKey key);
  // Of a directory with a watch: whether its names are what there is, although events were lost.
  Result<bool> still_holds(State& state, const DirectoryRef& directory, int directory_fd);
  DirectoryRef begin(State& state, int directory_fd, FileKey key);
  // Reads one piece; true when that was the last.
  Result<bool> advance(const DirectoryRef& directory, int directory_fd);
  Result<bool> read_piece(Directory& directory, int directory_fd);
  bool fits_while_building(State& state, Directory& directory);
  static bool is_held(const State& state, const DirectoryRef& directory);
  void settle(State& state, const DirectoryRef& directory);
  // How many bytes this index may hold now.
  size_t bytes_allowed() const;
  void count(State& state, Directory& directory);
  void add_bytes(State& state, size_t before, size_t now);
  Result<std::optional<std::string>> answer(const Directory& directory, int directory_fd,
                                            std::string_view client_name);
  void drain(State& state);
  void handle(State& state, int watch, uint32_t mask, std::string name);
  void apply(State& state, Directory& directory, const Change& change);
  void forget(State& state, const DirectoryRef& directory);
  // False: what is being read does not fit, and nothing else can go.
  bool keep_within_bounds(State& state);

  All& all_;
  const size_t bytes_max_;
  const size_t directories_max_;
  const bool composes_;
  const UniqueFd inotify_;  // invalid: events are ignored
  std::atomic<uint32_t> changed_names_ = 0;
  Guarded<State, LockRank::kNameIndex> state_;
};

}  // namespace braid::vfs
