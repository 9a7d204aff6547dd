#include "apps/braidd/thread_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace braid::braidd {
namespace {

using testing::HasSubstr;

config::Config with(uint32_t workers, uint32_t threads) {
  config::Config config;
  config.file = "braid.toml";
  config.server.workers = workers;
  config.server.threads = threads;
  return config;
}

TEST(ThreadLimit, CountGrowsWithWorkersAndThreads) {
  const uint64_t one = thread_count(with(1, 4).server);
  EXPECT_GT(one, 4u + 2 * pool_threads_of_share(with(1, 4).server));
  EXPECT_EQ(thread_count(with(3, 4).server) - 2, 3 * (one - 2));
  EXPECT_GT(thread_count(with(64, 256).server), 64u * 256u);
  // TasksMax= in packaging/braidd.service is above it.
  EXPECT_LE(thread_count(with(64, 256).server), 25'600u);
}

TEST(ThreadLimit, TooFewAreOneLineThatNamesTheLimit) {
  const uint64_t wanted = thread_count(with(2, 8).server);
  EXPECT_TRUE(check_thread_limit(with(2, 8), {wanted, "x"}));
  const auto checked = check_thread_limit(with(2, 8), {wanted - 1, "the machine (x)"});
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error(), HasSubstr("workers = 2, of 8 threads each, need "));
  EXPECT_THAT(checked.error(), HasSubstr("the machine (x) has "));
  EXPECT_THAT(checked.error(), HasSubstr("lower workers or threads in braid.toml"));
}

TEST(ThreadLimit, MachineHasRoomForOneWorker) {
  EXPECT_TRUE(check_thread_limit(with(1, 1), thread_room()));
}

}  // namespace
}  // namespace braid::braidd
