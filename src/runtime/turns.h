// Turns<Key>: coroutines that must not run at the same time, queued instead of blocking threads.
#pragma once

#include <coroutine>
#include <unordered_map>
#include <utility>

#include "base/guarded.h"
#include "runtime/executor.h"

namespace braid {

// One turn for each key at a time, first come first served. Thread: any.
template <class Key>
class Turns {
 public:
  // Held by whoever's turn it is; ends with it.
  class Turn {
   public:
    Turn() = default;
    Turn(Turns& turns, Key key) : turns_(&turns), key_(std::move(key)) {}
    Turn(Turn&& other) noexcept
        : turns_(std::exchange(other.turns_, nullptr)), key_(std::move(other.key_)) {}
    Turn& operator=(Turn&& other) noexcept {
      end();
      turns_ = std::exchange(other.turns_, nullptr);
      key_ = std::move(other.key_);
      return *this;
    }
    ~Turn() { end(); }
    explicit operator bool() const { return turns_ != nullptr; }
    void end() {
      if (Turns* turns = std::exchange(turns_, nullptr)) turns->next(key_);
    }

   private:
    Turns* turns_ = nullptr;
    Key key_{};
  };

  Turns() = default;
  // REQUIRES: nobody has a turn or waits for one.
  ~Turns() = default;
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  // Turn turn = co_await turns.take(key, executor): continues on `executor` when it is its turn.
  auto take(Key key, Executor& executor) { return Waiter{*this, std::move(key), executor}; }

 private:
  // In the frame of the coroutine that waits.
  struct Waiter {
    Turns& turns;
    Key key;
    Executor& executor;
    std::coroutine_handle<> handle{};
    Waiter* behind = nullptr;

    bool await_ready() const { return false; }
    bool await_suspend(std::coroutine_handle<> suspended) {
      handle = suspended;
      {
        auto queues = turns.queues_.lock();
        const auto [queue, is_first] = queues->try_emplace(key);
        if (!is_first) {
          (queue->second.last ? queue->second.last->behind : queue->second.first) = this;
          queue->second.last = this;
          return true;  // it may continue elsewhere already: nothing here may be touched any more
        }
      }
      if (executor.is_current()) return false;
      executor.post([suspended] { suspended.resume(); });
      return true;
    }
    Turn await_resume() { return Turn(turns, std::move(key)); }
  };
  struct Queue {
    Waiter* first = nullptr;
    Waiter* last = nullptr;
  };

  void next(const Key& key) {
    Waiter* waiter = nullptr;
    {
      auto queues = queues_.lock();
      const auto found = queues->find(key);
      Queue& queue = found->second;
      waiter = queue.first;
      if (!waiter) {
        queues->erase(found);
        return;
      }
      queue.first = waiter->behind;
      if (!queue.first) queue.last = nullptr;
    }
    waiter->executor.post([handle = waiter->handle] { handle.resume(); });
  }

  // A key is there while somebody has its turn.
  Guarded<std::unordered_map<Key, Queue>> queues_;
};

}  // namespace braid
