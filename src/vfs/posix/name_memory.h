// NameMemory: how much memory the folded names of directories take, in all indexes of a process.
#pragma once

#include <cstddef>
#include <memory>

#include "base/guarded.h"
#include "base/memory_budget.h"

namespace braid::vfs {

// All that is kept counts in the budget of what clients make the server hold, and may be a
// sixteenth of it; while memory is short, a few MiB. So many shares do not hold many times as much,
// nor do many workers. An index takes what it likes as long as all together hold no more than that;
// then each has an equal part. Thread: any.
class NameMemory {
 public:
  // A process has one, where there is no budget for as much as a part of the machine's memory.
  static NameMemory& of_process();
  explicit NameMemory(size_t most_without_budget) : most_without_budget_(most_without_budget) {}

  // From now on, with what is held already; null: in none.
  void count_in(std::shared_ptr<MemoryBudget> budget);
  // What one index holds: 0 is an index that holds nothing.
  void change(size_t before, size_t now);

  // How many bytes an index may hold now that never may hold more than `most`.
  size_t allowed(size_t most) const;
  size_t bytes() const { return state_.lock()->bytes; }
  // What all may hold.
  size_t bytes_max() const { return bytes_max(*state_.lock()); }

 private:
  struct State {
    std::shared_ptr<MemoryBudget> budget;
    size_t bytes = 0;
    size_t holders = 0;  // indexes that hold any
  };
  size_t bytes_max(const State& state) const;

  const size_t most_without_budget_;
  mutable Guarded<State> state_;
};

}  // namespace braid::vfs
