// ClusterGroup: the Group of workers of which each is on a node of its own.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "runtime/reactor.h"
#include "runtime/task_scope.h"
#include "store/cluster/cluster_records.h"
#include "store/cluster/home.h"
#include "store/cluster/keeper_end.h"
#include "store/ctdb/client.h"
#include "store/ctdb/cluster_bus.h"
#include "store/group.h"
#include "store/worker_group.h"

namespace braid::store::cluster {

struct ClusterPlace {
  std::string socket_path;  // of ctdbd
  UniqueFd keeper;          // the link to the keeper
  std::vector<UniqueFd>
      fds;  // GroupResources::for_worker() of what it shares with it, of any index
  // Called once, on some thread: the node has lost its keeper or its ctdbd. What is acknowledged
  // from now on, another node may acknowledge as well, so this process must end at once.
  std::function<void()> lost;
};

// The worker's index is the number of its node. Its records are the keeper's, its messages go
// through ctdbd, to which it has a connection of its own; it never opens a file of ctdb's. Not held
// between nodes: lock_metadata(), archive_ends() and the names in making. Counters are: whoever has
// a record brought here looks at names again. Thread: any.
class ClusterGroup final : public Group, private ctdb::ClientSink {
 public:
  // Waits until the cluster is there and its nodes know of this worker.
  static Result<std::unique_ptr<ClusterGroup>> join(ClusterPlace place);
  ~ClusterGroup() override;

  // What only those of one machine have.
  WorkerGroup& node() { return *node_; }
  // What the keeper said last.
  const NodeCounts& counts() const;

  WorkerTag own_tag() const override { return node_->own_tag(); }
  size_t size() const override { return kNodesMax; }
  WorkerTag living(size_t index) const override {
    return index < kNodesMax ? node_->living(index) : WorkerTag{};
  }
  const std::atomic<uint64_t>& roster_version() const override { return node_->roster_version(); }
  void on_ended(std::function<void()> callback) override {
    on_ended_.push_back(std::move(callback));
  }
  RecordStore& records() override { return *records_; }
  MessageBus& bus() override { return *bus_; }
  const std::atomic<uint64_t>& counter(Counter which) const override {
    return node_->counter(which);
  }
  void raise(Counter which) override { node_->raise(which); }
  const SipKey& hash_key() const override { return node_->hash_key(); }
  std::optional<size_t> begin_making(uint64_t name) override { return node_->begin_making(name); }
  void end_making(size_t at) override { node_->end_making(at); }
  bool anyone_makes() const override { return node_->anyone_makes(); }
  std::optional<WorkerTag> maker_of(uint64_t name) const override { return node_->maker_of(name); }
  const WatchNotice& watch_notice(size_t index) const override {
    return node_->watch_notice(index);
  }
  void say_watches(uint32_t count) override { node_->say_watches(count); }
  void say_watched(const WatchedPlaces& places) override { node_->say_watched(places); }
  void lock_metadata(const FileKey& file) override { node_->lock_metadata(file); }
  void unlock_metadata(const FileKey& file) override { node_->unlock_metadata(file); }
  std::atomic<uint32_t>& archive_ends(const FileKey& file) override {
    return node_->archive_ends(file);
  }
  void start() override;
  void stop() override;

 private:
  ClusterGroup(ClusterPlace place, std::unique_ptr<KeeperEnd> keeper,
               std::unique_ptr<WorkerGroup> node);
  void roster_changed(size_t index);
  // What is called then may wait for a record to come, so the thread that hears of them cannot.
  void tell_of_ends();
  Task<void> end_client();

  void on_connected(uint32_t pnn) override;
  void on_lost(Error why) override;
  void on_message(uint64_t to, ByteView payload) override;
  void on_event(ctdb::ClusterEvent event, std::optional<IpAddress> address) override;

  const std::function<void()> lost_;
  std::unique_ptr<KeeperEnd> keeper_;
  std::unique_ptr<WorkerGroup> node_;
  std::vector<WorkerTag> seen_;  // by node, as of the last change
  std::unique_ptr<ClusterRecords> records_;
  ReactorPool reactors_;
  std::unique_ptr<ctdb::Client> client_;
  std::unique_ptr<ctdb::ClusterBus> bus_;
  std::vector<std::function<void()>> on_ended_;
  TaskScope tasks_;
  bool is_started_ = false;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool has_ended_ = false;  // somebody, and it was not told yet
  bool is_over_ = false;
  std::thread telling_;
};

}  // namespace braid::store::cluster
