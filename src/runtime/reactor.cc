#include "runtime/reactor.h"

#include <atomic>
#include <cstdlib>
#include <thread>

#include "base/log.h"
#include "runtime/asio.h"

namespace braid {
namespace asio = boost::asio;

namespace {
thread_local Reactor* current_reactor = nullptr;
}

struct Reactor::Impl {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
};

Reactor::Reactor() : impl_(std::make_unique<Impl>()) {}
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
Reactor* Reactor::current() { return current_reactor; }

void about_to_wait() {
  if (!current_reactor) return;
  log::error("a call that may wait for a disk was made on a reactor");
  std::abort();
}

Task<void> Reactor::sleep_for(std::chrono::nanoseconds duration) {
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
  explicit Impl(Reactor& reactor) : timer(reactor.context()) {}
  asio::steady_timer timer;
  std::move_only_function<void()> callback;
  uint64_t generation = 0;  // tells a wait that was replaced from the one that counts
};

Timer::Timer(Reactor& reactor) : impl_(std::make_shared<Impl>(reactor)) {}
Timer::~Timer() { cancel(); }

void Timer::start(std::chrono::nanoseconds delay, std::move_only_function<void()> callback) {
  const uint64_t generation = ++impl_->generation;
  impl_->callback = std::move(callback);
  impl_->timer.expires_after(std::chrono::duration_cast<asio::steady_timer::duration>(delay));
  impl_->timer.async_wait([impl = impl_, generation](const boost::system::error_code&) {
    if (impl->generation != generation) return;
    auto work = std::exchange(impl->callback, nullptr);
    if (work) work();
  });
}

void Timer::cancel() {
  ++impl_->generation;
  impl_->callback = nullptr;
  impl_->timer.cancel();
}

struct ReactorPool::Threads {
  std::vector<std::jthread> threads;
  std::atomic<size_t> next = 0;
};

ReactorPool::ReactorPool(size_t threads)
    : timers_(std::make_unique<Reactor>()), threads_(std::make_unique<Threads>()) {
  for (size_t i = 0; i < threads; ++i) reactors_.push_back(std::make_unique<Reactor>());
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
