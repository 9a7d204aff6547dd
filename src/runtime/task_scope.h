// TaskScope: background coroutines that somebody waits for.
#pragma once

#include <chrono>
#include <condition_variable>
#include <coroutine>
#include <exception>
#include <mutex>
#include <utility>

#include "runtime/task.h"

namespace braid {

// Every coroutine that is not awaited belongs to a scope, and the scope's owner joins it before the
// things the coroutines use go away. Thread: spawn() and join() from any, join() once.
class TaskScope {
 public:
  TaskScope() = default;
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;

  // Runs `task` on the calling thread up to its first suspension.
  void spawn(Task<void> task) {
    {
      std::lock_guard lock(mutex_);
      ++running_;
    }
    start(this, std::move(task));
  }

  // Suspends until all spawned tasks have ended; resumes on the thread that ended the last one.
  auto join() {
    struct Awaiter {
      TaskScope& scope;
      bool await_ready() const noexcept { return false; }
      bool await_suspend(std::coroutine_handle<> handle) const {
        std::lock_guard lock(scope.mutex_);
        if (scope.running_ == 0) return false;
        scope.joiner_ = handle;
        return true;
      }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this};
  }

  // The same for a thread that is not a reactor: blocks it. After the last task ended nothing of
  // the scope is touched any more, so its owner may destroy it.
  void wait() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return running_ == 0; });
  }

  // The same until `end` at most, and until no more than `remaining` run. False: more run still.
  bool wait_until(std::chrono::steady_clock::time_point end, size_t remaining = 0) {
    std::unique_lock lock(mutex_);
    return ended_.wait_until(lock, end, [&] { return running_ <= remaining; });
  }

  size_t running() const {
    std::lock_guard lock(mutex_);
    return running_;
  }

 private:
  struct Detached {
    struct promise_type {
      Detached get_return_object() noexcept { return {}; }
      std::suspend_never initial_suspend() noexcept { return {}; }
      std::suspend_never final_suspend() noexcept { return {}; }
      void return_void() noexcept {}
      [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
    };
  };
  static Detached start(TaskScope* scope, Task<void> task) {
    {
      Task<void> held = std::move(task);
      co_await std::move(held);
    }  // the task's frame is gone before join() may return
    scope->ended();
  }
  void ended() {
    std::coroutine_handle<> joiner;
    {
      std::lock_guard lock(mutex_);
      if (--running_ == 0) joiner = std::exchange(joiner_, nullptr);
      ended_.notify_all();
    }
    if (joiner) joiner.resume();
  }

  mutable std::mutex mutex_;
  std::condition_variable ended_;
  size_t running_ = 0;
  std::coroutine_handle<> joiner_;
};

}  // namespace braid
