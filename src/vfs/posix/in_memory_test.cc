// Files in tmpfs: what is done there where nobody may wait, and what is not.
#include <linux/magic.h>
#include <sys/vfs.h>

#include <climits>

#include "vfs/posix/context.h"
#include "vfs/posix/posix_volume_testing.h"

namespace braid::vfs {
namespace {

struct NoLocks final : FileLocks {
  void lock(const FileKey&) override {}
  void unlock(const FileKey&) override {}
  std::atomic<uint32_t>& archive_ends(const FileKey&) override { return ends; }
  std::atomic<uint32_t> ends = 0;
};

struct InMemory : testing::Test {
  void SetUp() override {
    char name[] = "/dev/shm/braid-posix-XXXXXX";
    if (!::mkdtemp(name)) GTEST_SKIP() << "needs /dev/shm";
    root = name;
    struct statfs file_system{};
    if (::statfs(name, &file_system) != 0 || file_system.f_type != TMPFS_MAGIC || has_swap()) {
      GTEST_SKIP() << "needs tmpfs, and no swap";
    }
    volume = open_posix_volume(root).value();
  }
  void TearDown() override {
    file.reset();
    volume.reset();
    ASSERT_TRUE(assume(server_credentials()));
    if (!root.empty()) fs::remove_all(root);
  }
  std::unique_ptr<File> make(Volume& where, std::string_view name) {
    const Path path = parse_path(name).value().path;
    const auto missing = std::get<Missing>(where.lookup(server_credentials(), path).value());
    return where.create(server_credentials(), missing, {.access = {.read = true, .write = true}})
        .value();
  }
  std::unique_ptr<File> open(std::string_view name, DataAccess access) {
    const auto found = volume->find(server_credentials(), parse_path(name).value().path);
    return volume->open(server_credentials(), found.value(), {.access = access}).value();
  }
  // What became of it: the bytes, or the number of the error.
  static std::string put(File& into, std::string_view text, uint64_t offset = 0) {
    const Progress written = into.write_at_once(offset, as_bytes(text));
    if (!written) return std::to_string(written.error().os_error());
    EXPECT_EQ(*written, text.size());
    Bytes read(100);
    read.resize(into.read(0, read).value());
    return std::string(as_text(read));
  }
  const std::string again = std::to_string(EAGAIN);

  std::string root;
  std::unique_ptr<Volume> volume;
  std::unique_ptr<File> file;
};

// The kernel refuses to say there that a read would not wait. Files in memory are read on the
// reactor, as those in the page cache of a disk are.
TEST_F(InMemory, IsReadAtOnceWhereNothingIsSwapped) {
  file = make(*volume, "f");
  ASSERT_TRUE(file->write(0, as_bytes("in memory")));
  Bytes read(20);
  const auto got = file->read(0, read, Wait::kNever);
  ASSERT_TRUE(got) << got.error().message();
  read.resize(*got);
  EXPECT_EQ(as_text(read), "in memory");
}

TEST_F(InMemory, IsWrittenAtOnce) {
  file = make(*volume, "f");
  EXPECT_EQ(put(*file, "in memory"), "in memory");
  EXPECT_EQ(put(*file, "yes", 3), "in yesory");
  EXPECT_EQ(file->stat()->size, 9u);
  EXPECT_EQ(put(*file, "too far", INT64_MAX - 3), std::to_string(EINVAL));
}

TEST_F(InMemory, IsNotWithoutTheAccess) {
  file = make(*volume, "f");
  EXPECT_EQ(put(*open("f", {.read = true}), "x"), again);
}

// The mark is put there by who may wait.
TEST_F(InMemory, IsMarkedForABackupFirst) {
  file = make(*volume, "f");
  const auto other = open("f", {.read = true, .write = true});
  EXPECT_EQ(put(*other, "x"), "x") << "it had the mark when it was opened";
  ASSERT_TRUE(other->change({.dos_attributes = dos::kSystem}));
  EXPECT_EQ(put(*file, "y"), again);
  ASSERT_TRUE(file->write(0, as_bytes("z")));
  EXPECT_NE(file->stat()->dos_attributes & dos::kArchive, 0u);
  EXPECT_EQ(put(*file, "y"), "y");
}

TEST_F(InMemory, KeptTimesTakeMoreCalls) {
  file = make(*volume, "f");
  file->set_time_rules({.write = TimeRule::kKept});
  EXPECT_EQ(put(*file, "x"), again);
  file->set_time_rules({});
  EXPECT_EQ(put(*file, "x"), "x");
}

TEST_F(InMemory, GivesWayToWhatHoldsTheFileForLong) {
  file = make(*volume, "f");
  PosixContext context(UniqueFd(), file->key(), {}, NameIndex::Events::kIgnored);
  context.is_in_memory = true;
  {
    const LongHold hold(context, file->key());
    const LongHold beside(context, file->key());
    EXPECT_EQ(put(*file, "x"), again);
  }
  EXPECT_EQ(put(*file, "x"), "x");
}

// Another process may have begun something long.
TEST_F(InMemory, IsNotWhereOthersServeTheFiles) {
  NoLocks locks;
  const auto shared = open_posix_volume(root, {.locks = &locks}).value();
  const auto theirs = make(*shared, "f");
  EXPECT_EQ(put(*theirs, "x"), again);
}

TEST_F(Posix, NothingIsWrittenAtOnceOnADisk) {
  struct statfs file_system{};
  ASSERT_EQ(::statfs(share_.c_str(), &file_system), 0);
  if (file_system.f_type == TMPFS_MAGIC) GTEST_SKIP() << "/tmp is in memory";
  const auto file =
      volume_->create(server_credentials(), missing("f"), {.access = {.write = true}}).value();
  EXPECT_TRUE(file->write_at_once(0, as_bytes("x")).error().is_os(EAGAIN));
  EXPECT_EQ(file->stat()->size, 0u);
}

}  // namespace
}  // namespace braid::vfs
