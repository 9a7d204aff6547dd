// OneShot<T>: a value that coroutines wait for and whoever is first provides.
#pragma once

#include <coroutine>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/executor.h"

namespace braid {

// A CREATE that waits for a break, a LOCK that waits for a range, a CHANGE_NOTIFY: the event, the
// time-out and CANCEL all race to set() it, and the first wins. Share it by std::shared_ptr.
// Thread: any.
template <class T>
class OneShot {
 public:
  // True if this call provided the value. Each waiter continues on the executor it named.
  bool set(T value) {
    std::unique_lock lock(mutex_);
    if (value_) return false;
    value_.emplace(std::move(value));
    const auto waiters = std::exchange(waiters_, {});
    lock.unlock();
    for (const auto& [handle, executor] : waiters) {
      executor->post([handle] { handle.resume(); });
    }
    return true;
  }
  bool is_set() const {
    std::lock_guard lock(mutex_);
    return value_.has_value();
  }

  // What was set, if it was by now.
  std::optional<T> value() const {
    std::lock_guard lock(mutex_);
    return value_;
  }

  // co_await one_shot->wait(executor): the value, continuing on `executor` if it had to wait.
  auto wait(Executor& executor) {
    struct Awaiter {
      OneShot& shot;
      Executor& executor;
      bool await_ready() const noexcept { return false; }
      bool await_suspend(std::coroutine_handle<> handle) {
        std::lock_guard lock(shot.mutex_);
        if (shot.value_) return false;
        shot.waiters_.emplace_back(handle, &executor);
        return true;
      }
      T await_resume() {
        std::lock_guard lock(shot.mutex_);
        return *shot.value_;
      }
    };
    return Awaiter{*this, executor};
  }

 private:
  mutable std::mutex mutex_;
  std::optional<T> value_;
  std::vector<std::pair<std::coroutine_handle<>, Executor*>> waiters_;
};

}  // namespace braid
