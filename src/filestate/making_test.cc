// Names that something new is about to have: whoever finds one waits for its maker.
#include <gtest/gtest.h>

#include "filestate/shared_tables_testing.h"

namespace braid::filestate {
namespace {

constexpr FileKey kOther{1, 200, 0};

struct Making : ::testing::Test, TestTable {
  OpenRequest named(const char* path) {
    OpenRequest wanted = request();
    wanted.path = std::make_shared<const std::string>(path);
    return wanted;
  }
};

TEST_F(Making, OpensOfTheNameWait) {
  auto making = table.begin_making("d\\n");
  ASSERT_TRUE(making);
  const OpenDecision waits = open(named("d\\n"));
  EXPECT_EQ(waits.decision.status, NtStatus::kDeletePending);
  EXPECT_TRUE(waits.deletes_purged);
  EXPECT_EQ(waits.waits_for, table.key_of_name("d\\n"));
  EXPECT_FALSE(table.is_open(kFile));
  EXPECT_EQ(open(named("n")).decision.verdict, Verdict::kGo) << "another name";
  OpenRequest maker = named("d\\n");
  maker.is_new = true;
  EXPECT_EQ(open(maker).decision.verdict, Verdict::kGo);
  making.reset();
  EXPECT_EQ(open(named("d\\n")).decision.verdict, Verdict::kGo);
}

// So that nobody finds names that stand for another's; but workers of one group compare them.
TEST_F(Making, NamesStandByAKeyThatOnlyTheirWorkersKnow) {
  const TestTable another;
  EXPECT_NE(table.key_of_name("d\\n"), another.table.key_of_name("d\\n"));
  const SharedTables shared;
  EXPECT_EQ(shared.tables[0]->key_of_name("d\\n"), shared.tables[1]->key_of_name("d\\n"));
}

TEST_F(Making, TheNameIsNotTaken) {
  const OpenRequest mover = request(7);
  open(mover, kOther);
  auto making = table.begin_making("n");
  const ReplaceDecision waits =
      table.begin_replace(kFile, "n", ref(mover, kOther), DeleteSemantics::kLastClose);
  EXPECT_TRUE(waits.taken_by);
  EXPECT_EQ(waits.waits_for, table.key_of_name("n"));
  making.reset();
  EXPECT_EQ(table.begin_replace(kFile, "n", ref(mover, kOther), DeleteSemantics::kLastClose)
                .decision.verdict,
            Verdict::kGo);
}

TEST_F(Making, SeveralNamesAndOneNameTwice) {
  auto first = table.begin_making("n");
  auto other = table.begin_making("m");
  auto second = table.begin_making("n");
  first.reset();
  EXPECT_TRUE(open(named("n")).deletes_purged);
  second.reset();
  EXPECT_FALSE(open(named("n")).deletes_purged);
  EXPECT_TRUE(open(named("m")).deletes_purged);
}

TEST_F(Making, TooManyAreToldToAskAgain) {
  std::vector<std::shared_ptr<const void>> all;
  for (size_t i = 0; i < store::NamesInMaking::kMax; ++i) {
    all.push_back(table.begin_making(std::to_string(i)));
    ASSERT_TRUE(all.back());
  }
  EXPECT_FALSE(table.begin_making("n"));
  all.pop_back();
  EXPECT_TRUE(table.begin_making("n"));
}

TEST(MakingInWorkers, OthersWaitForTheMakerAndNotForADeadOne) {
  SharedTables shared;
  const auto making = shared.tables[0]->begin_making("dir\\file");
  const OpenDecision waits = shared.open(1, shared.request(1));
  EXPECT_TRUE(waits.deletes_purged);
  EXPECT_EQ(waits.deleted_by, shared.workers.groups[0]->own_tag());
  shared.kill(0);
  EXPECT_EQ(shared.open(1, shared.request(1)).decision.verdict, Verdict::kGo);
}

}  // namespace
}  // namespace braid::filestate
