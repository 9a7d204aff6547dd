#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include "vfs/posix/system.h"

namespace braid::vfs {
namespace {

struct statx on_device(unsigned major, unsigned minor) {
  struct statx st{};
  st.stx_dev_major = major;
  st.stx_dev_minor = minor;
  st.stx_ino = 5;
  return st;
}

// Of devices that no machine has, as names are for good.
TEST(NameDevice, FilesAreOfTheNameAndOfNoOther) {
  const auto one = on_device(4001, 1);
  const auto other = on_device(4001, 2);
  EXPECT_EQ(key_of(one), (FileKey{makedev(4001, 1), 5, 0}));
  EXPECT_TRUE(name_device(makedev(4001, 1), 77));
  EXPECT_EQ(key_of(one), (FileKey{77, 5, 0}));
  EXPECT_EQ(key_of(other), (FileKey{makedev(4001, 2), 5, 0}));
  EXPECT_TRUE(name_device(makedev(4001, 1), 77));
  EXPECT_FALSE(name_device(makedev(4001, 1), 78));
  EXPECT_EQ(key_of(one), (FileKey{77, 5, 0}));
}

}  // namespace
}  // namespace braid::vfs
