// Leases of directories end when what is listed changes. [MS-FSA] 2.1.4.12 with PARENT_OBJECT.
#include "smb2/commands/file_requests_testing.h"
#include "wire/fscc/reparse.h"
#include "wire/smb2/ioctl.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::CreateDisposition;
using wire::FileInfoClass;

struct DirectoryLeases : FileRequests {
  void SetUp() override {
    FileRequests::SetUp();
    // A client that announces directory leasing, which RawClient by itself does not.
    (void)holder.negotiate_request(wire::Dialect::kSmb302);
    holder.next_message_id = 0;
    wire::NegotiateRequest body;
    body.client_guid = ClientGuid{{9}};
    body.dialects = {wire::Dialect::kSmb302};
    body.security_mode = 1;
    body.capabilities = wire::Capabilities::kLeasing | wire::Capabilities::kDirectoryLeasing;
    ASSERT_EQ(holder.status_of(holder.request(Command::kNegotiate, body)), NtStatus::kSuccess);
    ASSERT_EQ(holder.session_setup(), NtStatus::kSuccess);
    ASSERT_EQ(holder.tree_connect(), NtStatus::kSuccess);
  }
  // `holder` gets an RH lease of a new directory, in which the other client then makes "f".
  void lease(std::string_view directory, uint8_t key) {
    auto body = RawClient::create_body(directory);
    body.desired_access = wire::Access::kFileListDirectory | wire::Access::kFileReadAttributes;
    body.create_options = wire::CreateOptions::kDirectoryFile;
    client.close_file(client.create(body));
    make(std::string(directory) + "\\f", "content");
    body.requested_oplock_level = wire::OplockLevel::kLease;
    body.contexts.request_lease =
        wire::LeaseContext{.version = 2, .lease_key = LeaseKey{{key}}, .lease_state = 3};
    const auto answer = holder.exchange(holder.request(Command::kCreate, body));
    ASSERT_TRUE(answer);
    const auto response = answer->as<wire::CreateResponse>();
    ASSERT_TRUE(response.contexts.response_lease);
    ASSERT_EQ(response.contexts.response_lease->lease_state, 3u);
  }
  bool is_told() {
    const auto told = holder.receive();
    return told && told->header.command == Command::kOplockBreak;
  }

  RawClient holder{engine, ClientGuid{{9}}};
};

TEST_F(DirectoryLeases, EndWithAttributesAndTimes) {
  for (const size_t field : {0, 8, 16, 24, 32}) {  // four times and the attributes
    const std::string directory = "d" + std::to_string(field);
    lease(directory, static_cast<uint8_t>(field + 1));
    const FileId id = open(directory + "\\f");
    Bytes basic(40);
    basic[field] = field == 32 ? vfs::dos::kHidden : 1;
    if (field != 32) basic[field + 6] = 0x10;
    EXPECT_EQ(set(id, FileInfoClass::kBasic, basic), NtStatus::kSuccess);
    EXPECT_TRUE(is_told()) << field;
  }
}

TEST_F(DirectoryLeases, EndWithANewSize) {
  lease("d", 1);
  const FileId id = open("d\\f");
  Bytes size(8);
  size[0] = 3;
  EXPECT_EQ(set(id, FileInfoClass::kEndOfFile, size), NtStatus::kSuccess);
  EXPECT_TRUE(is_told());
}

TEST_F(DirectoryLeases, EndWithSparseAndWithALink) {
  const auto control = [&](wire::Fsctl code, FileId id, ByteView input) {
    return client.status_of(client.request(
        Command::kIoctl, wire::IoctlRequest{.ctl_code = code,
                                            .file_id = id,
                                            .input = input,
                                            .flags = wire::IoctlRequest::kFlagIsFsctl}));
  };
  lease("d", 1);
  EXPECT_EQ(control(wire::Fsctl::kSetSparse, open("d\\f"), {}), NtStatus::kSuccess);
  EXPECT_TRUE(is_told());
  make("d\\empty", "");
  lease("d", 2);
  const FileId link = open("d\\empty");
  wire::SymlinkReparse target{.substitute_name = "t", .print_name = "t", .relative = true};
  const wire::ReparseData reparse{.tag = vfs::kReparseTagSymlink, .data = std::move(target)};
  EXPECT_EQ(control(wire::Fsctl::kSetReparsePoint, link, reparse.encode()), NtStatus::kSuccess);
  EXPECT_TRUE(is_told());
}

// Before what is new is closed.
TEST_F(DirectoryLeases, EndWithANewFileAndANewDirectory) {
  lease("d", 1);
  EXPECT_NE(open("d\\new"), FileId{});
  EXPECT_TRUE(is_told());
  lease("d2", 2);
  auto body = RawClient::create_body("d2\\new");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  EXPECT_NE(client.create(body), FileId{});
  EXPECT_TRUE(is_told());
}

TEST_F(DirectoryLeases, EndWithAnOverwrite) {
  lease("d", 1);
  auto body = RawClient::create_body("d\\f");
  body.create_disposition = CreateDisposition::kOverwrite;
  EXPECT_NE(client.create(body), FileId{});  // and before it is closed
  EXPECT_TRUE(is_told());
}

TEST_F(DirectoryLeases, EndWithARenameOutAndIn) {
  lease("d", 1);
  const FileId id = open("d\\f");
  EXPECT_EQ(rename(id, "outside"), NtStatus::kSuccess);
  EXPECT_TRUE(is_told());
  make("d2\\unused", "");
  lease("d2", 2);
  EXPECT_EQ(rename(id, "d2\\g"), NtStatus::kSuccess);
  EXPECT_TRUE(is_told());
}

}  // namespace
}  // namespace braid::smb2
