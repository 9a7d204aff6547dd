#include "auth/user_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "auth/state_complaint.h"
#include "auth/state_dir_testing.h"
#include "base/hex_testing.h"

namespace braid::auth {
namespace {

User make_user(const std::string& name, const std::string& password = "secret") {
  User user;
  user.name = name;
  user.unix_user = "nobody";
  user.nt_hash = *nt_hash_of(password);
  return user;
}

std::string content_of(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class UserStoreTest : public testing::Test {
 protected:
  StateDir dir_;
  UserStore store_ = *UserStore::open(dir_.path());
};

// "password", as every table of NT hashes has it.
TEST(NtHash, KnownValue) {
  EXPECT_EQ(*nt_hash_of("password"), crypto::Secret(unhex("8846f7eaee8fb117ad06bdd830b7586c")));
  EXPECT_EQ(nt_hash_of("\xff").error(), Error(NtStatus::kInvalidParameter));
}

TEST_F(UserStoreTest, FindIgnoresCase) {
  ASSERT_TRUE(store_.add(make_user("J\xc3\xbcrgen")));
  const auto found = store_.find("J\xc3\x9cRGEN");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->name, "J\xc3\xbcrgen");
  EXPECT_EQ(found->unix_user, "nobody");
  EXPECT_EQ(found->nt_hash, *nt_hash_of("secret"));
  EXPECT_EQ(store_.find("other").error(), Error(NtStatus::kNoSuchUser));
}

TEST_F(UserStoreTest, RemovedAccountIsGoneAndRemembered) {
  ASSERT_TRUE(store_.add(make_user("alice")));
  EXPECT_FALSE(*store_.shuts_out("alice", "nobody"));
  ASSERT_TRUE(store_.remove("ALICE"));
  EXPECT_EQ(store_.find("alice").error(), Error(NtStatus::kNoSuchUser));
  EXPECT_EQ(store_.remove("alice").error(), Error(NtStatus::kNoSuchUser));
  EXPECT_EQ(store_.update(make_user("alice")).error(), Error(NtStatus::kNoSuchUser));
  EXPECT_TRUE(store_.list()->empty());
  UserStore other = *UserStore::open(dir_.path());
  EXPECT_TRUE(*other.shuts_out("Alice", "someone"));
  EXPECT_TRUE(*other.shuts_out("someone", "nobody"));
  EXPECT_FALSE(*other.shuts_out("bob", "bob"));
  ASSERT_TRUE(other.add(make_user("Alice")));
  EXPECT_FALSE(*store_.shuts_out("alice", "nobody"));
  EXPECT_EQ(store_.find("alice")->name, "Alice");
}

TEST_F(UserStoreTest, SecondOfOneNameFailsWithUserExists) {
  ASSERT_TRUE(store_.add(make_user("alice")));
  EXPECT_EQ(store_.add(make_user("ALICE")).error(), Error(NtStatus::kUserExists));
}

TEST_F(UserStoreTest, NamesThatCannotBeAccountsAreRefused) {
  for (const char* name : {"", "a:b", "a\\b", "a@b", "a\nb", "trailing.", "trailing ", "\xff",
                           "longer than twenty units"}) {
    EXPECT_EQ(store_.add(make_user(name)).error(), Error(NtStatus::kInvalidAccountName)) << name;
  }
  User user = make_user("ok");
  user.unix_user = "a:b";
  EXPECT_EQ(store_.add(user).error(), Error(NtStatus::kInvalidAccountName));
}

TEST_F(UserStoreTest, RemoveAndUpdate) {
  ASSERT_TRUE(store_.add(make_user("alice")));
  ASSERT_TRUE(store_.add(make_user("bob")));
  User changed = make_user("alice", "other");
  changed.is_disabled = true;
  changed.is_admin = true;
  ASSERT_TRUE(store_.update(changed));
  const auto found = store_.find("alice");
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->is_disabled);
  EXPECT_TRUE(found->is_admin);
  EXPECT_EQ(found->nt_hash, *nt_hash_of("other"));
  ASSERT_TRUE(store_.remove("alice"));
  EXPECT_EQ(store_.remove("alice").error(), Error(NtStatus::kNoSuchUser));
  EXPECT_EQ(store_.update(changed).error(), Error(NtStatus::kNoSuchUser));
  ASSERT_TRUE(store_.list());
  EXPECT_EQ(store_.list()->size(), 1u);
}

TEST_F(UserStoreTest, OtherProcessesChangesAreSeen) {
  EXPECT_FALSE(store_.find("alice"));
  UserStore other = *UserStore::open(dir_.path());
  ASSERT_TRUE(other.add(make_user("alice")));
  EXPECT_TRUE(store_.find("alice"));
  ASSERT_TRUE(other.remove("alice"));
  EXPECT_FALSE(store_.find("alice"));
}

TEST_F(UserStoreTest, FilesAreForTheOwnerOnlyAndHoldNoHash) {
  ASSERT_TRUE(store_.add(make_user("alice", "password")));
  for (const char* name : {"/users", "/users.key"}) {
    struct stat status;
    ASSERT_EQ(stat((dir_.path() + name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u) << name;
  }
  EXPECT_EQ(content_of(dir_.path() + "/users").find("8846f7ea"), std::string::npos);
}

TEST_F(UserStoreTest, HashMovedToAnotherNameIsRefused) {
  ASSERT_TRUE(store_.add(make_user("alice")));
  std::string text = content_of(dir_.path() + "/users");
  text.replace(text.find("alice"), 5, "mally");
  std::ofstream(dir_.path() + "/users") << text;
  EXPECT_EQ(store_.find("mally").error(), Error(NtStatus::kAccessDenied));
}

TEST_F(UserStoreTest, KeyReadableByOthersIsRefused) {
  ASSERT_EQ(chmod((dir_.path() + "/users.key").c_str(), 0644), 0);
  EXPECT_TRUE(UserStore::open(dir_.path()).error().is_os(EPERM));
}

TEST_F(UserStoreTest, LostKeyIsNotReplacedByOneThatOpensNothing) {
  ASSERT_TRUE(store_.add(make_user("alice")));
  ASSERT_EQ(unlink((dir_.path() + "/users.key").c_str()), 0);
  const auto opened = UserStore::open(dir_.path());
  ASSERT_FALSE(opened);
  EXPECT_THAT(state_complaint(dir_.path(), opened.error(), "braid.toml"),
              testing::AllOf(testing::StartsWith(dir_.path() + "/users.key is missing, and "),
                             testing::HasSubstr("add the accounts again")));
  EXPECT_NE(access((dir_.path() + "/users.key").c_str(), F_OK), 0);
}

TEST_F(UserStoreTest, DamageIsFoundAtTheStart) {
  ASSERT_TRUE(store_.add(make_user("alice")));
  const auto complaint = [&] {
    const auto opened = UserStore::open(dir_.path());
    return opened ? "" : state_complaint(dir_.path(), opened.error(), "braid.toml");
  };
  const std::string users = content_of(dir_.path() + "/users");
  std::ofstream(dir_.path() + "/users") << "rubbish\n";
  EXPECT_THAT(complaint(), testing::StartsWith(dir_.path() + "/users is damaged; "));
  std::ofstream(dir_.path() + "/users") << users;
  EXPECT_EQ(complaint(), "");
  std::ofstream(dir_.path() + "/users.key") << std::string(32, 'x');
  EXPECT_THAT(complaint(), testing::StartsWith(dir_.path() + "/users was not made with the "));
  std::ofstream(dir_.path() + "/users.key") << "short";
  EXPECT_THAT(complaint(), testing::StartsWith(dir_.path() + "/users.key is damaged; "));
  ASSERT_EQ(chmod((dir_.path() + "/users.key").c_str(), 0644), 0);
  EXPECT_THAT(complaint(), testing::StartsWith(dir_.path() + "/users.key is accessible to others"));
}

TEST_F(UserStoreTest, ConcurrentAddsAllArrive) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      UserStore mine = *UserStore::open(dir_.path());
      for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(mine.add(make_user("u" + std::to_string(t * 10 + i))));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(store_.list()->size(), 20u);
}

}  // namespace
}  // namespace braid::auth
