// Names as filestate knows them, where no kernel tells: the volume in memory is one that does not.
#include "smb2/files/open_name.h"

#include <gtest/gtest.h>

#include "smb2/raw_client_testing.h"
#include "wire/fscc/set_information.h"
#include "wire/smb2/set_info.h"

namespace braid::smb2 {
namespace {

struct OpenName : testing::Test {
  void SetUp() override { ASSERT_TRUE(client.log_on()); }

  template <class Info>
  NtStatus set(FileId id, uint8_t info_class, const Info& info) {
    Bytes bytes;
    wire::Writer writer(bytes);
    info.encode(writer);
    wire::SetInfoRequest request;
    request.info_type = wire::InfoType::kFile;
    request.file_info_class = info_class;
    request.file_id = id;
    request.buffer = bytes;
    return client.status_of(client.request(wire::Command::kSetInfo, request));
  }
  NtStatus rename(FileId id, std::string_view name, bool replace = false) {
    wire::FileRenameInformation info;
    info.replace_if_exists = replace;
    info.file_name = name;
    return set(id, 10, info);
  }
  NtStatus link(FileId id, std::string_view name) {
    wire::FileLinkInformation info;
    info.file_name = name;
    return set(id, 11, info);
  }
  NtStatus remove(FileId id) { return set(id, 13, wire::FileDispositionInformation{true}); }
  bool exists(std::string_view name) {
    auto body = RawClient::create_body(name);
    body.create_disposition = wire::CreateDisposition::kOpen;
    const FileId id = client.create(body);
    return id != FileId{} && client.close_file(id) == NtStatus::kSuccess;
  }

  Engine engine;
  RawClient client{engine};
};

TEST_F(OpenName, FollowsTheRenameOfAnotherHandle) {
  const FileId first = client.create("old"), second = client.create("old");
  ASSERT_EQ(rename(second, "new"), NtStatus::kSuccess);
  ASSERT_NE(client.create("old"), FileId{}) << "another file";
  EXPECT_EQ(rename(first, "newer"), NtStatus::kSuccess);
  EXPECT_FALSE(exists("new"));
  EXPECT_EQ(remove(first), NtStatus::kSuccess);
  EXPECT_EQ(rename(second, "again"), NtStatus::kAccessDenied) << "it is to be deleted";
  client.close_file(first);
  client.close_file(second);
  EXPECT_FALSE(exists("newer"));
  EXPECT_TRUE(exists("old"));
}

TEST_F(OpenName, ALinkIsDeletedForItself) {
  const FileId one = client.create("one");
  ASSERT_EQ(link(one, "two"), NtStatus::kSuccess);
  const FileId two = client.create("two");
  ASSERT_EQ(rename(two, "three"), NtStatus::kSuccess);
  ASSERT_EQ(remove(one), NtStatus::kSuccess);
  EXPECT_TRUE(exists("three"));
  client.close_file(one);
  EXPECT_FALSE(exists("one"));
  client.close_file(two);
  EXPECT_TRUE(exists("three"));
}

// As [MS-FSA] 2.1.5.15.12 has it.
TEST_F(OpenName, ARenameIsRefusedByKind) {
  auto body = RawClient::create_body("folder");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  const FileId folder = client.create(body);
  const FileId file = client.create("file");
  ASSERT_NE(client.create("taken"), FileId{});
  EXPECT_EQ(rename(folder, "taken", true), NtStatus::kObjectNameCollision);
  EXPECT_EQ(rename(file, "folder", true), NtStatus::kAccessDenied);
  EXPECT_EQ(rename(file, "new\\"), NtStatus::kObjectNameInvalid);
  const FileId taken = client.create("taken");
  ASSERT_EQ(remove(taken), NtStatus::kSuccess);
  EXPECT_EQ(rename(file, "taken", true), NtStatus::kDeletePending);
}

}  // namespace
}  // namespace braid::smb2
