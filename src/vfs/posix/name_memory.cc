#include "vfs/posix/name_memory.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace braid::vfs {
namespace {

// Of the budget, which is half of the machine's memory unless somebody says otherwise.
constexpr uint64_t kShareOfBudget = 16;
constexpr uint64_t kShareOfMachine = 2 * kShareOfBudget;
constexpr uint64_t kBytesMin = 16u << 20;
constexpr uint64_t kBytesMax = 512u << 20;

uint64_t machine_memory() {
  return static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

NameMemory& NameMemory::of_process() {
  static NameMemory memory(std::clamp(machine_memory() / kShareOfMachine, kBytesMin, kBytesMax));
  return memory;
}

void NameMemory::count_in(std::shared_ptr<MemoryBudget> budget) {
  auto state = state_.lock();
  const auto held = static_cast<int64_t>(state->bytes);
  if (state->budget) state->budget->count_cached(-held);
  if (budget) budget->count_cached(held);
  std::swap(state->budget, budget);  // the old one goes with the lock let go of
  state.mutex_lock().unlock();
}

void NameMemory::change(size_t before, size_t now) {
  auto state = state_.lock();
  state->bytes += now - before;
  if (before == 0 && now != 0) state->holders++;
  if (before != 0 && now == 0) state->holders--;
  if (state->budget) {
    state->budget->count_cached(static_cast<int64_t>(now) - static_cast<int64_t>(before));
  }
}

size_t NameMemory::allowed(size_t most) const {
  auto state = state_.lock();
  const size_t all = bytes_max(*state);
  if (state->holders == 0 || state->bytes <= all) return most;
  return std::min(most, all / state->holders);
}

size_t NameMemory::bytes_max(const State& state) const {
  if (!state.budget) return most_without_budget_;
  if (state.budget->is_short()) return kBytesMin;
  return std::clamp(state.budget->limit() / kShareOfBudget, kBytesMin, kBytesMax);
}

}  // namespace braid::vfs
