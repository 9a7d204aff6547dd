// WatchTable: who watches which directory, and what of a change each of them is told.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "filestate/types.h"
#include "runtime/one_shot.h"
#include "smb2/notify/change_buffer.h"

namespace braid::smb2 {

// What a waiting CHANGE_NOTIFY waits on.
using NotifyWaiter = std::shared_ptr<OneShot<NotifyAnswer>>;

// Paths of the table: absolute, '/' between components, each component as clients see it, nothing
// at the end. "" is the root of the machine.
struct PathChange {
  wire::FileAction action = wire::FileAction::kModified;
  uint32_t filter = 0;  // wire::CompletionFilter: any of these in a watch's filter
  std::string path;     // with ":stream" for a stream
};

// The ChangeNotifyList of [MS-FSA] 2.1.1.1 "Per Volume", for all shares at once, so that shares
// nested in each other tell each other's changes. Pure. Thread: under the hub's lock.
class WatchTable {
 public:
  // Of all watches together, of which a user has a fair_share(); above it buffers lose what they
  // hold rather than grow.
  static constexpr size_t kBufferedMax = 64u << 20;
  // Each is told of each change there, by whoever makes it: windows of an Explorer that show one
  // folder are a few.
  static constexpr size_t kWatchesOfUserMax = 128;  // of one directory

  struct Watch {
    uint64_t id = 0;        // FileId.Persistent
    filestate::UserId user{};
    std::string root;       // of the share
    std::string directory;  // the root or below it
    bool tree = false;
    uint32_t filter = 0;
    uint32_t capacity = 0;
    uint64_t local = 0;  // the caller's: what LocalChanges::watch() gave
    class LocalChanges* source = nullptr;
  };

  // What the caller has to do once it has let go of its lock.
  struct Outcome {
    std::vector<std::pair<NotifyWaiter, NotifyAnswer>> answers;
    std::vector<Watch> ended;
  };

  const Watch* find(uint64_t id) const;
  // What tells of local changes. False if there is no such watch, or it has one.
  bool set_source(uint64_t id, LocalChanges* source, uint64_t local);
  size_t size() const { return by_id_.size(); }
  // False: its user watches the directory too often already.
  bool add(Watch watch);

  // Queues a request. It is answered by a change, at once if one is buffered, in order.
  void wait(uint64_t id, NotifyWaiter waiter, uint32_t limit, Outcome& outcome);
  // CANCEL: answered STATUS_CANCELLED unless it was answered already. Changes go on being kept.
  void cancel(uint64_t id, const NotifyWaiter& waiter, Outcome& outcome);
  // Ends a watch; its requests are answered `status`. No effect when there is none.
  void end(uint64_t id, NtStatus status, Outcome& outcome);
  // The same for all watches of `directory`, and with `below` for those further down.
  void end_at(const std::string& directory, bool below, NtStatus status, Outcome& outcome);

  // Tells of changes that belong together: a waiting request is answered with all of them.
  // [MS-FSA] 2.1.4.1, but for changes of the watched directory itself, which no server tells.
  void report(std::span<const PathChange> changes, Outcome& outcome);
  // A directory has another name now: watches of it and below it go with it.
  void moved(const std::string& from, const std::string& to);
  // Changes were lost and nobody knows where.
  void lose(Outcome& outcome);

 private:
  struct Entry {
    Watch watch;
    ChangeBuffer buffer;
    struct Pending {
      NotifyWaiter waiter;
      uint32_t limit;
    };
    std::deque<Pending> pending;
  };

  struct Directory {
    std::vector<Entry*> entries;
    std::unordered_map<filestate::UserId, size_t> of_user;
  };
  using Directories = std::map<std::string, Directory, std::less<>>;

  void tell(Entry& entry, const PathChange& change);
  void answer(Entry& entry, Outcome& outcome);
  // Changes the entry's buffer, and counts what it holds afterwards.
  template <class Change>
  void change_buffer(Entry& entry, Change change);
  void link(Entry& entry);
  void unlink(const Entry& entry);
  // Those of `directory` and, with `below`, of all further down; no others are looked at.
  std::vector<Entry*> entries_at(const std::string& directory, bool below) const;

  std::unordered_map<uint64_t, std::unique_ptr<Entry>> by_id_;
  Directories by_directory_;
  size_t buffered_ = 0;  // bytes in all buffers
  std::unordered_map<filestate::UserId, size_t> buffered_of_;
};

}  // namespace braid::smb2
