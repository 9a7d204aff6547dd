// Renaming a stream within its file: [MS-FSA] 2.1.5.15.12.1.
#include <cerrno>

#include "smb2/commands/file_requests_testing.h"
#include "vfs/fault/fault_volume.h"

namespace braid::smb2 {
namespace {

using enum NtStatus;

struct StreamRenames : FileRequests {
  explicit StreamRenames(std::shared_ptr<vfs::FaultPlan> disk = vfs::make_fault_plan())
      : FileRequests(vfs::make_fault_volume(vfs::make_memory_volume(), disk)),
        plan(std::move(disk)) {}
  void SetUp() override {
    FileRequests::SetUp();
    make("f:s", "content");
    id = open("f:s");
  }
  std::shared_ptr<vfs::FaultPlan> plan;
  FileId id;
};

TEST_F(StreamRenames, NameIsOfAStreamAndNothingElse) {
  struct {
    std::string_view name;
    NtStatus expected;
  } constexpr kCases[] = {
      {"other", kInvalidParameter},
      {"f:other", kInvalidParameter},
      {":", kInvalidParameter},
      {"::$DATA", kInvalidParameter},
      {":a:", kInvalidParameter},
      {":a:b", kObjectTypeMismatch},
      {":a:$INDEX_ALLOCATION", kObjectTypeMismatch},
      {":a:$DATA:x", kInvalidParameter},
      {":a:b:c:d", kInvalidParameter},
      {":a/b", kInvalidParameter},
      {":s", kSuccess},
      {":one", kSuccess},
      {":two:$DATA", kSuccess},
      {":three:$data", kSuccess},
  };
  for (const auto& each : kCases) EXPECT_EQ(rename(id, each.name), each.expected) << each.name;
  client.close_file(id);
  EXPECT_EQ(content("f:three"), "content");
  EXPECT_EQ(status_of_open("f:s"), kObjectNameNotFound);
}

TEST_F(StreamRenames, WhatHasTheNameGoesIfItIsEmptyAndMay) {
  make("f:full", "x");
  make("f:empty", "");
  EXPECT_EQ(rename(id, ":full", false), kObjectNameCollision);
  EXPECT_EQ(rename(id, ":FULL", true), kInvalidParameter);
  EXPECT_EQ(rename(id, ":empty", false), kObjectNameCollision);
  EXPECT_EQ(rename(id, ":EMPTY", true), kSuccess);
  client.close_file(id);
  EXPECT_EQ(content("f:empty"), "content");
  EXPECT_EQ(content("f:full"), "x");
}

// Only the spelling of its own name: nothing is in its way.
TEST_F(StreamRenames, SpellingIsChanged) {
  EXPECT_EQ(rename(id, ":S", false), kSuccess);
  client.close_file(id);
  EXPECT_EQ(content("f:s"), "content");
  const auto found = share_volume().find(server_credentials(), vfs::parse_path("f")->path);
  const auto file = share_volume().open(server_credentials(), *found, {}).value();
  EXPECT_EQ(file->streams().value().at(0).name, "S");
}

TEST_F(StreamRenames, WhatIsOpenStaysByItsName) {
  make("f:open", "");
  const FileId other = open("f:open");
  EXPECT_EQ(rename(id, ":open", false), kObjectNameCollision);
  EXPECT_EQ(rename(id, ":open", true), kInvalidParameter);
  client.close_file(other);
  EXPECT_EQ(rename(id, ":open", true), kSuccess);
}

TEST_F(StreamRenames, DiskThatFailsLeavesItsName) {
  plan->fail_operation("rename_stream", EIO);
  EXPECT_EQ(rename(id, ":other"), kIoDeviceError);
  plan->clear();
  plan->fail_operation("streams", EIO);
  EXPECT_EQ(rename(id, ":other"), kIoDeviceError);
  plan->clear();
  EXPECT_EQ(rename(id, ":s"), kSuccess);
  client.close_file(id);
  EXPECT_EQ(content("f:s"), "content");
}

}  // namespace
}  // namespace braid::smb2
