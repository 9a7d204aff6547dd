#include "smb2/security/evaluate.h"

#include <gtest/gtest.h>

#include "smb2/security/inherit.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::allow;
using wire::deny;
namespace flag = wire::ace_flag;
namespace control = wire::sd_control;

const wire::Sid kAlice(5, {21, 1, 2, 3, 1000});
const wire::Sid kBob(5, {21, 1, 2, 3, 1002});
const wire::Sid kStaff(5, {21, 1, 2, 3, 1001});
const std::vector<wire::Sid> kGroups{kStaff, wire::sids::kEveryone};

AccessToken alice() { return {.user = kAlice, .groups = kGroups}; }

wire::SecurityDescriptor with(std::vector<wire::Ace> aces, const wire::Sid& owner = kBob) {
  wire::SecurityDescriptor descriptor;
  descriptor.control |= control::kDaclPresent;
  descriptor.owner = owner;
  descriptor.group = kStaff;
  descriptor.dacl = wire::Acl{.aces = std::move(aces)};
  return descriptor;
}

TEST(Evaluate, AnEmptyListGrantsNothingAndTheNullListEverything) {
  wire::SecurityDescriptor descriptor = with({});
  EXPECT_EQ(granted_by(descriptor, alice()), 0u);
  descriptor.dacl.reset();
  EXPECT_EQ(granted_by(descriptor, alice()), Access::kFileAllAccess);
}

TEST(Evaluate, TheFirstEntryThatSpeaksOfARightDecides) {
  EXPECT_EQ(granted_by(with({deny(kStaff, 2), allow(kAlice, 3)}), alice()), 1u);
  EXPECT_EQ(granted_by(with({allow(kAlice, 3), deny(kStaff, 2)}), alice()), 3u);
}

TEST(Evaluate, EntriesForOthersAndInheritOnlyEntriesDoNotCount) {
  EXPECT_EQ(granted_by(with({allow(kBob, 1), allow(kAlice, 2, flag::kInheritOnly)}), alice()), 0u);
  EXPECT_EQ(granted_by(with({deny(kAlice, 4, flag::kInheritOnly), allow(kAlice, 4)}), alice()), 4u);
}

TEST(Evaluate, TheOwnerReadsAndChangesTheDescriptorWhateverTheListDenies) {
  const auto descriptor = with({deny(kAlice, Access::kFileAllAccess)}, kAlice);
  EXPECT_EQ(granted_by(descriptor, alice()), Access::kReadControl | Access::kWriteDac);
}

TEST(Evaluate, AnEntryForOwnerRightsReplacesWhatTheOwnerHasBySelf) {
  const auto descriptor = with({allow(wire::sids::kOwnerRights, 1), allow(kAlice, 8)}, kAlice);
  EXPECT_EQ(granted_by(descriptor, alice()), 9u);
  EXPECT_EQ(granted_by(with({allow(wire::sids::kOwnerRights, 1)}), alice()), 0u);
}

TEST(Evaluate, AConditionNobodyCanTestAllowsNothingAndDenies) {
  wire::Ace allowed = allow(kAlice, 1);
  allowed.type = wire::AceType::kAccessAllowedCallback;
  EXPECT_EQ(granted_by(with({allowed}), alice()), 0u);
  wire::Ace denied = deny(kAlice, 1);
  denied.type = wire::AceType::kAccessDeniedCallback;
  EXPECT_EQ(granted_by(with({denied, allow(kAlice, 3)}), alice()), 2u);
}

TEST(Evaluate, PrivilegesAreForAdministratorsOnly) {
  AccessToken token = alice();
  EXPECT_EQ(granted_by_privilege(token), 0u);
  token.is_admin = true;
  EXPECT_EQ(granted_by_privilege(token), Access::kAccessSystemSecurity | Access::kWriteOwner);
}

struct InheritanceCase {
  uint8_t parent;
  bool is_directory;
  std::vector<uint8_t> child;  // flags of the entries made
};

// [MS-DTYP] 2.5.3.4.4, the table; a directory keeps an entry that both acts and is passed on.
TEST(Inherit, FlagsOfTheChild) {
  constexpr uint8_t oi = flag::kObjectInherit, ci = flag::kContainerInherit,
                    np = flag::kNoPropagateInherit, io = flag::kInheritOnly;
  const std::vector<InheritanceCase> cases{
      {0, true, {}},
      {0, false, {}},
      {io, true, {}},
      {oi, true, {oi | io}},
      {oi, false, {0}},
      {oi | np, true, {}},
      {oi | np, false, {0}},
      {ci, true, {ci}},
      {ci, false, {}},
      {ci | np, true, {0}},
      {ci | oi, false, {0}},
      {ci | oi, true, {static_cast<uint8_t>(ci | oi)}},
      {ci | oi | np, true, {0}},
      {ci | oi | io, true, {static_cast<uint8_t>(ci | oi)}},
  };
  for (const InheritanceCase& each : cases) {
    const wire::Acl parent{.aces = {allow(kAlice, 1, each.parent)}};
    const auto made = inherited_list(parent, each.is_directory, false, kBob, kStaff);
    std::vector<uint8_t> flags;
    for (const wire::Ace& ace : made.aces) flags.push_back(ace.flags);
    EXPECT_EQ(flags, each.child) << "parent " << int{each.parent} << " dir " << each.is_directory;
  }
}

TEST(Inherit, CreatorOwnerBecomesTheOwnerAndIsPassedOn) {
  const wire::Acl parent{
      .aces = {allow(wire::sids::kCreatorOwner, Access::kGenericRead, flag::kContainerInherit)}};
  const auto made = inherited_list(parent, true, false, kAlice, kStaff);
  ASSERT_EQ(made.aces.size(), 2u);
  EXPECT_EQ(made.aces[0], allow(kAlice, Access::kFileGenericRead));
  EXPECT_EQ(made.aces[1], allow(wire::sids::kCreatorOwner, Access::kGenericRead,
                                flag::kContainerInherit | flag::kInheritOnly));
}

TEST(Inherit, EntriesAreMarkedWhereTheParentInheritsByItself) {
  auto parent = with({allow(kAlice, 1, flag::kObjectInherit)});
  auto made = new_descriptor(&parent, nullptr, false, kAlice, kStaff);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->dacl->aces[0].flags, 0);
  EXPECT_FALSE(made->control & control::kDaclAutoInherited);
  parent.control |= control::kDaclAutoInherited;
  made = new_descriptor(&parent, nullptr, false, kAlice, kStaff);
  EXPECT_EQ(made->dacl->aces[0].flags, flag::kInherited);
  EXPECT_TRUE(made->control & control::kDaclAutoInherited);
}

TEST(Inherit, NothingIsMadeOfNothing) {
  const auto parent = with({allow(kAlice, 1)});
  EXPECT_FALSE(new_descriptor(&parent, nullptr, true, kAlice, kStaff));
}

TEST(Inherit, AnOwnerAloneDoesNotOpenTheFileToEveryone) {
  wire::SecurityDescriptor creator;
  creator.owner = kAlice;
  const auto made = new_descriptor(nullptr, &creator, false, kBob, kStaff);
  ASSERT_TRUE(made && made->dacl);
  EXPECT_EQ(granted_by(*made, {.user = kBob}), 0u);
  EXPECT_EQ(granted_by(*made, alice()), Access::kFileAllAccess);
}

}  // namespace
}  // namespace braid::smb2
