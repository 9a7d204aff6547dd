#include <gtest/gtest.h>

#include "smb2/commands/file_requests_testing.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Command;
using wire::FileInfoClass;

// A directory whose path no longer leads to it: what a handle is told is of what it has open.
struct MovedDirectory : testing::Test {
  void SetUp() override { ASSERT_TRUE(client.log_on()); }

  wire::CreateRequest directory(std::string_view name, bool make) {
    auto body = RawClient::create_body(name);
    body.desired_access = Access::kDelete | Access::kFileReadAttributes;
    body.create_options = wire::CreateOptions::kDirectoryFile;
    body.create_disposition =
        make ? wire::CreateDisposition::kCreate : wire::CreateDisposition::kOpen;
    return body;
  }
  FileId make(std::string_view name) { return client.create(directory(name, true)); }
  FileId open(std::string_view name) { return client.create(directory(name, false)); }
  NtStatus status_of_open(std::string_view name) {
    return client.status_of(client.request(Command::kCreate, directory(name, false)));
  }
  NtStatus set(FileId id, FileInfoClass info_class, ByteView buffer) {
    return set_info(client, id, info_class, buffer);
  }
  NtStatus rename(FileId id, std::string_view to) { return smb2::rename(client, id, to, false); }
  NtStatus remove(FileId id) { return set(id, FileInfoClass::kDisposition, Bytes{1}); }

  vfs::Volume& volume() { return *engine.server().settings.shares()->find("files")->volume; }
  // What a local program does to the directory "d".
  void take_away(std::optional<std::string_view> to) {
    const Credentials& who = server_credentials();
    const auto d = volume().find(who, vfs::parse_path("d")->path, {.pin_parent = true}).value();
    if (!to) {
      ASSERT_TRUE(volume().remove(who, d.place, d.attributes.key));
      return;
    }
    const auto place = volume().lookup(who, vfs::parse_path(*to)->path).value();
    ASSERT_TRUE(volume().rename(who, d.place, d.attributes.key, std::get<vfs::Missing>(place).place,
                                false));
  }

  Engine engine;
  RawClient client{engine};
};

TEST_F(MovedDirectory, RenamedByAnotherHandleIsDeletedByTheFirst) {
  const FileId first = make("d");
  const FileId second = open("d");
  ASSERT_EQ(rename(second, "e"), NtStatus::kSuccess);
  EXPECT_EQ(remove(first), NtStatus::kSuccess);
  EXPECT_EQ(client.close_file(second), NtStatus::kSuccess);
  EXPECT_EQ(client.close_file(first), NtStatus::kSuccess);
  EXPECT_EQ(status_of_open("e"), NtStatus::kObjectNameNotFound);
}

TEST_F(MovedDirectory, MovedOrRemovedLocallyHasAnAnswer) {
  const FileId moved = make("d");
  take_away("elsewhere");
  // It would not happen.
  EXPECT_EQ(remove(moved), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(client.close_file(moved), NtStatus::kSuccess);
  // The name it had went with it, and is nobody's to delete.
  EXPECT_TRUE(volume().find(server_credentials(), vfs::parse_path("elsewhere")->path));

  const FileId removed = make("d");
  take_away(std::nullopt);
  EXPECT_EQ(rename(removed, "f"), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(remove(removed), NtStatus::kSuccess);
  EXPECT_EQ(client.close_file(removed), NtStatus::kSuccess);
}

TEST_F(MovedDirectory, AnotherThatTookItsNameIsNotAskedNorDeleted) {
  const FileId moved = make("d");
  take_away("elsewhere");
  client.close_file(make("d"));
  client.close_file(make("d\\child"));
  EXPECT_EQ(remove(moved), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(client.close_file(moved), NtStatus::kSuccess);
  EXPECT_EQ(status_of_open("d"), NtStatus::kSuccess);
}

// [MS-FSA] 2.1.5.15.3: DeletePending is what the last one said.
TEST_F(MovedDirectory, DeletionIsTakenBack) {
  const FileId id = make("d");
  EXPECT_EQ(remove(id), NtStatus::kSuccess);
  EXPECT_EQ(status_of_open("d"), NtStatus::kDeletePending);
  EXPECT_EQ(set(id, FileInfoClass::kDisposition, Bytes{0}), NtStatus::kSuccess);
  EXPECT_EQ(client.close_file(id), NtStatus::kSuccess);
  EXPECT_EQ(status_of_open("d"), NtStatus::kSuccess);
}

}  // namespace
}  // namespace braid::smb2
