#include "auth/unix_user_cache.h"

#include <gtest/gtest.h>

namespace braid::auth {
namespace {

using namespace std::chrono_literals;

struct UnixUsers : testing::Test {
  VirtualClock clock;
  std::string stamp = "a";
  int asked = 0;
  bool is_there = true;
  gid_t gid = 1;
  UnixUserCache cache{clock,
                      [this](const std::string& name) -> Result<UnixUser> {
                        ++asked;
                        if (!is_there) return fail(NtStatus::kNoSuchUser);
                        return UnixUser{.name = name, .uid = 1000, .gid = gid, .groups = {gid}};
                      },
                      [this] { return stamp; }};
};

TEST_F(UnixUsers, AreGoodForSomeSeconds) {
  EXPECT_EQ(cache.find("bob")->gid, 1u);
  gid = 2;
  clock.advance(UnixUserCache::kLifetime - 1ms);
  EXPECT_EQ(cache.find("bob")->gid, 1u);
  EXPECT_EQ(cache.find("eve")->gid, 2u) << "somebody else";
  EXPECT_EQ(asked, 2);
  clock.advance(1ms);
  EXPECT_EQ(cache.find("bob")->gid, 2u);
}

TEST_F(UnixUsers, AreLookedUpAgainWhenTheFilesChange) {
  EXPECT_EQ(cache.find("bob")->gid, 1u);
  gid = 2;
  stamp = "b";
  EXPECT_EQ(cache.find("bob")->gid, 2u);
  is_there = false;
  stamp = "c";
  EXPECT_EQ(cache.find("bob").error(), Error(NtStatus::kNoSuchUser));
}

TEST_F(UnixUsers, ThatAreNotThereAreAskedForAgain) {
  is_there = false;
  EXPECT_FALSE(cache.find("bob"));
  is_there = true;
  EXPECT_TRUE(cache.find("bob"));
}

// The files are changed while a name service answers from before.
TEST_F(UnixUsers, FromBeforeAChangeAreNotKept) {
  int calls = 0;
  UnixUserCache slow(
      clock,
      [&](const std::string& name) -> Result<UnixUser> {
        if (++calls == 1) EXPECT_TRUE(slow.find("other"));  // sees the new stamp
        return UnixUser{.name = name};
      },
      [&] { return calls == 0 ? "old" : "new"; });
  EXPECT_TRUE(slow.find("bob"));
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(slow.find("bob"));
  EXPECT_EQ(calls, 3);
}

TEST_F(UnixUsers, AreNotWithoutEnd) {
  for (size_t i = 0; i < 3 * UnixUserCache::kUsersMax; ++i) {
    EXPECT_TRUE(cache.find(std::to_string(i)));
  }
  EXPECT_TRUE(cache.find("0"));
  EXPECT_EQ(asked, static_cast<int>(3 * UnixUserCache::kUsersMax + 1));
}

TEST(UserFiles, HaveAStamp) {
  EXPECT_EQ(UnixUserCache::stamp_of_user_files(), UnixUserCache::stamp_of_user_files());
  EXPECT_FALSE(UnixUserCache::stamp_of_user_files().empty());
}

}  // namespace
}  // namespace braid::auth
