// TurnGuarded<T>: data that one coroutine at a time reaches, across its suspensions; the others
// wait without a thread.
#pragma once

#include <cassert>
#include <coroutine>
#include <mutex>
#include <utility>

#include "runtime/executor.h"

namespace braid {

//   auto turn = co_await data.take(executor);
//   turn->member ...
// First come, first served. For one piece of data what Turns is for many; unlike a Guarded it may
// be held across a co_await. Thread: any.
template <class T>
class TurnGuarded {
 public:
  class Turn {
   public:
    explicit Turn(TurnGuarded& data) : data_(&data) {}
    Turn(Turn&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (data_) data_->next();
    }
    T* operator->() const { return &data_->value_; }
    T& operator*() const { return data_->value_; }

   private:
    TurnGuarded* data_;
  };

  TurnGuarded() = default;
  TurnGuarded(const TurnGuarded&) = delete;
  TurnGuarded& operator=(const TurnGuarded&) = delete;
  // REQUIRES: nobody has a turn or waits for one.
  ~TurnGuarded() { assert(!is_taken_); }

  // For who is the last to use it. REQUIRES: nobody has a turn or comes for one.
  T& unshared() {
    assert(!is_taken_);
    return value_;
  }

  // Goes on where it is when nobody has the turn, or else on `executor`.
  [[nodiscard]] auto take(Executor& executor) { return Waiter{*this, executor}; }

 private:
  // In the frame of the coroutine that waits.
  struct Waiter {
    TurnGuarded& data;
    Executor& executor;
    std::coroutine_handle<> handle{};
    Waiter* behind = nullptr;

    bool await_ready() const { return false; }
    bool await_suspend(std::coroutine_handle<> suspended) {
      handle = suspended;
      const std::lock_guard lock(data.mutex_);
      if (!std::exchange(data.is_taken_, true)) return false;
      (data.last_ ? data.last_->behind : data.first_) = this;
      data.last_ = this;
      return true;  // it may continue elsewhere once the lock is gone
    }
    Turn await_resume() { return Turn(data); }
  };

  void next() {
    Waiter* waiter = nullptr;
    {
      const std::lock_guard lock(mutex_);
      waiter = first_;
      if (!waiter) {
        is_taken_ = false;
        return;
      }
      first_ = waiter->behind;
      if (!first_) last_ = nullptr;
    }
    waiter->executor.post([handle = waiter->handle] { handle.resume(); });
  }

  std::mutex mutex_;
  bool is_taken_ = false;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
  T value_;
};

}  // namespace braid
