#include "auth/id_mapper.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "auth/state_complaint.h"
#include "auth/state_dir_testing.h"

namespace braid::auth {
namespace {

const wire::Sid kDomain(5, {21, 1, 2, 3});

class IdMapperTest : public testing::Test {
 protected:
  const IdMapper ids_{kDomain, "BRAID"};
};

TEST_F(IdMapperTest, IdsComeBack) {
  for (uint32_t id : {0u, 1u, 1000u, 65534u, 2147483146u, 2147483147u, 4294967294u}) {
    EXPECT_EQ(ids_.uid_of(ids_.sid_of_uid(id)), id);
    EXPECT_EQ(ids_.gid_of(ids_.sid_of_gid(id)), id);
    EXPECT_EQ(ids_.gid_of(ids_.sid_of_uid(id)), std::nullopt) << id;
    EXPECT_EQ(ids_.uid_of(ids_.sid_of_gid(id)), std::nullopt) << id;
  }
  EXPECT_EQ(ids_.sid_of_uid(1000).to_string(), "S-1-5-21-1-2-3-3000");
  EXPECT_EQ(ids_.sid_of_gid(1000).to_string(), "S-1-5-21-1-2-3-3001");
  EXPECT_EQ(ids_.sid_of_uid(0).to_string(), "S-1-5-21-1-2-3-500");
  EXPECT_EQ(ids_.sid_of_uid(4294967294u).to_string(), "S-1-22-1-4294967294");
}

TEST_F(IdMapperTest, UnixAndNfsSidsAreUnderstood) {
  EXPECT_EQ(ids_.uid_of(wire::Sid(22, {1, 1000})), 1000u);
  EXPECT_EQ(ids_.gid_of(wire::Sid(22, {2, 1000})), 1000u);
  EXPECT_EQ(ids_.uid_of(wire::Sid(5, {88, 1, 1000})), 1000u);
  EXPECT_EQ(ids_.gid_of(wire::Sid(5, {88, 2, 1000})), 1000u);
}

TEST_F(IdMapperTest, WhatIsNotOursIsUnmapped) {
  EXPECT_FALSE(ids_.uid_of(wire::Sid(5, {21, 1, 2, 4, 3000})));
  EXPECT_FALSE(ids_.uid_of(kDomain));
  EXPECT_FALSE(ids_.uid_of(kDomain.with_rid(999)));
  EXPECT_FALSE(ids_.uid_of(kDomain.with_rid(1000)));
  EXPECT_FALSE(ids_.uid_of(wire::Sid(22, {1, std::numeric_limits<uint32_t>::max()})));
  EXPECT_FALSE(ids_.uid_of(wire::sids::kEveryone));
}

TEST_F(IdMapperTest, Names) {
  EXPECT_EQ(ids_.name_of(wire::sids::kEveryone)->name, "Everyone");
  EXPECT_EQ(ids_.name_of(wire::sids::kAdministrators)->domain, "BUILTIN");
  EXPECT_EQ(ids_.name_of(kDomain)->use, SidNameUse::kDomain);
  const auto root = ids_.name_of(ids_.sid_of_uid(0));
  ASSERT_TRUE(root);
  EXPECT_EQ(root->domain + "\\" + root->name, "BRAID\\root");
  EXPECT_EQ(ids_.name_of(wire::Sid(22, {1, 0}))->domain, "Unix User");
  EXPECT_EQ(ids_.name_of(ids_.sid_of_gid(0))->use, SidNameUse::kGroup);
  EXPECT_EQ(ids_.name_of(wire::Sid(9, {1})).error(), Error(NtStatus::kNoneMapped));
}

TEST_F(IdMapperTest, FindName) {
  EXPECT_EQ(ids_.find_name("everyone")->sid, wire::sids::kEveryone);
  EXPECT_EQ(ids_.find_name("builtin\\ADMINISTRATORS")->sid, wire::sids::kAdministrators);
  EXPECT_EQ(ids_.find_name("braid\\root")->sid, ids_.sid_of_uid(0));
  EXPECT_EQ(ids_.find_name("Unix User\\root")->sid, wire::Sid(22, {1, 0}));
  EXPECT_FALSE(ids_.find_name("ELSEWHERE\\root"));
  EXPECT_FALSE(ids_.find_name("no-such-name-here"));
  EXPECT_FALSE(ids_.find_name(""));
}

TEST(IdMapper, DomainIsDrawnOnceAndKept) {
  const StateDir dir;
  const auto first = IdMapper::open(dir.path(), "A");
  const auto second = IdMapper::open(dir.path(), "A");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->domain_sid(), second->domain_sid());
  std::ofstream(dir.path() + "/domain_sid") << "S-1-5-32\n";
  const auto damaged = IdMapper::open(dir.path(), "A");
  ASSERT_FALSE(damaged);
  EXPECT_TRUE(state_complaint(dir.path(), damaged.error(), "braid.toml")
                  .starts_with(dir.path() + "/domain_sid is damaged; "));
  const StateDir other;
  EXPECT_NE(IdMapper::open(other.path(), "A")->domain_sid(), first->domain_sid());
}

}  // namespace
}  // namespace braid::auth
