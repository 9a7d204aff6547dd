// Coroutines on the threads of the clients, and one thread that waits for them.
#pragma once

#include <functional>

#include "apps/braid-bench/failure.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace braid::bench {

enum class AfterFailure : uint8_t { kStop, kGoOn };

// Thread i is that of reactor i. Each of the two calls waits until all that it began has ended, so
// what they refer to may be the caller's. Thread: none of theirs.
class Threads {
 public:
  explicit Threads(size_t count) : pool_(count) {}

  // The reactor of client or connection `number`.
  Reactor& of(size_t number) { return pool_.at(number % pool_.size()); }
  Outcome<void> run(Reactor& reactor, std::function<Task<Outcome<void>>()> body);
  // body(0) to body(count - 1), each on its reactor, at most so many at a time on each. The first
  // failure is the result; with kStop, what has not begun then does not begin.
  Outcome<void> run_all(size_t count, size_t at_a_time,
                        std::function<Task<Outcome<void>>(size_t)> body,
                        AfterFailure after_failure = AfterFailure::kStop);

 private:
  ReactorPool pool_;
};

}  // namespace braid::bench
