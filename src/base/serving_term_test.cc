#include "base/serving_term.h"

#include <gtest/gtest.h>

namespace braid {
namespace {

int times_over = 0;

TEST(ServingTerm, WhoLooksAfterItsEndEndsTheProcess) {
  std::atomic<int64_t> until = boot_time_ns() + 3'600'000'000'000;
  check_serving_term();  // none is set
  set_serving_term(&until, [] { ++times_over; });
  check_serving_term();
  EXPECT_EQ(times_over, 0);
  until = boot_time_ns();
  check_serving_term();
  EXPECT_EQ(times_over, 1);
  set_serving_term(nullptr, nullptr);
  check_serving_term();
  EXPECT_EQ(times_over, 1);
}

}  // namespace
}  // namespace braid
