// A node of a FakeCluster with a keeper and a worker, in one process.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "base/unique_fd.h"
#include "runtime/reactor_testing.h"
#include "store/cluster/cluster_records.h"
#include "store/cluster/home_keeper.h"
#include "store/ctdb/fake_cluster_testing.h"
#include "store/ctdb/fake_record_file_testing.h"

namespace braid::store::cluster {

inline Task<void> stop_keeper(HomeKeeper& keeper, std::promise<void>& stopped) {
  co_await keeper.stop();
  stopped.set_value();
}

// That its worker says it is.
inline uint32_t own_process() { return static_cast<uint32_t>(::getpid()); }

// Its worker joins in the background: join() waits for it.
class ClusterNode {
 public:
  ClusterNode(ctdb::FakeCluster& cluster, size_t node, uint32_t life = 0, size_t owned_max = 65'536,
              std::chrono::milliseconds leave_max = std::chrono::seconds(8))
      : region_fd_(*SharedRegion::create({.workers = kRegionWorkers,
                                          .buckets = 64,
                                          .arena_bytes = 4 << 20,
                                          .first_life = life})),
        region_(*SharedRegion::map(region_fd_.get())),
        reactors_(1) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    keeper_link_ = std::make_unique<KeeperLink>(UniqueFd(ends[0]));
    worker_ = std::make_unique<KeeperEnd>(UniqueFd(ends[1]), [] {});
    run_on(reactors_.at(0), [&] {
      keeper_ = std::make_unique<HomeKeeper>(HomeKeeperParts{
          .reactor = reactors_.at(0),
          .socket_path = cluster.socket_path(node),
          .region = region_,
          .to_worker = [this](const KeeperMessage& m) { keeper_link_->send(m); },
          .failed = [this](const std::string& why) { say(why); },
          .left = [this] { say("left"); },
          .leave_max = leave_max,
          .now = [this] { return boot_time_ns() + later_.load(); },
          .open_file = [&cluster,
                        node](uint32_t database) -> Result<std::unique_ptr<ctdb::RecordFile>> {
            return std::make_unique<ctdb::FakeFile>(cluster, node, database);
          },
          .owned_max = owned_max});
      keeper_->start();
    });
    reading_ = std::thread([this] {
      for (;;) {
        const auto message = keeper_link_->receive();
        if (!message) return;
        run_on(reactors_.at(0), [&] { keeper_->on_worker(*message); });
      }
    });
    joining_ = std::async(std::launch::async, [this] { return worker_->join(); });
  }
  ~ClusterNode() {
    if (joining_.valid()) joining_.get();
    worker_->stop();
    keeper_link_->stop();
    reading_.join();
    std::promise<void> stopped;
    run_on(reactors_.at(0), [&] { scope_.spawn(stop_keeper(*keeper_, stopped)); });
    stopped.get_future().wait();
    scope_.wait();
    run_on(reactors_.at(0), [&] { keeper_.reset(); });
    reactors_.stop();
  }

  // The number of the node, once all others know of the worker.
  uint32_t join() {
    const auto joined = joining_.get();
    EXPECT_TRUE(joined);
    // As WorkerGroup does.
    WorkerSlot& slot = region_.slot(*joined);
    slot.tag = WorkerTag::make(*joined, slot.lives.fetch_add(1)).value;
    worker_->start([](size_t) {});
    records_ = std::make_unique<ClusterRecords>(region_, *joined, *worker_);
    return *joined;
  }
  // The keeper has ended.
  void give_up_joining() { worker_->stop(); }
  bool has_joined() {
    return joining_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  ClusterRecords& records() { return *records_; }
  SharedRegion& region() { return region_; }
  // As if its processes had stood still for so long.
  void stand_still(std::chrono::nanoseconds time) { later_ += time.count(); }
  int64_t now() const { return boot_time_ns() + later_.load(); }
  bool may_serve() { return now() < region_.serves_until(); }
  // What the keeper says of its end.
  std::string end() {
    std::unique_lock lock(mutex_);
    const bool in_time =
        ended_.wait_for(lock, std::chrono::seconds(30), [&] { return !end_.empty(); });
    return in_time ? end_ : "nothing in time";
  }
  bool is_well() {
    const std::lock_guard lock(mutex_);
    return end_.empty();
  }
  void on_keeper(const std::function<void(HomeKeeper&)>& work) {
    run_on(reactors_.at(0), [&] { work(*keeper_); });
  }

 private:
  void say(const std::string& why) {
    const std::lock_guard lock(mutex_);
    end_ = why;
    ended_.notify_all();
  }

  UniqueFd region_fd_;
  SharedRegion region_;
  ReactorPool reactors_;
  TaskScope scope_;
  std::atomic<int64_t> later_ = 0;
  std::unique_ptr<KeeperLink> keeper_link_;
  std::unique_ptr<KeeperEnd> worker_;
  std::unique_ptr<HomeKeeper> keeper_;
  std::unique_ptr<ClusterRecords> records_;
  std::thread reading_;
  std::future<Result<uint32_t>> joining_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::string end_;
};

}  // namespace braid::store::cluster
