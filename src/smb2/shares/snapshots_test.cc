#include "smb2/shares/snapshots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/identity.h"
#include "vfs/posix/posix_volume.h"

namespace braid::smb2 {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// 2024-02-29 12:00:00 UTC.
constexpr int64_t kLeapNoon = 1709208000;

FileTime at(int64_t second) { return to_file_time({.tv_sec = second, .tv_nsec = 0}); }

class SnapshotsTest : public testing::Test {
 protected:
  SnapshotsTest() {
    char name[] = "/tmp/snapshots_test.XXXXXX";
    root_ = ::mkdtemp(name);
    share_.read_only = false;
    share_.volume = vfs::open_posix_volume(root_).value();
    vfs::Path folder;
    EXPECT_TRUE(folder.append(".snapshots"));
    snapshots_ = std::make_unique<Snapshots>(share_, folder);
  }
  ~SnapshotsTest() override { std::filesystem::remove_all(root_); }

  void make(const std::string& snapshot, const std::string& content) {
    const std::string directory = root_ + "/.snapshots/" + snapshot;
    std::filesystem::create_directories(directory);
    std::ofstream(directory + "/file") << content;
  }
  static uint64_t size_of_file(const Share& share) {
    vfs::Path path;
    EXPECT_TRUE(path.append("FILE"));
    const auto found = share.volume->find(server_credentials(), path);
    return found ? found->attributes.size : 0;
  }

  std::string root_;
  Share share_;
  std::unique_ptr<Snapshots> snapshots_;
};

TEST(SnapshotToken, IsATimeOfTheCalendar) {
  EXPECT_EQ(parse_snapshot_token("@GMT-1970.01.01-00.00.01"), 1);
  EXPECT_EQ(parse_snapshot_token("@GMT-2024.02.29-12.00.00"), kLeapNoon);
  for (const char* wrong :
       {"", "@GMT-", "@GMT-2023.02.29-12.00.00", "@GMT-2024.13.01-00.00.00",
        "@GMT-2024.01.01-24.00.00", "@GMT-2024.01.01-00.60.00", "@GMT-2024.01.01-00.00.60",
        "@GMT-2024.01.01-00.00.0x", "@GMT-2024-01.01-00.00.00", "@GMT-2024.01.01-00.00.000",
        "@gmt-2024.01.01-00.00.00"}) {
    EXPECT_FALSE(parse_snapshot_token(wrong)) << wrong;
  }
}

TEST(SnapshotToken, IsFoundInsideAName) {
  EXPECT_EQ(find_snapshot_token("a@b@GMT-2024.02.29-12.00.00-daily"), "@GMT-2024.02.29-12.00.00");
  EXPECT_EQ(find_snapshot_token("@GMT-2024.02.30-12.00.00"), "");
}

TEST_F(SnapshotsTest, NoFolderMeansNone) {
  EXPECT_THAT(snapshots_->list().value(), IsEmpty());
  EXPECT_EQ(snapshots_->open(at(kLeapNoon)).error(), Error(NtStatus::kObjectNameNotFound));
}

TEST_F(SnapshotsTest, AreListedFromTheNewest) {
  make("@GMT-2024.02.29-12.00.00", "1");
  make("daily-@GMT-2025.01.01-00.00.00", "22");
  make("other", "333");
  std::ofstream(root_ + "/.snapshots/@GMT-2026.01.01-00.00.00") << "no directory";
  EXPECT_THAT(snapshots_->list().value(),
              ElementsAre("@GMT-2025.01.01-00.00.00", "@GMT-2024.02.29-12.00.00"));
}

TEST_F(SnapshotsTest, OpensTheOneOfThatSecondReadOnly) {
  make("@GMT-2024.02.29-12.00.00", "1");
  make("daily-@GMT-2025.01.01-00.00.00", "22");
  const auto share = snapshots_->open(FileTime{at(kLeapNoon).ticks + 9'999'999});
  ASSERT_TRUE(share);
  EXPECT_TRUE((*share)->read_only);
  EXPECT_FALSE((*share)->change_notify);
  EXPECT_EQ(size_of_file(**share), 1u);
  EXPECT_EQ(snapshots_->open(at(kLeapNoon)).value(), *share);
  EXPECT_EQ(snapshots_->open(at(kLeapNoon + 1)).error(), Error(NtStatus::kObjectNameNotFound));
  EXPECT_EQ(snapshots_->open(FileTime{0}).error(), Error(NtStatus::kObjectNameNotFound));
}

TEST_F(SnapshotsTest, ADeletedOneIsGoneAndANewOneOfItsNameIsServed) {
  make("@GMT-2024.02.29-12.00.00", "1");
  ASSERT_TRUE(snapshots_->open(at(kLeapNoon)));
  // Kept aside, so that the new one cannot get its number.
  std::filesystem::rename(root_ + "/.snapshots/@GMT-2024.02.29-12.00.00", root_ + "/aside");
  EXPECT_EQ(snapshots_->open(at(kLeapNoon)).error(), Error(NtStatus::kObjectNameNotFound));
  make("@GMT-2024.02.29-12.00.00", "4444");
  EXPECT_EQ(size_of_file(**snapshots_->open(at(kLeapNoon))), 4u);
}

TEST_F(SnapshotsTest, ALinkOutOfTheShareIsNoSnapshot) {
  std::filesystem::create_directories(root_ + "/.snapshots");
  std::filesystem::create_directory_symlink("/", root_ + "/.snapshots/@GMT-2024.02.29-12.00.00");
  EXPECT_FALSE(snapshots_->open(at(kLeapNoon)));
}

}  // namespace
}  // namespace braid::smb2
