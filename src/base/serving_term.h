// Until when this process may serve, where that has an end: on a node of a cluster.
#pragma once

#include <atomic>
#include <cstdint>

namespace braid {

// Nanoseconds since the machine began, with those in which it slept: what stands still for all of
// the machine's processes goes on here. Thread: any.
int64_t boot_time_ns();

// Of the whole process, as its log is: what passes, passes for everything in it, and whatever
// acknowledges or changes something looks here itself, so that none can be without. From now on
// whoever looks and finds `until` (of boot_time_ns()) in the past calls `over`, which ends the
// process; null: it has no end. `until` outlives all who look. Thread: any.
void set_serving_term(const std::atomic<int64_t>* until, void (*over)());

namespace detail {
extern std::atomic<const std::atomic<int64_t>*> serving_until;
void look_at_serving_term(const std::atomic<int64_t>& until);
}  // namespace detail

// Before what a client asks for is decided or done, and before it is told. Costs a load where there
// is no end, else another one and a look at the clock without a system call. Thread: any.
inline void check_serving_term() {
  if (const auto* until = detail::serving_until.load(std::memory_order_acquire)) {
    detail::look_at_serving_term(*until);
  }
}

}  // namespace braid
