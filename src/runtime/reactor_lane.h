// ReactorLane: what one user has of a reactor's time, through however many connections.
#pragma once

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>

#include "base/guarded.h"
#include "runtime/reactor.h"

namespace braid {

// Work that waits for nothing runs on the reactor that it came to, and each piece of it takes
// little. Whoever sends much of it has his turn there, and then others have theirs; what he still
// has to be done goes on behind them, first come first served.
//
//   const ReactorLane::Work work(lane);  // around what runs until it suspends
//   co_await lane->next_piece();         // between the pieces
//
// Held by the connections of its user on its reactor. Thread: the reactor's.
class ReactorLane : public std::enable_shared_from_this<ReactorLane> {
 public:
  using SteadyClock = std::chrono::steady_clock;

  // `turn`: how long one is, which may change. Outlives the lane.
  ReactorLane(Reactor& reactor, const std::atomic<std::chrono::nanoseconds>& turn)
      : reactor_(reactor), turn_(turn) {}

  // Counts the time until the end of the scope. One within another does nothing, and neither does
  // one of no lane. REQUIRES: no suspension within.
  class Work {
   public:
    explicit Work(std::shared_ptr<ReactorLane> lane);
    ~Work();
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

   private:
    const std::shared_ptr<ReactorLane> lane_;  // null: the time is not this one's to count
  };

  // Goes on without suspending as long as the turn lasts and nobody of the lane waits; or behind
  // those who do, when others had the reactor.
  auto turn() { return Awaiter{*this, waiting_.empty() && !is_over()}; }
  // The same, and what follows is counted: who is not within a Work, having been elsewhere
  // meanwhile, waits.
  auto next_piece() { return Awaiter{*this, is_at_work_ && waiting_.empty() && !is_over()}; }

 private:
  struct Awaiter {
    ReactorLane& lane;
    bool is_ready;
    bool await_ready() const noexcept { return is_ready; }
    void await_suspend(std::coroutine_handle<> handle) const { lane.wait(handle); }
    void await_resume() const noexcept {}
  };

  bool is_over() const;
  void wait(std::coroutine_handle<> handle);
  // A turn of those who wait.
  void come();

  Reactor& reactor_;
  const std::atomic<std::chrono::nanoseconds>& turn_;
  std::deque<std::coroutine_handle<>> waiting_;
  std::chrono::nanoseconds used_{};  // of the turn, by work that is done
  SteadyClock::time_point began_{};  // what runs now
  bool is_at_work_ = false;
  bool comes_ = false;  // come() is posted, or runs
};

// The lanes there are. Outlives them, and what they are given as coroutines. Thread: any.
class ReactorLanes {
 public:
  explicit ReactorLanes(std::chrono::nanoseconds turn) : turn_(turn) {}

  // That of an owner on a reactor; the numbers of owners only have to differ.
  std::shared_ptr<ReactorLane> lane_of(Reactor& reactor, uint64_t owner);
  // For tests: 0 ends each turn with the first piece.
  void set_turn(std::chrono::nanoseconds turn) { turn_ = turn; }

 private:
  using Key = std::pair<Reactor*, uint64_t>;

  struct Lanes {
    std::map<Key, std::weak_ptr<ReactorLane>> all;
    size_t looks_at = 64;  // so many of them, and those whose users are gone are looked for
  };

  std::atomic<std::chrono::nanoseconds> turn_;
  Guarded<Lanes> lanes_;
};

}  // namespace braid
