#include "base/log.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/line_rate.h"
#include "base/recent_lines.h"

namespace braid::log {
namespace {

// What `write` puts on stderr.
template <class Write>
std::string lines_of(Write&& write) {
  testing::internal::CaptureStderr();
  write();
  return testing::internal::GetCapturedStderr();
}

TEST(Log, NameWithALineFeedMakesNoLineOfItsOwn) {
  const std::string name = "x' failed\n2026-01-01T00:00:00.000+0000 info alice logged on\x1b[2J";
  const std::string text = lines_of([&] { info("logon of '{}' failed", name); });
  EXPECT_EQ(std::ranges::count(text, '\n'), 1);
  EXPECT_FALSE(text.contains('\x1b'));
  EXPECT_TRUE(text.contains("x' failed\\u{a}2026"));
}

TEST(Log, EveryTextOfALineIsCut) {
  const std::string text = lines_of(
      [] { info("'{}' '{}' {}", std::string(60'000, 'a'), std::string_view("short"), 7); });
  EXPECT_TRUE(text.ends_with("'" + std::string(kTextMax, 'a') + "...' 'short' 7\n"));
}

TEST(Log, OurOwnTextIsNotCut) {
  const std::string own(1000, 'p');
  EXPECT_TRUE(lines_of([&] { info("{}", Whole{own}); }).contains(own));
}

TEST(Log, NoLineIsLongerThanPipesTakeAtOnce) {
  const std::string text = lines_of([] { info("{}", Whole{std::string(5000, '\n')}); });
  EXPECT_LE(text.size(), 4096u);
  EXPECT_TRUE(text.ends_with("...\n"));
}

TEST(Log, AFloodOfOneKindIsSuppressedAndSaid) {
  const std::string text = lines_of([] {
    for (int i = 0; i < 3000; ++i) info("line {} of a flood", i);
    info("another kind");
  });
  EXPECT_LT(std::ranges::count(text, '\n'), 1000);
  EXPECT_TRUE(text.contains("the next are suppressed: line {} of a flood"));
  EXPECT_TRUE(text.contains("another kind"));
}

TEST(Log, LastLinesAreKept) {
  lines_of([] {
    for (size_t i = 0; i < kRecentLinesMax; ++i) write(Level::kInfo, "before");
    write(Level::kWarning, "share 'x\ny' is absent");
    write(Level::kDebug, "nothing to keep");
  });
  const auto lines = recent_lines();
  ASSERT_EQ(lines.size(), kRecentLinesMax);
  EXPECT_EQ(lines.front().text, "before");
  EXPECT_EQ(lines.back().text, "share 'x\\u{a}y' is absent");
  EXPECT_EQ(lines.back().level, Level::kWarning);
  EXPECT_GT(lines.back().time.ticks, kUnixEpochTicks);
}

struct LineRateTest : testing::Test {
  LineRate::Verdict count(std::string_view kind) { return rate.count(kind, clock.monotonic()); }

  VirtualClock clock;
  LineRate rate;
};

TEST_F(LineRateTest, AKindHasABurstAndASteadyRate) {
  for (uint32_t i = 0; i < LineRate::kBurst; ++i) {
    ASSERT_EQ(count("a"), LineRate::Verdict::kWrite);
  }
  EXPECT_EQ(count("a"), LineRate::Verdict::kSayOnce);
  EXPECT_EQ(count("a"), LineRate::Verdict::kSuppress);
  EXPECT_EQ(count("b"), LineRate::Verdict::kWrite);
  clock.advance(std::chrono::seconds(1));
  for (uint32_t i = 0; i < LineRate::kSteady; ++i) EXPECT_EQ(count("a"), LineRate::Verdict::kWrite);
  EXPECT_EQ(count("a"), LineRate::Verdict::kSuppress);
}

TEST_F(LineRateTest, WhatWasSuppressedIsReported) {
  for (uint32_t i = 0; i < LineRate::kBurst + 7; ++i) count("a");
  EXPECT_FALSE(rate.due(clock.monotonic()));
  clock.advance(LineRate::kReportEvery);
  const auto report = rate.due(clock.monotonic());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->kind, "a");
  EXPECT_EQ(report->suppressed, 7u);
  EXPECT_FALSE(rate.due(clock.monotonic()));
}

}  // namespace
}  // namespace braid::log
