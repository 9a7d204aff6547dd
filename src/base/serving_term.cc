#include "base/serving_term.h"

#include <ctime>

namespace braid {
namespace {

std::atomic<void (*)()> end_of_term = nullptr;

}  // namespace

namespace detail {

std::atomic<const std::atomic<int64_t>*> serving_until = nullptr;

void look_at_serving_term(const std::atomic<int64_t>& until) {
  if (boot_time_ns() < until.load(std::memory_order_relaxed)) return;
  if (const auto over = end_of_term.load()) over();
}

}  // namespace detail

int64_t boot_time_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

void set_serving_term(const std::atomic<int64_t>* until, void (*over)()) {
  end_of_term = over;
  detail::serving_until.store(until, std::memory_order_release);
}

}  // namespace braid
