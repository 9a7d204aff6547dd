// VirtualTimers: timers that run out when a test says so.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>

#include "base/clock.h"
#include "runtime/executor.h"

namespace braid {

// For the Timers and sleep_for() of the Reactors that are made with it, so that what happens after
// half a minute is reached at once, and what must not happen within a moment however slow the
// machine is. Owned by the test; outlives the Reactors. Thread: any, but advance() by one.
class VirtualTimers {
 public:
  explicit VirtualTimers(VirtualClock& clock) : clock_(clock) {}

  // Moves the clock and posts what is due to where it runs, in order. What that starts counts from
  // the new time on.
  void advance(std::chrono::nanoseconds by);
  // Returns once a timer has exactly so long to go: the one that the test is about was started.
  // False after half a minute of the machine's time.
  bool await(std::chrono::nanoseconds left);

  // For Timer and Reactor. `work` runs on `executor`, unless remove() came before it was due.
  uint64_t add(Executor& executor, std::chrono::nanoseconds delay,
               std::move_only_function<void()> work);
  void remove(uint64_t id);

 private:
  struct Entry {
    Clock::Instant due;
    Executor* executor;
    std::move_only_function<void()> work;
  };

  VirtualClock& clock_;
  std::mutex mutex_;
  std::condition_variable added_;
  std::map<uint64_t, Entry> entries_;  // in the order in which they were started
  uint64_t last_id_ = 0;
};

}  // namespace braid
