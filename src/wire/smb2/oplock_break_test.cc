#include "wire/smb2/oplock_break.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/smb2/captures_testing.h"
#include "wire/smb2/header.h"

namespace braid::wire {
namespace {

TEST(OplockBreak, NotificationsOfSmbdAreToldApart) {
  const Bytes oplock_message = unhex(captures::kOplockBreakNotification);
  Reader oplock_reader(oplock_message, Header::kSize);
  const auto oplock = decode_break_notification(oplock_reader);
  ASSERT_TRUE(oplock);
  ASSERT_TRUE(std::holds_alternative<OplockBreakNotification>(*oplock));
  EXPECT_EQ(std::get<OplockBreakNotification>(*oplock).oplock_level, OplockLevel::kLevelIi);
  const Bytes lease_message = unhex(captures::kLeaseBreakNotification);
  Reader lease_reader(lease_message, Header::kSize);
  const auto lease = decode_break_notification(lease_reader);
  ASSERT_TRUE(lease);
  const auto& notification = std::get<LeaseBreakNotification>(*lease);
  EXPECT_EQ(notification.flags, LeaseBreakNotification::kFlagAckRequired);
  EXPECT_EQ(notification.current_lease_state, LeaseState::kReadCaching | LeaseState::kWriteCaching);
  EXPECT_EQ(notification.new_lease_state, LeaseState::kReadCaching);
}

TEST(OplockBreak, AcknowledgmentsOfSmbtortureAreToldApart) {
  const Bytes lease_message = unhex(captures::kLeaseBreakAcknowledgment);
  Reader lease_reader(lease_message, Header::kSize);
  const auto lease = decode_break_acknowledgment(lease_reader);
  ASSERT_TRUE(lease);
  EXPECT_EQ(std::get<LeaseBreakAcknowledgment>(*lease).lease_state, LeaseState::kReadCaching);
  const Bytes oplock_message = unhex(captures::kOplockBreakAcknowledgment);
  Reader oplock_reader(oplock_message, Header::kSize);
  const auto oplock = decode_break_acknowledgment(oplock_reader);
  ASSERT_TRUE(oplock);
  EXPECT_TRUE(std::holds_alternative<OplockBreakAcknowledgment>(*oplock));
}

TEST(OplockBreak, OtherSizesAreMalformed) {
  const Bytes body = unhex("2D00 0000 00000000");
  Reader r(body);
  EXPECT_EQ(decode_break_acknowledgment(r).error(), Error::malformed());
  const Bytes cut = unhex("18");
  Reader cut_reader(cut);
  EXPECT_EQ(decode_break_acknowledgment(cut_reader).error(), Error::truncated());
}

}  // namespace
}  // namespace braid::wire
