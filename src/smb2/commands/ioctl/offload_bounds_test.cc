// Which ranges are offloaded, and for how long a token is good: [MS-FSA] 2.1.5.10.20 and .21.
#include "smb2/commands/ioctl/fsctl_testing.h"
#include "smb2/common/limits.h"
#include "smb2/shares/offload_token.h"
#include "vfs/memory/memory_features.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/offload.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Fsctl;
using wire::OffloadReadInput;
using wire::OffloadReadOutput;
using wire::OffloadWriteInput;
using wire::OffloadWriteOutput;
using wire::StorageOffloadToken;
using enum NtStatus;

constexpr uint64_t kOffloadEnd = ~uint64_t{0} >> 1;

// The files are older than any clock's step.
struct OffloadTime {
  VirtualClock clock;
};
struct OffloadBounds : OffloadTime, testing::Test {
  void SetUp() override {
    ASSERT_TRUE(client.log_on());
    source = make("source", 2000, 's');
    target = make("target", 2048, 't');
    clock.advance(std::chrono::seconds(1));
  }
  FileId make(std::string_view name, size_t size, char fill) {
    const FileId id = client.create(name);
    const std::string content(size, fill);
    EXPECT_EQ(
        client.status_of(client.request(
            wire::Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes(content)})),
        kSuccess);
    return id;
  }
  FileId open(std::string_view name, uint32_t access) {
    auto body = RawClient::create_body(name);
    body.desired_access = access;
    return client.create(body);
  }
  FileId directory() {
    auto body = RawClient::create_body("d");
    body.create_options = wire::CreateOptions::kDirectoryFile;
    return client.create(body);
  }
  template <class Input>
  Fsctls::Told ask(Fsctl code, FileId id, const Input& input, uint32_t room) {
    return Fsctls::ask(client, code, id, Fsctls::encoded(input), room);
  }
  Fsctls::Told read(FileId id, const OffloadReadInput& input, uint32_t room = 528) {
    return ask(Fsctl::kOffloadRead, id, input, room);
  }
  OffloadReadOutput got(const OffloadReadInput& input) {
    const auto told = read(source, input);
    EXPECT_EQ(told.status, kSuccess);
    return Fsctls::decoded<OffloadReadOutput>(told.output);
  }
  Fsctls::Told write(FileId id, const OffloadWriteInput& input, uint32_t room = 16) {
    return ask(Fsctl::kOffloadWrite, id, input, room);
  }
  uint64_t written(const OffloadWriteInput& input) {
    const auto told = write(target, input);
    EXPECT_EQ(told.status, kSuccess);
    return told.status == kSuccess ? Fsctls::decoded<OffloadWriteOutput>(told.output).length_written
                                   : 0;
  }
  std::string looks(FileId id) {
    const auto answer = client.exchange(
        client.request(wire::Command::kRead, wire::ReadRequest{.length = 60'000, .file_id = id}));
    const ByteView all = answer->as<wire::ReadResponse>().data;
    std::string looks;
    for (size_t at = 0; at < all.size();) {
      const size_t begin = at;
      while (at < all.size() && all[at] == all[begin]) ++at;
      looks += (all[begin] ? static_cast<char>(all[begin]) : '0') + std::to_string(at - begin);
    }
    return looks;
  }
  void lock(FileId by, uint64_t offset, uint64_t length) {
    const wire::LockRequest body{.file_id = by, .locks = {{offset, length, 0x12}}};
    ASSERT_EQ(client.status_of(client.request(wire::Command::kLock, body)), kSuccess);
  }
  vfs::Attributes& attributes(std::string_view name) {
    vfs::Volume& volume = *engine.server().settings.shares()->find("files")->volume;
    return vfs::attributes_of(
        volume.find(server_credentials(), vfs::parse_path(name)->path).value());
  }

  Engine engine{Engine::lenient(), clock, 1, Engine::shares_on(vfs::make_memory_volume(clock))};
  RawClient client{engine};
  FileId source, target;
};

TEST_F(OffloadBounds, TokenIsOfWholeSectorsUpToTheEnd) {
  struct {
    uint64_t offset, length;
    uint64_t transfer;
    uint32_t flags;
  } constexpr kCases[] = {
      {0, 512, 512, 0},
      {512, 1024, 1024, 0},
      {512, 1536, 1536, OffloadReadOutput::kAllZeroBeyondCurrentRange},
      {0, 1536, 1536, 0},
      {0, 2048, 2048, OffloadReadOutput::kAllZeroBeyondCurrentRange},
      {1536, 4096, 512, OffloadReadOutput::kAllZeroBeyondCurrentRange},
      {0, 0, 0, 0},
  };
  for (const auto& each : kCases) {
    const auto told = got({.file_offset = each.offset, .copy_length = each.length});
    EXPECT_EQ(told.transfer_length, each.transfer) << each.offset << " " << each.length;
    EXPECT_EQ(told.flags, each.flags) << each.offset << " " << each.length;
    EXPECT_EQ(told.token.type == StorageOffloadToken::kZeroData, each.length == 0);
  }
}

TEST_F(OffloadBounds, ReadsThatAreRefused) {
  const auto with = [&](uint64_t offset, uint64_t length) {
    return read(source, {.file_offset = offset, .copy_length = length}).status;
  };
  EXPECT_EQ(with(511, 512), kInvalidParameter);
  EXPECT_EQ(with(0, 513), kInvalidParameter);
  EXPECT_EQ(with(2048, 512), kEndOfFile);
  EXPECT_EQ(with(kOffloadEnd - 511, 0), kSuccess);
  EXPECT_EQ(with(kOffloadEnd + 1, 0), kInvalidParameter);
  EXPECT_EQ(with(kOffloadEnd - 1023, 512), kEndOfFile);
  EXPECT_EQ(with(kOffloadEnd - 511, 512), kInvalidParameter);
  EXPECT_EQ(read(source, {.copy_length = 512}, 527).status, kBufferTooSmall);
  EXPECT_EQ(Fsctls::ask(client, Fsctl::kOffloadRead, source, Bytes(31), 528).status,
            kBufferTooSmall);
  const OffloadReadInput all{.copy_length = 512};
  EXPECT_EQ(read(open("source", Access::kFileWriteData), all).status, kAccessDenied);
  EXPECT_EQ(read(open("source", Access::kFileExecute), all).status, kSuccess);
  EXPECT_EQ(read(open("source", Access::kFileReadData), all).status, kSuccess);
  EXPECT_EQ(read(directory(), all).status, kOffloadReadFileNotSupported);
  for (const uint32_t special : {vfs::dos::kSparse, vfs::dos::kCompressed}) {
    attributes("source").dos_attributes = special;
    EXPECT_EQ(read(source, all).status, kOffloadReadFileNotSupported) << special;
  }
  attributes("source").dos_attributes = vfs::dos::kArchive;
  lock(open("source", Access::kFileAllAccess), 511, 1);
  EXPECT_EQ(read(source, all).status, kFileLockConflict);
  EXPECT_EQ(read(source, {.file_offset = 512, .copy_length = 512}).status, kSuccess);
}

// 30 s when the client does not say, and 5 minutes at most.
TEST_F(OffloadBounds, TokenLivesAsLongAsIsAskedFor) {
  struct {
    uint32_t asked_ms;
    uint64_t lives_ms;
  } constexpr kCases[] = {{0, 30'000}, {1, 1}, {1234, 1234}, {300'000, 300'000}, {~0u, 300'000}};
  for (const auto& each : kCases) {
    const auto token = OffloadToken::decode(
        got({.token_time_to_live_ms = each.asked_ms, .copy_length = 512}).token);
    ASSERT_TRUE(token);
    EXPECT_EQ(token->expires.ticks - clock.now().ticks, each.lives_ms * (kTicksPerSecond / 1000))
        << each.asked_ms;
    EXPECT_EQ(token->file_size, 2000u);
    EXPECT_EQ(token->offset, 0u);
    EXPECT_EQ(token->length, 512u);
  }
  const auto token = got({.token_time_to_live_ms = 1000, .copy_length = 512}).token;
  clock.advance(std::chrono::seconds(1));
  EXPECT_EQ(written({.copy_length = 512, .token = token}), 512u);
  clock.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(write(target, {.copy_length = 512, .token = token}).status, kInvalidToken);
}

TEST_F(OffloadBounds, WhatIsWrittenIsWithinTheTokenAndTheTarget) {
  const auto token = got({.file_offset = 512, .copy_length = 1536}).token;
  EXPECT_EQ(written({.file_offset = 512, .copy_length = 512, .token = token}), 512u);
  EXPECT_EQ(looks(target), "t512s512t1024");
  // The end of the source lies 48 bytes before that of its last sector.
  EXPECT_EQ(written({.copy_length = 1024, .transfer_offset = 1024, .token = token}), 512u);
  EXPECT_EQ(looks(target), "s464048s512t1024");
  EXPECT_EQ(written({.file_offset = 1536, .copy_length = 4096, .token = token}), 1536u);
  EXPECT_EQ(looks(target), "s464048s512t512s512");
  EXPECT_EQ(written({.token = token}), 0u);
  EXPECT_EQ(write(target, {.copy_length = 512, .transfer_offset = 1536, .token = token}).status,
            kInvalidParameter);
}

TEST_F(OffloadBounds, ZerosAreAsManyAsAreWanted) {
  const auto zeros = got({}).token;
  EXPECT_EQ(written({.file_offset = 512, .copy_length = 512, .token = zeros}), 512u);
  EXPECT_EQ(looks(target), "t5120512t1024");
  EXPECT_EQ(written({.file_offset = 1536, .copy_length = 1 << 20, .token = zeros}), 1u << 20);
  EXPECT_EQ(looks(target), "t5120512t5120512");
}

TEST_F(OffloadBounds, WritesThatAreRefused) {
  const auto token = got({.copy_length = 512}).token;
  const auto with = [&](const OffloadWriteInput& input) {
    auto body = input;
    body.token = token;
    return write(target, body).status;
  };
  EXPECT_EQ(with({.file_offset = 1, .copy_length = 512}), kInvalidParameter);
  EXPECT_EQ(with({.copy_length = 511}), kInvalidParameter);
  EXPECT_EQ(with({.copy_length = 512, .transfer_offset = 1}), kInvalidParameter);
  EXPECT_EQ(with({.file_offset = 2048, .copy_length = 512}), kEndOfFile);
  EXPECT_EQ(with({.file_offset = kOffloadEnd + 1}), kInvalidParameter);
  EXPECT_EQ(with({.file_offset = kOffloadEnd - 511, .copy_length = 512}), kInvalidParameter);
  EXPECT_EQ(with({.file_offset = kOffloadEnd - 1023, .copy_length = 512}), kEndOfFile);
  const OffloadWriteInput all{.copy_length = 512, .token = token};
  EXPECT_EQ(write(target, all, 15).status, kBufferTooSmall);
  EXPECT_EQ(Fsctls::ask(client, Fsctl::kOffloadWrite, target, Bytes(543), 16).status,
            kBufferTooSmall);
  EXPECT_EQ(write(open("target", Access::kFileAppendData), all).status, kAccessDenied);
  EXPECT_EQ(write(open("target", Access::kFileWriteData), all).status, kSuccess);
  EXPECT_EQ(write(directory(), all).status, kOffloadWriteFileNotSupported);
  for (const uint32_t special : {vfs::dos::kSparse, vfs::dos::kCompressed}) {
    attributes("target").dos_attributes = special;
    EXPECT_EQ(write(target, all).status, kOffloadWriteFileNotSupported) << special;
  }
  attributes("target").dos_attributes = vfs::dos::kArchive;
  const FileId other = open("target", Access::kFileAllAccess);
  lock(other, 511, 1);
  EXPECT_EQ(write(target, all).status, kFileLockConflict);
  client.close_file(other);
  lock(open("source", Access::kFileAllAccess), 0, 1);
  EXPECT_EQ(write(target, all).status, kFileLockConflict);
}

// To the last byte of the source, and zeros behind it.
TEST_F(OffloadBounds, LastByteOfTheSourceIsCopied) {
  source = make("odd", 513, 's');
  clock.advance(std::chrono::seconds(1));
  const auto token = got({.copy_length = 1024}).token;
  EXPECT_EQ(written({.copy_length = 512, .transfer_offset = 512, .token = token}), 512u);
  EXPECT_EQ(looks(target), "s10511t1536");
}

// Locks count where the token's part of the source is read.
TEST_F(OffloadBounds, LocksElsewhereInTheSourceDoNotCount) {
  const OffloadWriteInput second{.copy_length = 512,
                                 .transfer_offset = 512,
                                 .token = got({.file_offset = 512, .copy_length = 1024}).token};
  const FileId other = open("source", Access::kFileAllAccess);
  lock(other, 0, 1024);
  EXPECT_EQ(write(target, second).status, kSuccess);
  lock(other, 1535, 1);
  EXPECT_EQ(write(target, second).status, kFileLockConflict);
}

// It is of the session that read, and of the handle while that is open and the file as it was.
TEST_F(OffloadBounds, TokenIsOfItsHandle) {
  const auto token = got({.copy_length = 512}).token;
  RawClient other{engine, ClientGuid{{9}}};
  ASSERT_TRUE(other.log_on());
  const OffloadWriteInput all{.copy_length = 512, .token = token};
  EXPECT_EQ(
      Fsctls::ask(other, Fsctl::kOffloadWrite, other.create("target"), Fsctls::encoded(all), 16)
          .status,
      kInvalidToken);
  auto spoiled = all;
  spoiled.token.type = 7;
  EXPECT_EQ(write(target, spoiled).status, kInvalidToken);
  attributes("source").changed.ticks += 1;
  EXPECT_EQ(write(target, all).status, kInvalidToken);
  attributes("source").changed.ticks -= 1;
  EXPECT_EQ(write(target, all).status, kSuccess);
  client.close_file(source);
  EXPECT_EQ(write(target, all).status, kInvalidToken);
}

// Within one file all is read before the first byte is written.
TEST_F(OffloadBounds, CopyWithinAFileMayOverlap) {
  const FileId id = make("one", 2048, 'a');
  const std::string b(512, 'b');
  ASSERT_EQ(client.status_of(client.request(
                wire::Command::kWrite,
                wire::WriteRequest{.offset = 512, .file_id = id, .data = as_bytes(b)})),
            kSuccess);
  clock.advance(std::chrono::seconds(1));
  const auto told = read(id, {.copy_length = 1024});
  const auto token = Fsctls::decoded<OffloadReadOutput>(told.output).token;
  EXPECT_EQ(write(id, {.file_offset = 512, .copy_length = 1024, .token = token}).status, kSuccess);
  EXPECT_EQ(looks(id), "a1024b512a512");
  EXPECT_EQ(write(id, {.file_offset = 512, .copy_length = 1024, .token = token}).status,
            kInvalidToken);
}

}  // namespace
}  // namespace braid::smb2
