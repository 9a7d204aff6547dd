// Links and other reparse points: [MS-FSA] 2.1.5.10.14, 2.1.5.10.37 and 2.1.5.10.3.
#include "wire/fscc/reparse.h"

#include <sys/sysmacros.h>

#include "smb2/commands/ioctl/fsctl_testing.h"
#include "smb2/pending_testing.h"
#include "vfs/memory/memory_features.h"
#include "wire/dtyp/security_descriptor.h"
#include "wire/fscc/file_information.h"
#include "wire/fscc/full_ea.h"
#include "wire/smb2/change_notify.h"
#include "wire/smb2/query_info.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::CreateOptions;
using wire::Fsctl;
using wire::LxSymlinkReparse;
using wire::NfsReparse;
using wire::ReparseData;
using wire::SymlinkReparse;
using enum NtStatus;

constexpr uint32_t kLxSymlink = 0xA000001D;
constexpr uint32_t kMountPoint = 0xA0000003;

struct ReparsePoints : Fsctls {
  static ReparseData symlink(std::string target, bool relative = true) {
    return {.tag = vfs::kReparseTagSymlink,
            .data = SymlinkReparse{
                .substitute_name = target, .print_name = target, .relative = relative}};
  }
  static ReparseData nfs(NfsReparse what) {
    return {.tag = vfs::kReparseTagNfs, .data = std::move(what)};
  }
  NtStatus set(FileId id, const ReparseData& data) {
    return status(Fsctl::kSetReparsePoint, id, data.encode());
  }
  // Of a new file with nothing in it.
  NtStatus set(const ReparseData& data) {
    const FileId id = open("l" + std::to_string(number++));
    const NtStatus told = set(id, data);
    client.close_file(id);
    return told;
  }
  FileId open_link(std::string_view name, uint32_t access = Access::kFileAllAccess) {
    auto body = RawClient::create_body(name);
    body.desired_access = access;
    body.create_disposition = wire::CreateDisposition::kOpen;
    body.create_options = CreateOptions::kOpenReparsePoint;
    return client.create(body);
  }
  void make_link(std::string_view name, std::string_view target) {
    const auto place =
        share_volume().lookup(server_credentials(), vfs::parse_path(name)->path).value();
    ASSERT_TRUE(share_volume().make_symlink(server_credentials(),
                                            std::get<vfs::Missing>(place).place, target));
  }
  Bytes removal(uint32_t tag, uint16_t length = 0, size_t size = 8) {
    Bytes input;
    wire::Writer writer(input);
    writer.u32(tag);
    writer.u16(length);
    writer.u16(0);
    input.resize(size);
    return input;
  }
  NtStatus remove(FileId id, const Bytes& input) {
    return status(Fsctl::kDeleteReparsePoint, id, input);
  }
  int number = 0;
};

TEST_F(ReparsePoints, LinkIsToldAsItIsStored) {
  make_link("relative", "to/there");
  make_link("absolute", "/to/there");
  for (const bool relative : {true, false}) {
    const FileId id = open_link(relative ? "relative" : "absolute");
    const Bytes expected = symlink(relative ? "to\\there" : "\\to\\there", relative).encode();
    EXPECT_EQ(ask(Fsctl::kGetReparsePoint, id).output, expected);
    EXPECT_EQ(status(Fsctl::kGetReparsePoint, id, {}, 7), kBufferTooSmall);
    const Told cut = ask(Fsctl::kGetReparsePoint, id, {}, 8);
    EXPECT_EQ(cut.status, kBufferOverflow);
    EXPECT_EQ(cut.output, Bytes(expected.begin(), expected.begin() + 8));
    const auto size = static_cast<uint32_t>(expected.size());
    EXPECT_EQ(status(Fsctl::kGetReparsePoint, id, {}, size), kSuccess);
    EXPECT_EQ(status(Fsctl::kGetReparsePoint, id, {}, size - 1), kBufferOverflow);
  }
  EXPECT_EQ(status(Fsctl::kGetReparsePoint, open("f")), kNotAReparsePoint);
}

// Pipes, sockets and devices are those of NFS: [MS-FSCC] 2.1.2.6.
TEST_F(ReparsePoints, SpecialFilesAreToldByTheirKind) {
  using Type = NfsReparse::Type;
  struct {
    vfs::Kind kind;
    NfsReparse expected;
  } const cases[] = {
      {vfs::Kind::kFifo, {.type = Type::kFifo}},
      {vfs::Kind::kSocket, {.type = Type::kSocket}},
      {vfs::Kind::kCharDevice, {.type = Type::kCharacterDevice, .major = 5, .minor = 300}},
      {vfs::Kind::kBlockDevice, {.type = Type::kBlockDevice, .major = 259, .minor = 7}},
  };
  for (const auto& each : cases) {
    const std::string name = "s" + std::to_string(number++);
    make(name, "");
    vfs::Attributes& attributes = vfs::attributes_of(find(name));
    attributes.kind = each.kind;
    attributes.dos_attributes = vfs::dos::kReparsePoint;
    attributes.reparse_tag = vfs::kReparseTagNfs;
    attributes.device = gnu_dev_makedev(each.expected.major, each.expected.minor);
    // Nobody is at the other end: it is opened to be looked at.
    constexpr uint32_t kLook = Access::kFileReadAttributes | Access::kFileWriteAttributes;
    const FileId id = open_link(name, kLook);
    EXPECT_EQ(ask(Fsctl::kGetReparsePoint, id).output, nfs(each.expected).encode());
    EXPECT_EQ(remove(id, removal(vfs::kReparseTagSymlink)), kIoReparseTagMismatch);
    EXPECT_EQ(set(id, symlink("x")), kIoReparseTagMismatch);
    client.close_file(id);
  }
}

TEST_F(ReparsePoints, SpecialFilesOfAllKindsAreMade) {
  using Type = NfsReparse::Type;
  struct {
    NfsReparse asked;
    vfs::Kind kind;
  } const cases[] = {
      {{.type = Type::kFifo}, vfs::Kind::kFifo},
      {{.type = Type::kSocket}, vfs::Kind::kSocket},
      {{.type = Type::kCharacterDevice, .major = 1, .minor = 3}, vfs::Kind::kCharDevice},
      {{.type = Type::kBlockDevice, .major = 259, .minor = 7}, vfs::Kind::kBlockDevice},
  };
  for (const auto& each : cases) {
    const std::string name = "l" + std::to_string(number);
    EXPECT_EQ(set(nfs(each.asked)), kSuccess);
    EXPECT_EQ(find(name).attributes.kind, each.kind);
  }
}

// A link takes the place of a file as if it was made there: in a folder where files may be added.
TEST_F(ReparsePoints, TakesTheRightToAddAFile) {
  RawClient member{engine, ClientGuid{{9}}};
  ASSERT_TRUE(member.log_on(wire::Dialect::kSmb302, "files", "member"));
  auto folder = RawClient::create_body("d");
  folder.create_options = CreateOptions::kDirectoryFile;
  const FileId made = client.create(folder);
  const auto grant = [&](uint32_t access) {
    wire::SecurityDescriptor descriptor;
    descriptor.control |= wire::sd_control::kDaclPresent;
    descriptor.dacl = wire::Acl{.aces = {wire::allow(wire::Sid(5, {21, 1, 2, 3, 1001}), access)}};
    const Bytes bytes = descriptor.encode().value();
    const wire::SetInfoRequest body{.info_type = wire::InfoType::kSecurity,
                                    .additional_information = wire::SecurityInformation::kDacl,
                                    .file_id = made,
                                    .buffer = bytes};
    ASSERT_EQ(client.status_of(client.request(wire::Command::kSetInfo, body)), kSuccess);
  };
  grant(Access::kFileAllAccess);
  const FileId first = member.create("d\\first"), second = member.create("d\\second");
  const auto link = [&](FileId id) {
    return Fsctls::ask(member, Fsctl::kSetReparsePoint, id, symlink("t").encode()).status;
  };
  grant(Access::kFileAllAccess & ~Access::kFileAddSubdirectory);
  EXPECT_EQ(link(first), kSuccess);
  grant(Access::kFileAllAccess & ~Access::kFileAddFile);
  EXPECT_EQ(link(second), kAccessDenied);
}

TEST_F(ReparsePoints, WhoWatchesAttributesHearsOfALink) {
  RawClient watcher{engine, ClientGuid{{9}}};
  ASSERT_TRUE(watcher.log_on());
  auto folder = RawClient::create_body("w");
  folder.create_options = CreateOptions::kDirectoryFile;
  const FileId watched = watcher.create(folder);
  const FileId id = open("w\\l");
  const uint64_t asked = send_pending(
      watcher, watcher.request(wire::Command::kChangeNotify,
                               wire::ChangeNotifyRequest{
                                   .output_buffer_length = 1000,
                                   .file_id = watched,
                                   .completion_filter = wire::CompletionFilter::kAttributes}));
  EXPECT_EQ(set(id, symlink("t")), kSuccess);
  const auto told = watcher.answer_to(asked);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->status(), kSuccess);
}

TEST_F(ReparsePoints, LinksOfAllKindsAreMade) {
  const auto target_of = [&](const ReparseData& data) {
    const std::string name = "l" + std::to_string(number);
    EXPECT_EQ(set(data), kSuccess);
    return find(name).symlink_target;
  };
  EXPECT_EQ(target_of(symlink("to\\there")), "to/there");
  EXPECT_EQ(target_of(symlink("\\to\\there", false)), "/to/there");
  EXPECT_EQ(target_of(symlink("to\\there", false)), "/to/there") << "Linux means that";
  EXPECT_EQ(target_of({.tag = kLxSymlink, .data = LxSymlinkReparse{.target = "a\\b/c"}}), "a\\b/c");
  EXPECT_EQ(target_of(nfs({.type = NfsReparse::Type::kSymlink, .target = "x/y"})), "x/y");
}

TEST_F(ReparsePoints, WhatIsNoLinkIsNotMade) {
  EXPECT_EQ(set(symlink("\\??\\C:\\x", false)), kNotSupported);
  EXPECT_EQ(set(symlink("\\\\server\\share", false)), kNotSupported);
  EXPECT_EQ(set(symlink("C:\\x", false)), kNotSupported);
  EXPECT_EQ(set(symlink("\\\\server\\share", true)), kSuccess) << "a name like others";
  EXPECT_EQ(set({.tag = kMountPoint,
                 .data = wire::MountPointReparse{.substitute_name = "x", .print_name = "x"}}),
            kNotSupported);
  EXPECT_EQ(set(symlink("")), kIoReparseDataInvalid);
  EXPECT_EQ(set({.tag = kLxSymlink, .data = LxSymlinkReparse{.target = ""}}),
            kIoReparseDataInvalid);
  EXPECT_EQ(set(symlink(std::string("a\0b", 3))), kIoReparseDataInvalid);
}

TEST_F(ReparsePoints, OnlyWhatIsEmptyBecomesALink) {
  make("full", "content");
  EXPECT_EQ(set(open("full"), symlink("x")), kIoReparseDataInvalid);
  const FileId ea = open("ea");
  ASSERT_EQ(FileRequests::set(ea, wire::FileInfoClass::kFullEa,
                              wire::encode_full_eas({{.name = "A", .value = {1}}}, 64)),
            kSuccess);
  EXPECT_EQ(set(ea, symlink("x")), kEasNotSupported);
  make("streams:s", "");
  EXPECT_EQ(set(open("streams"), symlink("x")), kIoReparseDataInvalid);
  EXPECT_EQ(set(open("streams:s"), symlink("x")), kInvalidParameter);
  EXPECT_EQ(set(directory(""), symlink("x")), kInvalidParameter);
  EXPECT_EQ(set(directory("empty"), symlink("x")), kSuccess);
  EXPECT_EQ(find("empty").symlink_target, "x");
  for (const uint32_t access : {Access::kFileWriteData, Access::kFileWriteAttributes}) {
    const std::string name = "w" + std::to_string(access);
    make(name, "");
    EXPECT_EQ(set(open(name, access), symlink("x")), kSuccess);
  }
  make("r", "");
  EXPECT_EQ(set(open("r", Access::kGenericRead), symlink("x")), kAccessDenied);
  // Who has it open would write into nothing.
  const FileId two = open("two");
  open("two");
  EXPECT_NE(set(two, symlink("x")), kSuccess);
}

TEST_F(ReparsePoints, HandleIsToldOfWhatTookItsName) {
  const FileId id = open("l");
  const auto query = [&](FileId of, wire::FileInfoClass info_class) {
    const wire::QueryInfoRequest body{.file_info_class = static_cast<uint8_t>(info_class),
                                      .output_buffer_length = 1024,
                                      .file_id = of};
    const auto answer = client.exchange(client.request(wire::Command::kQueryInfo, body));
    EXPECT_EQ(answer->status(), kSuccess);
    const ByteView told = answer->as<wire::QueryInfoResponse>().output_buffer;
    return Bytes(told.begin(), told.end());
  };
  const auto tag = [&] {
    return decoded<wire::FileAttributeTagInformation>(
        query(id, wire::FileInfoClass::kAttributeTag));
  };
  EXPECT_EQ(tag().reparse_tag, 0u);
  ASSERT_EQ(set(id, symlink("x")), kSuccess);
  EXPECT_EQ(tag().reparse_tag, vfs::kReparseTagSymlink);
  EXPECT_TRUE(tag().file_attributes & vfs::dos::kReparsePoint);
  const auto number = [&](FileId of) {
    return decoded<wire::FileInternalInformation>(query(of, wire::FileInfoClass::kInternal))
        .index_number;
  };
  const Bytes all = query(id, wire::FileInfoClass::kAll);
  ASSERT_GT(all.size(), 60u);
  EXPECT_EQ(all[56], 1);  // NumberOfLinks
  EXPECT_EQ(all[60], 0);  // DeletePending
  const uint64_t told = number(id);
  client.close_file(id);
  EXPECT_EQ(number(open_link("l")), told);
}

TEST_F(ReparsePoints, LinkIsReplacedByAnotherOne) {
  make_link("l", "before");
  EXPECT_EQ(set(open_link("l"), symlink("after")), kSuccess);
  EXPECT_EQ(find("l").symlink_target, "after");
}

TEST_F(ReparsePoints, LinkIsTakenOffByItsTag) {
  make_link("l", "there");
  const FileId id = open_link("l");
  EXPECT_EQ(remove(id, removal(0)), kIoReparseTagInvalid);
  EXPECT_EQ(remove(id, removal(1)), kIoReparseTagInvalid);
  EXPECT_EQ(remove(id, removal(2)), kIoReparseTagMismatch);
  EXPECT_EQ(remove(id, removal(vfs::kReparseTagNfs)), kIoReparseTagMismatch);
  EXPECT_EQ(remove(id, removal(vfs::kReparseTagSymlink, 1)), kIoReparseDataInvalid);
  EXPECT_EQ(remove(id, removal(vfs::kReparseTagSymlink, 0, 7)), kIoReparseDataInvalid);
  EXPECT_EQ(remove(id, Bytes(5)), kIoReparseDataInvalid);
  for (const uint32_t access : {Access::kGenericRead, Access::kDelete}) {
    const FileId reader = open_link("l", access);
    EXPECT_EQ(remove(reader, removal(vfs::kReparseTagSymlink)), kAccessDenied);
    client.close_file(reader);
  }
  EXPECT_EQ(remove(open("f"), removal(vfs::kReparseTagSymlink)), kNotAReparsePoint);
  EXPECT_EQ(remove(id, removal(vfs::kReparseTagSymlink)), kSuccess);
  client.close_file(id);
  const auto found = find("l");
  EXPECT_EQ(found.attributes.kind, vfs::Kind::kFile);
  EXPECT_EQ(found.attributes.mode, 0644u);
  EXPECT_EQ(content("l"), "STATUS_END_OF_FILE");
  make_link("m", "there");
  EXPECT_EQ(remove(open_link("m", Access::kFileWriteAttributes), removal(vfs::kReparseTagSymlink)),
            kSuccess);
}

}  // namespace
}  // namespace braid::smb2
