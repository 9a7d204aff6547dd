// WatchTable: who watches which directory, and what of a change each of them is told.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "filestate/types.h"
#include "runtime/one_shot.h"
#include "smb2/notify/change_buffer.h"
#include "smb2/notify/directory_tree.h"
#include "smb2/notify/watched_roots.h"

namespace braid::smb2 {

// What a waiting CHANGE_NOTIFY waits on.
using NotifyWaiter = std::shared_ptr<OneShot<NotifyAnswer>>;

// What a watch that has a place keeps until it ends.
struct WatchKeeps {
  WatchedRoots::Hold root{};
  // Counts WatchTable::cost_of() where it is, which grows with the names of the directories that
  // lead there. False: it ends. Called while the watch is locked.
  std::function<bool(size_t cost)> counts{};
};

// The ChangeNotifyList of [MS-FSA] 2.1.1.1 "Per Volume", for all shares at once, so that shares
// nested in each other tell each other's changes. Thread: any. Reactors take its locks: each is
// held for a look-up, a way through the tree or one watch, never while a name is copied.
class WatchTable {
 public:
  // Of all watches together, of which a user has a fair_share(); above it buffers lose what they
  // hold rather than grow.
  static constexpr size_t kBufferedMax = 64u << 20;

  struct Watch {
    uint64_t id = 0;  // FileId.Persistent
    filestate::UserId user{};
    bool tree = false;
    uint32_t filter = 0;
    uint32_t capacity = 0;
  };
  // What tells of local changes in a watched directory.
  struct Local {
    class LocalChanges* source = nullptr;
    uint64_t watch = 0;  // what LocalChanges::watch() gave
  };

  // What the caller has to do.
  struct Outcome {
    std::vector<std::pair<NotifyWaiter, NotifyAnswer>> answers;
    std::vector<Local> ended;  // one for each watch, without a source where there was none
  };

  // A watch that was begun and has no place yet hears of nothing.
  using Placed = std::shared_ptr<OneShot<bool>>;

  size_t size() const { return by_id_.lock()->size(); }
  bool has(uint64_t id) const { return find(id) != nullptr; }
  // As it was begun.
  std::optional<Watch> watch(uint64_t id) const;
  // Queues a request: it is answered by a change, at once if one is buffered, in order. The first
  // begins the watch. Gives what is set by whoever began it once place() and set_local() are done.
  Placed wait(const Watch& watch, NotifyWaiter waiter, bool& is_first, Outcome& outcome);
  // Says where it is. False: it cannot be watched there, by its depth, what it costs or because its
  // user watches it too often already.
  bool place(uint64_t id, std::string_view directory, WatchKeeps keeps = {});
  // False if there is no such watch.
  bool set_local(uint64_t id, Local local);

  // CANCEL: answered STATUS_CANCELLED unless it was answered already. Changes go on being kept.
  void cancel(uint64_t id, const NotifyWaiter& waiter, Outcome& outcome);
  // Ends a watch; its requests are answered `status`. No effect when there is none.
  void end(uint64_t id, NtStatus status, Outcome& outcome);
  // The same for all watches of `directory`, and with `below` for those further down.
  void end_at(std::string_view directory, bool below, NtStatus status, Outcome& outcome);

  // Tells of changes that belong together: a waiting request is answered with all of them.
  void report(std::span<const PathChange> changes, Outcome& outcome);
  // A directory has another name now: watches of it and below it go with it, or end where that is
  // too deep to be watched, or costs more than their clients may have. False: there are none.
  bool moved(std::string_view from, std::string_view to, Outcome& outcome);
  // Changes were lost and nobody knows where.
  void lose(Outcome& outcome);
  // Changes in `directory`, any of those of `filter`, were lost; with `below`, or further down.
  void lose_at(std::string_view directory, uint32_t filter, bool below, Outcome& outcome);

  // What a watch makes the server hold at most, its buffer apart.
  static size_t cost_of(std::string_view directory);

 private:
  struct State {
    explicit State(uint32_t capacity) : buffer(capacity) {}
    ChangeBuffer buffer;
    std::deque<NotifyWaiter> pending;
    Local local;
    WatchKeeps keeps;
    size_t counted = 0;  // of cost_of()
    bool ended = false;
  };
  struct Entry final : DirectoryTree::Place {
    explicit Entry(const Watch& watch)
        : Place{.user = watch.user, .tree = watch.tree, .filter = watch.filter},
          id(watch.id),
          capacity(watch.capacity),
          state(watch.capacity) {}
    const uint64_t id;
    const uint32_t capacity;
    const Placed placed = std::make_shared<OneShot<bool>>();
    Guarded<State, LockRank::kWatches> state;
  };
  using EntryRef = std::shared_ptr<Entry>;
  struct Buffered {
    size_t size = 0;  // bytes in all buffers
    std::unordered_map<filestate::UserId, size_t> of_user;
  };

  EntryRef find(uint64_t id) const;
  static Entry& entry_of(const DirectoryTree::PlaceRef& place) {
    return static_cast<Entry&>(*place);
  }
  void answer(const Entry& entry, State& state, Outcome& outcome);
  void lose(Entry& entry, Outcome& outcome);
  // Where it is now it costs so much. False: that cannot be counted.
  static bool count(Entry& entry, size_t cost);
  // Changes the buffer, and counts what it holds afterwards.
  template <class Change>
  void change_buffer(const Entry& entry, State& state, Change change);

  Guarded<std::unordered_map<uint64_t, EntryRef>> by_id_;
  Guarded<DirectoryTree> tree_;
  Guarded<Buffered> buffered_;
};

}  // namespace braid::smb2
