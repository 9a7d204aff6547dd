#include "auth/identity_maker.h"

#include <gtest/gtest.h>

#include "auth/state_dir_testing.h"

namespace braid::auth {
namespace {

constexpr char kSystemUser[] = "games";  // uid 5 on every Debian

// A process that cannot act as others takes everybody for its own user, and nothing here applies.
class IdentityMakerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!can_act_as_others()) GTEST_SKIP() << "without root";
    ASSERT_TRUE(find_unix_user(kSystemUser));
  }
  IdentityMaker maker(uid_t min_uid) const { return {users_, ids_, "BRAID", "nobody", min_uid}; }
  static User account(const std::string& name, const std::string& unix_user) {
    User user;
    user.name = name;
    user.unix_user = unix_user;
    user.nt_hash = *nt_hash_of("secret");
    return user;
  }
  // The status of the logon of a principal, with a floor that lets the system's users in.
  NtStatus principal(const std::string& name) const {
    const auto made = maker(1).of_principal(name, "REALM");
    return made ? NtStatus::kSuccess : made.error().status();
  }
  static constexpr auto kRefused = Error(NtStatus::kLogonFailure);

  StateDir dir_;
  UserStore users_ = *UserStore::open(dir_.path());
  IdMapper ids_ = *IdMapper::open(dir_.path(), "BRAID1");
};

TEST_F(IdentityMakerTest, NobodyLogsOnAsRoot) {
  EXPECT_EQ(maker(1).of_principal("root", "REALM").error(), kRefused);
  EXPECT_EQ(maker(1).of_user(account("alice", "root")).error(), kRefused);
  ASSERT_TRUE(users_.add(account("alice", "root")));
  EXPECT_EQ(maker(1).of_principal("alice", "REALM").error(), kRefused);
}

TEST_F(IdentityMakerTest, NobodyLogsOnAsAUserBelowTheFloor) {
  EXPECT_EQ(maker(kMinUid).of_principal(kSystemUser, "REALM").error(), kRefused);
  EXPECT_EQ(maker(kMinUid).of_user(account("alice", kSystemUser)).error(), kRefused);
  const auto lowered = maker(5).of_principal(kSystemUser, "REALM");
  ASSERT_TRUE(lowered);
  EXPECT_EQ((*lowered)->uid, 5u);
  EXPECT_EQ((*lowered)->domain, "REALM");
}

TEST_F(IdentityMakerTest, PrincipalIsNobodyOnlyByAnAccount) {
  EXPECT_EQ(principal("nobody"), NtStatus::kLogonFailure);
  ASSERT_TRUE(users_.add(account("public", "nobody")));
  EXPECT_EQ(principal("public"), NtStatus::kSuccess);
}

TEST_F(IdentityMakerTest, PrincipalOfARemovedAccountIsRefused) {
  ASSERT_EQ(principal(kSystemUser), NtStatus::kSuccess);
  ASSERT_TRUE(users_.add(account("Games", "nobody")));
  ASSERT_TRUE(users_.remove("games"));
  EXPECT_EQ(principal(kSystemUser), NtStatus::kLogonFailure);
  ASSERT_TRUE(users_.add(account("games", kSystemUser)));
  EXPECT_EQ(principal(kSystemUser), NtStatus::kSuccess);
}

TEST_F(IdentityMakerTest, PrincipalOfADisabledAccountIsRefused) {
  User user = account("player", kSystemUser);
  user.is_disabled = true;
  ASSERT_TRUE(users_.add(user));
  EXPECT_EQ(principal("player"), NtStatus::kAccountDisabled);
  // The same Unix user by its own name.
  EXPECT_EQ(principal(kSystemUser), NtStatus::kLogonFailure);
  user.is_disabled = false;
  ASSERT_TRUE(users_.update(user));
  EXPECT_EQ(principal(kSystemUser), NtStatus::kSuccess);
}

TEST_F(IdentityMakerTest, PrincipalWithoutAnythingIsRefused) {
  EXPECT_EQ(principal("no-such-user-x"), NtStatus::kLogonFailure);
}

}  // namespace
}  // namespace braid::auth
