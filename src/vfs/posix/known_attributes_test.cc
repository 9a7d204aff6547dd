// What is known of a file's attributes, and until when.
#include "vfs/posix/known_attributes.h"

#include <sched.h>

#include <ctime>
#include <utility>

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
const FileTime kNow = to_file_time({.tv_sec = 2'000'000'000, .tv_nsec = 0});

TEST(KnownAttributes, AreThoseOfTheFileAsItIs) {
  KnownAttributes attributes;
  EXPECT_FALSE(attributes.find(file(1, kLongAgo)));
  attributes.keep(file(1, kLongAgo, 5), {DosAttrib{.attributes = dos::kHidden}, Names::kNone},
                  kNow);
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
  const auto changed = file(1, 2'000'000'000);
  attributes.keep(changed, {}, kNow);
  EXPECT_FALSE(attributes.find(changed));
  attributes.keep(changed, {}, {kNow.ticks + kTicksPerSecond / 4 - 1});
  EXPECT_FALSE(attributes.find(changed));
  attributes.keep(changed, {}, {kNow.ticks + kTicksPerSecond / 4});
  EXPECT_TRUE(attributes.find(changed));
  const auto later = file(2, 2'000'001'000);  // the clock was put back
  attributes.keep(later, {}, kNow);
  EXPECT_FALSE(attributes.find(later));
}

TEST(KnownAttributes, TakeAsMuchRoomForAMillionFiles) {
  KnownAttributes attributes;
  for (uint64_t inode = 0; inode < 1'000'000; ++inode)
    attributes.keep(file(inode, kLongAgo), {}, kNow);
  size_t known = 0;
  for (uint64_t inode = 0; inode < 1'000'000; ++inode) {
    if (attributes.find(file(inode, kLongAgo))) ++known;
  }
  EXPECT_GT(known, 500u);
  EXPECT_LE(known, KnownAttributes::kLocks * KnownAttributes::kEntriesPerLock);
}

// To whom every change is old.
struct LaterClock final : Clock {
  FileTime now() const override { return {system_clock().now().ticks + 60 * kTicksPerSecond}; }
  Instant monotonic() const override { return system_clock().monotonic(); }
};

// What changes from here on has another time than what changed before.
void let_the_time_of_changes_move() {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_REALTIME_COARSE, &time);
    return std::pair(time.tv_sec, time.tv_nsec);
  };
  for (const auto before = now(); now() == before;) ::sched_yield();
}

// What others change is seen, however long nothing had happened.
TEST_F(Posix, AttributesAreReadAgainWhenSomebodyHasChangedThem) {
  const LaterClock clock;
  volume_ = open_posix_volume(share_, {.clock = &clock}).value();
  outside("f");
  set_xattr("f", "user.x", "value");
  const auto opened =
      volume_->open(server_credentials(), look("f").value(), {.access = {.read = true}}).value();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(opened->stat()->dos_attributes, dos::kNormal);
    EXPECT_EQ(opened->list_xattrs()->size(), 1u);
  }
  let_the_time_of_changes_move();
  const Bytes hidden = DosAttrib{.attributes = dos::kHidden}.encode();
  set_xattr("f", "user.DOSATTRIB", as_text(hidden));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(opened->stat()->dos_attributes, dos::kHidden);
    EXPECT_EQ(look("f")->attributes.dos_attributes, dos::kHidden);
    EXPECT_EQ(opened->list_xattrs()->size(), 2u);
  }
  let_the_time_of_changes_move();
  ASSERT_EQ(::removexattr((share_ + "/f").c_str(), "user.x"), 0);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(opened->stat()->dos_attributes, dos::kHidden);
    EXPECT_EQ(opened->list_xattrs(), std::vector<std::string>{"user.DOSATTRIB"});
  }
  let_the_time_of_changes_move();
  ASSERT_EQ(::removexattr((share_ + "/f").c_str(), "user.DOSATTRIB"), 0);
  EXPECT_EQ(opened->stat()->dos_attributes, dos::kNormal);
  EXPECT_EQ(opened->list_xattrs()->size(), 0u);
}

}  // namespace
}  // namespace braid::vfs
