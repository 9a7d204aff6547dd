// Turns<Key>: coroutines that must not run at the same time, queued instead of blocking threads.
#pragma once

#include <algorithm>
#include <coroutine>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "runtime/executor.h"

namespace braid {

// One turn for each key at a time. Those who wait are told apart by whose they are, who take turns;
// of each it is first come first served. Thread: any.
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

  // Turn turn = co_await turns.take(key, executor, owner): continues on `executor` when it is its
  // turn.
  auto take(Key key, Executor& executor, uint64_t owner = 0) {
    return Waiter{*this, std::move(key), executor, owner};
  }

 private:
  // In the frame of the coroutine that waits.
  struct Waiter {
    Turns& turns;
    Key key;
    Executor& executor;
    uint64_t owner;
    std::coroutine_handle<> handle{};
    Waiter* behind = nullptr;

    bool await_ready() const { return false; }
    bool await_suspend(std::coroutine_handle<> suspended) {
      handle = suspended;
      {
        auto queues = turns.queues_.lock();
        const auto [queue, is_first] = queues->try_emplace(key);
        if (!is_first) {
          queue->second.add(*this);
          return true;  // it may continue elsewhere already: nothing here may be touched any more
        }
      }
      if (executor.is_current()) return false;
      executor.post([suspended] { suspended.resume(); });
      return true;
    }
    Turn await_resume() { return Turn(turns, std::move(key)); }
  };
  struct Lane {
    uint64_t owner;
    Waiter* first;
    Waiter* last;
  };
  struct Queue {
    std::vector<Lane> lanes;  // whose turn is next comes first; none is empty

    void add(Waiter& waiter) {
      const auto lane = std::ranges::find(lanes, waiter.owner, &Lane::owner);
      if (lane == lanes.end()) {
        lanes.push_back({waiter.owner, &waiter, &waiter});
      } else {
        lane->last->behind = &waiter;
        lane->last = &waiter;
      }
    }
    // Null when nobody waits.
    Waiter* take_first() {
      if (lanes.empty()) return nullptr;
      Waiter* const waiter = lanes.front().first;
      lanes.front().first = waiter->behind;
      if (!waiter->behind) {
        lanes.erase(lanes.begin());
      } else {
        std::ranges::rotate(lanes, lanes.begin() + 1);
      }
      return waiter;
    }
  };

  void next(const Key& key) {
    Waiter* waiter = nullptr;
    {
      auto queues = queues_.lock();
      const auto found = queues->find(key);
      waiter = found->second.take_first();
      if (!waiter) {
        queues->erase(found);
        return;
      }
    }
    waiter->executor.post([handle = waiter->handle] { handle.resume(); });
  }

  // A key is there while somebody has its turn.
  Guarded<std::unordered_map<Key, Queue>> queues_;
};

}  // namespace braid
