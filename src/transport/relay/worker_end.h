// WorkerEnd: network cards of another process, as a worker has them.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "base/result.h"
#include "base/unique_fd.h"
#include "transport/relay/pool.h"
#include "transport/smbdirect/arrived.h"

namespace braid::transport::relay {

// Its queue pairs are ordinary ones, of which nothing is known here but what was posted: the other
// process is believed that something has completed, not what. Memory comes from the Pool, and what
// stands in it is not copied. When that process ends, all that was posted is flushed, and the Pool
// is not used again: a card may write to it until the system has taken that process apart.
//
// Owned by who made it; queue pairs may outlive it, and are lost with it.
// Thread: any, the handlers on one of its own.
class WorkerEnd {
 public:
  struct Handlers {
    // Accepted with the first receive that is posted. Must not block.
    std::move_only_function<void(smbdirect::Arrived)> arrived;
    std::move_only_function<void(const SocketAddress&)> listening;
    // The other process is gone, or talks nonsense. Last of all.
    std::move_only_function<void()> lost;
  };
  // `pool_size`: bytes, of whole Pool::kBlockMax.
  static Result<std::unique_ptr<WorkerEnd>> make(size_t pool_size, Handlers handlers);
  ~WorkerEnd();

  // What the other process is to have, in the order of CardEnd::make().
  static constexpr size_t kDescriptors = 4;
  std::array<int, kDescriptors> descriptors() const;
  // From now on. `life`: readable when the other process is gone. An error: no thread.
  Result<void> start(UniqueFd life);
  const Pool& pool() const;

 private:
  struct Core;
  class Pair;
  WorkerEnd(std::shared_ptr<Core> core, Handlers handlers);
  void run(int life);
  // False: the other process is broken.
  bool take_notices();

  const std::shared_ptr<Core> core_;
  Handlers handlers_;
  UniqueFd life_;
  std::atomic<bool> stops_ = false;
  std::jthread thread_;
};

}  // namespace braid::transport::relay
