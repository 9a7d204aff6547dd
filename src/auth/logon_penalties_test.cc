#include "auth/logon_penalties.h"

#include <gtest/gtest.h>

namespace braid::auth {
namespace {

using std::chrono::milliseconds;

class LogonPenaltiesTest : public testing::Test {
 protected:
  void fail_times(int times, const char* address = "10.0.0.1", const char* user = "alice") {
    for (int i = 0; i < times; ++i) penalties_.failed(address, user);
  }
  VirtualClock clock_;
  LogonPenalties penalties_{clock_};
};

TEST_F(LogonPenaltiesTest, FirstFailuresAreFreeThenItDoubles) {
  fail_times(LogonPenalties::kFreeFailures);
  EXPECT_EQ(penalties_.penalty("10.0.0.1", "alice"), milliseconds(0));
  fail_times(1);
  EXPECT_EQ(penalties_.penalty("10.0.0.1", "ALICE"), milliseconds(250));
  fail_times(1);
  EXPECT_EQ(penalties_.penalty("10.0.0.1", "alice"), milliseconds(500));
  fail_times(50);
  EXPECT_EQ(penalties_.penalty("10.0.0.1", "alice"), LogonPenalties::kPenaltyMax);
}

TEST_F(LogonPenaltiesTest, OthersAreNotPunished) {
  fail_times(10);
  EXPECT_EQ(penalties_.penalty("10.0.0.2", "alice"), milliseconds(0));
  EXPECT_EQ(penalties_.penalty("10.0.0.1", "bob"), milliseconds(0));
}

TEST_F(LogonPenaltiesTest, ManyUsersFromOneAddressCountTogether) {
  for (uint32_t i = 0; i <= LogonPenalties::kFreeAddressFailures; ++i) {
    penalties_.failed("10.0.0.1", "user" + std::to_string(i));
  }
  EXPECT_GT(penalties_.penalty("10.0.0.1", "fresh"), milliseconds(0));
}

TEST_F(LogonPenaltiesTest, SuccessAndTimeForgive) {
  fail_times(6);
  penalties_.succeeded("10.0.0.1", "Alice");
  EXPECT_EQ(penalties_.penalty("10.0.0.1", "alice"), milliseconds(0));
  fail_times(6);
  clock_.advance(LogonPenalties::kForgetAfter + milliseconds(1));
  EXPECT_EQ(penalties_.penalty("10.0.0.1", "alice"), milliseconds(0));
}

TEST_F(LogonPenaltiesTest, FloodOfNamesStaysWithinTheLimit) {
  fail_times(10, "10.0.0.9", "victim");
  for (size_t i = 0; i < LogonPenalties::kEntriesMax + 10; ++i) {
    clock_.advance(milliseconds(1));
    penalties_.failed("a" + std::to_string(i), {});
  }
  // The victim's was the oldest, so it made room.
  EXPECT_EQ(penalties_.penalty("10.0.0.9", "victim"), milliseconds(0));
}

}  // namespace
}  // namespace braid::auth
