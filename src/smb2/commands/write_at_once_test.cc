// WRITE of what is in memory is done where the connection is served.
#include <linux/magic.h>
#include <sys/vfs.h>

#include <cstdlib>
#include <filesystem>

#include "smb2/commands/file_requests_testing.h"
#include "vfs/posix/posix_volume.h"
#include "vfs/posix/system.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/query_info.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using enum NtStatus;

struct FolderInMemory {
  FolderInMemory() {
    char name[] = "/dev/shm/write_at_once_test.XXXXXX";
    root = ::mkdtemp(name) ? name : "/tmp";
  }
  ~FolderInMemory() {
    if (root != "/tmp") std::filesystem::remove_all(root);
  }
  std::string root;
};

struct WriteAtOnce : FolderInMemory, FileRequests {
  WriteAtOnce() : FileRequests(vfs::open_posix_volume(root).value(), 2) {}
  void SetUp() override {
    FileRequests::SetUp();
    struct statfs file_system{};
    if (::statfs(root.c_str(), &file_system) != 0 || file_system.f_type != TMPFS_MAGIC ||
        vfs::has_swap()) {
      GTEST_SKIP() << "needs tmpfs in /dev/shm, and no swap";
    }
  }
  void TearDown() override {
    other.close();
    client.close();
  }
  // How many turns on the pool a WRITE takes.
  size_t turns_of(const wire::WriteRequest& body, NtStatus expected = kSuccess) {
    const size_t before = engine.server().files.pool.load().turns_taken;
    EXPECT_EQ(client.status_of(client.request(Command::kWrite, body)), expected);
    return engine.server().files.pool.load().turns_taken - before;
  }
  RawClient other{engine, ClientGuid{{8}}};
};

TEST_F(WriteAtOnce, TakesNoTurnOnThePool) {
  const FileId id = client.create(RawClient::create_body("f"));
  EXPECT_EQ(turns_of({.file_id = id, .data = as_bytes("in memory")}), 0u);
  EXPECT_EQ(content(id), "in memory");
  const std::string long_text(65536, 'x');
  EXPECT_EQ(turns_of({.file_id = id, .data = as_bytes(long_text)}), 0u);
}

TEST_F(WriteAtOnce, TheRestTakesOne) {
  const FileId id = client.create(RawClient::create_body("f"));
  const ByteView data = as_bytes("data");
  EXPECT_EQ(turns_of({.file_id = id, .flags = wire::WriteFlags::kWriteThrough, .data = data}), 1u);
  auto through = RawClient::create_body("f");
  through.create_options = wire::CreateOptions::kWriteThrough;
  EXPECT_EQ(turns_of({.file_id = client.create(through), .data = data}), 1u);
  const FileId stream = client.create(RawClient::create_body("f:s"));
  EXPECT_EQ(turns_of({.file_id = stream, .data = data}), 1u);
  EXPECT_EQ(content(stream), "data");
}

TEST_F(WriteAtOnce, MeetsTheLocksOfOthers) {
  ASSERT_TRUE(other.log_on());
  const FileId id = client.create(RawClient::create_body("f"));
  const FileId theirs = other.create(RawClient::create_body("f"));
  const wire::LockRequest lock{
      .file_id = theirs,
      .locks = {{.offset = 0, .length = 10, .flags = wire::LockFlags::kExclusiveLock}}};
  ASSERT_EQ(other.status_of(other.request(Command::kLock, lock)), kSuccess);
  turns_of({.offset = 5, .file_id = id, .data = as_bytes("data")}, kFileLockConflict);
  EXPECT_EQ(turns_of({.offset = 10, .file_id = id, .data = as_bytes("data")}), 0u);
}

// As on the pool.
TEST_F(WriteAtOnce, MovesThePosition) {
  const FileId id = client.create(RawClient::create_body("f"));
  EXPECT_EQ(turns_of({.offset = 2, .file_id = id, .data = as_bytes("data")}), 0u);
  const auto answer = client.exchange(client.request(
      Command::kQueryInfo, wire::QueryInfoRequest{.info_type = wire::InfoType::kFile,
                                                  .file_info_class = static_cast<uint8_t>(
                                                      wire::FileInfoClass::kPosition),
                                                  .output_buffer_length = 8,
                                                  .file_id = id}));
  ASSERT_EQ(answer->status(), kSuccess);
  EXPECT_EQ(answer->as<wire::QueryInfoResponse>().output_buffer.front(), 6u);
}

}  // namespace
}  // namespace braid::smb2
