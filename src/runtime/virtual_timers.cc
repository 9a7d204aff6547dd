#include "runtime/virtual_timers.h"

#include <algorithm>
#include <utility>

namespace braid {

void VirtualTimers::advance(std::chrono::nanoseconds by) {
  std::multimap<Clock::Instant, Entry> due;
  {
    const std::lock_guard lock(mutex_);
    clock_.advance(by);
    for (auto at = entries_.begin(); at != entries_.end();) {
      const auto each = at++;
      if (each->second.due > clock_.monotonic()) continue;
      due.emplace(each->second.due, std::move(each->second));
      entries_.erase(each);
    }
  }
  for (auto& [when, entry] : due) entry.executor->post(std::move(entry.work));
}

bool VirtualTimers::await(std::chrono::nanoseconds left) {
  constexpr std::chrono::seconds kPatience{30};
  std::unique_lock lock(mutex_);
  return added_.wait_for(lock, kPatience, [&] {
    return std::ranges::any_of(
        entries_, [&](const auto& each) { return each.second.due - clock_.monotonic() == left; });
  });
}

uint64_t VirtualTimers::add(Executor& executor, std::chrono::nanoseconds delay,
                            std::move_only_function<void()> work) {
  const std::lock_guard lock(mutex_);
  const auto due = clock_.monotonic() + std::chrono::duration_cast<Clock::Instant::duration>(delay);
  entries_.emplace(++last_id_, Entry{due, &executor, std::move(work)});
  added_.notify_all();
  return last_id_;
}

void VirtualTimers::remove(uint64_t id) {
  // What it holds may end in here.
  decltype(entries_)::node_type gone;
  const std::lock_guard lock(mutex_);
  gone = entries_.extract(id);
}

}  // namespace braid
