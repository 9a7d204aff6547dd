#include "smb2/persistent/handles_folder.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

namespace braid::smb2 {
namespace {

struct HandlesFolder : testing::Test {
  HandlesFolder() {
    char name[] = "/tmp/braid-handles-XXXXXX";
    share.real_path = ::mkdtemp(name);
    struct stat st{};
    EXPECT_EQ(::stat(share.real_path.c_str(), &st), 0);
    share.folder.inode = st.st_ino;
  }
  ~HandlesFolder() override { std::filesystem::remove_all(share.real_path); }
  bool is_refused() { return open_handles_folder(share).error().is_os(EPERM); }
  std::string own() const { return share.real_path + "/.braid"; }

  Share share;
};

TEST_F(HandlesFolder, IsMadeAndFoundAgain) {
  EXPECT_TRUE(open_handles_folder(share));
  EXPECT_TRUE(open_handles_folder(share));
}

// Else somebody who may write to the share's folder by himself could say what was open.
TEST_F(HandlesFolder, ThatSomebodyElseMayHaveMadeIsNotBelieved) {
  ASSERT_TRUE(open_handles_folder(share));
  for (const std::string& folder : {own(), own() + "/handles"}) {
    for (const mode_t mode : {0720, 0702}) {
      ASSERT_EQ(::chmod(folder.c_str(), mode), 0);
      EXPECT_TRUE(is_refused()) << folder;
    }
    ASSERT_EQ(::chmod(folder.c_str(), 0700), 0);
    if (::geteuid() != 0) continue;
    ASSERT_EQ(::chown(folder.c_str(), 65'534, 65'534), 0);
    EXPECT_TRUE(is_refused()) << folder;
    ASSERT_EQ(::chown(folder.c_str(), 0, 0), 0);
  }
  EXPECT_TRUE(open_handles_folder(share));
}

}  // namespace
}  // namespace braid::smb2
