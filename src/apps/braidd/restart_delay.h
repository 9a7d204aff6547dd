// RestartDelay: how long the supervisor waits before it starts again what ended.
#pragma once

#include <algorithm>
#include <chrono>

#include "apps/braidd/limits.h"

namespace braid::braidd {

// At once after a life that began well. Lives that are short in a row are something that does not
// work: each doubles the wait, up to a few seconds. Never longer: whoever can end a process with
// one message would otherwise need one for each long wait, and nobody would be served between them.
//
// Owned by the Supervisor, one for each child.
class RestartDelay {
 public:
  // Of a child that has just ended after `life`.
  std::chrono::nanoseconds next(std::chrono::nanoseconds life) {
    const auto delay = life >= kHealthyLife ? std::chrono::nanoseconds{0} : next_;
    next_ = std::clamp<std::chrono::nanoseconds>(delay * 2, kRestartDelayFirst, kRestartDelayMax);
    return delay;
  }

 private:
  std::chrono::nanoseconds next_{0};
};

}  // namespace braid::braidd
