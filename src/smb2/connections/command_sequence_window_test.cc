#include "smb2/connections/command_sequence_window.h"

#include <gtest/gtest.h>

namespace braid::smb2 {
namespace {

TEST(CommandSequenceWindow, IdIsUsableOnce) {
  CommandSequenceWindow window;
  EXPECT_TRUE(window.take(MessageId{0}, 1));
  EXPECT_FALSE(window.take(MessageId{0}, 1));
  EXPECT_FALSE(window.take(MessageId{1}, 1));
}

TEST(CommandSequenceWindow, RangeOutsideTheWindowTakesNothing) {
  CommandSequenceWindow window;
  ASSERT_TRUE(window.take(MessageId{0}, 1));
  EXPECT_EQ(window.grant(8, 1, true), 8);
  EXPECT_FALSE(window.take(MessageId{5}, 5));
  EXPECT_TRUE(window.take(MessageId{5}, 4));
  EXPECT_FALSE(window.take(MessageId{~uint64_t{0}}, 2));
}

TEST(CommandSequenceWindow, OutOfOrderIdsAreTaken) {
  CommandSequenceWindow window;
  ASSERT_TRUE(window.take(MessageId{0}, 1));
  window.grant(4, 1, true);
  EXPECT_TRUE(window.take(MessageId{3}, 1));
  EXPECT_TRUE(window.take(MessageId{1}, 1));
  EXPECT_EQ(window.low(), 2u);
  EXPECT_TRUE(window.take(MessageId{2}, 1));
  EXPECT_EQ(window.low(), 4u);
}

TEST(CommandSequenceWindow, SkippedIdStopsGrantsAtTheMaximum) {
  CommandSequenceWindow window;
  ASSERT_TRUE(window.take(MessageId{0}, 1));
  uint64_t granted = 0;
  for (int i = 0; i < 20; ++i) granted += window.grant(1000, 1, true);
  EXPECT_EQ(granted, kCreditsMax);
  for (uint64_t id = 2; id <= kCreditsMax; ++id) ASSERT_TRUE(window.take(MessageId{id}, 1));
  EXPECT_EQ(window.grant(1, 1, true), 0);
  EXPECT_TRUE(window.take(MessageId{1}, 1));
  EXPECT_GE(window.grant(1, 1, true), 1);
}

TEST(CommandSequenceWindow, NothingMoreThanTheChargeBeforeAuthentication) {
  CommandSequenceWindow window;
  ASSERT_TRUE(window.take(MessageId{0}, 1));
  EXPECT_EQ(window.grant(500, 1, false), 1);
}

}  // namespace
}  // namespace braid::smb2
