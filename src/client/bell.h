// Bell: something may have changed; look again.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "runtime/one_shot.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace braid::client {

// Wakes everybody who waits now; who comes later waits for the next ring. Thread: the reactor's.
// Life: longer than anybody waits.
class Bell {
 public:
  explicit Bell(Reactor& reactor) : reactor_(reactor) {}

  // Continues at the next ring, or after `limit`.
  Task<void> wait(std::chrono::nanoseconds limit) {
    const auto rung = std::make_shared<OneShot<bool>>();
    waiting_.push_back(rung);
    Timer timer(reactor_);
    timer.start(limit, [rung] { rung->set(false); });
    if (!co_await rung->wait(reactor_)) std::erase(waiting_, rung);
  }
  void ring() {
    for (const auto& rung : std::exchange(waiting_, {})) rung->set(true);
  }

 private:
  Reactor& reactor_;
  std::vector<std::shared_ptr<OneShot<bool>>> waiting_;
};

}  // namespace braid::client
