// WorkerPool: threads for what may block.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/executor.h"

namespace braid {

// File operations that may wait for a disk run here. A pool thread keeps the identity it took last
// (runtime/identity.h). Life: stop() lets queued work finish and joins.
class WorkerPool final : public Executor {
 public:
  explicit WorkerPool(size_t threads);
  ~WorkerPool() override;
  void post(std::move_only_function<void()> work) override;
  bool is_current() const override;
  void stop();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::move_only_function<void()>> queue_;  // bounded by credits: one entry a request
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace braid
