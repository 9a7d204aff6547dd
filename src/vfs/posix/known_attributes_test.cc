// What is known of a file's attributes, and until when.
#include "vfs/posix/known_attributes.h"

#include <thread>

#include "vfs/posix/posix_volume_testing.h"
#include "vfs/posix/system.h"

namespace braid::vfs {
namespace {

using Names = KnownAttributes::Names;

struct statx file(uint64_t inode, int64_t changed_s, uint32_t changed_ns = 0) {
  struct statx st{};
  st.stx_ino = inode;
  st.stx_ctime.tv_sec = changed_s;
  st.stx_ctime.tv_nsec = changed_ns;
  return st;
}
constexpr int64_t kLongAgo = 1'000'000'000;

TEST(KnownAttributes, AreThoseOfTheFileAsItIs) {
  KnownAttributes attributes;
  EXPECT_FALSE(attributes.find(file(1, kLongAgo)));
  attributes.keep(file(1, kLongAgo, 5), {DosAttrib{.attributes = dos::kHidden}, Names::kNone});
  const auto known = attributes.find(file(1, kLongAgo, 5));
  ASSERT_TRUE(known);
  EXPECT_EQ(known->dos_attrib->attributes, dos::kHidden);
  EXPECT_EQ(known->names, Names::kNone);
  EXPECT_FALSE(attributes.find(file(1, kLongAgo, 6)));
  EXPECT_FALSE(attributes.find(file(1, kLongAgo + 1, 5)));
  EXPECT_FALSE(attributes.find(file(2, kLongAgo, 5)));
}

TEST(KnownAttributes, OfAYoungChangeAreNotKept) {
  KnownAttributes attributes;
  const auto now = to_timespec(system_clock().now());
  const auto young = file(1, now.tv_sec, static_cast<uint32_t>(now.tv_nsec));
  attributes.keep(young, {});
  EXPECT_FALSE(attributes.find(young));
  const auto later = file(1, now.tv_sec + 1000);  // the clock was put back
  attributes.keep(later, {});
  EXPECT_FALSE(attributes.find(later));
}

TEST(KnownAttributes, TakeAsMuchRoomForAMillionFiles) {
  KnownAttributes attributes;
  for (uint64_t inode = 0; inode < 1'000'000; ++inode) attributes.keep(file(inode, kLongAgo), {});
  size_t known = 0;
  for (uint64_t inode = 0; inode < 1'000'000; ++inode) {
    if (attributes.find(file(inode, kLongAgo))) ++known;
  }
  EXPECT_GT(known, 500u);
  EXPECT_LE(known, KnownAttributes::kLocks * KnownAttributes::kEntriesPerLock);
}

// What others change is seen, however long nothing had happened.
TEST_F(Posix, AttributesAreReadAgainWhenSomebodyHasChangedThem) {
  outside("f");
  set_xattr("f", "user.x", "value");
  const auto opened =
      volume_->open(server_credentials(), look("f").value(), {.access = {.read = true}}).value();
  // Until the change is so old that what is read next may be kept.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(opened->stat()->dos_attributes, dos::kNormal);
    EXPECT_EQ(opened->list_xattrs()->size(), 1u);
  }
  const Bytes hidden = DosAttrib{.attributes = dos::kHidden}.encode();
  set_xattr("f", "user.DOSATTRIB", as_text(hidden));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(opened->stat()->dos_attributes, dos::kHidden);
    EXPECT_EQ(look("f")->attributes.dos_attributes, dos::kHidden);
    EXPECT_EQ(opened->list_xattrs()->size(), 2u);
  }
  ASSERT_EQ(::removexattr((share_ + "/f").c_str(), "user.x"), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(opened->stat()->dos_attributes, dos::kHidden);
    EXPECT_EQ(opened->list_xattrs(), std::vector<std::string>{"user.DOSATTRIB"});
  }
  ASSERT_EQ(::removexattr((share_ + "/f").c_str(), "user.DOSATTRIB"), 0);
  EXPECT_EQ(opened->stat()->dos_attributes, dos::kNormal);
  EXPECT_EQ(opened->list_xattrs()->size(), 0u);
}

}  // namespace
}  // namespace braid::vfs
