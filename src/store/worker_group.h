// WorkerGroup: what a worker shares with the other workers of its machine.
#pragma once

#include <sys/types.h>

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "store/datagram_bus.h"
#include "store/shared_records.h"
#include "store/shared_region.h"

namespace braid::store {

// What the supervisor makes once and gives to each worker it starts.
struct GroupResources {
  UniqueFd region;
  std::vector<DatagramBus::Pairs> buses;  // by worker

  static Result<GroupResources> make(const RegionSizes& sizes);
  // How many those of one worker are.
  static constexpr size_t descriptors(size_t workers) { return 1 + kLanes * (1 + workers); }
  // The descriptors for the worker `index`, in the order that join() takes them.
  std::vector<int> for_worker(size_t index) const;
};

// A worker's membership. From join() to its end the worker counts as alive; a worker that was
// killed counts until ended() was called in this process or another one, or its next life joined.
// Owned by the worker's main; outlives everything that uses the store. Thread: any.
class WorkerGroup {
 public:
  // `fds`: of for_worker(), which this owns from now on.
  // REQUIRES: no earlier life of worker `index` runs any more.
  static Result<std::unique_ptr<WorkerGroup>> join(size_t index, std::vector<UniqueFd> fds);
  ~WorkerGroup();

  WorkerTag own_tag() const { return own_; }
  size_t size() const { return region_.workers(); }
  RecordStore& records() { return records_; }
  const SharedRecords& shared_records() const { return records_; }
  MessageBus& bus() { return bus_; }
  const SharedRegion& region() const { return region_; }

  bool is_alive(WorkerTag tag) const {
    return tag.index() < size() && region_.slot(tag.index()).tag == tag.value;
  }
  // Changes when a worker begins or ends.
  uint64_t roster_version() const { return region_.roster_version(); }
  // Whether `pid` is a worker of this group: what it changes on disk, it tells.
  bool has_member(pid_t pid) const;
  // The process `pid` has ended: what it had counts no more.
  void ended(pid_t pid);
  // Called after a worker ended, on the thread that called ended(). Before the first ended().
  void on_ended(std::function<void()> callback) { on_ended_.push_back(std::move(callback)); }

  // From when all handlers are there. Messages that came before wait.
  // Sends the others an empty message for Topic::kRecords: somebody else may have gone.
  void start();
  void stop() { bus_.stop(); }

 private:
  WorkerGroup(SharedRegion region, size_t index, std::array<DatagramBus::Ends, kLanes> ends);
  static WorkerTag new_life(const SharedRegion& region, size_t index);
  // What lives that have ended had yet to tell.
  void settle_debts();

  SharedRegion region_;
  WorkerTag own_;
  SharedRecords records_;
  DatagramBus bus_;
  std::vector<std::function<void()>> on_ended_;
};

}  // namespace braid::store
