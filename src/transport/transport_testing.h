// What the tests of this folder share.
#pragma once

#include <utility>

#include "runtime/reactor.h"
#include "runtime/task_scope.h"
#include "transport/out_frame.h"

namespace braid::transport {

inline Task<void> stop_after(Task<void> task, Reactor& reactor) {
  co_await std::move(task);
  reactor.stop();
}

// Runs one task to its end on a reactor that lives as long as the test.
inline void run(Reactor& reactor, Task<void> task) {
  TaskScope scope;
  reactor.post([&] { scope.spawn(stop_after(std::move(task), reactor)); });
  reactor.run();
}

inline OutFrame frame_of(Bytes head) { return {.head = std::move(head), .parts = {}}; }

}  // namespace braid::transport
