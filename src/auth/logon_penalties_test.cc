#include "auth/logon_penalties.h"

#include <gtest/gtest.h>

#include <vector>

namespace braid::auth {
namespace {

using std::chrono::milliseconds;
using Attempt = LogonPenalties::Attempt;
using Turn = LogonPenalties::Turn;
constexpr auto kFree = LogonPenalties::kFreeFailures;
constexpr auto kFreeOfAddress = LogonPenalties::kFreeAddressFailures;

struct LogonPenaltiesTest : testing::Test {
  std::unique_ptr<Attempt> attempt(const std::string& account = "alice",
                                   const std::string& address = "10.0.0.1",
                                   uint64_t connection = 1) {
    return std::make_unique<Attempt>(penalties, LogonClaim{address, account, connection});
  }
  static Turn ask(Attempt& attempt) {
    return attempt.ask([] {}).turn;
  }
  // One that is judged and wrong; false if it was not judged at once.
  bool fail_once(const std::string& account = "alice", const std::string& address = "10.0.0.1",
                 uint64_t connection = 1) {
    return ask(*attempt(account, address, connection)) == Turn::kJudge;
  }
  void fail_times(uint32_t times, const std::string& account = "alice",
                  const std::string& address = "10.0.0.1") {
    for (uint32_t i = 0; i < times; ++i) {
      clock.advance(LogonPenalties::kPartyPauseMax);
      ASSERT_TRUE(fail_once(account, address));
    }
  }
  // Different accounts, until the address has no more allowance.
  void use_up_address(const std::string& address = "10.0.0.1") {
    for (uint32_t i = 0; i < kFreeOfAddress; ++i) {
      ASSERT_TRUE(fail_once("user" + std::to_string(i), address));
    }
  }
  // How long until the attempt is judged.
  milliseconds wait_of(Attempt& attempt) {
    milliseconds waited{0};
    for (;;) {
      const auto answer = attempt.ask([] {});
      if (answer.turn == Turn::kJudge) return waited;
      if (answer.turn == Turn::kRefuse) return milliseconds::max();
      clock.advance(answer.after);
      waited += answer.after;
    }
  }

  VirtualClock clock;
  LogonPenalties penalties{clock};
};

TEST_F(LogonPenaltiesTest, FirstFailuresAreFreeThenThePauseDoubles) {
  for (uint32_t i = 0; i < kFree; ++i) EXPECT_TRUE(fail_once());
  for (const int pause : {250, 500, 1000, 2000, 4000, 8000, 8000}) {
    EXPECT_EQ(wait_of(*attempt("ALICE")), milliseconds(pause));
  }
}

TEST_F(LogonPenaltiesTest, AttemptsUnderWayCountBeforeTheyAreJudged) {
  std::vector<std::unique_ptr<Attempt>> all;
  for (int i = 0; i < 500; ++i) all.push_back(attempt());
  size_t judged = 0;
  for (auto& each : all) judged += ask(*each) == Turn::kJudge;
  EXPECT_EQ(judged, kFree);
  EXPECT_EQ(penalties.waiting(), 500 - kFree);
  // Wrong, all three: the few that may wait stay, and none is judged before its pause.
  for (uint32_t i = 0; i < kFree; ++i) all[i].reset();
  EXPECT_EQ(penalties.waiting(), LogonPenalties::kPartyWaitingMax);
  size_t refused = 0;
  for (uint32_t i = kFree; i < all.size(); ++i) {
    const Turn turn = ask(*all[i]);
    EXPECT_NE(turn, Turn::kJudge);
    refused += turn == Turn::kRefuse;
  }
  EXPECT_EQ(refused, 500 - kFree - LogonPenalties::kPartyWaitingMax);
  EXPECT_EQ(ask(*attempt()), Turn::kRefuse);
}

TEST_F(LogonPenaltiesTest, ACrowdWithTheRightPasswordWaitsForNothingElse) {
  std::vector<std::unique_ptr<Attempt>> all;
  for (int i = 0; i < 500; ++i) all.push_back(attempt());
  for (auto& each : all) ask(*each);
  for (auto& each : all) {
    ASSERT_EQ(ask(*each), Turn::kJudge);
    each->succeeded("alice");
  }
}

TEST_F(LogonPenaltiesTest, WhoWaitsForOthersIsWoken) {
  std::vector<std::unique_ptr<Attempt>> first;
  for (uint32_t i = 0; i < kFree; ++i) {
    first.push_back(attempt());
    ASSERT_EQ(ask(*first.back()), Turn::kJudge);
  }
  const auto waits = attempt();
  int woken = 0;
  ASSERT_EQ(waits->ask([&] { ++woken; }).turn, Turn::kWait);
  first.front()->succeeded("alice");
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(ask(*waits), Turn::kJudge);
}

TEST_F(LogonPenaltiesTest, OthersAreNotPunished) {
  fail_times(10);
  EXPECT_TRUE(fail_once("alice", "10.0.0.2"));
  EXPECT_TRUE(fail_once("bob"));
}

TEST_F(LogonPenaltiesTest, AMisconfiguredClientDoesNotUseUpItsAddress) {
  // As fast as it is let, for an hour.
  const auto end = clock.monotonic() + std::chrono::hours(1);
  while (clock.monotonic() < end) wait_of(*attempt("scanner"));
  std::vector<std::unique_ptr<Attempt>> waiting;
  for (int i = 0; i < 100; ++i) {
    waiting.push_back(attempt("scanner"));
    ask(*waiting.back());
  }
  EXPECT_LE(wait_of(*attempt("carol")), LogonPenalties::kAddressPauseMax);
}

TEST_F(LogonPenaltiesTest, ManyAccountsOfOneAddressCountTogether) {
  use_up_address();
  EXPECT_EQ(wait_of(*attempt("fresh1")), milliseconds(250));
  EXPECT_EQ(wait_of(*attempt("fresh2")), milliseconds(500));
  EXPECT_EQ(wait_of(*attempt("fresh3")), milliseconds(1000));
  EXPECT_EQ(wait_of(*attempt("fresh4")), milliseconds(1000));
  EXPECT_TRUE(fail_once("fresh5", "10.0.0.2"));
}

TEST_F(LogonPenaltiesTest, AnIpv6HostIsItsNetwork) {
  for (uint32_t i = 0; i < kFreeOfAddress; ++i) {
    ASSERT_TRUE(fail_once("user" + std::to_string(i), "2001:db8::" + std::to_string(i)));
  }
  EXPECT_FALSE(fail_once("fresh", "2001:db8::ffff:1"));
  EXPECT_TRUE(fail_once("fresh", "2001:db8:0:1::1"));
}

TEST_F(LogonPenaltiesTest, OfAnAddressOnlyAFewWaitAndNoneForLong) {
  use_up_address();
  std::vector<std::unique_ptr<Attempt>> all;
  for (int i = 0; i < 200; ++i) {
    all.push_back(attempt("guess" + std::to_string(i)));
    ask(*all.back());
  }
  EXPECT_EQ(penalties.waiting(), LogonPenalties::kAddressWaitingMax);
  const auto longest = LogonPenalties::kAddressPauseMax * LogonPenalties::kAddressWaitingMax;
  const auto before = clock.monotonic();
  for (size_t i = 0; i < LogonPenalties::kAddressWaitingMax; ++i) {
    EXPECT_LT(wait_of(*all[i]), milliseconds::max());
    all[i].reset();
  }
  EXPECT_LE(clock.monotonic() - before, longest);
}

TEST_F(LogonPenaltiesTest, NobodyWaitsForEver) {
  std::vector<std::unique_ptr<Attempt>> held;
  for (uint32_t i = 0; i < kFree; ++i) {
    held.push_back(attempt());
    ASSERT_EQ(ask(*held.back()), Turn::kJudge);
  }
  EXPECT_EQ(wait_of(*attempt()), milliseconds::max());
  EXPECT_EQ(penalties.waiting(), 0u);
}

TEST_F(LogonPenaltiesTest, WhoLoggedOnLatelyDoesNotWaitForItsAddress) {
  {
    const auto right = attempt("carol");
    ASSERT_EQ(ask(*right), Turn::kJudge);
    right->succeeded("Carol");
  }
  use_up_address();
  std::vector<std::unique_ptr<Attempt>> all;
  for (int i = 0; i < 50; ++i) {
    all.push_back(attempt("guess" + std::to_string(i)));
    ask(*all.back());
  }
  const auto right = attempt("carol");
  EXPECT_EQ(ask(*right), Turn::kJudge);
}

TEST_F(LogonPenaltiesTest, AnAccountIsSlowedFromEverywhereAndNeverLocked) {
  for (uint32_t i = 0; i < LogonPenalties::kFreeAccountFailures; ++i) {
    ASSERT_TRUE(fail_once("alice", "192.0.2." + std::to_string(i)));
  }
  EXPECT_EQ(wait_of(*attempt("alice", "198.51.100.1")), milliseconds(250));
  for (int i = 2; i < 100; ++i) {
    EXPECT_LE(wait_of(*attempt("alice", "198.51.100." + std::to_string(i))),
              LogonPenalties::kAccountPauseMax);
  }
  EXPECT_TRUE(fail_once("bob", "198.51.100.1"));
}

TEST_F(LogonPenaltiesTest, WhatHasNoNameIsCountedApart) {
  for (uint32_t i = 0; i < kFreeOfAddress; ++i) ASSERT_TRUE(fail_once("", "10.0.0.1", i));
  EXPECT_FALSE(fail_once("", "10.0.0.1", 1000));
  EXPECT_TRUE(fail_once("alice"));
}

TEST_F(LogonPenaltiesTest, SuccessAndTimeForgive) {
  fail_times(6);
  const auto right = attempt("Alice");
  EXPECT_LT(wait_of(*right), milliseconds::max());
  right->succeeded("alice");
  EXPECT_TRUE(fail_once());
  fail_times(6);
  clock.advance(LogonPenalties::kForgetAfter + milliseconds(1));
  EXPECT_TRUE(fail_once());
}

TEST_F(LogonPenaltiesTest, ALegThatLeadsToAnotherIsNoFailure) {
  for (int i = 0; i < 100; ++i) {
    const auto leg = attempt();
    ASSERT_EQ(ask(*leg), Turn::kJudge);
    leg->goes_on();
  }
}

TEST_F(LogonPenaltiesTest, OtherWorkersCountToo) {
  const LogonClaim claim{"10.0.0.1", "alice", 0};
  for (uint32_t i = 0; i < kFree; ++i) penalties.hear(claim, LogonPenalties::News::kFailed);
  EXPECT_FALSE(fail_once());
  penalties.hear(claim, LogonPenalties::News::kSucceeded);
  EXPECT_TRUE(fail_once());
}

TEST_F(LogonPenaltiesTest, AdministratorsSeeWhoHasToWait) {
  EXPECT_TRUE(penalties.penalties(10).empty());
  fail_times(kFree - 1);
  EXPECT_TRUE(penalties.penalties(10).empty());
  fail_times(1);
  const auto shown = penalties.penalties(10);
  ASSERT_EQ(shown.size(), 1u);
  EXPECT_EQ(shown[0].address, "10.0.0.1");
  EXPECT_EQ(shown[0].account, "ALICE");
  EXPECT_EQ(shown[0].failures, kFree);
  EXPECT_EQ(shown[0].wait, LogonPenalties::kFirstPause);
  for (uint32_t i = 0; i < kFree; ++i) {
    penalties.hear({"2001:db8::7", "bob", 0}, LogonPenalties::News::kFailed);
  }
  EXPECT_EQ(penalties.penalties(1).size(), 1u);
  const auto both = penalties.penalties(10);
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].address, "2001:db8::/64");
  clock.advance(LogonPenalties::kForgetAfter + milliseconds(1));
  EXPECT_TRUE(penalties.penalties(10).empty());
}

TEST_F(LogonPenaltiesTest, WhoLeavesMakesRoom) {
  fail_times(kFree);
  auto first = attempt();
  auto second = attempt();
  ASSERT_EQ(ask(*first), Turn::kWait);
  ASSERT_EQ(ask(*second), Turn::kWait);
  ASSERT_EQ(ask(*attempt()), Turn::kRefuse);
  first.reset();
  EXPECT_EQ(penalties.waiting(), 1u);
  EXPECT_EQ(wait_of(*second), LogonPenalties::kFirstPause);
}

TEST_F(LogonPenaltiesTest, FloodOfNamesStaysWithinTheLimit) {
  for (size_t i = 0; i < LogonPenalties::kNamesMax + 100; ++i) {
    ASSERT_TRUE(fail_once("user" + std::to_string(i), "a" + std::to_string(i)));
  }
  ASSERT_TRUE(fail_once(std::string(60'000, 'x'), "10.0.0.1"));
  EXPECT_LE(penalties.names(), 3 * LogonPenalties::kNamesMax);
}

}  // namespace
}  // namespace braid::auth
