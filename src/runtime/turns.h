// Turns<Key>: coroutines that must not run at the same time, queued instead of blocking threads.
#pragma once

#include <algorithm>
#include <cassert>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "runtime/worker_pool.h"

namespace braid {

// One turn for each key at a time. Those who wait are told apart by whose they are; of each it is
// first come first served, and those who have waited longest are told of a free turn together.
//
// Nobody holds a turn while waiting for one on the pool: behind the other work of its user that may
// take long, and the turn is wanted by others. So a turn is taken by who is on the pool, one that
// is free is taken by the first who comes there, and Seat asserts that who waits there has none.
// Thread: any.
// What a coroutine on a reactor may hold: work waits there for nobody's turn but the reactor's.
struct NothingHeld {
  NothingHeld() = default;
  explicit NothingHeld(const Executor&) {}
};

// `Where` the coroutines run: on the pool, or anywhere.
template <class Key, class Where = WorkerPool::Seat>
class Turns {
  static constexpr bool kOnPool = std::is_same_v<Where, WorkerPool::Seat>;
  using Hold = std::conditional_t<kOnPool, WorkerPool::Seat::Hold, NothingHeld>;

 public:
  // Held by whoever's turn it is; ends with it.
  class Turn {
   public:
    Turn() = default;
    Turn(Turns& turns, Key key, Where& seat) : turns_(&turns), key_(std::move(key)), hold_(seat) {}
    Turn(Turn&& other) noexcept
        : turns_(std::exchange(other.turns_, nullptr)),
          key_(std::move(other.key_)),
          hold_(std::move(other.hold_)) {}
    Turn& operator=(Turn&& other) noexcept {
      end();
      turns_ = std::exchange(other.turns_, nullptr);
      key_ = std::move(other.key_);
      hold_ = std::move(other.hold_);
      return *this;
    }
    ~Turn() { end(); }
    explicit operator bool() const { return turns_ != nullptr; }
    void end() {
      hold_ = {};
      if (Turns* turns = std::exchange(turns_, nullptr)) turns->free(key_);
    }

   private:
    Turns* turns_ = nullptr;
    Key key_{};
    Hold hold_;
  };

  Turns() = default;
  // REQUIRES: nobody has a turn or waits for one.
  ~Turns() = default;
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  // BRAID_CO_CHECK(co_await seat.turn()); Turn turn = co_await turns.take(key, seat, owner):
  // continues on the pool when it is its turn. REQUIRES: on the pool, with no other turn.
  auto take(Key key, Where& seat, uint64_t owner = 0) {
    return Waiter{*this, std::move(key), seat, owner};
  }
  // The turn when it is free and nobody waits for it, wherever the caller runs: it is held only for
  // as long as that does not wait.
  std::optional<Turn> take_free(Key key, Where& seat) {
    if (!try_take(key)) return std::nullopt;
    return Turn(*this, std::move(key), seat);
  }

 private:
  // In the frame of the coroutine that waits.
  struct Waiter {
    Turns& turns;
    Key key;
    Where& seat;
    uint64_t owner;
    std::coroutine_handle<> handle{};
    Waiter* behind = nullptr;

    bool await_ready() const {
      assert(seat.is_current());
      return turns.try_take(key);
    }
    bool await_suspend(std::coroutine_handle<> suspended) {
      if constexpr (kOnPool) assert(!seat.holds_something());
      handle = suspended;
      return turns.wait(*this);
    }
    Turn await_resume() { return Turn(turns, std::move(key), seat); }

    void come() {
      seat.post([this] {
        if (turns.try_take(*this)) handle.resume();
      });
    }
  };
  struct Lane {
    uint64_t owner;
    Waiter* first;
    Waiter* last;
    bool is_told;  // the first is on its way to the pool
  };
  struct Queue {
    bool is_taken = false;
    std::vector<Lane> lanes;  // none is empty
  };
  using Lanes = std::vector<Lane>;

  static auto lane_of(Lanes& lanes, uint64_t owner) {
    return std::ranges::find(lanes, owner, &Lane::owner);
  }

  // For a newcomer: not before those who wait.
  bool try_take(const Key& key) {
    auto queues = queues_.lock();
    const auto [queue, is_new] = queues->try_emplace(key);
    if (!is_new) return false;
    queue->second.is_taken = true;
    return true;
  }

  // False: it has the turn. True: it may continue elsewhere already, and is not to be touched.
  bool wait(Waiter& waiter) {
    {
      auto queues = queues_.lock();
      const auto [found, is_new] = queues->try_emplace(waiter.key);
      Queue& queue = found->second;
      if (is_new) {
        queue.is_taken = true;
        return false;
      }
      const auto lane = lane_of(queue.lanes, waiter.owner);
      if (lane != queue.lanes.end()) {
        lane->last->behind = &waiter;
        lane->last = &waiter;
        return true;
      }
      queue.lanes.push_back({waiter.owner, &waiter, &waiter, !queue.is_taken});
      if (queue.is_taken) return true;
    }
    waiter.come();
    return true;
  }

  // For the first of a lane, once it is on the pool. False: somebody else was there before, and it
  // will be told again.
  bool try_take(Waiter& waiter) {
    auto queues = queues_.lock();
    Queue& queue = queues->find(waiter.key)->second;
    const auto lane = lane_of(queue.lanes, waiter.owner);
    lane->is_told = false;
    if (std::exchange(queue.is_taken, true)) return false;
    lane->first = waiter.behind;
    if (!lane->first) queue.lanes.erase(lane);
    return true;
  }

  void free(const Key& key) {
    std::vector<Waiter*> told;
    {
      auto queues = queues_.lock();
      const auto found = queues->find(key);
      Queue& queue = found->second;
      queue.is_taken = false;
      for (Lane& lane : queue.lanes) {
        if (!std::exchange(lane.is_told, true)) told.push_back(lane.first);
      }
      if (queue.lanes.empty()) queues->erase(found);
    }
    for (Waiter* const waiter : told) waiter->come();
  }

  // A key is there while somebody has its turn or waits for it.
  Guarded<std::unordered_map<Key, Queue>> queues_;
};

}  // namespace braid
