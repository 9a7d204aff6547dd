// WorkerPool: threads for what may block, and whose turn it is on them.
#pragma once

#include <atomic>
#include <cassert>
#include <condition_variable>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/result.h"
#include "runtime/chain.h"
#include "runtime/executor.h"

namespace braid {

// Whose work it is. The numbers only have to differ: of a user (for logons, of an address), and of
// the share whose disk it may wait for. 0: the server's own.
struct WorkOwner {
  uint64_t user = 0;
  uint64_t share = 0;
  friend bool operator==(const WorkOwner&, const WorkOwner&) = default;
};

// How many threads there are, and how many of them may be held at once.
struct WorkerPoolLimits {
  size_t threads = 1;
  size_t per_user = 1;
  size_t per_share = 1;
  // The last ones are for shares that hold none, so that several disks that hang do not hold all.
  size_t spare = 0;

  // Twice what one share may keep busy.
  static WorkerPoolLimits for_files(size_t per_share);
};

// File operations that may wait for a disk run here, in turns: by user, of each user by share, and
// of both in the order they came. A turn is what runs until the coroutine suspends, so long work
// goes back to the end of its user's queue between its pieces (Seat::next_turn). What a user or a
// share waits for with all the threads it may hold keeps nobody else waiting.
// A pool thread keeps the identity it took last (runtime/identity.h).
// Life: stop() lets queued work finish and joins. Thread: any.
class WorkerPool final {
 public:
  class Seat;
  class Group;

  // No limits but the number of threads.
  explicit WorkerPool(size_t threads);
  explicit WorkerPool(WorkerPoolLimits limits);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void stop();

  // Takes out of the queues what `group` waits for a turn with and nobody wants any more. The
  // caller runs it, anywhere: there each Seat::turn() gives its error.
  std::vector<std::move_only_function<void()>> withdraw(Group& group);

  // For tests and metrics.
  struct Load {
    size_t waiting = 0;
    size_t running = 0;
    size_t turns_taken = 0;
    size_t withdrawn = 0;
  };
  Load load() const;
  const WorkerPoolLimits& limits() const { return limits_; }

 private:
  struct Queue;
  struct User;
  struct Share;
  struct State;
  struct Thread;
  // Whether withdraw() may take it.
  enum class Kind : uint8_t { kStays, kMayBeWithdrawn };

  // False, and nothing is queued: kMayBeWithdrawn and nobody wants it any more.
  bool enqueue(Seat& seat, std::move_only_function<void()> work, Kind kind);
  bool has_waiting() const { return waiting_.load(std::memory_order_relaxed) != 0; }
  void run(Thread& self);

  const WorkerPoolLimits limits_;
  mutable std::mutex mutex_;
  const std::unique_ptr<State> state_;  // with mutex_
  std::atomic<size_t> waiting_ = 0;     // changes with mutex_
  std::vector<std::unique_ptr<Thread>> threads_;
};

// A coroutine's place on the pool, and the only way there: one cannot get a thread without saying
// whose turn it takes. Belongs to one coroutine (with those it awaits), which waits for one thing
// at a time. Outlives what it waits for.
class WorkerPool::Seat : public Executor {
 public:
  Seat(WorkerPool& pool, WorkOwner owner, Group* group = nullptr)
      : pool_(pool), owner_(owner), group_(group) {}
  virtual ~Seat() = default;
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;

  // REQUIRES: it waits for nothing.
  void belong_to(WorkOwner owner) { owner_ = owner; }
  const WorkOwner& owner() const { return owner_; }

  // For what a coroutine waits for elsewhere and continues from here: it gets its turn in any case.
  // REQUIRES: it waits for nothing else.
  void post(std::move_only_function<void()> work) override {
    pool_.enqueue(*this, std::move(work), Kind::kStays);
  }
  // On a thread whose turn is this owner's.
  bool is_current() const override;

  // An error when nobody wants the result any more. Thread: any; only ever changes to an error, and
  // takes no lock.
  virtual Result<void> check_wanted() const { return {}; }

  // Something that others wait for too, such as a turn of Turns, is held by this coroutine. Who
  // waits for the pool holds none.
  class Hold {
   public:
    Hold() = default;
    explicit Hold(Seat& seat) : seat_(&seat) { ++seat.holds_; }
    Hold(Hold&& other) noexcept : seat_(std::exchange(other.seat_, nullptr)) {}
    Hold& operator=(Hold&& other) noexcept {
      if (Seat* seat = std::exchange(seat_, std::exchange(other.seat_, nullptr))) --seat->holds_;
      return *this;
    }
    ~Hold() {
      if (seat_) --seat_->holds_;
    }

   private:
    Seat* seat_ = nullptr;
  };
  bool holds_something() const { return holds_ > 0; }

  // BRAID_CO_CHECK(co_await seat.turn()): continues on the pool when it is the owner's turn,
  // without suspending when it is already; or anywhere with the error of check_wanted().
  auto turn() { return Turn{*this, is_current()}; }
  // The same behind whatever the owner and others wait with: between the pieces of long work.
  auto next_turn() { return Turn{*this, is_current() && !pool_.has_waiting()}; }

 private:
  friend class WorkerPool;
  friend class Group;
  struct Turn {
    Seat& seat;
    bool is_here;
    bool await_ready() const noexcept { return is_here; }
    bool await_suspend(std::coroutine_handle<> handle) const {
      assert(!seat.holds_something());
      return seat.pool_.enqueue(seat, [handle] { handle.resume(); }, Kind::kMayBeWithdrawn);
    }
    [[nodiscard]] Result<void> await_resume() const { return seat.check_wanted(); }
  };

  WorkerPool& pool_;
  WorkOwner owner_;
  Group* const group_;
  int holds_ = 0;  // of its coroutine
  // With the pool's mutex, while it waits.
  Queue* queue_ = nullptr;
  std::move_only_function<void()> work_;
  Link<Seat> in_queue_;
  Link<Seat> in_group_;
};

// Those of one connection that wait for a turn, for withdraw(). Outlives its Seats.
class WorkerPool::Group {
 public:
  Group() = default;

 private:
  friend class WorkerPool;
  Chain<Seat, &Seat::in_group_> waiting_;
};

}  // namespace braid
