// What of each request goes into the audit: docs/json.md has the operations.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "smb2/audit/audit_log.h"
#include "smb2/commands/file_requests_testing.h"
#include "wire/smb2/flush.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/query_info.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Command;
using wire::CreateDisposition;
using wire::FileInfoClass;
using enum NtStatus;
using Lines = std::vector<std::string>;

// The text of a member; empty where there is none.
std::string member(const std::string& line, const std::string& key) {
  const size_t at = line.find("\"" + key + "\":\"");
  if (at == line.npos) return {};
  const size_t begin = at + key.size() + 4;
  return line.substr(begin, line.find('"', begin) - begin);
}

struct Audited : testing::Test {
  std::string folder = testing::TempDir() + "braid-audit-XXXXXX";
  const std::string file = std::string(::mkdtemp(folder.data())) + "/audit.json";
  AuditLog log{file};
  Engine engine{
      Engine::lenient(), system_clock(), 1,       Engine::shares_on(vfs::make_memory_volume()),
      nullptr,           std::nullopt,   nullptr, &log};
  RawClient client{engine};
  size_t told = 0;

  ~Audited() override { std::filesystem::remove_all(folder); }
  void SetUp() override {
    ASSERT_TRUE(client.log_on());
    lines();
  }

  // Those since it was last asked.
  Lines whole_lines() {
    log.flush();
    std::ifstream in(file);
    Lines all;
    for (std::string line; std::getline(in, line);) all.push_back(line);
    Lines since(all.begin() + static_cast<ptrdiff_t>(told), all.end());
    told = all.size();
    return since;
  }
  // "operation share path", and of a refusal "operation share path STATUS by check"; with what is
  // made, and where a name goes, behind it.
  Lines lines() {
    Lines said;
    for (const std::string& line : whole_lines()) {
      std::string text = member(line, "op");
      for (const char* key : {"share", "path"}) {
        if (!member(line, key).empty()) text += " " + member(line, key);
      }
      if (member(line, "result") != "STATUS_SUCCESS") text += " " + member(line, "result");
      if (!member(line, "check").empty()) text += " by " + member(line, "check");
      if (!member(line, "made").empty()) text += " made " + member(line, "made");
      if (!member(line, "to").empty()) text += " to " + member(line, "to");
      said.push_back(text);
    }
    return said;
  }
  Share& share() { return const_cast<Share&>(*engine.server().settings.shares()->find("files")); }

  FileId open(std::string_view name, uint32_t access = Access::kFileAllAccess,
              CreateDisposition disposition = CreateDisposition::kOpenIf, uint32_t options = 0) {
    auto body = RawClient::create_body(name);
    body.desired_access = access;
    body.create_disposition = disposition;
    body.create_options = options;
    return client.create(body);
  }
  NtStatus write(FileId id) {
    return client.status_of(
        client.request(Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes("x")}));
  }
  NtStatus set(FileId id, FileInfoClass info_class, ByteView buffer) {
    return set_info(client, id, info_class, buffer);
  }
};

TEST_F(Audited, EachLineSaysWho) {
  RawClient other{engine, ClientGuid{{9}}};
  ASSERT_TRUE(other.log_on());
  const Lines all = whole_lines();
  ASSERT_EQ(all.size(), 2u);
  for (const std::string& line : all) {
    EXPECT_EQ(member(line, "user"), "user");
    EXPECT_FALSE(member(line, "time").empty());
    EXPECT_EQ(member(line, "session").substr(0, 2), "0x");
  }
  EXPECT_EQ(member(all[0], "session"), member(all[1], "session"));
  EXPECT_EQ(member(all[0], "op"), "logon");
  EXPECT_EQ(member(all[1], "op"), "connect");
}

TEST_F(Audited, LogonThatFailsIsSaidWithTheNameThatWasClaimed) {
  const uint64_t done = engine.server().logons.logons_done;
  const uint64_t failed = engine.server().logons.logons_failed;
  RawClient other{engine, ClientGuid{{9}}};
  ASSERT_EQ(other.negotiate(), kSuccess);
  EXPECT_EQ(other.session_setup("wrong:alice"), kLogonFailure);
  const Lines all = whole_lines();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(member(all[0], "user"), "someone");
  EXPECT_EQ(member(all[0], "result"), "STATUS_LOGON_FAILURE");
  EXPECT_EQ(member(all[0], "check"), "logon");
  EXPECT_EQ(member(all[0], "session"), "");
  EXPECT_EQ(engine.server().logons.logons_failed, failed + 1);
  EXPECT_EQ(other.session_setup(), kSuccess);
  EXPECT_EQ(engine.server().logons.logons_done, done + 1);
}

TEST_F(Audited, ConnectsAreThoseToShares) {
  EXPECT_EQ(client.tree_connect("FILES"), kSuccess);
  EXPECT_EQ(client.tree_connect("IPC$"), kSuccess);
  EXPECT_EQ(client.tree_connect("nowhere"), kBadNetworkName);
  EXPECT_EQ(lines(),
            (Lines{"connect files", "connect nowhere STATUS_BAD_NETWORK_NAME by no_share"}));
}

TEST_F(Audited, WhatACreateDid) {
  open("new");
  EXPECT_EQ(lines(), Lines{"create files new made file"});
  open("d", Access::kFileReadData, CreateDisposition::kCreate, wire::CreateOptions::kDirectoryFile);
  EXPECT_EQ(lines(), Lines{"create files d made directory"});
  open("new", Access::kFileReadData);
  EXPECT_EQ(lines(), Lines{"open files new"});
  open("new", Access::kFileWriteData, CreateDisposition::kOverwrite);
  open("new", Access::kFileWriteData | Access::kDelete, CreateDisposition::kSupersede);
  EXPECT_EQ(lines(), (Lines{"create files new made emptied", "create files new made emptied"}));
  open("new:stream");
  EXPECT_EQ(lines(), Lines{"create files new:stream made file"});
  // Deleting at the close is asked for here, by who may.
  open("gone", Access::kDelete, CreateDisposition::kCreate, wire::CreateOptions::kDeleteOnClose);
  EXPECT_EQ(lines(), (Lines{"create files gone made file", "delete files gone"}));
}

TEST_F(Audited, CreateThatIsRefusedSaysWhatWasWanted) {
  share().read_only = true;
  client.tree_connect();
  lines();
  open("no", Access::kFileWriteData, CreateDisposition::kCreate);
  const Lines all = whole_lines();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(member(all[0], "op"), "open");
  EXPECT_EQ(member(all[0], "path"), "no");
  EXPECT_EQ(member(all[0], "access"), "0x2");
  EXPECT_NE(member(all[0], "result"), "STATUS_SUCCESS");
  EXPECT_FALSE(member(all[0], "check").empty());
  // A question, and what is refused for another reason than rights.
  open("no", Access::kMaximumAllowed, CreateDisposition::kCreate);
  open("nothing", Access::kFileReadData, CreateDisposition::kOpen);
  EXPECT_EQ(lines(), Lines{});
}

TEST_F(Audited, WritesAreSaidOnceForEachOpen) {
  const FileId first = open("f"), second = open("f");
  const FileId reads = open("f", Access::kFileReadData);
  lines();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(write(first), kSuccess);
  EXPECT_EQ(lines(), Lines{"write files f"});
  const Bytes size(8);
  EXPECT_EQ(set(second, FileInfoClass::kEndOfFile, size), kSuccess);
  EXPECT_EQ(write(second), kSuccess);
  EXPECT_EQ(lines(), Lines{"write files f"});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(write(reads), kAccessDenied);
  EXPECT_EQ(set(reads, FileInfoClass::kAllocation, size), kAccessDenied);
  const Lines denied(3, "write files f STATUS_ACCESS_DENIED by permissions");
  EXPECT_EQ(lines(), denied);
  // An FSCTL that changes what is in the file, and one that does not.
  const FileId third = open("f");
  lines();
  const Bytes range(16);
  const auto control = [&](wire::Fsctl code, ByteView input) {
    wire::IoctlRequest ioctl{.ctl_code = code, .file_id = third, .input = input};
    ioctl.max_output_response = 64;
    ioctl.flags = wire::IoctlRequest::kFlagIsFsctl;
    return client.status_of(client.request(Command::kIoctl, ioctl));
  };
  EXPECT_EQ(control(wire::Fsctl::kSrvRequestResumeKey, {}), kSuccess);
  EXPECT_EQ(lines(), Lines{});
  EXPECT_EQ(control(wire::Fsctl::kSetZeroData, range), kSuccess);
  EXPECT_EQ(lines(), Lines{"write files f"});
}

TEST_F(Audited, NamesThatChange) {
  const FileId id = open("f");
  lines();
  EXPECT_EQ(rename(client, id, "g", false), kSuccess);
  EXPECT_EQ(lines(), Lines{"rename files f to g"});
  EXPECT_EQ(set(id, FileInfoClass::kLink, renaming("h", false)), kSuccess);
  EXPECT_EQ(lines(), Lines{"link files g to h"});
  Bytes buffer;
  wire::Writer writer(buffer);
  wire::FileRenameInformationEx{.file_name = "i"}.encode(writer);
  EXPECT_EQ(set(id, FileInfoClass::kRenameEx, buffer), kSuccess);
  EXPECT_EQ(lines(), Lines{"rename files g to i"});
  const FileId reads = open("i", Access::kFileReadData);
  lines();
  EXPECT_EQ(rename(client, reads, "k", false), kAccessDenied);
  EXPECT_EQ(lines(), Lines{"rename files i STATUS_ACCESS_DENIED by permissions to k"});
}

TEST_F(Audited, Deletions) {
  const FileId id = open("f");
  lines();
  const Bytes yes{1}, no{0}, yes_ex{1, 0, 0, 0}, no_ex{0, 0, 0, 0};
  EXPECT_EQ(set(id, FileInfoClass::kDisposition, yes), kSuccess);
  EXPECT_EQ(set(id, FileInfoClass::kDisposition, no), kSuccess);
  EXPECT_EQ(set(id, FileInfoClass::kDispositionEx, yes_ex), kSuccess);
  EXPECT_EQ(set(id, FileInfoClass::kDispositionEx, no_ex), kSuccess);
  EXPECT_EQ(lines(),
            (Lines{"delete files f", "undelete files f", "delete files f", "undelete files f"}));
  const FileId reads = open("f", Access::kFileReadData);
  lines();
  EXPECT_EQ(set(reads, FileInfoClass::kDisposition, yes), kAccessDenied);
  EXPECT_EQ(lines(), Lines{"delete files f STATUS_ACCESS_DENIED by permissions"});
}

// Attributes have no line, but that they are refused has.
TEST_F(Audited, OtherInformationIsSaidWhereItIsRefused) {
  const FileId id = open("f"), reads = open("f", Access::kFileReadData);
  lines();
  const Bytes basic(40);
  EXPECT_EQ(set(id, FileInfoClass::kBasic, basic), kSuccess);
  EXPECT_EQ(lines(), Lines{});
  EXPECT_EQ(set(reads, FileInfoClass::kBasic, basic), kAccessDenied);
  EXPECT_EQ(lines(), Lines{"attributes files f STATUS_ACCESS_DENIED by permissions"});
  EXPECT_EQ(client.status_of(client.request(
                Command::kSetInfo, wire::SetInfoRequest{.info_type = wire::InfoType::kSecurity,
                                                        .additional_information = 4,
                                                        .file_id = reads,
                                                        .buffer = basic})),
            kAccessDenied);
  EXPECT_EQ(lines(), Lines{"security files f STATUS_ACCESS_DENIED by permissions"});
}

TEST_F(Audited, ReadsAreSaidWhereTheyAreRefused) {
  const FileId id = open("f"), writes = open("f", Access::kFileWriteData);
  write(id);
  lines();
  const auto read = [&](FileId from) {
    return client.status_of(
        client.request(Command::kRead, wire::ReadRequest{.length = 1, .file_id = from}));
  };
  EXPECT_EQ(read(id), kSuccess);
  EXPECT_EQ(lines(), Lines{});
  EXPECT_EQ(read(writes), kAccessDenied);
  EXPECT_EQ(lines(), Lines{"read files f STATUS_ACCESS_DENIED by permissions"});
  EXPECT_EQ(client.status_of(client.request(
                Command::kRead, wire::ReadRequest{.length = 1, .offset = 9, .file_id = id})),
            kEndOfFile);
  EXPECT_EQ(lines(), Lines{});
}

// [[share]] audit.
TEST_F(Audited, AShareKeepsWhatItSays) {
  struct Row {
    config::AuditKind kind;
    Lines said;
  };
  using enum config::AuditKind;
  const Row rows[] = {
      {kConnect, {"connect files"}},
      {kOpen, {"open files f"}},
      {kCreate, {"create files new made file"}},
      {kWrite, {"write files f"}},
      {kRename, {"rename files f to g", "rename files g to f"}},
      {kDelete, {"delete files new", "delete files new"}},
      {kDenied, {"read files f STATUS_ACCESS_DENIED by permissions"}},
  };
  client.close_file(open("f"));
  for (const Row& row : rows) {
    share().audit = {.bits = 0};
    share().audit.add(row.kind);
    lines();
    client.tree_connect();
    const FileId id = open("f", Access::kFileWriteData | Access::kDelete);
    write(id);
    client.status_of(client.request(Command::kRead, wire::ReadRequest{.length = 1, .file_id = id}));
    rename(client, id, "g", false);
    rename(client, id, "f", false);
    client.close_file(id);
    const FileId made = open("new", Access::kDelete, CreateDisposition::kCreate,
                             wire::CreateOptions::kDeleteOnClose);
    const Bytes yes{1};
    set(made, FileInfoClass::kDisposition, yes);
    client.close_file(made);
    EXPECT_EQ(lines(), row.said) << static_cast<int>(row.kind);
  }
}

}  // namespace
}  // namespace braid::smb2
