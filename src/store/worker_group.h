// WorkerGroup: the Group of workers that are processes of one machine.
#pragma once

#include <sys/types.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "store/datagram_bus.h"
#include "store/group.h"
#include "store/shared_records.h"
#include "store/shared_region.h"

namespace braid::store {

// What the supervisor makes once and gives to each worker it starts.
struct GroupResources {
  UniqueFd region;
  std::vector<DatagramBus::Pairs> buses;  // by worker

  // `before`: of as many workers, which run. Those of this one take their places: each that joins
  // for the first time has the tag that the one in its place has now.
  static Result<GroupResources> make(const RegionSizes& sizes,
                                     const GroupResources* before = nullptr);
  // How many those of one worker are.
  static constexpr size_t descriptors(size_t workers) { return 1 + kLanes * (1 + workers); }
  // The descriptors for the worker `index`, in the order that join() takes them.
  std::vector<int> for_worker(size_t index) const;
  // All of them, for the process that this one becomes, and had again there. Nothing: they are not
  // as many as `workers` take.
  std::vector<int> all() const;
  static std::optional<GroupResources> of(size_t workers, std::vector<UniqueFd> fds);
};

// A worker's membership, in memory that all of them share. From join() to its end the worker counts
// as alive; a worker that was killed counts until ended() was called in this process or another
// one, or its next life joined. Thread: any.
class WorkerGroup final : public Group {
 public:
  // `fds`: of for_worker(), which this owns from now on.
  // REQUIRES: no earlier life of worker `index` runs any more.
  static Result<std::unique_ptr<WorkerGroup>> join(size_t index, std::vector<UniqueFd> fds);
  ~WorkerGroup() override;

  // Whether `pid` is a worker of this group: what it changes on disk, it tells.
  bool has_member(pid_t pid) const;
  // The process `pid` has ended: what it had counts no more. on_ended() is called on this thread.
  void ended(pid_t pid);
  const SharedRecords& shared_records() const { return records_; }
  const SharedRegion& region() const { return region_; }

  WorkerTag own_tag() const override { return own_; }
  size_t size() const override { return region_.workers(); }
  WorkerTag living(size_t index) const override;
  const std::atomic<uint64_t>& roster_version() const override { return region_.roster_version(); }
  void on_ended(std::function<void()> callback) override {
    on_ended_.push_back(std::move(callback));
  }
  RecordStore& records() override { return records_; }
  MessageBus& bus() override { return bus_; }
  const std::atomic<uint64_t>& counter(Counter which) const override {
    return region_.counter(which);
  }
  const SipKey& hash_key() const override { return region_.hash_key(); }
  void raise(Counter which) override { ++region_.counter(which); }
  std::optional<size_t> begin_making(uint64_t name) override;
  void end_making(size_t at) override { own_slot().names_in_making.remove(at); }
  bool anyone_makes() const override;
  std::optional<WorkerTag> maker_of(uint64_t name) const override;
  const WatchNotice& watch_notice(size_t index) const override {
    return region_.slot(index).watch_notice;
  }
  void say_watches(uint32_t count) override { own_slot().watch_notice.watches = count; }
  void say_watched(const WatchedPlaces& places) override {
    own_slot().watch_notice.set_places(places);
  }
  void lock_metadata(const FileKey& file) override { RobustMutex::lock(metadata_lock(file)); }
  void unlock_metadata(const FileKey& file) override { RobustMutex::unlock(metadata_lock(file)); }
  std::atomic<uint32_t>& archive_ends(const FileKey& file) override {
    return region_.locks_of(file.device).archive_ends[lock_of(file)];
  }
  void start() override;
  void stop() override { bus_.stop(); }

 private:
  friend struct TestGroup;

  WorkerGroup(SharedRegion region, size_t index, std::array<DatagramBus::Ends, kLanes> ends);
  static WorkerTag new_life(const SharedRegion& region, size_t index);
  // What lives that have ended had yet to tell.
  void settle_debts();
  WorkerSlot& own_slot() const { return region_.slot(own_.index()); }
  // Which files share one nobody can tell who does not know the region: clients choose files.
  size_t lock_of(const FileKey& file) const {
    return sip_hash(region_.hash_key(), file) % DeviceLocks::kLocks;
  }
  pthread_mutex_t& metadata_lock(const FileKey& file) const {
    return region_.locks_of(file.device).mutexes[lock_of(file)];
  }

  SharedRegion region_;
  WorkerTag own_;
  SharedRecords records_;
  DatagramBus bus_;
  std::vector<std::function<void()>> on_ended_;
};

}  // namespace braid::store
