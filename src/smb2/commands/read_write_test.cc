// The bounds of READ and WRITE, and what they are refused for: [MS-SMB2] 3.3.5.12 and 3.3.5.13.
#include <cerrno>

#include "smb2/commands/file_offset.h"
#include "smb2/commands/file_requests_testing.h"
#include "smb2/common/limits.h"
#include "vfs/fault/fault_volume.h"
#include "wire/fscc/file_information.h"
#include "wire/smb2/query_info.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Command;
using wire::CreateOptions;
using wire::Dialect;
using enum NtStatus;

struct ReadsAndWrites : FileRequests {
  explicit ReadsAndWrites(std::shared_ptr<vfs::FaultPlan> disk = vfs::make_fault_plan())
      : FileRequests(vfs::make_fault_volume(vfs::make_memory_volume(), disk)),
        plan(std::move(disk)) {}

  static NtStatus read(RawClient& by, const wire::ReadRequest& body, uint16_t charge = 1) {
    return by.status_of(by.request(
        Command::kRead, body, [charge](wire::Header& header) { header.credit_charge = charge; }));
  }
  NtStatus read(const wire::ReadRequest& body) { return read(client, body); }
  static NtStatus write_to(RawClient& by, const wire::WriteRequest& body, uint16_t charge = 1) {
    return by.status_of(by.request(
        Command::kWrite, body, [charge](wire::Header& header) { header.credit_charge = charge; }));
  }
  NtStatus write_to(const wire::WriteRequest& body) { return write_to(client, body); }
  uint64_t position(FileId id) {
    const wire::QueryInfoRequest body{
        .file_info_class = static_cast<uint8_t>(wire::FileInfoClass::kPosition),
        .output_buffer_length = 8,
        .file_id = id};
    const auto answer = client.exchange(client.request(Command::kQueryInfo, body));
    wire::Reader reader(answer->as<wire::QueryInfoResponse>().output_buffer);
    return reader.u64();
  }
  FileId directory() {
    auto body = RawClient::create_body("d");
    body.create_options = CreateOptions::kDirectoryFile;
    return client.create(body);
  }

  std::shared_ptr<vfs::FaultPlan> plan;
};

TEST_F(ReadsAndWrites, ReadEndsWhereTheFileEnds) {
  make("f", "content");
  const FileId id = open("f");
  struct {
    uint64_t offset;
    uint32_t length, minimum;
    NtStatus expected;
  } constexpr kCases[] = {
      {0, 7, 7, kSuccess},
      {0, 100, 7, kSuccess},
      {0, 100, 8, kEndOfFile},
      {6, 1, 1, kSuccess},
      {7, 1, 0, kEndOfFile},
      {8, 1, 0, kEndOfFile},
      {7, 0, 0, kSuccess},
      {0, 0, 0, kSuccess},
      {0, 0, 1, kEndOfFile},
      {kOffsetMax, 0, 0, kSuccess},
      {kOffsetMax, 1, 0, kInvalidParameter},
      {kOffsetMax - 1, 1, 0, kEndOfFile},
      {kOffsetMax + 1, 0, 0, kInvalidParameter},
  };
  for (const auto& each : kCases) {
    EXPECT_EQ(read({.length = each.length,
                    .offset = each.offset,
                    .file_id = id,
                    .minimum_count = each.minimum}),
              each.expected)
        << each.offset << " " << each.length << " " << each.minimum;
  }
}

TEST_F(ReadsAndWrites, WriteEndsWhereFilesEnd) {
  const FileId id = open("f");
  const Bytes two(2, 'x');
  const ByteView one = ByteView(two).first(1);
  EXPECT_EQ(write_to({.offset = kOffsetMax, .file_id = id, .data = one}), kInvalidParameter);
  EXPECT_EQ(write_to({.offset = kOffsetMax - 1, .file_id = id, .data = two}), kInvalidParameter);
  // The file system has a limit of its own.
  EXPECT_NE(write_to({.offset = kOffsetMax - 1, .file_id = id, .data = one}), kInvalidParameter);
  EXPECT_EQ(write_to({.offset = ~uint64_t{0}, .file_id = id, .data = one}), kInvalidParameter);
  EXPECT_EQ(write_to({.offset = kOffsetMax, .file_id = id}), kSuccess);
  EXPECT_EQ(write_to({.offset = kOffsetMax + 1, .file_id = id}), kInvalidParameter);
  EXPECT_EQ(content(id), "STATUS_END_OF_FILE");
}

TEST_F(ReadsAndWrites, PositionIsBehindWhatWasDone) {
  const FileId id = open("f");
  EXPECT_EQ(position(id), 0u);
  const Bytes data(10, 'x');
  ASSERT_EQ(write_to({.offset = 5, .file_id = id, .data = data}), kSuccess);
  EXPECT_EQ(position(id), 15u);
  ASSERT_EQ(read({.length = 3, .offset = 1, .file_id = id}), kSuccess);
  EXPECT_EQ(position(id), 4u);
  ASSERT_EQ(read({.length = 100, .offset = 2, .file_id = id}), kSuccess);
  EXPECT_EQ(position(id), 15u);
  EXPECT_EQ(read({.length = 100, .offset = 20, .file_id = id}), kEndOfFile);
  EXPECT_EQ(write_to({.offset = 99, .file_id = id}), kSuccess);
  EXPECT_EQ(position(id), 15u);
}

TEST_F(ReadsAndWrites, WriteTellsHowMuch) {
  const FileId id = open("f");
  for (const size_t size : {0u, 1u, 1000u}) {
    const Bytes data(size, 'x');
    const auto answer = client.exchange(
        client.request(Command::kWrite, wire::WriteRequest{.file_id = id, .data = data}));
    ASSERT_EQ(answer->status(), kSuccess);
    EXPECT_EQ(answer->as<wire::WriteResponse>().count, size);
    EXPECT_EQ(answer->as<wire::WriteResponse>().remaining, 0u);
  }
}

TEST_F(ReadsAndWrites, RightsAndKindsThatTheyTake) {
  make("f", "content");
  const Bytes data(1, 'x');
  const auto may_read = [&](uint32_t access) {
    return read({.length = 1, .file_id = open("f", access)});
  };
  const auto may_write = [&](uint32_t access) {
    return write_to({.file_id = open("f", access), .data = data});
  };
  EXPECT_EQ(may_read(Access::kFileReadData), kSuccess);
  EXPECT_EQ(may_read(Access::kFileExecute), kSuccess);
  EXPECT_EQ(may_read(Access::kFileWriteData | Access::kFileReadAttributes), kAccessDenied);
  EXPECT_EQ(may_write(Access::kFileWriteData), kSuccess);
  EXPECT_EQ(may_write(Access::kFileAppendData), kSuccess);
  EXPECT_EQ(may_write(Access::kFileReadData | Access::kFileWriteAttributes), kAccessDenied);
  const FileId folder = directory();
  EXPECT_EQ(read({.length = 1, .file_id = folder}), kInvalidDeviceRequest);
  EXPECT_EQ(write_to({.file_id = folder, .data = data}), kInvalidDeviceRequest);
  const FileId id = open("f");
  share().read_only = true;
  EXPECT_EQ(write_to({.file_id = id, .data = data}), kMediaWriteProtected);
  EXPECT_EQ(read({.length = 1, .file_id = id}), kSuccess);
}

// Over TCP there is none; before 3.0 the field is reserved.
TEST_F(ReadsAndWrites, RdmaChannelIsRefusedWhereItIsKnown) {
  const Bytes data(1, 'x');
  RawClient old{engine, ClientGuid{{9}}};
  ASSERT_TRUE(old.log_on(Dialect::kSmb210));
  make("f", "content");
  for (const auto channel : {wire::Channel::kRdmaV1, wire::Channel::kRdmaV1Invalidate}) {
    const FileId id = open("f");
    EXPECT_EQ(read({.length = 1, .file_id = id, .channel = channel}), kInvalidParameter);
    EXPECT_EQ(write_to({.file_id = id, .channel = channel, .data = data}), kInvalidParameter);
    const FileId of_old = old.create("f");
    EXPECT_EQ(read(old, {.length = 1, .file_id = of_old, .channel = channel}), kSuccess);
    EXPECT_EQ(write_to(old, {.file_id = of_old, .channel = channel, .data = data}), kSuccess);
  }
}

// [MS-SMB2] 3.3.5.2.5: what the credits pay for; without them the largest there is.
TEST_F(ReadsAndWrites, LengthIsWhatCreditsPayFor) {
  const FileId id = open("f");
  const Bytes data(kBytesPerCredit + 1, 'x');
  const ByteView most = ByteView(data).first(kBytesPerCredit);
  EXPECT_EQ(write_to({.file_id = id, .data = data}), kInvalidParameter);
  EXPECT_EQ(write_to({.file_id = id, .data = most}), kSuccess);
  EXPECT_EQ(read({.length = kBytesPerCredit, .file_id = id}), kSuccess);
  EXPECT_EQ(read({.length = kBytesPerCredit + 1, .file_id = id}), kInvalidParameter);
  RawClient old{engine, ClientGuid{{9}}};
  ASSERT_TRUE(old.log_on(Dialect::kSmb202));
  const FileId of_old = old.create("f");
  EXPECT_EQ(write_to(old, {.file_id = of_old, .data = most}), kSuccess);
  EXPECT_EQ(read(old, {.length = kMaxTransferSizeSingleCredit, .file_id = of_old}), kSuccess);
  EXPECT_EQ(read(old, {.length = kMaxTransferSizeSingleCredit + 1, .file_id = of_old}),
            kInvalidParameter);
}

TEST_F(ReadsAndWrites, WriteThroughReachesTheDiskAndOthersDoNot) {
  const Bytes data(1, 'x');
  const FileId id = open("f");
  const auto flushes = [&](const wire::WriteRequest& body) {
    const uint64_t before = plan->calls_of("flush");
    EXPECT_EQ(write_to(body), kSuccess);
    return plan->calls_of("flush") - before;
  };
  EXPECT_EQ(flushes({.file_id = id, .data = data}), 0u);
  EXPECT_EQ(flushes({.file_id = id, .flags = wire::WriteFlags::kWriteThrough, .data = data}), 1u);
  EXPECT_EQ(flushes({.file_id = id, .flags = wire::WriteFlags::kWriteThrough}), 0u);
  EXPECT_EQ(flushes({.file_id = id, .flags = wire::WriteFlags::kWriteUnbuffered, .data = data}),
            0u);
}

TEST_F(ReadsAndWrites, DiskThatFailsIsSaid) {
  const Bytes data(1, 'x');
  make("f", "content");
  const FileId id = open("f");
  plan->fail_operation("read", EIO);
  EXPECT_EQ(read({.length = 1, .file_id = id}), kIoDeviceError);
  plan->fail_operation("write", ENOSPC);
  EXPECT_EQ(write_to({.file_id = id, .data = data}), kDiskFull);
  plan->clear();
  EXPECT_EQ(position(id), 0u);
}

// What is in memory is read on the reactor, and more than so much is not tried there.
TEST_F(ReadsAndWrites, LongReadsAndThoseOfASlowDiskTakeATurn) {
  const FileId id = open("f");
  ASSERT_EQ(write(id, std::string(65536, 'x')), kSuccess);
  plan->hold_operation("read");
  // On the reactor it would fail with EAGAIN and be tried again on the pool; either way it waits.
  const uint64_t asked = client.next_message_id;
  client.send(client.request(Command::kRead, wire::ReadRequest{.length = 65536, .file_id = id}));
  plan->await_held(1);
  plan->let_go();
  const auto answer = client.answer_to(asked);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), kSuccess);
  EXPECT_EQ(answer->as<wire::ReadResponse>().data.size(), 65536u);
}

}  // namespace
}  // namespace braid::smb2
