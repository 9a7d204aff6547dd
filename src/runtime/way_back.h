// WayBack: coroutines that return from the pool to their reactors, several of them at once.
#pragma once

#include <coroutine>
#include <cstddef>
#include <functional>
#include <utility>

#include "runtime/executor.h"

namespace braid {

// co_await WayBack(reactor): as reactor.schedule(), for who has nothing more to do where it is.
// From a thread of the pool that has more short work at hand, those that return wait for one
// another, a moment at most: their reactor is woken once for all, and what they send leaves
// together. So they may come behind what others post later. Thread: any.
class WayBack {
 public:
  explicit WayBack(Executor& home) : home_(home) {}
  WayBack(const WayBack&) = delete;
  WayBack& operator=(const WayBack&) = delete;

  bool await_ready() const { return home_.is_current(); }
  void await_suspend(std::coroutine_handle<> handle);
  void await_resume() const noexcept {}

 private:
  friend class Returns;
  Executor& home_;
  std::coroutine_handle<> handle_;
  WayBack* behind_ = nullptr;
};

// Those that wait to return, in order. Thread: one at a time.
class Returns {
 public:
  Returns() = default;
  Returns(Returns&& other) noexcept { take(other); }
  // REQUIRES: empty(). They would never continue.
  ~Returns() = default;

  bool empty() const { return first_ == nullptr; }
  size_t size() const { return size_; }
  // All of `others`, behind its own. A list may take itself, and stays as it is.
  void take(Returns& others);
  // Posts all to where they belong.
  void send();

  // Those that return on the calling thread from now on wait here; null: they are posted at once.
  static void collect_into(Returns* list);

  // Whether another one comes back right behind what runs now, on this thread.
  static bool come_behind();
  // Runs `work` behind the last one of them. REQUIRES: come_behind().
  static void run_behind(std::move_only_function<void()> work);

 private:
  friend class WayBack;
  void push(WayBack& each);
  static void run(WayBack* first);

  WayBack* first_ = nullptr;
  WayBack* last_ = nullptr;
  size_t size_ = 0;
};

}  // namespace braid
