#include "smb2/common/time_histogram.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace braid::smb2 {
namespace {

using namespace std::chrono_literals;

TEST(TimeHistogram, EachTimeIsInTheFirstBucketThatHoldsIt) {
  TimeHistogram times;
  times.count(-1ns);
  times.count(0ns);
  times.count(16'383ns);
  times.count(16'384ns);
  times.count(32'767ns);
  times.count(32'768ns);
  times.count(1h);
  const auto counts = times.counts();
  EXPECT_EQ(counts.buckets[0], 3u);
  EXPECT_EQ(counts.buckets[1], 2u);
  EXPECT_EQ(counts.buckets[2], 1u);
  EXPECT_EQ(counts.buckets[TimeHistogram::kBuckets - 1], 1u);
  EXPECT_EQ(counts.count(), 7u);
  EXPECT_EQ(counts.sum_ns, 16'383u + 16'384u + 32'767u + 32'768u + 3'600'000'000'000u);
  EXPECT_DOUBLE_EQ(TimeHistogram::bound_s(0), 16.384e-6);
  EXPECT_DOUBLE_EQ(TimeHistogram::bound_s(2), 65.536e-6);
}

TEST(TimeHistogram, ThreadsAreAddedUp) {
  TimeHistogram times;
  std::vector<std::thread> threads;
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1'000; ++n) times.count(1us);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(times.counts().count(), 20'000u);
  EXPECT_EQ(times.counts().sum_ns, 20'000'000u);
}

}  // namespace
}  // namespace braid::smb2
