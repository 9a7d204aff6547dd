#include "apps/braidd/state_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace braid::braidd {
namespace {

class StateLockTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "state_lock.XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    folder_ = name + "/state";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string root_;
  std::string folder_;
};

TEST_F(StateLockTest, SecondIsRefusedWithOneLineThatNamesTheFirst) {
  const auto first = lock_state_dir(folder_, "braid.toml");
  ASSERT_TRUE(first) << first.error();
  const auto second = lock_state_dir(folder_, "braid.toml");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error(),
            fmt::format("state_dir {}: another server runs on it, process {}; stop that one, or "
                        "give this one a state_dir of its own in braid.toml",
                        folder_, ::getpid()));
}

TEST_F(StateLockTest, EndOfTheFirstFreesIt) {
  {
    ASSERT_TRUE(lock_state_dir(folder_, "braid.toml"));
  }
  EXPECT_TRUE(lock_state_dir(folder_, "braid.toml"));
}

TEST_F(StateLockTest, IsNotInheritedByPrograms) {
  const auto lock = lock_state_dir(folder_, "braid.toml");
  ASSERT_TRUE(lock);
  EXPECT_NE(::fcntl(lock->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(StateLockTest, FolderThatCannotBeMadeIsToldWithWhatToDo) {
  const auto lock = lock_state_dir(root_ + "/no/such/place", "braid.toml");
  ASSERT_FALSE(lock);
  EXPECT_NE(lock.error().find("No such file or directory; correct state_dir in braid.toml"),
            std::string::npos)
      << lock.error();
}

// The lock file is not where somebody else would like the server to write.
TEST_F(StateLockTest, LinkInPlaceOfTheLockIsRefused) {
  ASSERT_EQ(::mkdir(folder_.c_str(), 0700), 0);
  ASSERT_EQ(::symlink("/dev/null", (folder_ + "/lock").c_str()), 0);
  EXPECT_FALSE(lock_state_dir(folder_, "braid.toml"));
}

}  // namespace
}  // namespace braid::braidd
