// Classes 10, 11, 13, 64 and 65 of SET_INFO: who may, and what becomes of the names.
#include <algorithm>
#include <cerrno>

#include "smb2/commands/file_requests_testing.h"
#include "vfs/fault/fault_volume.h"
#include "wire/smb2/cancel.h"
#include "wire/smb2/echo.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Command;
using wire::FileInfoClass;
using RenameEx = wire::FileRenameInformationEx;
using DispositionEx = wire::FileDispositionInformationEx;

struct Renames : FileRequests {};

// [MS-SMB2] 3.3.5.21.1: a handle without a right changes nothing that takes one, whatever the
// class.
TEST_F(Renames, NoClassLetsAHandleDoWhatItWasNotGranted) {
  make("f", "content");
  make("other", "other");
  const FileId id = open("f", Access::kFileReadAttributes);
  const Bytes name = renaming("other", true);
  for (int number = 0; number < 256; ++number) {
    Bytes buffer(80);
    std::ranges::copy(name, buffer.begin());
    const auto info_class = static_cast<FileInfoClass>(number);
    const NtStatus status = set(id, info_class, buffer);
    const bool changes_only_the_handle =
        info_class == FileInfoClass::kPosition || info_class == FileInfoClass::kMode;
    if (info_class == FileInfoClass::kLink) {
      continue;  // takes rights on the directory
    } else if (!changes_only_the_handle) {
      EXPECT_NE(status, NtStatus::kSuccess) << number;
    }
  }
  for (const FileInfoClass info_class :
       {FileInfoClass::kRename, FileInfoClass::kRenameEx, FileInfoClass::kDisposition,
        FileInfoClass::kDispositionEx, FileInfoClass::kShortName, FileInfoClass::kBasic,
        FileInfoClass::kAllocation, FileInfoClass::kEndOfFile, FileInfoClass::kValidDataLength,
        FileInfoClass::kFullEa}) {
    EXPECT_EQ(set(id, info_class, Bytes(80)), NtStatus::kAccessDenied)
        << static_cast<int>(info_class);
  }
  EXPECT_EQ(client.close_file(id), NtStatus::kSuccess);
  EXPECT_EQ(content("f"), "content");
}

// [MS-FSCC] 2.4.43.
TEST_F(Renames, ExReplacesOnlyWhatItIsAskedTo) {
  make("a", "a");
  make("b", "b");
  const FileId id = open("a");
  EXPECT_EQ(rename_ex(id, "b", 0), NtStatus::kObjectNameCollision);
  EXPECT_EQ(rename_ex(id, "b", RenameEx::kPosixSemantics), NtStatus::kObjectNameCollision);
  EXPECT_EQ(rename_ex(id, "b", 0x10 | RenameEx::kReplaceIfExists), NtStatus::kNotSupported);
  EXPECT_EQ(rename_ex(id, "b", 0x8000'0000), NtStatus::kNotSupported);
  EXPECT_EQ(content("b"), "b");
  EXPECT_EQ(rename_ex(id, "b", RenameEx::kReplaceIfExists), NtStatus::kSuccess);
  EXPECT_EQ(client.close_file(id), NtStatus::kSuccess);
  EXPECT_EQ(content("b"), "a");
  EXPECT_EQ(status_of_open("a"), NtStatus::kObjectNameNotFound);
}

TEST_F(Renames, PosixSemanticsReplaceWhatIsOpen) {
  make("a", "new");
  make("b", "old");
  const FileId old = open("b");
  const FileId id = open("a");
  EXPECT_EQ(rename_ex(id, "b", RenameEx::kReplaceIfExists), NtStatus::kAccessDenied);
  EXPECT_EQ(rename_ex(id, "b", RenameEx::kReplaceIfExists | RenameEx::kPosixSemantics),
            NtStatus::kSuccess);
  EXPECT_EQ(content(old), "old");
  EXPECT_EQ(content("b"), "new");
  EXPECT_EQ(client.close_file(old), NtStatus::kSuccess);
  EXPECT_EQ(client.close_file(id), NtStatus::kSuccess);
  EXPECT_EQ(content("b"), "new");
}

TEST_F(Renames, PosixSemanticsDoNotReplaceWhatIsNotSharedForIt) {
  make("a", "new");
  make("b", "old");
  open("b", Access::kFileReadData, wire::ShareAccess::kRead | wire::ShareAccess::kWrite);
  const FileId id = open("a");
  EXPECT_EQ(rename_ex(id, "b", RenameEx::kReplaceIfExists | RenameEx::kPosixSemantics),
            NtStatus::kAccessDenied);
}

TEST_F(Renames, ReadonlyIsReplacedWhenThatIsAskedFor) {
  make("a", "new");
  make("b", "old", vfs::dos::kReadonly);
  const FileId id = open("a");
  EXPECT_EQ(rename_ex(id, "b", RenameEx::kReplaceIfExists), NtStatus::kAccessDenied);
  EXPECT_EQ(rename_ex(id, "b", RenameEx::kReplaceIfExists | RenameEx::kIgnoreReadOnlyAttribute),
            NtStatus::kSuccess);
  client.close_file(id);
  EXPECT_EQ(content("b"), "new");
}

// Data that was acknowledged through a stream of the target is not thrown away.
TEST_F(Renames, OpenStreamOfTheTargetCounts) {
  make("a", "new");
  make("b", "old");
  const FileId stream = open("b:s");
  ASSERT_EQ(write(stream, "kept"), NtStatus::kSuccess);
  const FileId id = open("a");
  EXPECT_EQ(rename(id, "b"), NtStatus::kAccessDenied);
  EXPECT_EQ(link(id, "b", true), NtStatus::kAccessDenied);
  client.close_file(stream);
  EXPECT_EQ(content("b:s"), "kept");
  EXPECT_EQ(rename(id, "b"), NtStatus::kSuccess);
}

// An editor's save: the other client keeps the target open for itself only, and makes way.
TEST_F(Renames, TargetKeptByItsLeaseIsClosedFirst) {
  make("a", "new");
  make("b", "old");
  RawClient other{engine, ClientGuid{{9}}};
  ASSERT_TRUE(other.log_on());
  auto body = RawClient::create_body("b");
  body.requested_oplock_level = wire::OplockLevel::kLease;
  body.contexts.request_lease = wire::LeaseContext{.lease_key = LeaseKey{{5}}, .lease_state = 7};
  const FileId held = other.create(body);
  const FileId id = open("a");
  const Bytes message = request(id, FileInfoClass::kRename, renaming("b", true));
  const uint64_t message_id = client.next_message_id - 1;
  client.send(message);
  const auto told = other.receive();
  ASSERT_TRUE(told);
  EXPECT_EQ(told->header.command, Command::kOplockBreak);
  EXPECT_EQ(other.close_file(held), NtStatus::kSuccess);
  const auto answer = client.answer_to(message_id);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  client.close_file(id);
  EXPECT_EQ(content("b"), "new");
}

// The same when its client has vanished: its durable handle makes way.
TEST_F(Renames, TargetOfAVanishedClientMakesWay) {
  make("a", "new");
  make("b", "old");
  {
    RawClient other{engine, ClientGuid{{9}}};
    ASSERT_TRUE(other.log_on());
    auto body = RawClient::create_body("b");
    body.requested_oplock_level = wire::OplockLevel::kBatch;
    body.contexts.durable_handle_request = true;
    ASSERT_NE(other.create(body), FileId{});
    other.close();
  }
  const FileId id = open("a");
  // Either it is gone already, or the break finds that nobody is there to answer it.
  EXPECT_EQ(rename(id, "b"), NtStatus::kSuccess);
  client.close_file(id);
  EXPECT_EQ(content("b"), "new");
}

TEST_F(Renames, CancelEndsTheWaitForATarget) {
  make("a", "new");
  make("b", "old");
  RawClient other{engine, ClientGuid{{9}}};
  ASSERT_TRUE(other.log_on());
  auto body = RawClient::create_body("b");
  body.requested_oplock_level = wire::OplockLevel::kBatch;
  const FileId held = other.create(body);
  const FileId id = open("a");
  const Bytes message = request(id, FileInfoClass::kRename, renaming("b", true));
  const uint64_t message_id = client.next_message_id - 1;
  client.send(message);
  const auto interim = client.receive();
  ASSERT_TRUE(interim);
  ASSERT_EQ(interim->status(), NtStatus::kPending);
  client.send(client.request(Command::kCancel, wire::CancelRequest{},
                             [&](wire::Header& header) { header.message_id = {message_id}; }));
  EXPECT_EQ(client.answer_to(message_id)->status(), NtStatus::kCancelled);
  other.close_file(held);
  EXPECT_EQ(rename(id, "b"), NtStatus::kSuccess);
}

// [MS-FSCC] 2.4.12.
TEST_F(Renames, PosixDeletionTakesTheNameWithItsOwnHandle) {
  make("f", "old");
  const FileId reader = open("f");
  const FileId id = open("f");
  EXPECT_EQ(dispose_ex(id, DispositionEx::kDelete | DispositionEx::kPosixSemantics),
            NtStatus::kSuccess);
  EXPECT_EQ(status_of_open("f"), NtStatus::kDeletePending);
  EXPECT_EQ(client.close_file(id), NtStatus::kSuccess);
  EXPECT_EQ(status_of_open("f"), NtStatus::kObjectNameNotFound);
  make("f", "new");
  EXPECT_EQ(content(reader), "old");
  EXPECT_EQ(client.close_file(reader), NtStatus::kSuccess);
  EXPECT_EQ(content("f"), "new");
}

TEST_F(Renames, ReadonlyIsDeletedWhenThatIsAskedForWithTheRight) {
  make("f", "content", vfs::dos::kReadonly);
  FileId id = open("f", Access::kDelete);
  EXPECT_EQ(dispose_ex(id, DispositionEx::kDelete), NtStatus::kCannotDelete);
  EXPECT_EQ(dispose_ex(id, DispositionEx::kDelete | DispositionEx::kIgnoreReadOnlyAttribute),
            NtStatus::kCannotDelete);
  client.close_file(id);
  id = open("f", Access::kDelete | Access::kFileWriteAttributes);
  EXPECT_EQ(dispose_ex(id, DispositionEx::kDelete | DispositionEx::kIgnoreReadOnlyAttribute),
            NtStatus::kSuccess);
  client.close_file(id);
  EXPECT_EQ(status_of_open("f"), NtStatus::kObjectNameNotFound);
}

TEST_F(Renames, OnCloseIsTakenBack) {
  make("f", "content");
  auto body = RawClient::create_body("f");
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  FileId id = client.create(body);
  EXPECT_EQ(dispose_ex(id, DispositionEx::kOnClose), NtStatus::kSuccess);
  client.close_file(id);
  EXPECT_EQ(content("f"), "content");
  id = open("f");
  EXPECT_EQ(dispose_ex(id, DispositionEx::kOnClose | DispositionEx::kDelete),
            NtStatus::kNotSupported);
  EXPECT_EQ(dispose_ex(id, 0x40), NtStatus::kNotSupported);
  client.close_file(id);
  EXPECT_EQ(content("f"), "content");
}

struct LargeDirectoryRenames : FileRequests {
  explicit LargeDirectoryRenames(std::shared_ptr<vfs::FaultPlan> disk = vfs::make_fault_plan())
      : FileRequests(vfs::make_fault_volume(vfs::make_memory_volume(), disk)),
        plan(std::move(disk)) {}

  // Asks for it while looking for the new name reads one piece after the other, and others ask too.
  NtStatus while_it_is_read(Bytes request) {
    const uint64_t before = plan->calls_of("lookup");
    plan->fail_operation("lookup", EINPROGRESS);
    const uint64_t asked = client.next_message_id - 1;
    client.send(std::move(request));
    for (int i = 0; i < 100'000 && plan->calls_of("lookup") < before + 3; ++i) {
      client.status_of(client.request(Command::kEcho, wire::EchoRequest{}));
    }
    EXPECT_GE(plan->calls_of("lookup"), before + 3);
    plan->clear();
    const auto answer = client.answer_to(asked);
    return answer ? answer->status() : NtStatus::kConnectionDisconnected;
  }

  std::shared_ptr<vfs::FaultPlan> plan;
};

TEST_F(LargeDirectoryRenames, TheNewNameIsLookedForInTurnsWithOthers) {
  make("a", "content");
  const FileId id = open("a");
  EXPECT_EQ(while_it_is_read(request(id, FileInfoClass::kRename, renaming("b", false))),
            NtStatus::kSuccess);
  EXPECT_EQ(while_it_is_read(request(id, FileInfoClass::kLink, renaming("c", false))),
            NtStatus::kSuccess);
  EXPECT_EQ(content("b"), "content");
  EXPECT_EQ(content("c"), "content");
}

struct SlowRenames : FileRequests {
  explicit SlowRenames(std::shared_ptr<vfs::FaultPlan> disk = vfs::make_fault_plan(),
                       std::shared_ptr<vfs::Volume> files = vfs::make_memory_volume())
      : FileRequests(vfs::make_fault_volume(files, disk), 4),
        plan(std::move(disk)),
        below(std::move(files)) {}

  std::shared_ptr<vfs::FaultPlan> plan;
  std::shared_ptr<vfs::Volume> below;
};

// On some file systems an empty directory takes the name first (vfs/posix/renaming.h).
TEST_F(SlowRenames, NobodyOpensWhatTakesTheNameOfADirectoryFirst) {
  auto body = RawClient::create_body("d");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  const FileId id = client.create(body);
  RawClient other{engine, ClientGuid{{9}}};
  ASSERT_TRUE(other.log_on());
  plan->hold_operation("rename");
  const Bytes renames = request(id, FileInfoClass::kRename, renaming("e", false));
  const uint64_t renamed = client.next_message_id - 1;
  client.send(renames);
  plan->await_held(1);
  const vfs::Path name = vfs::parse_path("e").value().path;
  const auto free = below->lookup(server_credentials(), name, {.pin_parent = true}).value();
  ASSERT_TRUE(
      below->create(server_credentials(), std::get<vfs::Missing>(free), {.directory = true}));
  auto opens = RawClient::create_body("e");
  opens.create_disposition = wire::CreateDisposition::kOpen;
  const Bytes opening = other.request(Command::kCreate, opens);
  const uint64_t opened = other.next_message_id - 1;
  other.send(opening);
  const auto waits = other.receive();
  ASSERT_TRUE(waits);
  EXPECT_EQ(waits->status(), NtStatus::kPending);
  const auto taken = below->find(server_credentials(), name, {.pin_parent = true}).value();
  ASSERT_TRUE(below->remove(server_credentials(), taken.place, taken.attributes.key));
  plan->let_go();
  EXPECT_EQ(client.answer_to(renamed)->status(), NtStatus::kSuccess);
  EXPECT_EQ(other.answer_to(opened)->status(), NtStatus::kSuccess);
}

}  // namespace
}  // namespace braid::smb2
