#include "smb2/security/unix_change.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "smb2/security/evaluate.h"
#include "smb2/security/unix_mapping.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::allow;
using wire::deny;
using wire::SecurityDescriptor;
using wire::Sid;

const auth::IdMapper kChangeIds(Sid(5, {21, 1, 2, 3}), "SERVER");
const Sid kOwnersSid = kChangeIds.sid_of_uid(1000), kGroupsSid = kChangeIds.sid_of_gid(100);
const Sid kAnybody = wire::sids::kEveryone, kElsewhere(5, {21, 7, 7, 7, 77});
constexpr uint32_t kAppends = Access::kFileGenericRead | Access::kFileAppendData;

SecurityDescriptor unix_mode(uint32_t mode, uid_t uid = 1000) {
  vfs::Attributes attributes;
  attributes.kind = vfs::Kind::kFile;
  attributes.mode = mode;
  attributes.uid = uid;
  attributes.gid = 100;
  return descriptor_of_unix(attributes, PosixAcl::of_mode(mode), {}, kChangeIds);
}

SecurityDescriptor stored_with(std::vector<wire::Ace> aces) {
  SecurityDescriptor descriptor = unix_mode(0666);
  descriptor.dacl->aces = std::move(aces);
  return descriptor;
}

SecurityDescriptor changed_bits(const SecurityDescriptor& stored, uint32_t before, uint32_t now) {
  return after_unix_change(stored, stored, unix_mode(before), unix_mode(now));
}

uint32_t rights_under(const SecurityDescriptor& descriptor, const Sid& sid,
                      std::vector<Sid> groups = {}) {
  groups.push_back(kAnybody);
  return granted_by(descriptor, {.user = sid, .groups = groups});
}

bool writes_over(const SecurityDescriptor& descriptor, const Sid& sid,
                 std::vector<Sid> groups = {}) {
  return (rights_under(descriptor, sid, std::move(groups)) & Access::kFileWriteData) != 0;
}

const Sid kStranger = kChangeIds.sid_of_uid(4711);

TEST(UnixChange, WhoseBitsStayKeepsWhatTheDescriptorSays) {
  const auto stored =
      stored_with({deny(kElsewhere, Access::kDelete), allow(kOwnersSid, Access::kFileAllAccess),
                   allow(kGroupsSid, kAppends), allow(kAnybody, kAppends)});
  const auto now = changed_bits(stored, 0666, 0766);
  EXPECT_FALSE(writes_over(now, kStranger));
  EXPECT_FALSE(writes_over(now, kStranger, {kGroupsSid}));
  EXPECT_TRUE(writes_over(now, kOwnersSid));
  EXPECT_EQ(now.dacl->aces.front(), deny(kElsewhere, Access::kDelete));
  EXPECT_EQ(changed_bits(stored, 0666, 0666).dacl->aces.size(), stored.dacl->aces.size());
}

TEST(UnixChange, WhoseBitsChangeHasWhatTheySay) {
  const auto stored = stored_with({deny(kAnybody, Access::kFileWriteData),
                                   allow(kOwnersSid, Access::kFileAllAccess),
                                   allow(kGroupsSid, kAppends), allow(kAnybody, kAppends)});
  const auto narrower = changed_bits(stored, 0666, 0664);
  EXPECT_FALSE(rights_under(narrower, kStranger) & Access::kFileAppendData);
  EXPECT_TRUE(rights_under(narrower, kStranger) & Access::kFileReadData);
  // And back: that is what was asked for.
  const auto back = changed_bits(narrower, 0664, 0666);
  EXPECT_TRUE(writes_over(back, kStranger));
  EXPECT_FALSE(changed_bits(stored, 0666, 0606).dacl->aces.empty());
  EXPECT_FALSE(rights_under(changed_bits(stored, 0666, 0606), kStranger, {kGroupsSid}) &
               Access::kFileReadData);
}

TEST(UnixChange, AnotherOwnerHasTheBitsAndTheOldOneNothingOfHis) {
  const auto stored =
      stored_with({allow(kOwnersSid, Access::kFileAllAccess), allow(kGroupsSid, kAppends)});
  const auto now = after_unix_change(stored, stored, unix_mode(0640, 1000), unix_mode(0640, 4711));
  EXPECT_EQ(now.owner, kStranger);
  EXPECT_EQ(rights_under(now, kStranger), Access::kFileAllAccess);
  EXPECT_FALSE(writes_over(now, kOwnersSid));
}

TEST(UnixChange, WhatIsPassedOnStays) {
  constexpr uint8_t kBoth = wire::ace_flag::kObjectInherit | wire::ace_flag::kContainerInherit;
  const auto stored = stored_with(
      {allow(kOwnersSid, Access::kFileAllAccess, kBoth), allow(kAnybody, kAppends, kBoth),
       allow(kElsewhere, kAppends, kBoth | wire::ace_flag::kInheritOnly)});
  const auto now = changed_bits(stored, 0666, 0660);
  size_t passed_on = 0;
  for (const wire::Ace& ace : now.dacl->aces) passed_on += (ace.flags & kBoth) == kBoth;
  EXPECT_EQ(passed_on, 3u);
  EXPECT_FALSE(rights_under(now, kStranger) & Access::kFileReadData);
}

TEST(UnixChange, WithoutAListTheModeIsAll) {
  SecurityDescriptor stored = stored_with({});
  stored.dacl.reset();
  EXPECT_FALSE(rights_under(changed_bits(stored, 0666, 0600), kStranger) & Access::kFileReadData);
}

}  // namespace
}  // namespace braid::smb2
