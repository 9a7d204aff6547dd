// What local programs take, and what of a grant cannot be had: vfs/local_guard.h.
#include <gtest/gtest.h>

#include "filestate/file_table_testing.h"

namespace braid::filestate {
namespace {

struct LocalAccess : ::testing::Test, TestTable {
  std::string keep(const OpenRequest& of, const OpenDecision& granted, std::string_view kept) {
    const OpenDecision now = table.keep_only(ref(of), caching(kept), granted.before);
    return now.lease ? letters(now.lease->state) : letters(caching_of(now.oplock));
  }
};

TEST_F(LocalAccess, WhatWasJustGrantedIsTakenBackWithoutAWord) {
  const OpenRequest first = lease(1, "RWH", 5);
  const OpenDecision granted = open(first);
  EXPECT_EQ(keep(first, granted, "RWH"), "RWH");
  EXPECT_EQ(keep(first, granted, "RH"), "RH");
  EXPECT_EQ(keep(first, granted, ""), "");
  const OpenRequest second = oplock(OplockLevel::kBatch, 2);
  const OpenDecision batch = open(second);
  EXPECT_EQ(keep(second, batch, "RH"), "R");
  EXPECT_EQ(letters(table.held(kFile)), "R");
  EXPECT_EQ(sink.take_breaks(), "");
}

TEST_F(LocalAccess, WhatTheClientKnowsOfIsBroken) {
  const OpenRequest first = lease(1, "RH");
  EXPECT_EQ(letters(open(first).before), "");
  const OpenRequest second = lease(1, "RWH");
  const OpenDecision upgraded = open(second);
  EXPECT_EQ(letters(upgraded.before), "RH");
  ASSERT_EQ(letters(upgraded.lease->state), "RWH");
  EXPECT_EQ(keep(second, upgraded, "RH"), "RH");
  EXPECT_EQ(sink.take_breaks(), "") << "of the W nobody was told";
  EXPECT_EQ(keep(second, upgraded, ""), "RH");
  EXPECT_EQ(sink.take_breaks(), "1: RH-> ack");
  EXPECT_EQ(ack(1, ""), NtStatus::kSuccess);
  EXPECT_EQ(letters(table.held(kFile)), "");
}

TEST_F(LocalAccess, TakesFromAllAndTellsWhenItIsGone) {
  open(lease(1, "RH"));
  open(lease(2, "R", -1, 2));
  table.take_for_local(kFile, caching("W"));
  EXPECT_EQ(sink.take_breaks(), "");
  table.take_for_local(kFile, caching("RWH"));
  EXPECT_EQ(sink.take_breaks(), "2: R->; 1: RH-> ack");
  EXPECT_EQ(letters(table.held(kFile)), "RH");
  table.take_for_local(kFile, caching("RWH"));
  EXPECT_EQ(sink.take_breaks(), "") << "it was asked already";
  EXPECT_EQ(ack(1, ""), NtStatus::kSuccess);
  EXPECT_EQ(letters(table.held(kFile)), "");
}

TEST_F(LocalAccess, HoldersAreNamedByTheirAccounts) {
  OpenRequest first = lease(1, "RWH");
  first.account = Account{7};
  open(first);
  EXPECT_EQ(table.holders(kFile, caching("W")), std::vector{Account{7}});
  table.take_for_local(kFile, caching("W"));
  EXPECT_EQ(table.holders(kFile, caching("W")), std::vector{Account{7}}) << "not acknowledged";
  EXPECT_EQ(ack(1, "RH"), NtStatus::kSuccess);
  EXPECT_TRUE(table.holders(kFile, caching("W")).empty());
  OpenRequest second = lease(2, "R", -1, 2);
  second.account = Account{9};
  open(second);
  auto both = table.holders(kFile, caching("RWH"));
  std::ranges::sort(both);
  EXPECT_EQ(both, (std::vector{Account{7}, Account{9}}));
  EXPECT_TRUE(table.holders(FileKey{9, 9, 9}, caching("RWH")).empty());
}

TEST_F(LocalAccess, ReaderTakesWriteCachingOnly) {
  open(lease(1, "RWH"));
  table.take_for_local(kFile, caching("W"));
  EXPECT_EQ(sink.take_breaks(), "1: RWH->RH ack");
  EXPECT_EQ(letters(table.held(kFile)), "RWH");
  EXPECT_EQ(ack(1, "RH"), NtStatus::kSuccess);
  EXPECT_EQ(letters(table.held(kFile)), "RH");
}

TEST_F(LocalAccess, DisconnectedOpensGiveWay) {
  const OpenRequest first = oplock(OplockLevel::kBatch);
  open(first);
  ASSERT_TRUE(table.set_durability(ref(first), Durability::kDurable));
  ASSERT_TRUE(table.disconnect(ref(first)));
  table.take_for_local(kFile, caching("RWH"));
  EXPECT_EQ(sink.purges.size(), 1u);
  EXPECT_EQ(letters(table.held(kFile)), "");
}

TEST_F(LocalAccess, OfWhatIsNotOpenNothingIsTaken) {
  table.take_for_local(kFile, caching("RWH"));
  EXPECT_EQ(letters(table.held(kFile)), "");
  EXPECT_EQ(sink.take_breaks(), "");
}

}  // namespace
}  // namespace braid::filestate
