// Which parts of a descriptor are told and put in: [MS-SMB2] 3.3.5.20.3 and 3.3.5.21.3; and the
// descriptor that a CREATE brings: 3.3.5.9.2.
#include <cerrno>

#include "smb2/commands/file_requests_testing.h"
#include "vfs/fault/fault_volume.h"
#include "wire/dtyp/security_descriptor.h"
#include "wire/smb2/error_response.h"
#include "wire/smb2/query_info.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Acl;
using wire::Command;
using wire::InfoType;
using wire::SecurityDescriptor;
using wire::Sid;
using Part = wire::SecurityInformation;
namespace control = wire::sd_control;
using enum NtStatus;

const Sid kUser(5, {21, 1, 2, 3, 1001});
const Sid kGroup(5, {21, 1, 2, 3, 513});
const Sid kStranger(5, {21, 9, 9, 9, 1000});

struct Descriptors : FileRequests {
  void SetUp() override {
    FileRequests::SetUp();
    id = open("f", kAll);
  }
  static NtStatus put(RawClient& by, FileId of, uint32_t parts, const SecurityDescriptor& given) {
    wire::SetInfoRequest body;
    body.info_type = InfoType::kSecurity;
    body.additional_information = parts;
    body.file_id = of;
    const Bytes buffer = given.encode().value();
    body.buffer = buffer;
    return by.status_of(by.request(Command::kSetInfo, body));
  }
  NtStatus put(uint32_t parts, const SecurityDescriptor& given) {
    return put(client, id, parts, given);
  }
  std::optional<Answer> ask(FileId of, uint32_t parts, uint32_t room) {
    wire::QueryInfoRequest body;
    body.info_type = InfoType::kSecurity;
    body.output_buffer_length = room;
    body.additional_information = parts;
    body.file_id = of;
    return client.exchange(client.request(Command::kQueryInfo, body));
  }
  SecurityDescriptor told(FileId of, uint32_t parts) {
    const auto answer = ask(of, parts, 65536);
    EXPECT_EQ(answer->status(), kSuccess);
    return SecurityDescriptor::decode(answer->as<wire::QueryInfoResponse>().output_buffer).value();
  }
  SecurityDescriptor told(uint32_t parts) { return told(id, parts); }
  static SecurityDescriptor with_dacl(std::optional<Acl> dacl, uint16_t flags = 0) {
    SecurityDescriptor made;
    made.control |= control::kDaclPresent | flags;
    made.dacl = std::move(dacl);
    return made;
  }
  static SecurityDescriptor with_sacl(std::optional<Acl> sacl, uint16_t flags = 0) {
    SecurityDescriptor made;
    if (sacl) made.control |= control::kSaclPresent;
    made.control |= flags;
    made.sacl = std::move(sacl);
    return made;
  }
  static Acl audits() {
    return {.aces = {{.type = wire::AceType::kSystemAudit,
                      .flags = wire::ace_flag::kFailedAccess,
                      .mask = Access::kFileWriteData,
                      .sid = wire::sids::kEveryone}}};
  }
  static Acl list(uint32_t mask) { return {.aces = {wire::allow(wire::sids::kEveryone, mask)}}; }

  static constexpr uint32_t kAll = Access::kFileAllAccess | Access::kAccessSystemSecurity;
  static constexpr uint32_t kEverything = Part::kOwner | Part::kGroup | Part::kDacl | Part::kSacl;
  FileId id;
};

TEST_F(Descriptors, PartsThatWereAskedForAreToldAndNoOthers) {
  ASSERT_EQ(put(Part::kDacl, with_dacl(list(Access::kFileAllAccess))), kSuccess);
  ASSERT_EQ(put(Part::kSacl, with_sacl(audits())), kSuccess);
  const SecurityDescriptor whole = told(kEverything);
  ASSERT_TRUE(whole.owner && whole.group && whole.dacl && whole.sacl);
  EXPECT_EQ(whole.dacl, list(Access::kFileAllAccess));
  EXPECT_EQ(whole.sacl, audits());
  EXPECT_EQ(whole.control, control::kSelfRelative | control::kDaclPresent | control::kSaclPresent);
  for (uint32_t parts = 0; parts < 16; ++parts) {
    const SecurityDescriptor some = told(parts);
    EXPECT_EQ(some.owner, (parts & 1) ? whole.owner : std::nullopt) << parts;
    EXPECT_EQ(some.group, (parts & 2) ? whole.group : std::nullopt) << parts;
    EXPECT_EQ(some.dacl, (parts & 4) ? whole.dacl : std::nullopt) << parts;
    EXPECT_EQ(some.sacl, (parts & 8) ? whole.sacl : std::nullopt) << parts;
    const int flags = control::kSelfRelative | ((parts & 4) ? control::kDaclPresent : 0) |
                      ((parts & 8) ? control::kSaclPresent : 0);
    EXPECT_EQ(some.control, flags) << parts;
  }
}

TEST_F(Descriptors, PartsThatWereNamedArePutInAndNoOthers) {
  SecurityDescriptor given = with_dacl(list(Access::kFileReadData));
  given.sacl = audits();
  given.control |= control::kSaclPresent;
  given.owner = Sid(22, {1, 4001});
  given.group = Sid(22, {2, 4002});
  const SecurityDescriptor before = told(kEverything);
  EXPECT_EQ(put(0, given), kSuccess);
  EXPECT_EQ(told(kEverything), before);
  ASSERT_EQ(put(Part::kDacl, given), kSuccess);
  EXPECT_EQ(told(kEverything).dacl, given.dacl);
  EXPECT_EQ(told(kEverything).owner, before.owner);
  EXPECT_EQ(told(kEverything).sacl, before.sacl);
  ASSERT_EQ(put(Part::kSacl, given), kSuccess);
  EXPECT_EQ(told(kEverything).sacl, given.sacl);
  if (server_credentials()->uid == 0) {
    ASSERT_EQ(put(Part::kGroup, given), kSuccess);
    EXPECT_NE(told(Part::kGroup).group, before.group);
    EXPECT_EQ(told(Part::kOwner).owner, before.owner);
    ASSERT_EQ(put(Part::kOwner, given), kSuccess);
    EXPECT_NE(told(Part::kOwner).owner, before.owner);
  }
  // What is named and not given stays, but for a DACL, which is the NULL list then.
  EXPECT_EQ(put(Part::kOwner | Part::kGroup, SecurityDescriptor{}), kSuccess);
  EXPECT_TRUE(told(Part::kOwner).owner);
  ASSERT_EQ(put(Part::kDacl, SecurityDescriptor{}), kSuccess);
  EXPECT_TRUE(told(Part::kDacl).has_null_dacl());
  ASSERT_EQ(put(Part::kSacl, SecurityDescriptor{}), kSuccess);
  EXPECT_FALSE(told(Part::kSacl).sacl);
  EXPECT_EQ(told(kEverything).control & control::kSaclPresent, 0);
}

TEST_F(Descriptors, FlagsOfAListComeAndGoWithIt) {
  using namespace wire::sd_control;
  const uint16_t of_dacl =
      kDaclDefaulted | kDaclAutoInherited | kDaclAutoInheritRequired | kDaclProtected;
  const uint16_t of_sacl =
      kSaclDefaulted | kSaclAutoInherited | kSaclAutoInheritRequired | kSaclProtected;
  ASSERT_EQ(put(Part::kDacl, with_dacl(list(1), of_dacl | of_sacl)), kSuccess);
  EXPECT_EQ(told(kEverything).control,
            kSelfRelative | kDaclPresent | kDaclDefaulted | kDaclAutoInherited | kDaclProtected);
  ASSERT_EQ(put(Part::kSacl, with_sacl(audits(), of_dacl | of_sacl)), kSuccess);
  EXPECT_EQ(told(Part::kSacl).control,
            kSelfRelative | kSaclPresent | kSaclDefaulted | kSaclAutoInherited | kSaclProtected);
  ASSERT_EQ(put(Part::kDacl, with_dacl(list(1))), kSuccess);
  EXPECT_EQ(told(Part::kDacl).control, kSelfRelative | kDaclPresent);
  EXPECT_EQ(told(Part::kSacl).control,
            kSelfRelative | kSaclPresent | kSaclDefaulted | kSaclAutoInherited | kSaclProtected);
  ASSERT_EQ(put(Part::kSacl, with_sacl(audits())), kSuccess);
  EXPECT_EQ(told(Part::kSacl).control, kSelfRelative | kSaclPresent);
}

// All or nothing, with the size it takes: [MS-SMB2] 3.3.5.20.3.
TEST_F(Descriptors, TooLittleRoomIsToldWithTheSize) {
  const auto whole = ask(id, Part::kOwner | Part::kDacl, 65536);
  const auto size =
      static_cast<uint32_t>(whole->as<wire::QueryInfoResponse>().output_buffer.size());
  EXPECT_EQ(ask(id, Part::kOwner | Part::kDacl, size)->status(), kSuccess);
  const auto short_one = ask(id, Part::kOwner | Part::kDacl, size - 1);
  ASSERT_EQ(short_one->status(), kBufferTooSmall);
  wire::Reader reader(short_one->as<wire::ErrorResponse>().default_data());
  EXPECT_EQ(reader.u32(), size);
}

TEST_F(Descriptors, WhatIsNoDescriptorIsRefused) {
  wire::SetInfoRequest body;
  body.info_type = InfoType::kSecurity;
  body.additional_information = Part::kDacl;
  body.file_id = id;
  const Bytes cut(19);
  body.buffer = cut;
  EXPECT_TRUE(is_error(client.status_of(client.request(Command::kSetInfo, body))));
}

// Who is nobody here is an owner only by privilege, and nobody else is given away.
TEST_F(Descriptors, OwnerIsOneselfForOthersThanAdministrators) {
  if (server_credentials()->uid != 0) GTEST_SKIP() << "needs files of others";
  RawClient member{engine, ClientGuid{{9}}};
  const auto change = [&](std::string_view name, const vfs::AttributesChange& to) {
    const auto found =
        share_volume().find(server_credentials(), vfs::parse_path(name)->path).value();
    ASSERT_TRUE(share_volume().open(server_credentials(), found, {}).value()->change(to));
  };
  change("", {.mode = 0777});
  ASSERT_TRUE(member.log_on(wire::Dialect::kSmb302, "files", "member"));
  const FileId own = member.create("own");
  ASSERT_NE(own, FileId{});
  const auto give = [&](const Sid& to) {
    SecurityDescriptor given;
    given.owner = to;
    return put(member, own, Part::kOwner, given);
  };
  EXPECT_EQ(give(kUser), kSuccess) << "the SID that members log on with";
  EXPECT_EQ(give(Sid(22, {1, 4001})), kInvalidOwner);
  RawClient admin{engine, ClientGuid{{10}}};
  ASSERT_TRUE(admin.log_on(wire::Dialect::kSmb302, "files", "admin"));
  SecurityDescriptor given;
  given.owner = Sid(22, {1, 4001});
  auto body = RawClient::create_body("own");
  body.desired_access = Access::kWriteOwner;
  EXPECT_EQ(put(admin, admin.create(body), Part::kOwner, given), kSuccess);
}

// 3.3.5.9.2 and [MS-FSA] 2.1.5.1.1: what a CREATE brings is what the file has then.
struct CreateDescriptors : Descriptors {
  NtStatus create(RawClient& by, std::string_view name, const SecurityDescriptor& given) {
    const Bytes buffer = given.encode().value();
    return create(by, name, buffer);
  }
  NtStatus create(RawClient& by, std::string_view name, ByteView given) {
    auto body = RawClient::create_body(name);
    body.create_disposition = wire::CreateDisposition::kCreate;
    body.desired_access = Access::kMaximumAllowed;
    body.contexts.sd_buffer = given;
    const auto answer = by.exchange(by.request(Command::kCreate, body));
    if (answer->status() == kSuccess) {
      by.close_file(answer->as<wire::CreateResponse>().file_id);
    }
    return answer->status();
  }
};

TEST_F(CreateDescriptors, DescriptorIsTheFilesThen) {
  ASSERT_EQ(create(client, "new", with_dacl(list(Access::kFileAllAccess))), kSuccess);
  EXPECT_EQ(told(open("new"), Part::kDacl).dacl, list(Access::kFileAllAccess));
  SecurityDescriptor given = with_sacl(audits());
  given.control |= control::kDaclPresent;
  given.dacl = list(Access::kFileAllAccess);
  ASSERT_EQ(create(client, "audited", given), kSuccess);
  EXPECT_EQ(told(open("audited", kAll), Part::kSacl).sacl, audits());
  ASSERT_EQ(create(client, "new:s2", given), kSuccess);
  ASSERT_EQ(create(client, "fresh:s", with_dacl(list(Access::kFileAllAccess))), kSuccess);
  EXPECT_EQ(told(open("fresh"), Part::kDacl).dacl, list(Access::kFileAllAccess));
  EXPECT_TRUE(is_error(create(client, "bad", Bytes(19))));
  EXPECT_EQ(status_of_open("bad"), kObjectNameNotFound);
}

TEST_F(CreateDescriptors, OwnerAndAuditTakePrivileges) {
  if (server_credentials()->uid != 0) GTEST_SKIP() << "needs files of others";
  const auto root = share_volume().find(server_credentials(), vfs::Path()).value();
  ASSERT_TRUE(share_volume().open(server_credentials(), root, {}).value()->change({.mode = 0777}));
  RawClient member{engine, ClientGuid{{9}}};
  ASSERT_TRUE(member.log_on(wire::Dialect::kSmb302, "files", "member"));
  SecurityDescriptor given = with_dacl(list(Access::kFileAllAccess));
  EXPECT_EQ(create(member, "a", given), kSuccess);
  given.owner = kUser;
  EXPECT_EQ(create(member, "b", given), kSuccess);
  given.owner = Sid(22, {1, 4001});
  EXPECT_EQ(create(member, "c", given), kInvalidOwner);
  given.owner = Sid(22, {2, 4001});
  EXPECT_EQ(create(member, "c", given), kInvalidOwner) << "a group";
  given.owner.reset();
  given.sacl = audits();
  given.control |= control::kSaclPresent;
  EXPECT_EQ(create(member, "d", given), kPrivilegeNotHeld);
  given.sacl = Acl{};
  EXPECT_EQ(create(member, "e", given), kSuccess) << "an empty one audits nothing";
  RawClient admin{engine, ClientGuid{{10}}};
  ASSERT_TRUE(admin.log_on(wire::Dialect::kSmb302, "files", "admin"));
  given.sacl = audits();
  given.owner = Sid(22, {1, 4001});
  EXPECT_EQ(create(admin, "f2", given), kSuccess);
}

// What a folder passes on.
TEST_F(CreateDescriptors, FolderPassesItsListOn) {
  auto body = RawClient::create_body("folder");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  const FileId folder = client.create(body);
  using namespace wire::ace_flag;
  Acl passed;
  passed.aces = {wire::allow(wire::sids::kEveryone, Access::kFileAllAccess,
                             kObjectInherit | kContainerInherit),
                 wire::allow(kStranger, Access::kFileReadData, kObjectInherit)};
  ASSERT_EQ(put(client, folder, Part::kDacl, with_dacl(passed)), kSuccess);
  client.close_file(client.create("folder\\f"));
  const auto got = told(open("folder\\f"), Part::kDacl).dacl;
  ASSERT_TRUE(got);
  ASSERT_EQ(got->aces.size(), 2u);
  EXPECT_EQ(got->aces[0].sid, wire::sids::kEveryone);
  EXPECT_EQ(got->aces[0].mask, Access::kFileAllAccess);
  EXPECT_EQ(got->aces[1].sid, kStranger);
}

// The kernel's rule for groups.
TEST_F(CreateDescriptors, GroupIsTheMakersUnlessTheFolderSaysOtherwise) {
  if (server_credentials()->uid != 0) GTEST_SKIP() << "needs groups of others";
  auto body = RawClient::create_body("folder");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  client.close_file(client.create(body));
  const auto found =
      share_volume().find(server_credentials(), vfs::parse_path("folder")->path).value();
  const auto folder = share_volume().open(server_credentials(), found, {}).value();
  ASSERT_EQ(create(client, "folder\\a", with_dacl(list(Access::kFileAllAccess))), kSuccess);
  EXPECT_EQ(told(open("folder\\a"), Part::kGroup).group, kGroup);
  ASSERT_TRUE(folder->change({.mode = 02755, .gid = 4321}));
  ASSERT_EQ(create(client, "folder\\b", with_dacl(list(Access::kFileAllAccess))), kSuccess);
  EXPECT_EQ(told(open("folder\\b"), Part::kGroup).group,
            engine.server().files.ids.sid_of_gid(4321));
}

// A file system that keeps no descriptors of files.
struct UnkeptDescriptors : FileRequests {
  explicit UnkeptDescriptors(std::shared_ptr<vfs::FaultPlan> disk = vfs::make_fault_plan())
      : FileRequests(vfs::make_fault_volume(vfs::make_memory_volume(), disk)), plan(disk) {}
  NtStatus create(std::string_view name, ByteView descriptor = {}) {
    auto body = RawClient::create_body(name);
    body.create_disposition = wire::CreateDisposition::kCreate;
    if (!descriptor.empty()) body.contexts.sd_buffer = descriptor;
    return client.status_of(client.request(Command::kCreate, body));
  }
  const std::shared_ptr<vfs::FaultPlan> plan;
};

// What the client asks for is kept, or it is told; what a folder passes on is kept where it can be.
TEST_F(UnkeptDescriptors, AreRefusedIfTheyWereAskedFor) {
  SecurityDescriptor given;
  given.control |= control::kDaclPresent;
  given.dacl = Acl{.aces = {wire::allow(kUser, Access::kFileAllAccess)}};
  given.dacl->aces[0].flags = wire::ace_flag::kObjectInherit;
  const Bytes buffer = given.encode().value();
  auto folder = RawClient::create_body("d");
  folder.create_options = wire::CreateOptions::kDirectoryFile;
  folder.contexts.sd_buffer = buffer;
  ASSERT_EQ(client.status_of(client.request(Command::kCreate, folder)), kSuccess);
  plan->fail_operation("set_xattr", ENOTSUP);
  EXPECT_EQ(create("f", buffer), kNotSupported);
  EXPECT_EQ(status_of_open("f"), kObjectNameNotFound);
  EXPECT_EQ(create("d\\f"), kSuccess);
}

// [MS-DTYP] 2.4.6: Sbz1 belongs to the resource manager that says so.
TEST_F(Descriptors, ResourceManagersByteIsKept) {
  SecurityDescriptor given = with_dacl(list(Access::kFileAllAccess), control::kRmControlValid);
  given.resource_manager_control = 0x5A;
  ASSERT_EQ(put(Part::kDacl, given), kSuccess);
  // Nobody says anything of it.
  ASSERT_EQ(put(Part::kDacl, with_dacl(list(Access::kFileReadData))), kSuccess);
  const auto found = share_volume().find(server_credentials(), vfs::parse_path("f")->path).value();
  const auto file = share_volume().open(server_credentials(), found, {}).value();
  const auto kept = engine.server().files.descriptors.load(*file, found.attributes);
  ASSERT_TRUE(kept);
  EXPECT_EQ((*kept)->descriptor.resource_manager_control, 0x5A);
  EXPECT_TRUE((*kept)->descriptor.control & control::kRmControlValid);
}

}  // namespace
}  // namespace braid::smb2
