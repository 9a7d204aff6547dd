// Executor: somewhere a coroutine can continue.
#pragma once

#include <coroutine>
#include <functional>

namespace braid {

// Implemented by Reactor (one thread) and WorkerPool (several).
class Executor {
 public:
  virtual ~Executor() = default;
  // Runs `work` later on this executor, never inside post(). Thread: any.
  virtual void post(std::move_only_function<void()> work) = 0;
  // True on a thread of this executor.
  virtual bool is_current() const = 0;

  // co_await executor.schedule(): continue there. Does not suspend when already there.
  auto schedule() {
    struct Awaiter {
      Executor& executor;
      bool await_ready() const { return executor.is_current(); }
      void await_suspend(std::coroutine_handle<> handle) const {
        executor.post([handle] { handle.resume(); });
      }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this};
  }
  // co_await executor.next_turn(): continue there behind what is posted already. For work that
  // would otherwise hold up others for longer than its share.
  auto next_turn() {
    struct Awaiter {
      Executor& executor;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> handle) const {
        executor.post([handle] { handle.resume(); });
      }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this};
  }
};

}  // namespace braid
