#include "smb2/notify/change_buffer.h"

#include <gtest/gtest.h>

namespace braid::smb2 {
namespace {

using wire::FileAction;

std::vector<wire::FileNotifyInformation> changes_in(const NotifyAnswer& answer) {
  const auto changes = wire::decode_notify(answer.changes);
  return changes ? *changes : std::vector<wire::FileNotifyInformation>{};
}

TEST(ChangeBuffer, GivesChangesInOrderAndOnce) {
  ChangeBuffer buffer(1000);
  buffer.add(FileAction::kAdded, "a");
  buffer.add(FileAction::kRemoved, "dir\\b");
  const NotifyAnswer answer = buffer.take(1000);
  EXPECT_EQ(answer.status, NtStatus::kSuccess);
  EXPECT_EQ(changes_in(answer), (std::vector<wire::FileNotifyInformation>{
                                    {FileAction::kAdded, "a"}, {FileAction::kRemoved, "dir\\b"}}));
  EXPECT_TRUE(buffer.empty());
}

TEST(ChangeBuffer, RepeatedModificationIsOne) {
  ChangeBuffer buffer(1000);
  buffer.add(FileAction::kModified, "a");
  buffer.add(FileAction::kModified, "a");
  buffer.add(FileAction::kModified, "b");
  buffer.add(FileAction::kModified, "a");
  EXPECT_EQ(changes_in(buffer.take(1000)).size(), 3u);
}

TEST(ChangeBuffer, RepeatedNameChangesStay) {
  ChangeBuffer buffer(1000);
  buffer.add(FileAction::kAdded, "a");
  buffer.add(FileAction::kAdded, "a");
  EXPECT_EQ(changes_in(buffer.take(1000)).size(), 2u);
}

TEST(ChangeBuffer, OverflowIsToldOnceWithoutChanges) {
  ChangeBuffer buffer(40);
  buffer.add(FileAction::kAdded, "one");
  buffer.add(FileAction::kAdded, "two");
  buffer.add(FileAction::kAdded, "three");
  EXPECT_EQ(buffer.size(), 0u);
  const NotifyAnswer lost = buffer.take(1000);
  EXPECT_EQ(lost.status, NtStatus::kNotifyEnumDir);
  EXPECT_TRUE(lost.changes.empty());
  EXPECT_TRUE(buffer.empty());
  buffer.add(FileAction::kAdded, "four");
  EXPECT_EQ(buffer.take(1000).status, NtStatus::kSuccess);
}

TEST(ChangeBuffer, SmallerRequestThanBufferLosesWhatItHolds) {
  ChangeBuffer buffer(1000);
  buffer.add(FileAction::kAdded, "one");
  EXPECT_EQ(buffer.take(0).status, NtStatus::kNotifyEnumDir);
  EXPECT_TRUE(buffer.empty());
}

TEST(ChangeBuffer, FirstLengthZeroNeverHoldsAnything) {
  ChangeBuffer buffer(0);
  for (int i = 0; i < 2; ++i) {
    buffer.add(FileAction::kAdded, "one");
    EXPECT_FALSE(buffer.empty());
    EXPECT_EQ(buffer.take(1000).status, NtStatus::kNotifyEnumDir);
  }
}

TEST(ChangeBuffer, CapacityHasABound) {
  ChangeBuffer buffer(~0u);
  for (int i = 0; i < 2000; ++i) buffer.add(FileAction::kAdded, std::string(200, 'x'));
  EXPECT_LE(buffer.size(), ChangeBuffer::kCapacityMax);
  EXPECT_EQ(buffer.take(~0u).status, NtStatus::kNotifyEnumDir);
}

}  // namespace
}  // namespace braid::smb2
