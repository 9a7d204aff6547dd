// Reactor: one thread that waits for sockets and timers and runs coroutines between.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/executor.h"
#include "runtime/task.h"

namespace boost::asio {
class io_context;
}

namespace braid {

class VirtualTimers;

// Owned by ReactorPool, or by a test. Asio is behind it and shows only to transport and to the
// accepting code, which include asio themselves. Life: run() until stop(); what is posted after
// stop() is dropped when the Reactor is destroyed.
class Reactor final : public Executor {
 public:
  // `timers`: of a test, in the place of the machine's.
  explicit Reactor(VirtualTimers* timers = nullptr);
  ~Reactor() override;

  // Runs on the calling thread until stop(). Thread: one.
  void run();
  // Thread: any.
  void stop();
  void post(std::move_only_function<void()> work) override;
  bool is_current() const override;

  // Suspends for `duration`, then continues on this reactor. Cannot be cancelled: use Timer where
  // the wait may have to end early. REQUIRES: is_current().
  Task<void> sleep_for(std::chrono::nanoseconds duration);

  boost::asio::io_context& context();
  VirtualTimers* virtual_timers() const;
  // The reactor whose thread this is, or null.
  static Reactor* current();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What a call that may wait for a disk begins with: ends the program if it is on a reactor, where
// all connections would wait with it.
void about_to_wait();

// Calls back once after a delay. Thread: that of the reactor, for every call and for the callback;
// destroying it cancels it.
class Timer {
 public:
  explicit Timer(Reactor& reactor);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Replaces a callback that has not run yet.
  void start(std::chrono::nanoseconds delay, std::move_only_function<void()> callback);
  void cancel();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// One Reactor per thread, and one more for what must be in time.
class ReactorPool {
 public:
  explicit ReactorPool(size_t threads, VirtualTimers* virtual_timers = nullptr);
  ~ReactorPool();  // stop() and join
  size_t size() const { return reactors_.size(); }
  Reactor& at(size_t index) { return *reactors_[index]; }
  // Round robin, for a new connection. Thread: any.
  Reactor& next();
  // Runs timers that all others depend on, and nothing else: no connection, however busy, holds
  // them up.
  Reactor& timers() { return *timers_; }
  void stop();

 private:
  struct Threads;
  std::vector<std::unique_ptr<Reactor>> reactors_;
  std::unique_ptr<Reactor> timers_;
  std::unique_ptr<Threads> threads_;
};

}  // namespace braid
