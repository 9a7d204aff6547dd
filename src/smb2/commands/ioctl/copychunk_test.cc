// FSCTL_SRV_COPYCHUNK and its limits: [MS-SMB2] 3.3.5.15.5 and 3.3.5.15.6.
#include <algorithm>
#include <cstring>

#include "smb2/commands/ioctl/fsctl_testing.h"
#include "smb2/common/limits.h"
#include "vfs/fault/fault_volume.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/srv_copychunk.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Command;
using wire::Fsctl;
using wire::SrvCopychunk;
using enum NtStatus;

constexpr uint64_t kEnd = ~uint64_t{0} >> 1;

struct Copychunks : Fsctls {
  using Fsctls::Fsctls;
  void SetUp() override {
    Fsctls::SetUp();
    make("source", "0123456789");
    source = open("source");
    target = open("target");
  }
  Bytes key_of(FileId id) {
    const Bytes answer = ask(Fsctl::kSrvRequestResumeKey, id).output;
    return Bytes(answer.begin(), answer.begin() + 24);
  }
  struct Copied {
    NtStatus status;
    wire::SrvCopychunkResponse response;
    bool operator==(const Copied& other) const {
      return status == other.status && response.chunks_written == other.response.chunks_written &&
             response.chunk_bytes_written == other.response.chunk_bytes_written &&
             response.total_bytes_written == other.response.total_bytes_written;
    }
  };
  friend std::ostream& operator<<(std::ostream& out, const Copied& copied) {
    return out << name_of(copied.status) << " " << copied.response.chunks_written << " "
               << copied.response.chunk_bytes_written << " " << copied.response.total_bytes_written;
  }
  Copied copy(FileId to, const Bytes& key, std::vector<SrvCopychunk> chunks,
              Fsctl code = Fsctl::kSrvCopychunkWrite, uint32_t room = 12) {
    wire::SrvCopychunkCopy body;
    std::ranges::copy(key, body.source_key.begin());
    body.chunks = std::move(chunks);
    const Told told = ask(code, to, encoded(body), room);
    if (told.output.size() != wire::SrvCopychunkResponse::kSize) return {told.status, {}};
    return {told.status, decoded<wire::SrvCopychunkResponse>(told.output)};
  }
  Copied copy(std::vector<SrvCopychunk> chunks) {
    return copy(target, key_of(source), std::move(chunks));
  }
  NtStatus lock(FileId id, uint64_t offset, uint64_t length) {
    return client.status_of(client.request(
        Command::kLock, wire::LockRequest{.file_id = id,
                                          .locks = {{offset, length,
                                                     wire::LockFlags::kExclusiveLock |
                                                         wire::LockFlags::kFailImmediately}}}));
  }
  static constexpr wire::SrvCopychunkResponse kLimits{256, 1 << 20, 16 << 20};

  FileId source, target;
};

TEST_F(Copychunks, ChunksAreCopiedAndCounted) {
  EXPECT_EQ(copy({{.source_offset = 2, .target_offset = 0, .length = 3},
                  {.source_offset = 9, .target_offset = 5, .length = 1}}),
            (Copied{kSuccess, {2, 0, 4}}));
  EXPECT_EQ(data(target, 0, 100), (Bytes{'2', '3', '4', 0, 0, '9'}));
  EXPECT_EQ(copy({}), (Copied{kSuccess, {0, 0, 0}}));
}

TEST_F(Copychunks, WhatIsBeyondTheSourceEndsIt) {
  EXPECT_EQ(copy({{.source_offset = 0, .target_offset = 0, .length = 10},
                  {.source_offset = 1, .target_offset = 10, .length = 10},
                  {.source_offset = 0, .target_offset = 20, .length = 1}}),
            (Copied{kInvalidViewSize, {1, 0, 10}}));
  EXPECT_EQ(data(target, 0, 100).size(), 10u);
}

TEST_F(Copychunks, LimitsAreToldToWhoGoesBeyond) {
  const auto many = [](size_t count, uint32_t length) {
    return std::vector<SrvCopychunk>(count,
                                     {.source_offset = 0, .target_offset = 0, .length = length});
  };
  const Copied limits{kInvalidParameter, kLimits};
  const auto one = [&](uint64_t from, uint64_t to, uint32_t length) {
    return copy({{.source_offset = from, .target_offset = to, .length = length}});
  };
  EXPECT_EQ(copy(many(256, 1)), (Copied{kSuccess, {256, 0, 256}}));
  EXPECT_EQ(copy(many(257, 1)), limits);
  EXPECT_EQ(one(0, 0, 0), limits);
  EXPECT_EQ(one(0, 0, 1 << 20).status, kInvalidViewSize);
  EXPECT_EQ(one(0, 0, (1 << 20) + 1), limits);
  EXPECT_EQ(copy(many(16, 1 << 20)).status, kInvalidViewSize);
  auto beyond = many(16, 1 << 20);
  beyond.push_back({.source_offset = 0, .target_offset = 0, .length = 1});
  EXPECT_EQ(copy(beyond), limits);
  EXPECT_EQ(one(kEnd - 1, 0, 1).status, kInvalidViewSize);
  EXPECT_EQ(one(kEnd, 0, 1), limits);
  EXPECT_EQ(one(0, kEnd, 1), limits);
  EXPECT_NE(one(0, kEnd - 1, 1), limits);
  EXPECT_EQ(ask(Fsctl::kSrvCopychunk, target, Bytes(31), 12).status, kInvalidParameter);
}

TEST_F(Copychunks, KeyIsOfAnOpenOfTheSession) {
  const Bytes key = key_of(source);
  const SrvCopychunk chunk{.source_offset = 0, .target_offset = 0, .length = 1};
  EXPECT_EQ(ask(Fsctl::kSrvRequestResumeKey, source, {}, 31).status, kInvalidParameter);
  EXPECT_EQ(ask(Fsctl::kSrvRequestResumeKey, source, {}, 32).output.size(), 32u);
  EXPECT_EQ(copy(target, key, {chunk}).status, kSuccess);
  // It is the FileId, and zeros.
  for (const size_t at : {0u, 8u, 16u, 23u}) {
    Bytes wrong = key;
    wrong[at] ^= 1;
    EXPECT_EQ(copy(target, wrong, {chunk}).status, kObjectNameNotFound) << at;
  }
  RawClient other{engine, ClientGuid{{9}}};
  ASSERT_TRUE(other.log_on());
  const FileId theirs = other.create("target");
  wire::SrvCopychunkCopy body;
  std::ranges::copy(key, body.source_key.begin());
  body.chunks = {chunk};
  EXPECT_EQ(ask(other, Fsctl::kSrvCopychunkWrite, theirs, encoded(body)).status,
            kObjectNameNotFound);
  client.close_file(source);
  EXPECT_EQ(copy(target, key, {chunk}).status, kObjectNameNotFound);
}

// 3.3.5.15.6: of the target the right to read, too, unless it is only to be written.
TEST_F(Copychunks, RightsAreThoseOfReadAndWrite) {
  const SrvCopychunk chunk{.source_offset = 0, .target_offset = 0, .length = 1};
  struct {
    Fsctl code;
    uint32_t of_source, of_target;
    NtStatus expected;
  } constexpr kCases[] = {
      {Fsctl::kSrvCopychunk, Access::kFileReadData, Access::kFileReadData | Access::kFileWriteData,
       kSuccess},
      {Fsctl::kSrvCopychunk, Access::kFileExecute, Access::kFileReadData | Access::kFileAppendData,
       kSuccess},
      {Fsctl::kSrvCopychunk, Access::kFileReadData, Access::kFileWriteData, kAccessDenied},
      {Fsctl::kSrvCopychunk, Access::kFileReadData, Access::kFileExecute | Access::kFileWriteData,
       kAccessDenied},
      {Fsctl::kSrvCopychunkWrite, Access::kFileReadData, Access::kFileWriteData, kSuccess},
      {Fsctl::kSrvCopychunkWrite, Access::kFileReadData, Access::kFileReadData, kAccessDenied},
      {Fsctl::kSrvCopychunkWrite, Access::kFileWriteData, Access::kFileWriteData, kAccessDenied},
      {Fsctl::kSrvCopychunkWrite, Access::kFileReadAttributes, Access::kFileWriteData,
       kAccessDenied},
  };
  for (const auto& each : kCases) {
    const FileId from = open("source", each.of_source);
    const FileId to = open("target", each.of_target);
    EXPECT_EQ(copy(to, key_of(from), {chunk}, each.code).status, each.expected)
        << std::hex << each.of_source << " " << each.of_target;
  }
  EXPECT_EQ(copy(target, key_of(source), {chunk}, Fsctl::kSrvCopychunk, 11).status,
            kInvalidParameter);
  EXPECT_EQ(copy(directory(), key_of(source), {chunk}).status, kInvalidDeviceRequest);
  EXPECT_EQ(copy(target, key_of(directory()), {chunk}).status, kInvalidDeviceRequest);
}

TEST_F(Copychunks, LocksOfOthersOnEitherFileEndIt) {
  const FileId other_source = open("source"), other_target = open("target");
  const SrvCopychunk chunk{.source_offset = 0, .target_offset = 0, .length = 4};
  ASSERT_EQ(lock(other_source, 3, 1), kSuccess);
  EXPECT_EQ(copy({chunk}), (Copied{kFileLockConflict, {0, 0, 0}}));
  client.close_file(other_source);
  ASSERT_EQ(lock(other_target, 3, 1), kSuccess);
  EXPECT_EQ(copy({chunk}), (Copied{kFileLockConflict, {0, 0, 0}}));
  EXPECT_EQ(copy({{.source_offset = 0, .target_offset = 0, .length = 3}}).status, kSuccess);
  client.close_file(other_target);
  EXPECT_EQ(copy({chunk}).status, kSuccess);
}

// A pipe is no source.
TEST_F(Copychunks, PipeIsAnsweredWithTheLimits) {
  const FileId of_pipe = [&] {
    const TreeId files = client.tree_id;
    EXPECT_EQ(client.tree_connect("IPC$"), kSuccess);
    const FileId id = client.create("srvsvc");
    client.tree_id = files;
    return id;
  }();
  Bytes key(24);
  std::memcpy(key.data(), &of_pipe.persistent, 8);
  std::memcpy(key.data() + 8, &of_pipe.volatile_id, 8);
  EXPECT_EQ(copy(target, key, {{.source_offset = 0, .target_offset = 0, .length = 1}}),
            (Copied{kInvalidParameter, kLimits}));
}

// What another has locked of a chunk further on is found before anything is copied.
TEST_F(Copychunks, LockedRangeOfALaterChunkEndsItAtOnce) {
  const std::vector<SrvCopychunk> chunks{{.source_offset = 0, .target_offset = 0, .length = 2},
                                         {.source_offset = 4, .target_offset = 4, .length = 2}};
  for (const char* name : {"source", "target"}) {
    const FileId other = open(name);
    ASSERT_EQ(lock(other, 5, 1), kSuccess);
    EXPECT_EQ(copy(chunks), (Copied{kFileLockConflict, {0, 0, 0}})) << name;
    client.close_file(other);
    EXPECT_EQ(content("target"), "STATUS_END_OF_FILE") << name;
  }
  EXPECT_EQ(copy(chunks), (Copied{kSuccess, {2, 0, 4}}));
}

// The disk can be made to hang before it copies a chunk.
struct CopychunksOnADisk : Copychunks {
  explicit CopychunksOnADisk(std::shared_ptr<vfs::FaultPlan> disk = vfs::make_fault_plan())
      : Copychunks(vfs::make_fault_volume(vfs::make_memory_volume(), disk), 2),
        plan(std::move(disk)) {}
  void TearDown() override { plan->let_go(); }
  std::shared_ptr<vfs::FaultPlan> plan;
};

TEST_F(CopychunksOnADisk, RangeThatIsLockedMeanwhileEndsIt) {
  for (const char* name : {"source", "target"}) {
    const FileId other = open(name);
    wire::SrvCopychunkCopy body;
    std::ranges::copy(key_of(source), body.source_key.begin());
    body.chunks = {{.source_offset = 0, .target_offset = 0, .length = 2},
                   {.source_offset = 4, .target_offset = 4, .length = 2}};
    const Bytes input = encoded(body);
    plan->hold_operation("copy_range");
    client.send(client.request(Command::kIoctl,
                               wire::IoctlRequest{.ctl_code = Fsctl::kSrvCopychunkWrite,
                                                  .file_id = target,
                                                  .input = input,
                                                  .max_output_response = 12,
                                                  .flags = wire::IoctlRequest::kFlagIsFsctl}));
    const uint64_t asked = client.next_message_id - 1;
    plan->await_held(1);
    EXPECT_EQ(lock(other, 5, 1), kSuccess);
    plan->let_go();
    const auto answer = client.answer_to(asked);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), kFileLockConflict) << name;
    client.close_file(other);
    EXPECT_EQ(data(target, 0, 100), (Bytes{'0', '1'})) << name;
  }
}

}  // namespace
}  // namespace braid::smb2
