#include "base/memory_budget.h"

#include <gtest/gtest.h>

#include <thread>

namespace braid {
namespace {

constexpr uint64_t kMiB = 1u << 20;

struct MemoryBudgetTest : testing::Test {
  std::shared_ptr<MemoryAccount> known(const std::string& address, const std::string& user) {
    auto account = budget->open_account(address);
    if (account) account->became_known(user);
    return account;
  }
  // As many charges of `size` as are given.
  static std::vector<MemoryCharge> all_of(MemoryAccount& account, size_t size,
                                          MemoryUse use = MemoryUse::kAnswer) {
    std::vector<MemoryCharge> charges;
    while (auto charge = account.try_take(size, use)) charges.push_back(std::move(*charge));
    return charges;
  }
  static uint64_t total(const std::vector<MemoryCharge>& charges) {
    uint64_t sum = 0;
    for (const auto& charge : charges) sum += charge.size();
    return sum;
  }
  std::shared_ptr<MemoryBudget> budget = MemoryBudget::make(240 * kMiB);
};

TEST_F(MemoryBudgetTest, ChargesGoWithWhatHoldsThem) {
  const auto account = known("a", "user");
  EXPECT_EQ(budget->used(), MemoryAccount::kOwn);
  auto charge = account->try_take(kMiB, MemoryUse::kAnswer);
  ASSERT_TRUE(charge);
  EXPECT_EQ(account->used(), kMiB);
  EXPECT_GE(budget->used(), kMiB);
  MemoryCharge moved = std::move(*charge);
  charge.reset();
  EXPECT_EQ(account->used(), kMiB);
  moved.shrink_to(1000);
  EXPECT_EQ(account->used(), 1000u);
  moved.merge(account->take(24));
  EXPECT_EQ(moved.size(), 1024u);
  moved.release();
  EXPECT_EQ(account->used(), 0u);
  EXPECT_EQ(budget->used(), MemoryAccount::kOwn);
}

TEST_F(MemoryBudgetTest, ConnectionThatIsGoneHoldsNothing) {
  {
    const auto charge = known("a", "user")->take(kMiB);
    EXPECT_GE(budget->used(), kMiB);
  }
  budget->open_account("b");
  EXPECT_EQ(budget->used(), 0u);
  EXPECT_EQ(budget->used_before_logon(), 0u);
}

TEST_F(MemoryBudgetTest, OneUserHasAQuarterHoweverManyConnections) {
  std::vector<std::shared_ptr<MemoryAccount>> accounts;
  uint64_t held = 0;
  std::vector<std::vector<MemoryCharge>> charges;
  for (int i = 0; i < 20; ++i) {
    accounts.push_back(known(std::to_string(i), "user"));
    charges.push_back(all_of(*accounts.back(), kMiB));
    held += total(charges.back());
  }
  EXPECT_LE(held, 65 * kMiB);
  EXPECT_GE(held, 60 * kMiB);
}

TEST_F(MemoryBudgetTest, OneAddressHasAQuarterHoweverManyUsers) {
  std::vector<std::shared_ptr<MemoryAccount>> accounts;
  uint64_t held = 0;
  std::vector<std::vector<MemoryCharge>> charges;
  for (int i = 0; i < 20; ++i) {
    accounts.push_back(known("a", std::to_string(i)));
    charges.push_back(all_of(*accounts.back(), kMiB));
    held += total(charges.back());
  }
  EXPECT_LE(held, 65 * kMiB);
}

TEST_F(MemoryBudgetTest, AddressWhoseShareIsTakenCanStillLogOn) {
  const auto greedy = known("a", "user");
  const auto charges = all_of(*greedy, 64 << 10);
  const auto second = budget->open_account("a");
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->try_take(100 << 10, MemoryUse::kLasting));
}

// Whoever comes after fifty that took all they could still gets something.
TEST_F(MemoryBudgetTest, SomethingIsLeftForWhoComesNext) {
  budget->set_limit(1024 * kMiB);
  std::vector<std::shared_ptr<MemoryAccount>> accounts;
  std::vector<std::vector<MemoryCharge>> charges;
  for (int i = 0; i < 50; ++i) {
    // Three connections each, as one may not have all that its user may.
    for (int j = 0; j < 3; ++j) {
      accounts.push_back(known(std::to_string(i), std::to_string(i)));
      ASSERT_TRUE(accounts.back());
      charges.push_back(all_of(*accounts.back(), 64 << 10));
    }
  }
  EXPECT_TRUE(budget->is_short());
  EXPECT_LT(budget->used(), budget->limit());
  const auto late = known("late", "late");
  ASSERT_TRUE(late);
  EXPECT_GE(total(all_of(*late, 64 << 10)), 2 * kMiB - (64 << 10));
}

TEST_F(MemoryBudgetTest, ConnectionHasALimitOfItsOwn) {
  budget->set_limit(4096 * kMiB);
  const auto account = known("a", "user");
  EXPECT_EQ(total(all_of(*account, kMiB)), MemoryAccount::kConnectionMax);
}

TEST_F(MemoryBudgetTest, WhatLastsAndWhatComesInLeaveRoomForAnswers) {
  budget->set_limit(4096 * kMiB);
  const auto account = known("a", "user");
  const auto lasting = all_of(*account, kMiB, MemoryUse::kLasting);
  EXPECT_EQ(total(lasting), MemoryAccount::kConnectionMax / 2);
  const auto frames = all_of(*account, kMiB, MemoryUse::kFrame);
  EXPECT_EQ(total(frames), MemoryAccount::kConnectionMax / 4);
  EXPECT_EQ(total(all_of(*account, kMiB)), MemoryAccount::kConnectionMax / 4);
}

TEST_F(MemoryBudgetTest, WhoHasMuchUnderWayCanStillOpenAFile) {
  const auto account = known("a", "user");
  const auto answers = all_of(*account, 64 << 10);
  EXPECT_FALSE(account->try_take(64 << 10, MemoryUse::kAnswer));
  EXPECT_TRUE(account->try_take(64 << 10, MemoryUse::kLasting));
  // The same over another connection.
  EXPECT_TRUE(known("a", "user")->try_take(64 << 10, MemoryUse::kLasting));
}

TEST_F(MemoryBudgetTest, WhatLastsIsAHalfOfAUsersShareOverAllConnections) {
  std::vector<std::shared_ptr<MemoryAccount>> accounts;
  std::vector<std::vector<MemoryCharge>> charges;
  uint64_t held = 0;
  for (int i = 0; i < 5; ++i) {
    accounts.push_back(known("a", "user"));
    charges.push_back(all_of(*accounts.back(), 64 << 10, MemoryUse::kLasting));
    held += total(charges.back());
  }
  EXPECT_LE(held, 43 * kMiB);
  EXPECT_GE(held, 36 * kMiB);
  charges.clear();
  EXPECT_GE(total(all_of(*accounts.back(), 64 << 10, MemoryUse::kLasting)), 36 * kMiB);
}

TEST_F(MemoryBudgetTest, ThoseWithoutALogonHaveAPartOfTheirOwn) {
  constexpr uint64_t kPart = 32 * kMiB;
  std::vector<std::shared_ptr<MemoryAccount>> accounts;
  while (auto account = budget->open_account("flood")) accounts.push_back(std::move(account));
  EXPECT_LE(budget->used_before_logon(), kPart / 8);
  EXPECT_EQ(budget->refused(), 1u);
  for (int i = 0; i < 50; ++i) {
    while (auto account = budget->open_account(std::to_string(i))) accounts.push_back(account);
  }
  EXPECT_LE(budget->used_before_logon(), kPart);
  const auto late = known("late", "user");
  ASSERT_TRUE(late);
  EXPECT_TRUE(late->try_take(8 * kMiB, MemoryUse::kAnswer));
}

TEST_F(MemoryBudgetTest, WaiterHearsOnceOfWhatIsGivenBack) {
  const auto account = known("a", "user");
  auto charge = account->take(1000);
  int heard = 0;
  account->when_given_back([&heard] { ++heard; });
  const uint64_t other = account->when_given_back([&heard] { heard += 100; });
  account->forget(other);
  charge.shrink_to(500);
  charge.release();
  EXPECT_EQ(heard, 1);
}

TEST_F(MemoryBudgetTest, ThreadsLeaveNothingBehind) {
  const auto account = known("a", "user");
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 4; ++i) {
    threads.emplace_back([&account, i] {
      for (size_t round = 0; round < 20'000; ++round) {
        auto charge = account->take(100 + (round * 7919 + i * 104'729) % 200'000);
        if (auto more = account->try_take(round % 70'000, MemoryUse::kFrame)) {
          charge.merge(std::move(*more));
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(account->used(), 0u);
  account->take(1);
  EXPECT_EQ(budget->used(), MemoryAccount::kOwn);
}

TEST_F(MemoryBudgetTest, DefaultIsWithinTheMachine) {
  EXPECT_GE(MemoryBudget::default_limit(), 16 * kMiB);
}

}  // namespace
}  // namespace braid
