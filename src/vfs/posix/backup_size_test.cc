#include "vfs/posix/backup_size.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <future>

#include "vfs/posix/posix_volume_testing.h"

namespace braid::vfs {
namespace {

constexpr uint64_t kGib = uint64_t{1} << 30;

class Backups : public Posix {
 protected:
  void bundle(const std::string& name, const std::string& list, int bands) {
    fs::create_directories(share_ + "/" + name + "/bands");
    outside(name + "/Info.plist", list);
    for (int i = 0; i < bands; ++i) outside(name + "/bands/" + std::to_string(i), "");
  }
  static std::string with_bands_of(const std::string& size) {
    return "<plist><dict>\n\t<key>CFBundleInfoDictionaryVersion</key>\n\t<string>6.0</string>\n"
           "\t<key>band-size</key>\n\t<integer>" +
           size + "</integer>\n</dict></plist>\n";
  }
  // Of a share of so many bytes, anew.
  Space space_of_at_most(uint64_t bytes) {
    volume_ = open_posix_volume(share_, {.backups_max_bytes = bytes}).value();
    return volume_->space(server_credentials()).value();
  }
  static uint64_t bytes(uint64_t blocks, const Space& space) { return blocks * space.block_size; }
};

TEST_F(Backups, TakeWhatTheirBandsTake) {
  bundle("mac.sparsebundle", with_bands_of("8388608"), 5);
  bundle("other.backupbundle", with_bands_of("1048576"), 3);
  bundle("folder", with_bands_of("8388608"), 7);
  outside("file.sparsebundle");
  const Space space = space_of_at_most(kGib);
  EXPECT_EQ(bytes(space.total_blocks, space), kGib);
  const uint64_t left = kGib - 5 * 8'388'608 - 3 * 1'048'576;
  EXPECT_EQ(bytes(space.available_blocks, space), left);
  EXPECT_EQ(bytes(space.free_blocks, space), left);
}

TEST_F(Backups, NoMoreThanTheDiskHas) {
  const Space disk = volume_->space(server_credentials()).value();
  const Space space = space_of_at_most(uint64_t{1} << 60);
  EXPECT_EQ(space.total_blocks, disk.total_blocks);
  EXPECT_LE(space.available_blocks, disk.total_blocks);
}

TEST_F(Backups, MoreThanThereIsRoomFor) {
  bundle("mac.sparsebundle", with_bands_of("1073741824"), 5);
  const Space space = space_of_at_most(2 * kGib);
  EXPECT_EQ(bytes(space.total_blocks, space), 2 * kGib);
  EXPECT_EQ(space.available_blocks, 0u);
}

TEST_F(Backups, ListsThatSayNoSize) {
  int number = 0;
  for (const std::string& list :
       {std::string(), std::string("<key>band-size</key>"), with_bands_of(""), with_bands_of("x"),
        with_bands_of("-1"), with_bands_of("99999999999999999999999"),
        with_bands_of("18446744073709551615"), with_bands_of("0"), with_bands_of("1073741825"),
        std::string("<key>band-size</key><integer>8388608"), std::string(100'000, 'x')}) {
    bundle("mac" + std::to_string(number++) + ".sparsebundle", list, 2);
  }
  // Neither what is no file, nor what leads elsewhere.
  fs::create_directories(share_ + "/a.sparsebundle/Info.plist");
  fs::create_directory(share_ + "/b.sparsebundle");
  ASSERT_EQ(::mkfifo((share_ + "/b.sparsebundle/Info.plist").c_str(), 0666), 0);
  fs::create_directory_symlink(share_ + "/folder", share_ + "/c.sparsebundle");
  bundle("folder", with_bands_of("8388608"), 7);
  const Space space = space_of_at_most(kGib);
  EXPECT_EQ(bytes(space.available_blocks, space), kGib);
}

TEST_F(Backups, NobodyCountsForLongerThanItTakes) {
  bundle("mac.sparsebundle", with_bands_of("8388608"), 40);
  const UniqueFd root(::open(share_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(backup_bytes(root.get(), kGib).value(), 40u * 8'388'608);
  EXPECT_EQ(backup_bytes(root.get(), 100).value(), 100u);
}

// What users make by names alone neither holds a thread for long nor makes the share full.
TEST_F(Backups, WhatIsLookedAtIsBounded) {
  for (int i = 0; i < 5; ++i) {
    bundle("mac" + std::to_string(i) + ".sparsebundle", with_bands_of("1048576"), 4);
  }
  const UniqueFd root(::open(share_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const auto mebibytes = [&](const BackupBounds& bounds) {
    return backup_bytes(root.get(), kGib, bounds).value() >> 20;
  };
  EXPECT_EQ(mebibytes({}), 20u);
  EXPECT_EQ(mebibytes({.bundles = 5}), 20u);
  EXPECT_EQ(mebibytes({.bundles = 2}), 8u);
  EXPECT_EQ(mebibytes({.bundles = 0}), 0u);
  // The first bundle and its bands are names, and ".", "..", what else is there.
  EXPECT_EQ(mebibytes({.names = 0}), 0u);
  EXPECT_LE(mebibytes({.names = 6}), 5u);
  for (int i = 0; i < 100; ++i) {
    bundle("fake" + std::to_string(i) + ".sparsebundle", with_bands_of("1048576"), 1);
  }
  EXPECT_LT(mebibytes({}), 120u);
  EXPECT_GE(mebibytes({}), 100u);
}

TEST_F(Backups, OneCountsAtATimeAlsoTheFirst) {
  std::promise<void> has_begun, may_end;
  int counts = 0;
  const BackupLimit limit(kGib, [&](int, uint64_t) -> Result<uint64_t> {
    ++counts;
    has_begun.set_value();
    may_end.get_future().wait();
    return kGib / 4 * 3;
  });
  const auto available = [&] {
    Space space = volume_->space(server_credentials()).value();
    space.total_blocks = space.free_blocks = space.available_blocks = kGib / space.block_size / 2;
    EXPECT_TRUE(limit.apply(-1, space));
    return bytes(space.available_blocks, space);
  };
  auto first = std::async(std::launch::async, available);
  has_begun.get_future().wait();
  // The disk's own meanwhile; that anybody answers while the first counts is the test.
  EXPECT_EQ(available(), kGib / 2);
  EXPECT_EQ(available(), kGib / 2);
  may_end.set_value();
  EXPECT_EQ(first.get(), kGib / 4);
  EXPECT_EQ(counts, 1);
  EXPECT_EQ(available(), kGib / 4);
  EXPECT_EQ(counts, 1) << "it is known for a while";
}

TEST_F(Backups, WhoFailsToCountLeavesItToTheNext) {
  int counts = 0;
  const BackupLimit limit(kGib, [&](int, uint64_t) -> Result<uint64_t> {
    if (++counts == 1) return fail_os(EACCES);
    return kGib;
  });
  Space space = volume_->space(server_credentials()).value();
  EXPECT_TRUE(limit.apply(-1, space).error().is_os(EACCES));
  EXPECT_TRUE(limit.apply(-1, space));
  EXPECT_EQ(space.available_blocks, 0u);
  EXPECT_EQ(counts, 2);
}

}  // namespace
}  // namespace braid::vfs
