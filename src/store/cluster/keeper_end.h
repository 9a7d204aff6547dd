// KeeperEnd: a worker's end of the link to the keeper of its node.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/executor.h"
#include "runtime/one_shot.h"
#include "runtime/task.h"
#include "store/cluster/keeper_link.h"
#include "store/record_store.h"

namespace braid::store::cluster {

// A record that has come stays for a moment, so that whoever wanted it finds it here: until used(),
// or some tens of milliseconds. Owned by the ClusterGroup. Thread: any, but for join().
class KeeperEnd {
 public:
  // `lost`: called once, on a thread of this, when there is no keeper any more: what it has from
  // now on may be another node's as well, so this process must end.
  KeeperEnd(UniqueFd link, std::function<void()> lost);
  ~KeeperEnd();
  KeeperEnd(const KeeperEnd&) = delete;
  KeeperEnd& operator=(const KeeperEnd&) = delete;

  // Waits until all nodes know of this worker. The number of this node. Before all else, and once.
  Result<uint32_t> join();
  // `changed`: a worker of that node began or ended; called on a thread of this.
  void start(std::function<void(size_t node)> changed);
  // Idempotent. REQUIRES: nobody waits in bring().
  void stop();

  // Waits until the record has come: for a round trip to the node that has it, and where that says
  // nothing until the term of this one is over.
  void bring(const RecordKey& key);
  Task<void> fetch(RecordKey key, Executor& executor);
  // It was locked here: it may go again.
  void used(const RecordKey& key);

 private:
  struct Awaited {
    std::shared_ptr<OneShot<bool>> here = std::make_shared<OneShot<bool>>();
    bool is_here = false;
  };

  std::shared_ptr<Awaited> ask(const RecordKey& key);
  void read();

  KeeperLink link_;
  const std::function<void()> lost_;
  std::function<void(size_t)> changed_;
  std::mutex mutex_;
  std::condition_variable came_;
  std::unordered_map<RecordKey, std::shared_ptr<Awaited>> awaited_;
  std::unordered_set<RecordKey> unused_;
  std::atomic<size_t> unused_count_ = 0;
  std::thread thread_;
};

}  // namespace braid::store::cluster
