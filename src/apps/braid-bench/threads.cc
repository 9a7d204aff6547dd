#include "apps/braid-bench/threads.h"

#include <algorithm>
#include <atomic>
#include <optional>

#include "base/guarded.h"
#include "runtime/task_scope.h"

namespace braid::bench {
namespace {

// The failure of several that is told.
class First {
 public:
  void set(const Failure& why) {
    auto held = failure_.lock();
    if (!*held) held->emplace(why);
    is_set_ = true;
  }
  bool is_set() const { return is_set_; }
  Outcome<void> outcome() const {
    auto held = failure_.lock();
    if (*held) return std::unexpected(**held);
    return {};
  }

 private:
  Guarded<std::optional<Failure>> failure_;
  std::atomic<bool> is_set_ = false;
};

Task<void> run_one(Reactor& reactor, const std::function<Task<Outcome<void>>()>& body,
                   First& first) {
  co_await reactor.schedule();
  if (const auto done = co_await body(); !done) first.set(done.error());
}

// `number` and every step-th after it.
Task<void> run_some(Reactor& reactor, size_t number, size_t step, size_t count,
                    const std::function<Task<Outcome<void>>(size_t)>& body,
                    AfterFailure after_failure, First& first) {
  co_await reactor.schedule();
  const bool stops = after_failure == AfterFailure::kStop;
  for (; number < count && !(stops && first.is_set()); number += step) {
    if (const auto done = co_await body(number); !done) first.set(done.error());
  }
}

}  // namespace

Outcome<void> Threads::run(Reactor& reactor, std::function<Task<Outcome<void>>()> body) {
  First first;
  TaskScope scope;
  scope.spawn(run_one(reactor, body, first));
  scope.wait();
  return first.outcome();
}

Outcome<void> Threads::run_all(size_t count, size_t at_a_time,
                               std::function<Task<Outcome<void>>(size_t)> body,
                               AfterFailure after_failure) {
  First first;
  TaskScope scope;
  // A multiple of the threads: what is `step` further is of the same reactor.
  const size_t step = pool_.size() * at_a_time;
  for (size_t number = 0; number < std::min(step, count); ++number) {
    scope.spawn(run_some(of(number), number, step, count, body, after_failure, first));
  }
  scope.wait();
  return first.outcome();
}

}  // namespace braid::bench
