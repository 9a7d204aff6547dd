// Dispositions that overwrite what is there: [MS-FSA] 2.1.5.1.2 "Open of an Existing File".
#include <cerrno>
#include <set>

#include "smb2/commands/file_requests_testing.h"
#include "vfs/fault/fault_volume.h"
#include "wire/dtyp/security_descriptor.h"
#include "wire/smb2/query_info.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Command;
using wire::CreateDisposition;
using wire::FileInfoClass;

struct Overwrites : FileRequests {
  NtStatus overwrite(std::string_view name, CreateDisposition disposition,
                     uint32_t access = Access::kFileReadAttributes) {
    return status_of_open(name, access, disposition);
  }
};

// [MS-FSA] 2.1.5.1.2: what the disposition needs is there before share modes are looked at.
TEST_F(Overwrites, HoldBackFromWhatIsNotShared) {
  make("f", "content");
  const FileId id = open("f", Access::kFileReadData, wire::ShareAccess::kRead);
  for (const auto disposition : {CreateDisposition::kOverwrite, CreateDisposition::kOverwriteIf,
                                 CreateDisposition::kSupersede}) {
    EXPECT_EQ(overwrite("f", disposition), NtStatus::kSharingViolation);
  }
  EXPECT_EQ(content(id), "content");
}

TEST_F(Overwrites, OfStreamsFollowTheSameRule) {
  make("f", "content");
  make("f:s", "stream");
  const FileId id = open("f:s", Access::kFileReadData, wire::ShareAccess::kRead);
  EXPECT_EQ(overwrite("f:s", CreateDisposition::kOverwrite), NtStatus::kSharingViolation);
  EXPECT_EQ(content(id), "stream");
  client.close_file(id);
  const FileId file = open("f");
  Bytes basic(40);
  basic[32] = vfs::dos::kReadonly;
  ASSERT_EQ(set(file, FileInfoClass::kBasic, basic), NtStatus::kSuccess);
  client.close_file(file);
  EXPECT_EQ(overwrite("f:s", CreateDisposition::kOverwrite), NtStatus::kAccessDenied);
  EXPECT_EQ(content("f:s"), "STATUS_FILE_CLOSED") << "full access, which READONLY refuses";
}

TEST_F(Overwrites, TakeTheNamedStreamsWithThem) {
  for (const auto disposition : {CreateDisposition::kOverwrite, CreateDisposition::kOverwriteIf,
                                 CreateDisposition::kSupersede}) {
    make("f", "content");
    make("f:Zone.Identifier", "[ZoneTransfer]");
    make("f:big", std::string(100'000, 'x'));
    EXPECT_EQ(overwrite("f", disposition), NtStatus::kSuccess);
    EXPECT_EQ(status_of_open("f:Zone.Identifier"), NtStatus::kObjectNameNotFound);
    EXPECT_EQ(status_of_open("f:big"), NtStatus::kObjectNameNotFound);
  }
}

TEST_F(Overwrites, LeaveAStreamThatIsOpen) {
  make("f", "content");
  const FileId stream = open("f:s");
  ASSERT_EQ(write(stream, "kept"), NtStatus::kSuccess);
  EXPECT_EQ(overwrite("f", CreateDisposition::kOverwrite), NtStatus::kSuccess);
  EXPECT_EQ(content(stream), "kept");
}

// The client is told that nothing was done.
TEST_F(Overwrites, ThatAreRefusedDeleteNothing) {
  make("f", "content");
  make("f:s", "stream");
  for (const std::string_view name : {"f", "f:s"}) {
    for (const auto disposition : {CreateDisposition::kOverwrite, CreateDisposition::kOverwriteIf,
                                   CreateDisposition::kSupersede}) {
      auto body = RawClient::create_body(name);
      body.create_disposition = disposition;
      body.create_options = wire::CreateOptions::kDeleteOnClose;
      body.contexts.allocation_size = uint64_t{1} << 63;
      EXPECT_EQ(client.status_of(client.request(Command::kCreate, body)),
                NtStatus::kInvalidParameter);
      EXPECT_EQ(status_of_open(name), NtStatus::kSuccess)
          << name << " is marked as being deleted, or is gone";
    }
  }
}

// What comes into a directory that is to be deleted would undo an acknowledged deletion.
TEST_F(Overwrites, NothingIsMadeInADirectoryThatIsToBeDeleted) {
  auto body = RawClient::create_body("dir");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  const FileId first = client.create(body);
  body.desired_access = Access::kFileReadAttributes;
  const FileId second = client.create(body);
  make("f", "content");
  const FileId file = open("f");
  ASSERT_EQ(dispose_ex(first, wire::FileDispositionInformationEx::kDelete), NtStatus::kSuccess);
  client.close_file(first);
  EXPECT_EQ(status_of_open("dir\\f", Access::kFileReadData, CreateDisposition::kCreate),
            NtStatus::kDeletePending);
  EXPECT_EQ(rename(file, "dir\\f"), NtStatus::kDeletePending);
  EXPECT_EQ(link(file, "dir\\f", false), NtStatus::kDeletePending);
  client.close_file(second);
  EXPECT_EQ(status_of_open("dir"), NtStatus::kObjectNameNotFound);
}

// [MS-FSA] 2.1.5.15.7.
TEST_F(Overwrites, WhatIsToBeDeletedGetsNoOtherName) {
  make("f", "content");
  const FileId file = open("f");
  ASSERT_EQ(dispose_ex(file, wire::FileDispositionInformationEx::kDelete), NtStatus::kSuccess);
  EXPECT_EQ(link(file, "g", false), NtStatus::kAccessDenied);
  EXPECT_EQ(rename(file, "g"), NtStatus::kAccessDenied);
}

// [MS-FSA] 2.1.5.1.2: superseding takes the right to delete, overwriting that to write.
TEST_F(Overwrites, TakeTheRightsOfTheirDisposition) {
  make("f", "content");
  RawClient member{engine, ClientGuid{{9}}};
  ASSERT_TRUE(member.log_on(wire::Dialect::kSmb302, "files", "member"));
  const auto asked = [&](CreateDisposition disposition) {
    auto body = RawClient::create_body("f");
    body.desired_access = Access::kFileReadAttributes;
    body.create_disposition = disposition;
    const auto answer = member.exchange(member.request(Command::kCreate, body));
    if (answer->status() == NtStatus::kSuccess) {
      member.close_file(answer->as<wire::CreateResponse>().file_id);
    }
    return answer->status();
  };
  const auto grant = [&](uint32_t access) {
    wire::SecurityDescriptor descriptor;
    descriptor.control |= wire::sd_control::kDaclPresent;
    const wire::Sid sid(5, {21, 1, 2, 3, 1001});
    descriptor.dacl = wire::Acl{.aces = {wire::allow(sid, access)}};
    const Bytes bytes = *descriptor.encode();
    wire::SetInfoRequest body{.info_type = wire::InfoType::kSecurity,
                              .additional_information = wire::SecurityInformation::kDacl,
                              .file_id = open("f", Access::kWriteDac),
                              .buffer = bytes};
    ASSERT_EQ(client.status_of(client.request(Command::kSetInfo, body)), NtStatus::kSuccess);
    client.close_file(body.file_id);
  };
  grant(Access::kFileAllAccess & ~Access::kDelete);
  EXPECT_EQ(asked(CreateDisposition::kSupersede), NtStatus::kAccessDenied);
  EXPECT_EQ(asked(CreateDisposition::kOverwrite), NtStatus::kSuccess);
  EXPECT_EQ(asked(CreateDisposition::kOverwriteIf), NtStatus::kSuccess);
  grant(Access::kFileAllAccess & ~Access::kFileWriteData);
  EXPECT_EQ(asked(CreateDisposition::kOverwrite), NtStatus::kAccessDenied);
  EXPECT_EQ(asked(CreateDisposition::kOverwriteIf), NtStatus::kAccessDenied);
}

// [MS-SMB2] 3.3.5.9.5: what the descriptor grants, and READONLY is not part of it.
TEST_F(Overwrites, MaximalAccessOfReadonlyIncludesWriting) {
  make("f", "content", vfs::dos::kReadonly);
  auto body = RawClient::create_body("f");
  body.desired_access = Access::kMaximumAllowed;
  body.contexts.query_maximal_access.emplace();
  const auto answer = client.exchange(client.request(Command::kCreate, body));
  ASSERT_EQ(answer->status(), NtStatus::kSuccess);
  const auto response = answer->as<wire::CreateResponse>();
  ASSERT_TRUE(response.contexts.query_maximal_access);
  EXPECT_EQ(response.contexts.query_maximal_access->maximal_access & Access::kFileWriteData,
            Access::kFileWriteData);
  EXPECT_EQ(write(response.file_id, "no"), NtStatus::kAccessDenied);
}

// MAXIMUM_ALLOWED is what the kernel allows, too: of what nobody has named, writing goes first.
TEST(MaximumAllowed, IsWhatTheKernelLetsIt) {
  const auto plan = vfs::make_fault_plan();
  Engine engine(Engine::lenient(), system_clock(), 1,
                Engine::shares_on(vfs::make_fault_volume(vfs::make_memory_volume(), plan)));
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  ASSERT_EQ(client.close_file(client.create("f")), NtStatus::kSuccess);
  constexpr uint32_t kWrites = Access::kFileWriteData | Access::kFileAppendData;
  constexpr uint32_t kReads = Access::kFileReadData | Access::kFileExecute;
  // What is granted when the kernel says no once, whatever it was asked for then.
  const auto granted = [&](uint32_t access) {
    constexpr uint64_t kCallsMax = 30;
    std::set<uint32_t> all;
    for (uint64_t call = 1; call < kCallsMax; ++call) {
      auto body = RawClient::create_body("f");
      body.desired_access = access;
      body.create_disposition = CreateDisposition::kOpen;
      plan->fail_call(call, EACCES);
      const FileId id = client.create(body);
      plan->clear();
      plan->fail_call(0, 0);
      if (id == FileId{}) continue;
      wire::QueryInfoRequest query;
      query.info_type = wire::InfoType::kFile;
      query.file_info_class = static_cast<uint8_t>(FileInfoClass::kAccess);
      query.output_buffer_length = 4;
      query.file_id = id;
      const auto told = client.exchange(client.request(Command::kQueryInfo, query));
      const auto response = told->as<wire::QueryInfoResponse>();
      all.insert(wire::Reader(response.output_buffer).u32());
      client.close_file(id);
    }
    return all;
  };
  constexpr uint32_t kAll = Access::kFileAllAccess;
  EXPECT_EQ(granted(Access::kMaximumAllowed), (std::set<uint32_t>{kAll & ~kWrites, kAll}));
  EXPECT_EQ(granted(Access::kMaximumAllowed | Access::kFileWriteData),
            (std::set<uint32_t>{kAll & ~Access::kFileAppendData, kAll}));
  EXPECT_EQ(granted(Access::kMaximumAllowed | kWrites), (std::set<uint32_t>{kAll & ~kReads, kAll}));
  client.close();
}

}  // namespace
}  // namespace braid::smb2
