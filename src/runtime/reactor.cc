#include "runtime/reactor.h"

#include <atomic>
#include <cstdlib>
#include <thread>

#include "base/log.h"
#include "runtime/asio.h"
#include "runtime/virtual_timers.h"

namespace braid {
namespace asio = boost::asio;

namespace {
thread_local Reactor* current_reactor = nullptr;
}

struct Reactor::Impl {
  explicit Impl(VirtualTimers* its_timers) : timers(its_timers) {}
  VirtualTimers* const timers;
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
};

Reactor::Reactor(VirtualTimers* timers) : impl_(std::make_unique<Impl>(timers)) {}
Reactor::~Reactor() = default;

void Reactor::run() {
  Reactor* const outer = std::exchange(current_reactor, this);
  impl_->context.run();
  current_reactor = outer;
}

void Reactor::stop() {
  impl_->work.reset();
  impl_->context.stop();
}

void Reactor::post(std::move_only_function<void()> work) {
  asio::post(impl_->context, std::move(work));
}

bool Reactor::is_current() const { return current_reactor == this; }
asio::io_context& Reactor::context() { return impl_->context; }
VirtualTimers* Reactor::virtual_timers() const { return impl_->timers; }
Reactor* Reactor::current() { return current_reactor; }

void about_to_wait() {
  if (!current_reactor) return;
  log::error("a call that may wait for a disk was made on a reactor");
  std::abort();
}

Task<void> Reactor::sleep_for(std::chrono::nanoseconds duration) {
  if (VirtualTimers* const timers = impl_->timers) {
    struct VirtualAwaiter {
      VirtualTimers& timers;
      Reactor& reactor;
      std::chrono::nanoseconds duration;
      bool await_ready() const { return false; }
      void await_suspend(std::coroutine_handle<> handle) {
        timers.add(reactor, duration, [handle] { handle.resume(); });
      }
      void await_resume() const noexcept {}
    };
    co_return co_await VirtualAwaiter{*timers, *this, duration};
  }
  struct Awaiter {
    asio::steady_timer timer;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      timer.async_wait([handle](const boost::system::error_code&) { handle.resume(); });
    }
    void await_resume() const noexcept {}
  };
  co_await Awaiter{asio::steady_timer(
      impl_->context, std::chrono::duration_cast<asio::steady_timer::duration>(duration))};
}

// Shared with the pending wait, which may be delivered after the Timer is gone.
struct Timer::Impl {
  explicit Impl(Reactor& its_reactor) : reactor(its_reactor), timer(its_reactor.context()) {}

  void run_out(uint64_t its_generation) {
    if (generation != its_generation) return;
    if (auto work = std::exchange(callback, nullptr)) work();
  }
  void end_wait() {
    ++generation;
    callback = nullptr;
    if (reactor.virtual_timers()) return reactor.virtual_timers()->remove(virtual_id);
    timer.cancel();
  }

  Reactor& reactor;
  asio::steady_timer timer;
  uint64_t virtual_id = 0;
  std::move_only_function<void()> callback;
  uint64_t generation = 0;  // tells a wait that was replaced from the one that counts
};

Timer::Timer(Reactor& reactor) : impl_(std::make_shared<Impl>(reactor)) {}
Timer::~Timer() { cancel(); }

void Timer::start(std::chrono::nanoseconds delay, std::move_only_function<void()> callback) {
  const uint64_t generation = ++impl_->generation;
  impl_->callback = std::move(callback);
  if (VirtualTimers* const timers = impl_->reactor.virtual_timers()) {
    timers->remove(impl_->virtual_id);
    impl_->virtual_id = timers->add(impl_->reactor, delay,
                                    [impl = impl_, generation] { impl->run_out(generation); });
    return;
  }
  impl_->timer.expires_after(std::chrono::duration_cast<asio::steady_timer::duration>(delay));
  impl_->timer.async_wait(
      [impl = impl_, generation](const boost::system::error_code&) { impl->run_out(generation); });
}

void Timer::cancel() { impl_->end_wait(); }

struct ReactorPool::Threads {
  std::vector<std::jthread> threads;
  std::atomic<size_t> next = 0;
};

ReactorPool::ReactorPool(size_t threads, VirtualTimers* virtual_timers)
    : timers_(std::make_unique<Reactor>(virtual_timers)), threads_(std::make_unique<Threads>()) {
  for (size_t i = 0; i < threads; ++i) {
    reactors_.push_back(std::make_unique<Reactor>(virtual_timers));
  }
  try {
    for (auto& reactor : reactors_) {
      threads_->threads.emplace_back([r = reactor.get()] { r->run(); });
    }
    threads_->threads.emplace_back([r = timers_.get()] { r->run(); });
  } catch (...) {
    // Those that there are would be waited for.
    stop();
    threads_->threads.clear();
    throw;
  }
}

ReactorPool::~ReactorPool() {
  stop();
  threads_->threads.clear();
}

Reactor& ReactorPool::next() {
  return *reactors_[threads_->next.fetch_add(1, std::memory_order_relaxed) % reactors_.size()];
}

void ReactorPool::stop() {
  for (auto& reactor : reactors_) reactor->stop();
  timers_->stop();
}

}  // namespace braid
