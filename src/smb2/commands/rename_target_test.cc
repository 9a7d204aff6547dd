// Where a rename or link may lead, and what is in its way: [MS-FSA] 2.1.5.15.12 and 2.1.5.15.7.
#include <cerrno>

#include "smb2/commands/file_requests_testing.h"
#include "smb2/pending_testing.h"
#include "smb2/two_clients_testing.h"
#include "vfs/fault/fault_volume.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::FileInfoClass;
using enum NtStatus;

struct RenameTargets : FileRequests {
  explicit RenameTargets(std::shared_ptr<vfs::FaultPlan> disk = vfs::make_fault_plan())
      : FileRequests(vfs::make_fault_volume(vfs::make_memory_volume(), disk)),
        plan(std::move(disk)) {}
  FileId directory(std::string_view name, uint32_t access = Access::kFileAllAccess) {
    auto body = RawClient::create_body(name);
    body.desired_access = access;
    body.create_options = wire::CreateOptions::kDirectoryFile;
    return client.create(body);
  }
  void make_directory(std::string_view name) { client.close_file(directory(name)); }
  void make_link(std::string_view name, std::string_view target) {
    const auto place =
        share_volume().lookup(server_credentials(), vfs::parse_path(name)->path).value();
    ASSERT_TRUE(share_volume().make_symlink(server_credentials(),
                                            std::get<vfs::Missing>(place).place, target));
  }
  std::string spelled(std::string_view name) {
    const auto found = share_volume().find(server_credentials(), vfs::parse_path(name)->path);
    return found ? found->path.text() : "none";
  }
  std::shared_ptr<vfs::FaultPlan> plan;
};

TEST_F(RenameTargets, NameIsOneThatAFileMayHave) {
  make("f", "content");
  make("taken", "taken");
  make_directory("d");
  make_directory("full");
  make("full\\x", "");
  make_link("link", "d");
  const FileId id = open("f");
  struct {
    const char* name;
    bool replace;
    NtStatus expected;
  } constexpr kCases[] = {
      {"", true, kInvalidParameter},          {"g:s", true, kObjectNameInvalid},
      {"g::$DATA", true, kObjectNameInvalid}, {"g\\", true, kObjectNameInvalid},
      {"none\\g", true, kObjectPathNotFound}, {"taken\\g", true, kObjectPathNotFound},
      {"link\\g", true, kObjectPathNotFound}, {"taken", false, kObjectNameCollision},
      {"d", false, kObjectNameCollision},     {"d", true, kAccessDenied},
      {"a*b", true, kObjectNameInvalid},
  };
  for (const auto& each : kCases) {
    EXPECT_EQ(rename(id, each.name, each.replace), each.expected) << each.name;
    EXPECT_EQ(link(id, each.name, each.replace), each.expected) << each.name;
  }
  EXPECT_EQ(rename(id, "d\\g", false), kSuccess);
  EXPECT_EQ(spelled("d\\g"), "d\\g");
  // A directory takes the place of nothing that is there.
  const FileId moved = directory("d2");
  EXPECT_EQ(rename(moved, "taken", true), kObjectNameCollision);
  EXPECT_EQ(rename(moved, "full", true), kAccessDenied);
  EXPECT_EQ(rename(moved, "d3", true), kSuccess);
}

TEST_F(RenameTargets, RootDirectoryIsNotTaken) {
  const FileId id = open("f");
  Bytes buffer;
  wire::Writer writer(buffer);
  wire::FileRenameInformation{.root_directory = 1, .file_name = "g"}.encode(writer);
  EXPECT_EQ(set(id, FileInfoClass::kRename, buffer), kInvalidParameter);
  EXPECT_EQ(set(id, FileInfoClass::kLink, buffer), kInvalidParameter);
  buffer.clear();
  wire::Writer again(buffer);
  wire::FileRenameInformationEx{.root_directory = 1, .file_name = "g"}.encode(again);
  EXPECT_EQ(set(id, FileInfoClass::kRenameEx, buffer), kInvalidParameter);
  EXPECT_EQ(link(directory("d"), "g", false), kFileIsADirectory);
  make("f:s", "");
  EXPECT_EQ(link(open("f:s"), "g", false), kInvalidParameter);
}

TEST_F(RenameTargets, EveryFlagIsKnownOrRefused) {
  make("f", "content");
  const FileId id = open("f");
  for (int bit = 0; bit < 32; ++bit) {
    const uint32_t flag = uint32_t{1} << bit;
    EXPECT_EQ(rename_ex(id, "g" + std::to_string(bit), flag),
              (flag & 0x4F) != 0 ? kSuccess : kNotSupported)
        << bit;
  }
  for (int bit = 0; bit < 32; ++bit) {
    const uint32_t flag = uint32_t{1} << bit;
    if (flag == 8) continue;  // of a handle that was opened for it
    EXPECT_EQ(dispose_ex(id, flag & ~1u), (flag & 0x17) != 0 ? kSuccess : kNotSupported) << bit;
  }
}

TEST_F(RenameTargets, NameIsSpelledAsAsked) {
  make("file", "content");
  const FileId id = open("file");
  EXPECT_EQ(rename(id, "FILE", false), kSuccess);
  EXPECT_EQ(spelled("file"), "FILE");
  make("other", "other");
  EXPECT_EQ(rename(id, "OTHER", true), kSuccess);
  EXPECT_EQ(spelled("other"), "OTHER");
  client.close_file(id);
  EXPECT_EQ(content("other"), "content");
  EXPECT_EQ(status_of_open("file"), kObjectNameNotFound);
  // A link keeps the spelling of what it replaces.
  make("third", "third");
  EXPECT_EQ(link(open("other"), "THIRD", true), kSuccess);
  EXPECT_EQ(spelled("third"), "third");
  EXPECT_EQ(content("third"), "content");
}

// What was replaced is gone, and the name that was wanted cannot be had.
TEST_F(RenameTargets, SpellingThatFailsLeavesTheOther) {
  make("file", "content");
  make("other", "other");
  const FileId id = open("file");
  plan->hold_operation("rename");
  client.send(request(id, FileInfoClass::kRename, renaming("OTHER", true)));
  const uint64_t asked = client.next_message_id - 1;
  plan->await_held(1);
  plan->fail_call(2, EIO);
  plan->let_go();
  EXPECT_EQ(client.answer_to(asked)->status(), kSuccess);
  EXPECT_EQ(spelled("other"), "other");
  client.close_file(id);
  EXPECT_EQ(content("other"), "content");
}

// Others keep the names in a directory that they may delete.
TEST_F(RenameTargets, WhoHasADirectoryForHimselfKeepsItsNames) {
  make_directory("from");
  make_directory("to");
  make("from\\f", "content");
  const FileId id = open("from\\f");
  for (const char* name : {"from", "to"}) {
    const FileId holder = directory(name, Access::kDelete);
    EXPECT_EQ(rename(id, "to\\f"), kSharingViolation) << name;
    client.close_file(holder);
    client.close_file(directory(name, Access::kFileReadData));
  }
  const FileId holder = directory("to", Access::kDelete);
  EXPECT_EQ(link(id, "to\\g", false), kSharingViolation);
  client.close_file(holder);
  EXPECT_EQ(rename(id, "to\\f"), kSuccess);
}

TEST_F(RenameTargets, DirectoryWithSomethingOpenBelowStays) {
  make_directory("d");
  make("d\\f", "content");
  const FileId id = directory("d");
  const FileId below = open("d\\f");
  EXPECT_EQ(rename(id, "e"), kAccessDenied);
  client.close_file(below);
  EXPECT_EQ(rename(id, "e"), kSuccess);
  EXPECT_EQ(content("e\\f"), "content");
}

// What is open there says how it is to be replaced.
TEST_F(RenameTargets, TargetThatIsOpenOrGoesIsNotReplaced) {
  make("f", "new");
  make("g", "old");
  const FileId id = open("f");
  const FileId other = open("g");
  EXPECT_EQ(rename(id, "g"), kAccessDenied);
  ASSERT_EQ(set(other, FileInfoClass::kDisposition, Bytes{1}), kSuccess);
  EXPECT_EQ(rename(id, "g"), kDeletePending);
  EXPECT_EQ(link(id, "g", true), kDeletePending);
  ASSERT_EQ(set(other, FileInfoClass::kDisposition, Bytes{0}), kSuccess);
  client.close_file(other);
  EXPECT_EQ(rename(id, "g"), kSuccess);
  client.close_file(id);
  EXPECT_EQ(content("g"), "new");
}

TEST_F(RenameTargets, ArchiveIsSetOnAFileThatWasRenamed) {
  make("f", "content");
  const FileId id = open("f");
  Bytes basic(40);
  basic[32] = vfs::dos::kNormal;
  ASSERT_EQ(set(id, FileInfoClass::kBasic, basic), kSuccess);
  ASSERT_EQ(rename(id, "g"), kSuccess);
  const auto found = share_volume().find(server_credentials(), vfs::parse_path("g")->path);
  EXPECT_EQ(found->attributes.dos_attributes, vfs::dos::kArchive);
}

TEST_F(RenameTargets, ReadOnlyShareRefusesAll) {
  make("f", "content");
  const FileId id = open("f");
  share().read_only = true;
  EXPECT_EQ(rename(id, "g"), kMediaWriteProtected);
  EXPECT_EQ(link(id, "g", false), kMediaWriteProtected);
  EXPECT_EQ(set(id, FileInfoClass::kDisposition, Bytes{1}), kMediaWriteProtected);
}

// Somebody makes the name that was free: then it is judged anew.
TEST_F(RenameTargets, NameThatCameBetweenIsReplacedIfItMay) {
  make("f", "new");
  const FileId id = open("f");
  for (const bool replace : {true, false}) {
    plan->hold_operation("rename");
    client.send(request(id, FileInfoClass::kRename, renaming(replace ? "g" : "h", replace)));
    const uint64_t asked = client.next_message_id - 1;
    plan->await_held(1);
    const auto free = share_volume().lookup(
        server_credentials(), vfs::parse_path(replace ? "g" : "h")->path, {.pin_parent = true});
    ASSERT_TRUE(share_volume().create(server_credentials(), std::get<vfs::Missing>(*free), {}));
    plan->let_go();
    EXPECT_EQ(client.answer_to(asked)->status(), replace ? kSuccess : kObjectNameCollision);
  }
  EXPECT_EQ(spelled("f"), "none");
  client.close_file(id);
  EXPECT_EQ(content("g"), "new");
}

// Whoever makes the name anew each time does not keep the request for ever.
TEST_F(RenameTargets, NameThatIsTakenEachTimeIsToldOfInTheEnd) {
  constexpr uint64_t kAttempts = 1 + 8;
  make("f", "content");
  const FileId id = open("f");
  for (const bool replace : {true, false}) {
    for (const char* operation : {"rename", "link"}) {
      plan->fail_operation(operation, EEXIST);
      const uint64_t before = plan->calls_of(operation);
      EXPECT_EQ(*operation == 'r' ? rename(id, "g", replace) : link(id, "g", replace),
                kObjectNameCollision);
      EXPECT_EQ(plan->calls_of(operation) - before, replace ? kAttempts : 1u) << operation;
      plan->clear();
    }
  }
  EXPECT_EQ(spelled("f"), "f");
}

// The rename has looked at what has the name, and asks what the folder grants, when the name goes
// to a file that somebody has open.
struct RenameRace : TwoClients {
  // The folder is not asked about who has every right.
  void SetUp() override {
    ASSERT_TRUE(first.log_on(wire::Dialect::kSmb302, "files", "member"));
    ASSERT_TRUE(second.log_on());
    auto body = RawClient::create_body("d");
    body.create_options = wire::CreateOptions::kDirectoryFile;
    const FileId folder = second.create(body);
    grant(folder, Access::kFileAllAccess);
    second.close_file(folder);
    for (const std::string_view name : {"d\\f", "d\\g", "d\\k"}) {
      const FileId file = first.create(name);
      ASSERT_EQ(write(first, file, name), kSuccess);
      first.close_file(file);
    }
  }
};
TEST_F(RenameRace, NameThatWentToAnOpenFileIsNotReplaced) {
  auto body = RawClient::create_body("d\\f");
  body.desired_access = Access::kDelete | Access::kFileReadAttributes;
  const FileId renamed = first.create(body);
  ASSERT_NE(renamed, FileId{});
  const FileId old = second.create("d\\g");
  const FileId kept = second.create("d\\k");
  begin(set_info_request(first, renamed, FileInfoClass::kRename, renaming("d\\g", true)), "lookup");
  plan->hold_next("lookup");
  const uint64_t before = plan->calls_of("lookup");
  plan->let_pass(1000);
  while (plan->calls_of("lookup") == before) std::this_thread::yield();
  plan->await_held(1);
  ASSERT_EQ(rename(second, old, "d\\h", true), kSuccess);
  second.close_file(old);
  ASSERT_EQ(rename(second, kept, "d\\g", true), kSuccess);
  plan->let_go();
  EXPECT_EQ(first.receive()->status(), kAccessDenied);
  EXPECT_EQ(content(second, second.create("d\\g")), "d\\k");
  EXPECT_EQ(content(second, second.create("d\\h")), "d\\g");
}

TEST_F(RenameTargets, RootStaysWhereItIs) {
  const FileId root = directory("");
  ASSERT_NE(root, FileId{});
  make_directory("d");
  EXPECT_EQ(rename(root, "g"), kSharingViolation) << "it keeps the names in it itself";
  EXPECT_EQ(rename(root, "d\\g"), kInvalidParameter);
  EXPECT_EQ(spelled("d\\g"), "none");
}

}  // namespace
}  // namespace braid::smb2
