#include "apps/braidd/restart_delay.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace braid::braidd {
namespace {

// Part of `time` in which a service is up that lives for `life` and is then ended, again and again.
double availability(std::chrono::nanoseconds life, std::chrono::nanoseconds time) {
  VirtualClock clock;
  RestartDelay delay;
  std::chrono::nanoseconds up{0};
  const auto end = clock.monotonic() + time;
  while (clock.monotonic() < end) {
    const auto started = clock.monotonic();
    clock.advance(life);
    up += clock.monotonic() - started;
    clock.advance(delay.next(clock.monotonic() - started));
  }
  return static_cast<double>(up.count()) / static_cast<double>(time.count());
}

TEST(RestartDelay, FirstRestartIsImmediate) {
  RestartDelay delay;
  EXPECT_EQ(delay.next(1ms), 0ns);
  EXPECT_GT(delay.next(1ms), 0ns);
}

TEST(RestartDelay, ShortLivesInARowWaitSecondsAtMost) {
  RestartDelay delay;
  for (int i = 0; i < 100; ++i) EXPECT_LE(delay.next(1ms), 2s);
}

// A message that ends a worker, sent whenever there is one, keeps it down for seconds and not for
// the most part of a minute.
TEST(RestartDelay, CrashAMinuteKeepsNothingDown) {
  RestartDelay delay;
  for (int i = 0; i < 20; ++i) delay.next(1ms);
  // The service is up for the rest of the minute, which makes the next restart immediate.
  EXPECT_LE(delay.next(1ms), 2s);
  EXPECT_EQ(delay.next(58s), 0ns);
  EXPECT_GT(availability(60s, 3600s), 0.99);
}

TEST(RestartDelay, LivesJustTooShortToBeHealthyStillServeMostOfTheTime) {
  EXPECT_GT(availability(kHealthyLife - 1ms, 3600s), 0.7);
}

}  // namespace
}  // namespace braid::braidd
