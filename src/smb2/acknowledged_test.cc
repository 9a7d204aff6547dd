// What is answered with success has been done, and what has been done is told.
#include <cerrno>

#include "smb2/commands/file_requests_testing.h"
#include "vfs/fault/fault_volume.h"
#include "wire/fscc/file_information.h"
#include "wire/smb2/change_notify.h"
#include "wire/smb2/file_ranges.h"
#include "wire/smb2/flush.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/srv_copychunk.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::FileInfoClass;
using wire::Fsctl;
using DispositionEx = wire::FileDispositionInformationEx;

struct Acknowledged : FileRequests {
  Acknowledged() : Acknowledged(vfs::make_fault_plan()) {}
  explicit Acknowledged(std::shared_ptr<vfs::FaultPlan> of_volume, size_t threads = 1)
      : FileRequests(vfs::make_fault_volume(vfs::make_memory_volume(), of_volume), threads),
        plan(std::move(of_volume)) {}

  FileId open_with(std::string_view name, uint32_t options) {
    auto body = RawClient::create_body(name);
    body.create_options = options;
    return client.create(body);
  }
  NtStatus flush(FileId id) {
    return client.status_of(client.request(Command::kFlush, wire::FlushRequest{.file_id = id}));
  }
  std::optional<Answer> ioctl(FileId id, Fsctl code, ByteView input) {
    return client.exchange(
        client.request(Command::kIoctl, wire::IoctlRequest{.ctl_code = code,
                                                           .file_id = id,
                                                           .input = input,
                                                           .max_output_response = 64,
                                                           .flags = 1}));
  }
  std::optional<Answer> copy(FileId from, FileId to, uint32_t bytes) {
    const auto key = ioctl(from, Fsctl::kSrvRequestResumeKey, {});
    wire::Reader reader(key->as<wire::IoctlResponse>().output);
    const auto source = wire::SrvRequestResumeKeyResponse::decode(reader);
    Bytes input;
    wire::Writer writer(input);
    wire::SrvCopychunkCopy{source->resume_key, {{0, 0, bytes}}}.encode(writer);
    return ioctl(to, Fsctl::kSrvCopychunkWrite, input);
  }
  // Its MessageId.
  uint64_t watch(FileId directory, uint32_t filter) {
    const uint64_t id = client.next_message_id;
    client.send(client.request(
        Command::kChangeNotify,
        wire::ChangeNotifyRequest{
            .output_buffer_length = 4096, .file_id = directory, .completion_filter = filter}));
    EXPECT_EQ(client.receive()->status(), NtStatus::kPending);
    return id;
  }
  uint64_t flushes() const { return plan->calls_of("flush"); }

  std::shared_ptr<vfs::FaultPlan> plan;
};

TEST_F(Acknowledged, CloseSaysThatTheFileIsStillThere) {
  for (const bool on_close : {false, true}) {
    make("f", "content");
    const FileId id = open_with("f", on_close ? wire::CreateOptions::kDeleteOnClose : 0);
    if (!on_close) {
      ASSERT_EQ(set(id, FileInfoClass::kDisposition, Bytes{1}), NtStatus::kSuccess);
    }
    plan->fail_operation("remove", EACCES);
    EXPECT_EQ(client.close_file(id), NtStatus::kAccessDenied);
    EXPECT_EQ(client.close_file(id), NtStatus::kFileClosed) << "the handle is gone all the same";
    plan->clear();
    EXPECT_EQ(content("f"), "content");
  }
}

// Gone is what the file says has gone, and not what is not found.
TEST_F(Acknowledged, CloseSaysThatItHasNotFoundTheName) {
  for (const int error : {ENOENT, ESTALE}) {
    make("f", "content");
    const FileId id = open("f");
    ASSERT_EQ(set(id, FileInfoClass::kDisposition, Bytes{1}), NtStatus::kSuccess);
    plan->fail_operation("remove", error);
    EXPECT_EQ(client.close_file(id), NtStatus::kObjectNameNotFound);
    plan->clear();
    EXPECT_EQ(content("f"), "content");
  }
}

TEST_F(Acknowledged, CloseOfAStreamSaysThatItIsStillThere) {
  make("f:s", "content");
  const FileId id = open_with("f:s", wire::CreateOptions::kDeleteOnClose);
  plan->fail_operation("remove_stream", EIO);
  EXPECT_EQ(client.close_file(id), NtStatus::kIoDeviceError);
  plan->clear();
  EXPECT_EQ(content("f:s"), "content");
}

// [MS-FSA] 2.1.5.5, phase 1: a directory that is not empty is not marked.
TEST_F(Acknowledged, CloseOfADirectoryThatIsNotEmptyDeletesNothingAndFailsNot) {
  ASSERT_NE(open_with("d", wire::CreateOptions::kDirectoryFile), FileId{});
  make("d\\child", "content");
  const FileId id =
      open_with("d", wire::CreateOptions::kDirectoryFile | wire::CreateOptions::kDeleteOnClose);
  plan->fail_operation("remove", ENOTEMPTY);
  EXPECT_EQ(client.close_file(id), NtStatus::kSuccess);
  plan->clear();
  EXPECT_EQ(content("d\\child"), "content");
}

TEST_F(Acknowledged, NameThatPosixDeletionLeftIsNotToBeDeletedForOthers) {
  make("f", "content");
  const FileId other = open("f");
  const FileId id = open("f");
  ASSERT_EQ(dispose_ex(id, DispositionEx::kDelete | DispositionEx::kPosixSemantics),
            NtStatus::kSuccess);
  plan->fail_operation("remove", EACCES);
  EXPECT_EQ(client.close_file(id), NtStatus::kAccessDenied);
  plan->clear();
  EXPECT_EQ(content("f"), "content");
  EXPECT_EQ(rename(other, "g"), NtStatus::kSuccess);
  EXPECT_EQ(client.close_file(other), NtStatus::kSuccess);
  EXPECT_EQ(content("g"), "content");
}

TEST_F(Acknowledged, FlushThatFailedFailsUntilTheHandleIsClosed) {
  const FileId id = open("f");
  ASSERT_EQ(write(id, "content"), NtStatus::kSuccess);
  plan->fail_operation("flush", EIO);
  EXPECT_EQ(flush(id), NtStatus::kIoDeviceError);
  plan->clear();
  EXPECT_EQ(flush(id), NtStatus::kIoDeviceError) << "the kernel forgets, the data is lost";
  EXPECT_EQ(flush(open("f")), NtStatus::kSuccess);
}

TEST_F(Acknowledged, FlushFailsAfterAWriteThroughThatFailed) {
  const FileId id = open_with("f", wire::CreateOptions::kWriteThrough);
  plan->fail_operation("flush", ENOSPC);
  EXPECT_EQ(write(id, "content"), NtStatus::kDiskFull);
  plan->clear();
  EXPECT_EQ(flush(id), NtStatus::kDiskFull);
}

TEST_F(Acknowledged, WriteThroughIsForAllThatChangesTheFile) {
  make("source", "content");
  const FileId source = open("source");
  const FileId id = open("f");
  ASSERT_EQ(set(id, FileInfoClass::kMode, Bytes{wire::FileModeInformation::kWriteThrough, 0, 0, 0}),
            NtStatus::kSuccess);
  EXPECT_EQ(flushes(), 0u) << "the file has not changed";
  ASSERT_EQ(write(id, "content"), NtStatus::kSuccess);
  EXPECT_EQ(flushes(), 1u);
  ASSERT_EQ(set(id, FileInfoClass::kEndOfFile, Bytes{100, 0, 0, 0, 0, 0, 0, 0}),
            NtStatus::kSuccess);
  EXPECT_EQ(flushes(), 2u);
  ASSERT_EQ(copy(source, id, 7)->status(), NtStatus::kSuccess);
  EXPECT_EQ(flushes(), 3u);
  Bytes range;
  wire::Writer writer(range);
  wire::FileZeroDataInformation{0, 4}.encode(writer);
  ASSERT_EQ(ioctl(id, Fsctl::kSetZeroData, range)->status(), NtStatus::kSuccess);
  EXPECT_EQ(flushes(), 4u);
  ASSERT_EQ(rename(id, "g"), NtStatus::kSuccess);
  EXPECT_EQ(flushes(), 5u);
  ASSERT_EQ(set(id, FileInfoClass::kPosition, Bytes(8)), NtStatus::kSuccess);
  EXPECT_EQ(flushes(), 5u);
}

TEST_F(Acknowledged, WriteThroughIsForNamesToo) {
  using Options = wire::CreateOptions;
  FileId id = open_with("f", Options::kWriteThrough);
  EXPECT_EQ(flushes(), 2u) << "the file and its directory";
  client.close_file(id);
  id = open_with("f", Options::kWriteThrough);
  EXPECT_EQ(flushes(), 2u) << "nothing was made";
  client.close_file(id);
  auto body = RawClient::create_body("f");
  body.create_disposition = wire::CreateDisposition::kOverwrite;
  body.create_options = Options::kWriteThrough;
  id = client.create(body);
  EXPECT_EQ(flushes(), 3u) << "its name is as it was";
  ASSERT_EQ(set(id, FileInfoClass::kDisposition, Bytes{1}), NtStatus::kSuccess);
  const uint64_t before = flushes();
  ASSERT_EQ(client.close_file(id), NtStatus::kSuccess);
  EXPECT_EQ(flushes(), before + 1);
  id = open_with("g", 0);
  ASSERT_EQ(set(id, FileInfoClass::kDisposition, Bytes{1}), NtStatus::kSuccess);
  ASSERT_EQ(client.close_file(id), NtStatus::kSuccess);
  EXPECT_EQ(flushes(), before + 1) << "not asked for";
}

TEST_F(Acknowledged, FlushOfADirectoryReachesTheDisk) {
  const FileId id = open_with("d", wire::CreateOptions::kDirectoryFile);
  ASSERT_EQ(flush(id), NtStatus::kSuccess);
  EXPECT_EQ(flushes(), 1u);
}

TEST_F(Acknowledged, WatchersHearOfAWriteThatIsHalfDone) {
  const FileId root = open_with("", wire::CreateOptions::kDirectoryFile);
  const FileId id = open("f");
  const uint64_t waiting = watch(root, wire::CompletionFilter::kLastWrite);
  plan->fail_half_way(ENOSPC);
  EXPECT_EQ(write(id, "content"), NtStatus::kDiskFull);
  plan->clear();
  EXPECT_EQ(content(id), "con");
  client.send(client.request(Command::kClose, wire::CloseRequest{.file_id = id}));
  const auto told = client.answer_to(waiting);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->status(), NtStatus::kSuccess);
}

// [MS-SMB2] 2.2.32.1: ChunkBytesWritten is of the chunk that failed.
TEST_F(Acknowledged, CopychunkTellsWhatWasCopiedOfTheChunkThatFailed) {
  make("source", "12345678");
  const FileId source = open("source");
  const FileId root = open_with("", wire::CreateOptions::kDirectoryFile);
  const FileId id = open("f");
  const uint64_t waiting = watch(root, wire::CompletionFilter::kLastWrite);
  plan->fail_half_way(ENOSPC);
  const auto answer = copy(source, id, 8);
  plan->clear();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kDiskFull);
  wire::Reader reader(answer->as<wire::IoctlResponse>().output);
  const auto done = wire::SrvCopychunkResponse::decode(reader);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->chunks_written, 0u);
  EXPECT_EQ(done->chunk_bytes_written, 4u);
  EXPECT_EQ(done->total_bytes_written, 4u);
  EXPECT_EQ(content(id), "1234");
  client.send(client.request(Command::kClose, wire::CloseRequest{.file_id = id}));
  const auto told = client.answer_to(waiting);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->status(), NtStatus::kSuccess);
}

TEST_F(Acknowledged, StreamWithoutTheRoomThatItsCreateAsksForIsNotMade) {
  make("f", "content");
  for (const std::string_view name : {"f:s", "new:s"}) {
    auto body = RawClient::create_body(name);
    body.contexts.allocation_size = 4096;
    plan->fail_operation("allocate", ENOSPC);
    EXPECT_EQ(client.status_of(client.request(Command::kCreate, body)), NtStatus::kDiskFull);
    plan->clear();
    EXPECT_EQ(status_of_open(name), NtStatus::kObjectNameNotFound);
  }
  EXPECT_EQ(status_of_open("new"), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(content("f"), "content");
}

TEST_F(Acknowledged, AllHandlesOfAStreamFollowItsRename) {
  const FileId first = open("f:old");
  const FileId second = open("f:old");
  ASSERT_EQ(rename(first, ":new"), NtStatus::kSuccess);
  make("f:old", "another");
  EXPECT_EQ(write(second, "content"), NtStatus::kSuccess);
  EXPECT_EQ(content("f:old"), "another");
  EXPECT_EQ(content(first), "content");
  // And what is deleted through one is the stream that it is of.
  ASSERT_EQ(set(second, FileInfoClass::kDisposition, Bytes{1}), NtStatus::kSuccess);
  ASSERT_EQ(client.close_file(first), NtStatus::kSuccess);
  ASSERT_EQ(client.close_file(second), NtStatus::kSuccess);
  EXPECT_EQ(content("f:old"), "another");
  EXPECT_EQ(status_of_open("f:new"), NtStatus::kObjectNameNotFound);
}

TEST_F(Acknowledged, StreamIsNotTakenForOneThatHasItsOldName) {
  make("f:old", "content");
  const FileId renamed = open("f:old");
  ASSERT_EQ(rename(renamed, ":new"), NtStatus::kSuccess);
  const FileId other = open_with("f:old", wire::CreateOptions::kDeleteOnClose);
  ASSERT_EQ(client.close_file(other), NtStatus::kSuccess);
  EXPECT_EQ(status_of_open("f:old"), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(client.close_file(renamed), NtStatus::kSuccess);
  EXPECT_EQ(content("f:new"), "content");
}

TEST_F(Acknowledged, RenamedStreamThatIsOpenIsKeptByAnOverwriteAndReplacedByNone) {
  make("f:old", "");
  make("f:other", "content");
  const FileId renamed = open("f:old");
  ASSERT_EQ(rename(renamed, ":new"), NtStatus::kSuccess);
  const FileId other = open("f:other");
  EXPECT_EQ(rename(other, ":new", true), NtStatus::kInvalidParameter);
  EXPECT_EQ(rename(other, ":new", false), NtStatus::kObjectNameCollision);
  EXPECT_EQ(rename(other, ":OTHER"), NtStatus::kSuccess);
  ASSERT_EQ(status_of_open("f", wire::Access::kFileAllAccess, wire::CreateDisposition::kOverwrite),
            NtStatus::kSuccess);
  EXPECT_EQ(write(renamed, "kept"), NtStatus::kSuccess);
  EXPECT_EQ(content("f:new"), "kept");
}

struct AcknowledgedAtOnce : Acknowledged {
  AcknowledgedAtOnce() : Acknowledged(vfs::make_fault_plan(), 2) {}
};

TEST_F(AcknowledgedAtOnce, CreateFindsNoStreamThatIsRenamedMeanwhile) {
  make("f:s", "content");
  const FileId renamed = open("f:s");
  RawClient other{engine, ClientGuid{{8}}};
  ASSERT_TRUE(other.log_on());
  auto body = RawClient::create_body("f:s");
  body.create_disposition = wire::CreateDisposition::kOpen;
  plan->hold_operation("stat");
  const uint64_t asked = other.next_message_id;
  other.send(other.request(Command::kCreate, body));
  plan->await_held(1);  // it has the stream, and filestate does not know of it
  ASSERT_EQ(rename(renamed, ":t"), NtStatus::kSuccess);
  plan->let_go();
  const auto answer = other.answer_to(asked);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kObjectNameNotFound);
  // And it has left nothing in the way of the next.
  EXPECT_EQ(status_of_open("f:s", wire::Access::kFileAllAccess, wire::CreateDisposition::kCreate),
            NtStatus::kSuccess);
}

TEST_F(Acknowledged, StreamThatIsToBeDeletedGetsNoOtherName) {
  make("f:s", "content");
  const FileId id = open("f:s");
  ASSERT_EQ(set(id, FileInfoClass::kDisposition, Bytes{1}), NtStatus::kSuccess);
  EXPECT_EQ(rename(id, ":t"), NtStatus::kAccessDenied);
  EXPECT_EQ(client.close_file(id), NtStatus::kSuccess);
  EXPECT_EQ(status_of_open("f:s"), NtStatus::kObjectNameNotFound);
}

}  // namespace
}  // namespace braid::smb2
