// For tests of what belongs to a reactor.
#pragma once

#include <functional>
#include <future>

#include "runtime/reactor.h"

namespace braid {

// Does the work there, and returns when it is done. Not for that reactor's own thread.
inline void run_on(Reactor& reactor, std::move_only_function<void()> work) {
  std::promise<void> ran;
  reactor.post([&] {
    work();
    ran.set_value();
  });
  ran.get_future().wait();
}

}  // namespace braid
