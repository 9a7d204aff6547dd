#include "runtime/worker_pool.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <unordered_map>
#include <utility>

#include "runtime/quick_turns.h"
#include "runtime/way_back.h"

namespace braid {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Queues without work that are kept, so that a user's next request finds his made.
constexpr size_t kIdleQueuesMax = 1024;

// Those that wait for one another to return: as many as one reactor takes in a row.
constexpr size_t kReturnsMax = 16;

// A turn that is longer than so many moments says no more about the next one than that, and a kind
// of work of which nothing is known yet is taken to be as long.
constexpr int kMomentsOfATurnMax = 16;

// After so many looks at nothing a thread that looks sleeps until there is something to look at.
constexpr int kLooksInVainMax = 8;

thread_local const WorkerPool* current_pool = nullptr;
thread_local WorkOwner current_owner;

QuickTurns& quick_turns() {
  static QuickTurns all;
  return all;
}

struct HashOwner {
  size_t operator()(const WorkOwner& owner) const {
    return std::hash<uint64_t>()(owner.user ^ (owner.share * 0x9E37'79B9'7F4A'7C15));
  }
};

}  // namespace

void set_quick_turns(const QuickTurns& of_later_pools) { quick_turns() = of_later_pools; }

WorkerPoolLimits WorkerPoolLimits::for_files(size_t per_share) {
  return {.threads = 2 * per_share,
          .per_user = std::max<size_t>(1, per_share * 3 / 4),
          .per_share = per_share,
          .spare = (per_share + 1) / 2};
}

struct WorkerPool::Thread {
  std::thread thread;
  std::condition_variable wake;
  bool is_woken = false;
  // What it does: its turns counted, and how many there were at the last look.
  bool is_busy = false;
  uint64_t turns = 0;
  uint64_t turns_seen = 0;
  bool is_stuck = false;  // its turn lasts since before the last look
  // Done in its turns, and not sent home yet.
  Returns returns;
  SteadyClock::time_point returns_since;
};

// What one user asks of one share, in the order it came. While something waits in it, it is ready
// with its user, or parked with its share because that is full.
struct WorkerPool::Queue {
  WorkOwner owner;
  User* user = nullptr;
  Share* share = nullptr;
  size_t running = 0;
  std::chrono::nanoseconds usual_turn{};  // how long they are, lately
  Chain<Seat, &Seat::in_queue_> waiting;
  Link<Queue> place;
};

struct WorkerPool::User {
  size_t running = 0;
  size_t queues = 0;
  Chain<Queue, &Queue::place> ready;
  Link<User> in_round;  // unless nothing is ready or he holds all he may
};

struct WorkerPool::Share {
  size_t running = 0;
  size_t queues = 0;
  Chain<Queue, &Queue::place> parked;
  Link<Share> in_full;  // while something is parked
};

struct WorkerPool::State {
  explicit State(const WorkerPoolLimits& its_limits) : limits(its_limits) {}

  const WorkerPoolLimits& limits;
  const QuickTurns quick = quick_turns();
  std::unordered_map<WorkOwner, Queue, HashOwner> queues;
  std::unordered_map<uint64_t, User> users;
  std::unordered_map<uint64_t, Share> shares;
  Chain<User, &User::in_round> round;
  Chain<Share, &Share::in_full> full;
  std::vector<Thread*> idle;  // the last to become so is woken first: its caches are warm
  size_t waking = 0;          // woken, and have not looked yet
  size_t awake = 0;           // neither idle nor stuck
  std::vector<Thread*> all;
  // The idle one that looks whether another has got stuck, while something relies on that.
  Thread* watcher = nullptr;
  bool is_relied_on = false;  // since its last look
  int looks_in_vain = 0;
  size_t running = 0;
  uint64_t turns_taken = 0;
  uint64_t withdrawn = 0;
  bool stopping = false;

  bool is_full(const Share& share) const {
    return share.running >= limits.per_share ||
           (share.running > 0 && running + limits.spare >= limits.threads);
  }

  // Puts the user into the round if he has something to do there.
  void settle(User& user) {
    if (user.in_round.is_linked() || user.ready.empty() || user.running >= limits.per_user) return;
    round.push_back(user);
  }

  void park(Queue& queue) {
    queue.share->parked.push_back(queue);
    if (!queue.share->in_full.is_linked()) full.push_back(*queue.share);
  }

  // The queue has work and no place.
  void place(Queue& queue) {
    if (is_full(*queue.share)) return park(queue);
    queue.user->ready.push_back(queue);
    settle(*queue.user);
  }

  // Queues that waited for the share are their users' to serve again.
  void unpark(Share& share) {
    if (is_full(share)) return;
    decltype(full)::remove(share);
    while (Queue* queue = share.parked.pop_front()) {
      queue->user->ready.push_back(*queue);
      settle(*queue->user);
    }
  }

  // The next whose turn it is, begun; null: nobody may begin now.
  Seat* pick() {
    while (User* user = round.pop_front()) {
      while (Queue* queue = user->ready.pop_front()) {
        if (is_full(*queue->share)) {
          park(*queue);
          continue;
        }
        Seat* const seat = queue->waiting.pop_front();
        begin(*queue);
        if (!queue->waiting.empty()) place(*queue);
        settle(*user);
        return seat;
      }
    }
    return nullptr;
  }

  void begin(Queue& queue) {
    ++turns_taken;
    ++running;
    ++queue.running;
    ++queue.user->running;
    ++queue.share->running;
  }

  void finish(Queue& queue) {
    const bool was_short = running + limits.spare == limits.threads;
    --running;
    --queue.running;
    --queue.user->running;
    --queue.share->running;
    settle(*queue.user);
    if (was_short) {
      for (Share* share = full.first(); share;) {
        unpark(*std::exchange(share, decltype(full)::behind(*share)));
      }
    } else if (queue.share->in_full.is_linked()) {
      unpark(*queue.share);
    }
    forget_if_idle(queue);
  }

  Queue& queue_of(const WorkOwner& owner) {
    const auto [found, is_new] = queues.try_emplace(owner);
    Queue& queue = found->second;
    if (!is_new) return queue;
    queue.owner = owner;
    queue.usual_turn = kMomentsOfATurnMax * quick.moment;
    queue.user = &users[owner.user];
    queue.share = &shares[owner.share];
    ++queue.user->queues;
    ++queue.share->queues;
    return queue;
  }

  void forget_if_idle(Queue& queue) {
    if (queues.size() <= kIdleQueuesMax || queue.running > 0 || !queue.waiting.empty()) return;
    const WorkOwner owner = queue.owner;
    if (--queue.user->queues == 0) {
      // Withdrawn work leaves him there with nothing to do.
      if (queue.user->in_round.is_linked()) decltype(round)::remove(*queue.user);
      users.erase(owner.user);
    }
    if (--queue.share->queues == 0) {
      if (queue.share->in_full.is_linked()) decltype(full)::remove(*queue.share);
      shares.erase(owner.share);
    }
    queues.erase(owner);
  }

  // A thread to be woken, if there is one and those that are awake do not take what waits in a
  // moment.
  Thread* take_idle(size_t waiting) {
    if (idle.empty() || round.empty() || (is_taken_soon(waiting) && watch())) return nullptr;
    Thread* const thread = idle.back();
    idle.pop_back();
    wake(*thread);
    return thread;
  }

  void wake(Thread& thread) {
    thread.is_woken = true;
    ++waking;
    ++awake;
    if (watcher != &thread) return;
    // All are busy now, and what waits to return waits for nobody else.
    watcher = nullptr;
    thread.returns_since = {};
    for (Thread* each : all) {
      if (each != &thread) thread.returns.take(each->returns);
    }
  }

  // REQUIRES: the round is not empty.
  bool is_taken_soon(size_t waiting) const {
    const Queue* const next = round.first()->ready.first();
    return awake > 0 && next && next->usual_turn * waiting <= quick.moment * awake;
  }

  // From now on somebody looks whether a thread gets stuck. False: none is idle.
  bool watch() {
    is_relied_on = true;
    if (watcher) return true;
    if (idle.empty()) return false;
    watcher = idle.front();
    watcher->wake.notify_one();
    return true;
  }

  // Threads that are in the same turn as at the last look count as awake no more, and what they
  // have done is sent home.
  void look(Returns& stuck) {
    for (Thread* each : all) {
      if (!each->is_busy) continue;
      if (std::exchange(each->turns_seen, each->turns) != each->turns) continue;
      if (!std::exchange(each->is_stuck, true)) --awake;
      stuck.take(each->returns);
    }
    looks_in_vain = std::exchange(is_relied_on, false) ? 0 : looks_in_vain + 1;
    if (looks_in_vain >= kLooksInVainMax) watcher = nullptr;
  }

  // Whether what the thread has done waits for what it is about to do.
  bool keeps_returns(const Thread& thread, const Queue& next, SteadyClock::time_point now) {
    return thread.returns.size() < kReturnsMax && next.usual_turn <= quick.moment / 2 &&
           now - thread.returns_since < quick.moment && watch();
  }

  void note_turn(Queue& queue, std::chrono::nanoseconds time) {
    const auto counted = std::min(time, kMomentsOfATurnMax * quick.moment);
    queue.usual_turn += (counted - queue.usual_turn) / 8;
  }
};

WorkerPool::WorkerPool(size_t threads)
    : WorkerPool(WorkerPoolLimits{.threads = threads, .per_user = threads, .per_share = threads}) {}

WorkerPool::WorkerPool(WorkerPoolLimits limits)
    : limits_(limits), state_(std::make_unique<State>(limits_)) {
  for (size_t i = 0; i < limits_.threads; ++i) {
    Thread& self = *threads_.emplace_back(std::make_unique<Thread>());
    try {
      self.thread = std::thread([this, &self] { run(self); });
    } catch (...) {
      threads_.pop_back();
      stop();
      throw;
    }
  }
}

WorkerPool::~WorkerPool() { stop(); }

bool WorkerPool::Seat::is_current() const {
  return current_pool == &pool_ && current_owner == owner_;
}

bool WorkerPool::enqueue(Seat& seat, std::move_only_function<void()> work, Kind kind) {
  Thread* woken = nullptr;
  {
    const std::lock_guard lock(mutex_);
    assert(!seat.queue_);
    const bool may_be_withdrawn = kind == Kind::kMayBeWithdrawn;
    // With the lock: whoever ends the wish withdraws afterwards.
    if (may_be_withdrawn && !seat.check_wanted()) return false;
    Queue& queue = state_->queue_of(seat.owner_);
    seat.queue_ = &queue;
    seat.work_ = std::move(work);
    if (may_be_withdrawn && seat.group_) seat.group_->waiting_.push_back(seat);
    const bool was_empty = queue.waiting.empty();
    queue.waiting.push_back(seat);
    waiting_.fetch_add(1, std::memory_order_relaxed);
    if (was_empty) state_->place(queue);
    woken = state_->take_idle(waiting_.load(std::memory_order_relaxed));
  }
  if (woken) woken->wake.notify_one();
  return true;
}

std::vector<std::move_only_function<void()>> WorkerPool::withdraw(Group& group) {
  using Members = Chain<Seat, &Seat::in_group_>;
  std::vector<std::move_only_function<void()>> withdrawn;
  const std::lock_guard lock(mutex_);
  for (Seat* seat = group.waiting_.first(); seat;) {
    Seat* const each = std::exchange(seat, Members::behind(*seat));
    if (each->check_wanted()) continue;
    Queue& queue = *std::exchange(each->queue_, nullptr);
    Members::remove(*each);
    decltype(queue.waiting)::remove(*each);
    waiting_.fetch_sub(1, std::memory_order_relaxed);
    ++state_->withdrawn;
    withdrawn.push_back(std::move(each->work_));
    // Its user may stay in the round: he is found to have nothing when it is his turn.
    if (queue.waiting.empty()) {
      decltype(queue.user->ready)::remove(queue);
      state_->forget_if_idle(queue);
    }
  }
  return withdrawn;
}

WorkerPool::Load WorkerPool::load() const {
  const std::lock_guard lock(mutex_);
  return {.waiting = waiting_.load(std::memory_order_relaxed),
          .running = state_->running,
          .turns_taken = state_->turns_taken,
          .withdrawn = state_->withdrawn};
}

void WorkerPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    state_->stopping = true;
    for (Thread* thread : std::exchange(state_->idle, {})) {
      state_->wake(*thread);
      thread->wake.notify_one();
    }
  }
  for (auto& each : threads_) each->thread.join();
  threads_.clear();
}

void WorkerPool::run(Thread& self) {
  current_pool = this;
  Returns done;  // in this turn
  Returns::collect_into(&done);
  State& state = *state_;
  const auto waiting = [this] { return waiting_.load(std::memory_order_relaxed); };
  std::unique_lock lock(mutex_);
  state.all.push_back(&self);
  ++state.awake;
  auto now = SteadyClock::now();
  for (;;) {
    Seat* const seat = state.pick();
    if (!seat && !self.returns.empty()) {
      Returns returns(std::move(self.returns));
      lock.unlock();
      returns.send();
      lock.lock();
      continue;
    }
    if (!seat) {
      // What still waits is for those that hold its limits to go on with.
      if (state.stopping) return;
      state.idle.push_back(&self);
      --state.awake;
      while (!self.is_woken) {
        if (state.watcher != &self) {
          self.wake.wait(lock);
          continue;
        }
        const auto looked = self.wake.wait_for(lock, state.quick.look_every);
        if (looked != std::cv_status::timeout || state.watcher != &self) continue;
        Returns stuck;
        state.look(stuck);
        while (Thread* const woken = state.take_idle(waiting())) woken->wake.notify_one();
        if (stuck.empty()) continue;
        lock.unlock();
        stuck.send();
        lock.lock();
      }
      self.is_woken = false;
      --state.waking;
      now = SteadyClock::now();
      continue;
    }
    waiting_.fetch_sub(1, std::memory_order_relaxed);
    Queue& queue = *std::exchange(seat->queue_, nullptr);
    if (seat->in_group_.is_linked()) decltype(seat->group_->waiting_)::remove(*seat);
    auto work = std::move(seat->work_);
    // More may have become free than one thread can take.
    Thread* const woken = state.waking == 0 ? state.take_idle(waiting()) : nullptr;
    Returns returns;
    if (!self.returns.empty() && !state.keeps_returns(self, queue, now)) returns.take(self.returns);
    self.is_busy = true;
    ++self.turns;
    lock.unlock();
    if (woken) woken->wake.notify_one();
    if (!returns.empty()) {
      returns.send();
      now = SteadyClock::now();
    }
    current_owner = queue.owner;
    work();
    work = nullptr;
    const auto begun = std::exchange(now, SteadyClock::now());
    lock.lock();
    self.is_busy = false;
    if (std::exchange(self.is_stuck, false)) ++state.awake;
    if (self.returns.empty()) self.returns_since = now;
    self.returns.take(done);
    state.note_turn(queue, now - begun);
    state.finish(queue);
  }
}

}  // namespace braid
