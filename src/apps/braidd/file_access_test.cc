#include "apps/braidd/file_access.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "apps/braidd/system_calls.h"
#include "base/unique_fd.h"
#include "smb2/shares/share_look.h"

namespace braid::braidd {
namespace {

config::Share share_at(const std::string& path) {
  config::Share share;
  share.name = "share";
  share.path = path;
  return share;
}

config::Config with_shares(std::initializer_list<std::string> paths) {
  config::Config config;
  for (const std::string& path : paths) config.shares.push_back(share_at(path));
  return config;
}

class FileAccess : public testing::Test {
 protected:
  void SetUp() override {
    // Not in the folders that are reached anyway.
    std::string name = std::filesystem::exists("/srv") ? "/srv/braid_test.XXXXXX" : "";
    if (name.empty() || !::mkdtemp(name.data())) GTEST_SKIP() << "needs a folder in /srv";
    root_ = name;
    for (const char* each : {"/a", "/b"}) ASSERT_EQ(::mkdir((root_ + each).c_str(), 0755), 0);
    if (!roots_of_shares(with_shares({root_}))) GTEST_SKIP() << "/srv is a mount point";
    const long version =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 2) GTEST_SKIP() << "needs Landlock 2";
  }
  void TearDown() override {
    if (!root_.empty()) std::filesystem::remove_all(root_);
  }

  // What `act` returns in a process that is confined to `config`.
  static int confined(const config::Config& config, const std::function<int()>& act,
                      bool reads_config = false) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      confine_to_files_of(config, reads_config);
      ::_exit(act());
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  static int error_of_open(const std::string& path, int flags) {
    const UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, 0600));
    return fd ? 0 : errno;
  }

  std::string root_;
};

TEST_F(FileAccess, SharesAreReachedWhole) {
  EXPECT_EQ(confined(with_shares({root_ + "/a"}),
                     [&] {
                       const std::string a = root_ + "/a", b = root_ + "/b";
                       if (error_of_open(a + "/new", O_RDWR | O_CREAT | O_TRUNC)) return 1;
                       if (::mkdir((a + "/folder").c_str(), 0700) != 0) return 2;
                       if (::symlink("x", (a + "/link").c_str()) != 0) return 3;
                       // From folder to folder, which the first Landlock would not let.
                       if (::rename((a + "/new").c_str(), (a + "/folder/new").c_str()) != 0) {
                         return 4;
                       }
                       if (::link((a + "/folder/new").c_str(), (a + "/hard").c_str()) != 0) {
                         return 5;
                       }
                       // What stands in the place of the share later, or beside it.
                       if (::rename(a.c_str(), (root_ + "/old").c_str()) != 0) return 6;
                       if (::mkdir(a.c_str(), 0700) != 0) return 7;
                       if (error_of_open(a + "/new", O_RDWR | O_CREAT)) return 8;
                       return error_of_open(b, O_RDONLY | O_DIRECTORY);
                     }),
            0);
}

TEST_F(FileAccess, NothingElseIs) {
  const std::pair<std::string, int> others[] = {{"/", O_RDONLY | O_DIRECTORY},
                                                {"/root", O_RDONLY | O_DIRECTORY},
                                                {"/boot", O_RDONLY | O_DIRECTORY},
                                                {"/etc/braid_test_new", O_WRONLY | O_CREAT},
                                                {"/usr/braid_test_new", O_WRONLY | O_CREAT}};
  for (const auto& [path, flags] : others) {
    EXPECT_EQ(confined(with_shares({root_}), [&] { return error_of_open(path, flags); }), EACCES)
        << path;
  }
  EXPECT_EQ(confined(with_shares({root_}), [] { return error_of_open("/etc/passwd", O_RDONLY); }),
            0);
  EXPECT_EQ(
      confined(with_shares({root_}),
               [] { return smb2::absence_of(share_at("/boot")) == smb2::kOutOfReach ? 1 : 0; }),
      1);
  EXPECT_EQ(confined(with_shares({root_}),
                     [&] { return smb2::absence_of(share_at(root_)).empty() ? 1 : 0; }),
            1);
}

TEST_F(FileAccess, RelativeConfigurationOpensItsOwnFolderOnly) {
  config::Config config = with_shares({root_ + "/a"});
  config.file = "braid.toml";
  EXPECT_EQ(confined(
                config, [] { return error_of_open("/boot", O_RDONLY | O_DIRECTORY); }, true),
            EACCES);
}

TEST_F(FileAccess, NoProgramRunsAndNoDeviceIsMadeEvenWhereAllFilesAreReached) {
  const auto act = [&] {
    if (::mknod((root_ + "/device").c_str(), S_IFCHR | 0600, 0x103) == 0 || errno != EACCES) {
      return 1;
    }
    // A pipe opens nothing by itself.
    const std::string pipe = root_ + "/pipe";
    if (::mkfifo(pipe.c_str(), 0600) != 0 || ::unlink(pipe.c_str()) != 0) return 2;
    char name[] = "true";
    char* arguments[] = {name, nullptr};
    ::execv("/bin/true", arguments);
    return errno;
  };
  EXPECT_EQ(confined(with_shares({root_}), act), EACCES);
  // A sanitizer may run its symbolizer.
  EXPECT_EQ(confined(with_shares({"/"}), act), kSanitized ? 0 : EACCES);
  EXPECT_EQ(confined(with_shares({"/"}), [] { return error_of_open("/boot", O_RDONLY); }), 0);
}

TEST(RootsOfShares, AreFirstComponentsOnce) {
  EXPECT_EQ(roots_of_shares(with_shares({"/usr/share", "/usr/lib"})),
            std::vector<std::string>{"/usr"});
}

// What may be mounted, or come back, where a rule could not follow.
TEST(RootsOfShares, AreNoneWhereADiskMayComeLater) {
  EXPECT_EQ(roots_of_shares(with_shares({"/usr"})), std::nullopt);
  EXPECT_EQ(roots_of_shares(with_shares({"/"})), std::nullopt);
  EXPECT_EQ(roots_of_shares(with_shares({"/usr/nonexistent"})), std::nullopt);
  EXPECT_EQ(roots_of_shares(with_shares({"/proc/self"})), std::nullopt);
  EXPECT_EQ(roots_of_shares(with_shares({"/usr/share", "/usr"})), std::nullopt);
}

}  // namespace
}  // namespace braid::braidd
