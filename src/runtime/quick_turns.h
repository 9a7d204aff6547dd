// How long a pool counts as a moment.
#pragma once

#include <chrono>

namespace braid {

// To wake a thread of a pool costs more than many turns do. So what a thread that is awake takes
// in a moment, as turns of its kind have been so far, wakes no other.
struct QuickTurns {
  // How long work may wait for that, and one that is done for its way back.
  std::chrono::nanoseconds moment = std::chrono::microseconds(60);
  // How often it is looked at, meanwhile, whether the one that is awake has got stuck.
  std::chrono::nanoseconds look_every = std::chrono::microseconds(500);
};

// For tests: of the pools that are made from now on. Thread: one, while no pool is made.
void set_quick_turns(const QuickTurns& of_later_pools);

}  // namespace braid
