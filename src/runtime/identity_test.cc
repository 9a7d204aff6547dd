#include "runtime/identity.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "runtime/reactor.h"

namespace braid {
namespace {

Credentials user(uid_t uid, std::vector<gid_t> groups = {}) {
  return std::make_shared<const UnixCredentials>(UnixCredentials{uid, uid, std::move(groups)});
}

bool can_open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

class Identity : public testing::Test {
 protected:
  void SetUp() override {
    if (!can_switch_identity()) GTEST_SKIP() << "needs root";
    char name[] = "/tmp/braid-identity-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    ASSERT_EQ(::chmod(name, 0755), 0);
    file_ = folder_ + "/secret";
    const int fd = ::open(file_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ASSERT_GE(fd, 0);
    ::close(fd);
  }
  void TearDown() override {
    if (folder_.empty()) return;
    ASSERT_TRUE(assume(server_credentials()));
    ::unlink(file_.c_str());
    ::rmdir(folder_.c_str());
  }
  std::string folder_;
  std::string file_;
};

// What a test must not overlook costs a server's clients a wait and nothing more.
TEST(IdentityOnAReactor, EndsATestAndNotAServer) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto on_a_reactor = [] {
    Reactor reactor;
    bool done = false;
    reactor.post([&] {
      done = assume(server_credentials()) && ScopedPrivilege().status();
      reactor.stop();
    });
    reactor.run();
    return done;
  };
  EXPECT_DEATH(on_a_reactor(), "");
  set_file_calls(OnReactor::kIsLogged);
  EXPECT_TRUE(on_a_reactor());
  set_file_calls(OnReactor::kAborts);
}

TEST_F(Identity, UserThreadIsRefusedNextToServerThread) {
  std::atomic<int> wrong = 0;
  std::thread as_user([&] {
    if (!assume(user(12345))) wrong++;
    for (int i = 0; i < 2000; ++i) wrong += can_open(file_);
  });
  std::thread as_server([&] {
    if (!assume(server_credentials())) wrong++;
    for (int i = 0; i < 2000; ++i) wrong += !can_open(file_);
  });
  as_user.join();
  as_server.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(Identity, ThreadMadeByUserThreadStartsAfresh) {
  std::thread outer([&] {
    ASSERT_TRUE(assume(user(12345)));
    std::thread inner([&] {
      ASSERT_TRUE(assume(server_credentials()));
      EXPECT_TRUE(can_open(file_));
    });
    inner.join();
    EXPECT_FALSE(can_open(file_));
  });
  outer.join();
}

TEST_F(Identity, PrivilegeEndsWithItsScope) {
  ASSERT_TRUE(assume(user(12345)));
  {
    ScopedPrivilege privilege;
    ASSERT_TRUE(privilege.status());
    EXPECT_TRUE(can_open(file_));
    {
      ScopedPrivilege nested;
      EXPECT_TRUE(nested.status());
    }
    EXPECT_TRUE(can_open(file_));
  }
  EXPECT_FALSE(can_open(file_));
}

TEST_F(Identity, AssumeInsidePrivilegeTakesTheUser) {
  const Credentials who = user(12345);
  ASSERT_TRUE(assume(who));
  ScopedPrivilege privilege;
  ASSERT_TRUE(assume(who));
  EXPECT_FALSE(can_open(file_));
}

TEST_F(Identity, UserInsidePrivilegeEndsWithItsScope) {
  const Credentials who = user(12345);
  ASSERT_TRUE(assume(who));
  {
    const ScopedPrivilege privilege;
    {
      const ScopedUser again(who);
      ASSERT_TRUE(again.status());
      EXPECT_FALSE(can_open(file_));
    }
    EXPECT_TRUE(can_open(file_));
  }
  EXPECT_FALSE(can_open(file_));
}

// Another user's, on a thread that last worked for somebody else: no mixture of the two is left.
TEST_F(Identity, OtherUserInsidePrivilegeLeavesOneIdentity) {
  ASSERT_EQ(::chown(file_.c_str(), 0, 4242), 0);
  ASSERT_EQ(::chmod(file_.c_str(), 0640), 0);
  const Credentials member = user(12346, {4242});
  ASSERT_TRUE(assume(user(12345)));
  {
    const ScopedPrivilege privilege;
    ASSERT_TRUE(assume(member));
    EXPECT_TRUE(can_open(file_));
  }
  EXPECT_TRUE(can_open(file_));
  ASSERT_TRUE(assume(member));
  EXPECT_TRUE(can_open(file_));
  {
    const ScopedUser other(user(12345));
    EXPECT_FALSE(can_open(file_));
  }
  EXPECT_TRUE(can_open(file_));
}

// The user is the server's, the group is not: for calls that make nothing.
TEST_F(Identity, PrivilegeForNothingNewLeavesTheGroup) {
  ASSERT_TRUE(assume(user(12345)));
  const auto group_of_new = [this] {
    const std::string path = file_ + ".new";
    const int fd = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    struct stat st{};
    EXPECT_EQ(::fstat(fd, &st), 0);
    ::close(fd);
    ::unlink(path.c_str());
    return st.st_gid;
  };
  {
    const ScopedPrivilege privilege(Privilege::kNothingNew);
    ASSERT_TRUE(privilege.status());
    EXPECT_TRUE(can_open(file_));
    EXPECT_EQ(group_of_new(), 12345U);
    {
      const ScopedPrivilege all;
      ASSERT_TRUE(all.status());
      EXPECT_EQ(group_of_new(), 0U);
    }
    EXPECT_EQ(group_of_new(), 12345U);
    {
      const ScopedUser again;
      ASSERT_TRUE(again.status());
      EXPECT_FALSE(can_open(file_));
      EXPECT_FALSE(acts_as_server());
    }
    EXPECT_TRUE(can_open(file_));
    EXPECT_TRUE(acts_as_server());
    EXPECT_EQ(group_of_new(), 12345U);
  }
  EXPECT_FALSE(can_open(file_));
  EXPECT_FALSE(acts_as_server());
}

// Nested: the narrower scope inside takes nothing away.
TEST_F(Identity, PrivilegeForNothingNewInsidePrivilegeKeepsIt) {
  ASSERT_TRUE(assume(user(12345)));
  const ScopedPrivilege all;
  {
    const ScopedPrivilege privilege(Privilege::kNothingNew);
    ASSERT_TRUE(privilege.status());
    EXPECT_EQ(syscall(SYS_setfsgid, -1), 0);
  }
  EXPECT_EQ(syscall(SYS_setfsgid, -1), 0);
  EXPECT_TRUE(can_open(file_));
}

TEST_F(Identity, SupplementaryGroupCounts) {
  ASSERT_EQ(::chown(file_.c_str(), 0, 4242), 0);
  ASSERT_EQ(::chmod(file_.c_str(), 0640), 0);
  ASSERT_TRUE(assume(user(12345)));
  EXPECT_FALSE(can_open(file_));
  ASSERT_TRUE(assume(user(12345, {4241, 4242})));
  EXPECT_TRUE(can_open(file_));
}

TEST_F(Identity, NobodyIsRefused) { EXPECT_FALSE(assume(nullptr)); }

}  // namespace
}  // namespace braid
