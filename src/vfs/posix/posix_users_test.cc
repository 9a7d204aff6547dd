// Whose rights the posix Volume acts with, and whose its side files are.

#include <atomic>
#include <deque>

#include "runtime/worker_pool.h"
#include "vfs/posix/posix_volume_testing.h"

namespace braid::vfs {
namespace {

class PosixUsers : public Posix {
 protected:
  void SetUp() override {
    if (!can_switch_identity()) GTEST_SKIP() << "needs root";
    Posix::SetUp();
  }
};

TEST_F(PosixUsers, FileOfAnotherUserIsRefusedOnEveryThread) {
  outside("secret", "top");
  mode("secret", 0600);
  const auto try_open = [&](const Credentials& who) -> Result<void> {
    BRAID_TRY(const Found found, volume_->find(who, path("secret")));
    BRAID_TRY(const auto file, volume_->open(who, found, {.access = {.read = true}}));
    return {};
  };
  std::atomic<int> wrong = 0;
  WorkerPool pool(2);
  std::deque<WorkerPool::Seat> seats;
  for (int i = 0; i < 500; ++i) {
    seats.emplace_back(pool, WorkOwner{}).post([&, i] {
      const auto opened = try_open(i % 2 ? user(12345) : server_credentials());
      if (i % 2) {
        wrong += opened || !opened.error().is_os(EACCES);
      } else {
        wrong += !opened;
      }
    });
  }
  for (int i = 0; i < 500; ++i) wrong += !try_open(server_credentials());
  pool.stop();
  EXPECT_EQ(wrong, 0);
}

// As a persistent open after a restart: an access list that was restricted takes nothing from it.
TEST_F(PosixUsers, WhatWasGrantedIsOpenedWhateverTheFileSaysNow) {
  outside("secret", "top");
  mode("secret", 0600);
  const Found found = volume_->find(server_credentials(), path("secret")).value();
  OpenHow how{.access = {.read = true, .write = true}};
  EXPECT_EQ(volume_->open(user(12345), found, how).error(), Error::os(EACCES));
  how.was_granted = true;
  const auto file = volume_->open(user(12345), found, how);
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ((*file)->write(0, as_bytes("TOP")).done(), 3u);
  EXPECT_EQ((*file)->open_stream("s", {}).error(), Error::os(EACCES)) << "the rest is his own";
}

TEST_F(PosixUsers, CreatedFileBelongsToTheUserAndKeepsItsAttributes) {
  // A mode without write permission does not keep the server from its book-keeping.
  auto file = volume_->create(
      user(12345), missing("mine", user(12345)),
      {.access = {.read = true, .write = true}, .mode = 0444, .dos_attributes = dos::kHidden});
  ASSERT_TRUE(file) << file.error().message();
  const Attributes now = (*file)->stat().value();
  EXPECT_EQ(now.uid, 12345u);
  EXPECT_EQ(now.dos_attributes, dos::kHidden | dos::kArchive);
}

TEST_F(PosixUsers, WhatIsMadeWithoutANameInheritsAndIsTheUsers) {
  ASSERT_TRUE(assume(server_credentials()));
  ASSERT_EQ(::chown(share_.c_str(), 0, 777), 0);
  mode("", 02777);
  for (const bool directory : {false, true}) {
    const std::string name = directory ? "d" : "f";
    const Missing place = missing(name, user(12345));
    // Its maker may not open it by its name.
    auto file = volume_->create(user(12345), place,
                                {.access = {.read = true, .write = !directory},
                                 .directory = directory,
                                 .mode = directory ? 0700u : 0u,
                                 .unnamed = true});
    ASSERT_TRUE(file) << file.error().message();
    const auto now = volume_->publish(user(12345), place, **file);
    ASSERT_TRUE(now) << now.error().message();
    EXPECT_EQ(now->uid, 12345u);
    EXPECT_EQ(now->gid, 777u);
    EXPECT_EQ(volume_->name_of(**file)->text(), name);
    if (!directory) EXPECT_TRUE((*file)->write(0, as_bytes("x")));
  }
}

TEST_F(PosixUsers, AttributesAreChangedByWritersOnly) {
  outside("f");
  const FileTime when{0x01d9000012345678};
  mode("f", 0644);
  auto reader = volume_->open(user(12345), *look("f"), {.access = {.read = true}}).value();
  EXPECT_TRUE(reader->change({.dos_attributes = dos::kHidden}).error().is_os(EACCES));
  EXPECT_TRUE(reader->change({.write_time = when}).error().is_os(EACCES));
  EXPECT_FALSE(reader->change({.mode = 0777}));
  EXPECT_TRUE(
      reader->open_stream("s", {.disposition = StreamHow::Disposition::kCreate, .write = true})
          .error()
          .is_os(EACCES));
  EXPECT_FALSE(reader->remove_stream("s"));
  mode("f", 0666);
  // Windows lets whoever may write attributes choose the times.
  auto writer = volume_->open(user(12345), *look("f"), {}).value();
  EXPECT_TRUE(writer->change({.dos_attributes = dos::kHidden, .write_time = when}));
  EXPECT_EQ(writer->stat()->write_time, when);
}

TEST_F(PosixUsers, ServerAttributesAreOutOfTheUsersReach) {
  auto file =
      volume_->create(user(12345), missing("mine", user(12345)), {.access = {.write = true}})
          .value();
  EXPECT_FALSE(file->set_xattr("security.NTACL", as_bytes("x"), Actor::kOpener));
  ASSERT_TRUE(file->set_xattr("security.NTACL", as_bytes("x"), Actor::kServer));
  EXPECT_EQ(as_text(file->get_xattr("security.NTACL", Actor::kServer).value()), "x");
}

// Whoever owns a file locally can put a marker on it with whatever it says.
TEST_F(PosixUsers, MarkerMadeByAUserLeadsToNothingOfOthers) {
  make_large("theirs", user(12345));
  const std::string marker = get_xattr("theirs", "trusted.braid.stream.s");
  ASSERT_EQ(marker.size(), 32u);
  EXPECT_EQ(get_xattr("theirs", "user.braid.stream.s"), "");
  for (const uid_t owner : {12346u, 12345u}) {
    const std::string name = "forged" + std::to_string(owner);
    auto file = volume_
                    ->create(user(owner), missing(name, user(owner)),
                             {.access = {.write = true}, .mode = 0666})
                    .value();
    mode(name, 0666);
    std::string forged = marker;
    const uint64_t inode = file->key().inode;
    forged.replace(8, 8, reinterpret_cast<const char*>(&inode), 8);
    set_xattr(name, "user.braid.stream.s", forged);
    EXPECT_TRUE(file->streams()->empty());
    EXPECT_TRUE(open_s(name, user(owner), {.write = true}).error().is_os(ENOENT));
    EXPECT_TRUE(file->rename_stream("s", "t", false).error().is_os(ENOENT));
    // One of the same name takes its place.
    ASSERT_TRUE(open_s(name, user(owner), {.disposition = StreamHow::Disposition::kOpenOrCreate}));
    EXPECT_EQ(file->streams()->at(0).size, 0u);
    set_xattr(name, "user.braid.stream.s", forged);
    ASSERT_TRUE(volume_->remove(user(owner), look(name, user(owner))->place, file->key()));
  }
  EXPECT_EQ(open_s("theirs", user(12345))->get()->stat()->size, 100'000u);
}

// The id is known, and the file has got the inode number of the one that had the stream.
TEST_F(PosixUsers, MarkerOfAnEarlierFileIsNotBelieved) {
  make_large("f", user(12345));
  const std::string marker = get_xattr("f", "trusted.braid.stream.s");
  const std::string side = side_files().front();
  std::string base = get_xattr(side, "user.braid.base");
  ASSERT_EQ(base.size(), 24u);
  ASSERT_EQ(::removexattr((share_ + "/f").c_str(), "trusted.braid.stream.s"), 0);
  set_xattr("f", "user.braid.stream.s", marker);
  mode("f", 0666);
  base[16] = static_cast<char>(base[16] + 1);
  set_xattr(side, "user.braid.base", base);
  EXPECT_TRUE(open_s("f", user(12345)).error().is_os(ENOENT));
  base[16] = static_cast<char>(base[16] - 1);
  ASSERT_TRUE(assume(server_credentials()));
  set_xattr(side, "user.braid.base", base);
  EXPECT_TRUE(open_s("f", user(12345)));
}

TEST_F(PosixUsers, SideFileMadeBeforeItNamedItsFileIsKnownByItsOwner) {
  make_large("f", user(12345));
  const std::string side = side_files().front();
  const std::string marker = get_xattr("f", "trusted.braid.stream.s");
  const auto age = [&] {
    ASSERT_TRUE(assume(server_credentials()));
    ::removexattr((share_ + "/f").c_str(), "trusted.braid.stream.s");
    ::removexattr((share_ + "/" + side).c_str(), "user.braid.base");
    set_xattr("f", "user.braid.stream.s", marker);
  };
  age();
  EXPECT_EQ(open_s("f", user(12345))->get()->stat()->size, 100'000u);
  EXPECT_EQ(get_xattr("f", "trusted.braid.stream.s"), marker);
  EXPECT_EQ(get_xattr("f", "user.braid.stream.s"), "");
  EXPECT_EQ(get_xattr(side, "user.braid.base").size(), 24u);
  // Who else may write the file can have put the marker of another one there.
  age();
  mode("f", 0664);
  EXPECT_TRUE(open_s("f", user(12345)).error().is_os(ENOENT));
  mode("f", 0644);
  EXPECT_TRUE(open_s("f", user(12345)));
  age();
  ASSERT_EQ(::chown((share_ + "/f").c_str(), 12346, 12346), 0);
  EXPECT_TRUE(open_s("f", user(12346)).error().is_os(ENOENT));
}

// Made by root, as whoever restores a backup.
TEST_F(PosixUsers, SideFileFollowsTheOwnerOfItsFile) {
  make_large("f", user(12345));
  struct stat st{};
  ASSERT_EQ(::stat((share_ + "/" + side_files().front()).c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 12345u);
  ASSERT_EQ(::chown((share_ + "/f").c_str(), 12346, 12346), 0);
  ASSERT_TRUE(open_s("f", user(12346))->get()->stat());
  ASSERT_TRUE(assume(server_credentials()));
  ASSERT_EQ(::stat((share_ + "/" + side_files().front()).c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 12346u);
}

TEST_F(PosixUsers, CaseIsIgnoredInDirectoriesThatCannotBeRead) {
  fs::create_directory(share_ + "/Dir");
  outside("Dir/File");
  mode("Dir", 0711);
  EXPECT_EQ(look("dIR\\fILE", user(12345))->path.text(), "Dir\\File");
  mode("Dir", 0700);
  EXPECT_TRUE(look("Dir\\File", user(12345)).error().is_os(EACCES));
  EXPECT_TRUE(look("dIR\\fILE", user(12345)).error().is_os(EACCES));
}

}  // namespace
}  // namespace braid::vfs
