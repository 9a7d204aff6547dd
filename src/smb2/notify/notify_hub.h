// NotifyHub: brings changes to the CHANGE_NOTIFY requests that wait for them.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "base/ids.h"
#include "smb2/notify/change_event.h"
#include "smb2/notify/local_changes.h"
#include "smb2/notify/lost_changes.h"
#include "smb2/notify/watch_table.h"
#include "smb2/notify/watched_roots.h"
#include "smb2/shares/share.h"
#include "store/watch_notice.h"
#include "wire/smb2/change_notify.h"

namespace braid::store {
class Group;
}

namespace braid::smb2 {

class Open;

// Owned by the Server. Thread: any. Paths are below the share's root as the protocol writes them,
// "dir\file", spelled as on disk. Nothing here waits or may fail the command that calls it; with
// nobody watching each call is one load, or one for each worker.
//
// With several workers, what one of them does is told to those with clients that watch in the same
// share: they are told by the command that did it, here as there, and what the kernel says of it is
// not news. What cannot be told is owed as LostChanges; only watches hear of it that it concerns.
class NotifyHub final : public LocalChangeSink {
 public:
  // Finds out how local changes can be heard of. `group` may be null, and outlives the hub.
  // `is_worker`: whether a process of this machine tells its changes by the group.
  explicit NotifyHub(store::Group* group = nullptr, std::function<bool(pid_t)> is_worker = {});
  // With LostChanges in the place of an event that would take more.
  static constexpr size_t kEventBytesMax = 16u << 10;
  // Only with another source than the machine's, or none; for tests.
  explicit NotifyHub(std::unique_ptr<LocalChanges> local);
  ~NotifyHub() override;

  bool anyone() const {
    return watch_count_.load(std::memory_order_relaxed) != 0 || others_watch();
  }

  // For CHANGE_NOTIFY. Only looks up the watch of the open, so that a reactor may ask, and does not
  // wait itself, so that of requests that follow each other none overtakes another. The first of an
  // open says what is watched. The waiter is set already when something was kept.
  struct Waiting {
    NotifyWaiter waiter;
    WatchTable::Placed placed;  // whoever has is_first sets it after place()
    bool is_first = false;
  };
  Waiting wait(const Open& open, const wire::ChangeNotifyRequest& request);
  // After the first: from here on changes are kept, those that local programs make too. `path`:
  // where the directory is. May wait for the disk. False: it cannot be watched there, by its depth
  // or because the user watches it too often already.
  // `counts`: WatchKeeps.
  bool place(const Open& open, std::string_view path, bool tree,
             std::function<bool(size_t cost)> counts);
  void cancel(const Open& open, const NotifyWaiter& waiter);
  // The watch ends, and with it its waiting requests.
  void end(const Open& open, NtStatus status);
  void closed(const Open& open) { end(open, NtStatus::kNotifyCleanup); }
  // What the open watches, if it does.
  std::optional<WatchTable::Watch> watch_of(const Open& open) const;
  // Changes may have been made that nobody tells: who watches is to look, now or with the next
  // request.
  void lose_all();
  // A directory will go: requests on it end with STATUS_DELETE_PENDING. [MS-FSA] 2.1.5.15.3.
  void delete_pending(const Share& share, std::string_view path);

  // Tells of something that was done to a file or directory.
  void changed(const Share& share, std::string_view path, wire::FileAction action,
               uint32_t filter) {
    if (anyone()) report_changed(share, path, action, filter);
  }
  // The same for a stream of it; `stream` without ":" and type.
  void stream_changed(const Share& share, std::string_view path, std::string_view stream,
                      wire::FileAction action, uint32_t filter);
  // `replaced`: the name of a file that was in the way and went, "" for none.
  struct Rename {
    std::string_view from;
    std::string_view to;
    std::string_view replaced;
    bool is_directory = false;
  };
  void renamed(const Share& share, const Rename& rename) {
    if (anyone()) report_renamed(share, rename);
  }
  // A file has one more name, `path`; `replaced` as above.
  void linked(const Share& share, std::string_view path, std::string_view replaced);
  // Data of a file changed and will be told later: what inotify says of it is not news.
  void expect_echo(const Share& share, std::string_view path) {
    if (anyone()) report_own_modification(share, path);
  }

  void local_change(const LocalChange& change) override;

 private:
  bool others_watch() const {
    return std::ranges::any_of(others_, [](const auto* each) { return each->watches != 0; });
  }
  // Here and in the other workers.
  void publish(const ChangeEvent& event);
  void apply(const ChangeEvent& event);
  void moved(std::string_view from, std::string_view to, WatchTable::Outcome& outcome);
  // What is owed is told when there is room.
  void owe(size_t worker, const ChangeEvent& event);
  void tell_owed(size_t worker);
  void on_message(ByteView message);
  void count_watches();
  void listen(const Open& open, std::string_view directory, bool tree);
  void report_changed(const Share& share, std::string_view path, wire::FileAction action,
                      uint32_t filter);
  void report_renamed(const Share& share, const Rename& rename);
  void report_own_modification(const Share& share, std::string_view path);
  void report(std::span<const PathChange> changes);
  void finish(WatchTable::Outcome outcome);

  store::Group* const group_ = nullptr;
  std::vector<const store::WatchNotice*> others_;
  std::atomic<size_t> watch_count_ = 0;
  struct Counted {};
  // While watch_count_ is made what the table says.
  Guarded<Counted, LockRank::kWatches> counted_;
  WatchedRoots roots_{group_};
  std::vector<Guarded<LostChanges>> owed_;  // by worker
  WatchTable table_;
  // Set at construction; their threads call local_change().
  std::unique_ptr<LocalChanges> fanotify_;
  std::unique_ptr<LocalChanges> inotify_;
};

}  // namespace braid::smb2
