#include "auth/imported_sids.h"

#include <gtest/gtest.h>

#include <fstream>

#include "auth/id_mapper.h"
#include "auth/state_dir_testing.h"

namespace braid::auth {
namespace {

using Row = ImportedSids::Row;

TEST(ImportedSids, TextIsReadAsItIsWritten) {
  const auto all =
      ImportedSids::of({{.id = 1001, .rid = 1000}, {.is_group = true, .id = 100, .rid = 513}});
  ASSERT_TRUE(all);
  EXPECT_EQ(all->text(), "braid-sids 1\ngroup 100 513\nuser 1001 1000\n");
  const auto again = ImportedSids::parse(all->text());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->rid_of(false, 1001), 1000u);
  EXPECT_EQ(again->rid_of(true, 1001), std::nullopt);
  EXPECT_EQ(again->of_rid(513), (Row{.is_group = true, .id = 100, .rid = 513}));
}

TEST(ImportedSids, WhatIsNoSuchFileIsRefused) {
  for (const char* text :
       {"user 1 2\n", "braid-sids 2\n", "braid-sids 1\nuser 1\n", "braid-sids 1\nuser 1 2 3\n",
        "braid-sids 1\nuser x 2\n", "braid-sids 1\nother 1 2\n",
        "braid-sids 1\nuser 1 4294967295\n", "braid-sids 1\nuser 1 2\nuser 3 2\n",
        "braid-sids 1\nuser 1 2\nuser 1 3\n"}) {
    EXPECT_FALSE(ImportedSids::parse(text)) << text;
  }
}

class MapperWithImported : public testing::Test {
 protected:
  const wire::Sid domain_{5, {21, 1, 2, 3}};
  // alice had the RID that would be uid 1's, and the group one that would be gid 6's.
  const IdMapper ids_{
      domain_, "FILES",
      ImportedSids::of({{.id = 1001, .rid = 1002}, {.is_group = true, .id = 100, .rid = 1013}})
          .value()};
  wire::Sid rid(uint32_t value) const { return domain_.with_rid(value); }
};

TEST_F(MapperWithImported, WhoIsInItHasThatSid) {
  EXPECT_EQ(ids_.sid_of_uid(1001), rid(1002));
  EXPECT_EQ(ids_.uid_of(rid(1002)), 1001u);
  EXPECT_EQ(ids_.gid_of(rid(1002)), std::nullopt);
  EXPECT_EQ(ids_.sid_of_gid(100), rid(1013));
  EXPECT_EQ(ids_.gid_of(rid(1013)), 100u);
  EXPECT_EQ(ids_.uid_of(rid(1013)), std::nullopt);
}

TEST_F(MapperWithImported, WhoseSidIsTakenHasThatOfUnix) {
  const wire::Sid of_one{22, {1, 1}};
  EXPECT_EQ(ids_.sid_of_uid(1), of_one);
  EXPECT_EQ(ids_.uid_of(of_one), 1u);
  const wire::Sid of_six{22, {2, 6}};
  EXPECT_EQ(ids_.sid_of_gid(6), of_six);
  EXPECT_EQ(ids_.gid_of(of_six), 6u);
  // All others as ever.
  EXPECT_EQ(ids_.sid_of_uid(2000), rid(5000));
  EXPECT_EQ(ids_.uid_of(rid(5000)), 2000u);
}

TEST(ImportedSids, TheMapperReadsThemFromItsFolder) {
  const StateDir state;
  ASSERT_TRUE(IdMapper::open(state.path(), "FILES"));
  std::ofstream(state.path() + "/imported_sids") << "braid-sids 1\nuser 1001 1000\n";
  const auto ids = IdMapper::open(state.path(), "FILES");
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->sid_of_uid(1001), ids->domain_sid().with_rid(1000));
  std::ofstream(state.path() + "/imported_sids") << "nonsense\n";
  EXPECT_FALSE(IdMapper::open(state.path(), "FILES"));
}

}  // namespace
}  // namespace braid::auth
