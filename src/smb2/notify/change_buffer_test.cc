#include "smb2/notify/change_buffer.h"

#include <gtest/gtest.h>

#include "wire/utf16.h"

namespace braid::smb2 {
namespace {

using wire::FileAction;

void add(ChangeBuffer& buffer, FileAction action, std::string_view text) {
  ChangedName name(text, wire::utf16le_size(text));
  buffer.add(action, name);
}

std::vector<wire::FileNotifyInformation> changes_in(NotifyAnswer answer) {
  const auto changes = wire::decode_notify(answer.encode(1000));
  return changes ? *changes : std::vector<wire::FileNotifyInformation>{};
}

TEST(ChangeBuffer, GivesChangesInOrderAndOnce) {
  ChangeBuffer buffer(1000);
  add(buffer, FileAction::kAdded, "a");
  add(buffer, FileAction::kRemoved, "dir\\b");
  const NotifyAnswer answer = buffer.take();
  EXPECT_EQ(answer.status, NtStatus::kSuccess);
  EXPECT_EQ(changes_in(answer), (std::vector<wire::FileNotifyInformation>{
                                    {FileAction::kAdded, "a"}, {FileAction::kRemoved, "dir\\b"}}));
  EXPECT_TRUE(buffer.empty());
}

TEST(ChangeBuffer, RepeatedModificationIsOne) {
  ChangeBuffer buffer(1000);
  add(buffer, FileAction::kModified, "a");
  add(buffer, FileAction::kModified, "a");
  add(buffer, FileAction::kModified, "b");
  add(buffer, FileAction::kModified, "a");
  EXPECT_EQ(changes_in(buffer.take()).size(), 3u);
}

TEST(ChangeBuffer, RepeatedNameChangesStay) {
  ChangeBuffer buffer(1000);
  add(buffer, FileAction::kAdded, "a");
  add(buffer, FileAction::kAdded, "a");
  EXPECT_EQ(changes_in(buffer.take()).size(), 2u);
}

TEST(ChangeBuffer, OverflowIsToldOnceWithoutChanges) {
  ChangeBuffer buffer(40);
  add(buffer, FileAction::kAdded, "one");
  add(buffer, FileAction::kAdded, "two");
  add(buffer, FileAction::kAdded, "three");
  EXPECT_EQ(buffer.size(), 0u);
  const NotifyAnswer lost = buffer.take();
  EXPECT_EQ(lost.status, NtStatus::kNotifyEnumDir);
  EXPECT_TRUE(lost.changes.empty());
  EXPECT_TRUE(buffer.empty());
  add(buffer, FileAction::kAdded, "four");
  EXPECT_EQ(buffer.take().status, NtStatus::kSuccess);
}

TEST(ChangeBuffer, SmallerRequestThanBufferLosesWhatItHolds) {
  ChangeBuffer buffer(1000);
  add(buffer, FileAction::kAdded, "one");
  NotifyAnswer answer = buffer.take();
  EXPECT_TRUE(answer.encode(0).empty());
  EXPECT_EQ(answer.status, NtStatus::kNotifyEnumDir);
  EXPECT_TRUE(buffer.empty());
}

TEST(ChangeBuffer, FirstLengthZeroNeverHoldsAnything) {
  ChangeBuffer buffer(0);
  for (int i = 0; i < 2; ++i) {
    add(buffer, FileAction::kAdded, "one");
    EXPECT_FALSE(buffer.empty());
    EXPECT_EQ(buffer.take().status, NtStatus::kNotifyEnumDir);
  }
}

TEST(ChangeBuffer, CapacityHasABound) {
  ChangeBuffer buffer(~0u);
  for (int i = 0; i < 2000; ++i) add(buffer, FileAction::kAdded, std::string(200, 'x'));
  EXPECT_LE(buffer.size(), ChangeBuffer::kCapacityMax);
  EXPECT_EQ(buffer.take().status, NtStatus::kNotifyEnumDir);
}

// However many are told of it.
TEST(ChangeBuffer, NameIsMadeOnceForAll) {
  const std::string text(500, 'n');
  ChangedName name(text, 1000);
  ChangeBuffer small(1000), first(2000), second(2000);
  small.add(FileAction::kAdded, name);
  first.add(FileAction::kAdded, name);
  second.add(FileAction::kAdded, name);
  EXPECT_TRUE(small.is_lost());
  EXPECT_EQ(first.take().changes[0].name, second.take().changes[0].name) << "the same string";
}

}  // namespace
}  // namespace braid::smb2
