// What the rows of the FSCTLs say: with no input, of a file, of a pipe, late, and on a share that
// is read-only.
#include <gtest/gtest.h>

#include "smb2/common/limits.h"
#include "smb2/raw_client_testing.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/ioctl.h"

namespace braid::smb2 {
namespace {

using enum NtStatus;

struct FsctlExpected {
  uint32_t code;
  NtStatus of_file;       // with an empty input
  NtStatus late;          // with a ChannelSequence that is over
  NtStatus on_read_only;  // not late
  NtStatus of_pipe = kInvalidDeviceRequest;
};

// By the numbers of [MS-FSCC] 2.3 and [MS-SMB2] 2.2.31.
constexpr FsctlExpected kFsctls[] = {
    {0x0011C017, kNotSupported, kFileNotAvailable, kNotSupported, kConnectionDisconnected},
    {0x0011400C, kNotSupported, kNotSupported, kNotSupported, kSuccess},
    {0x00110018, kNotSupported, kNotSupported, kNotSupported, kInvalidParameter},
    {0x00060194, kFsDriverRequired, kFsDriverRequired, kFsDriverRequired, kFsDriverRequired},
    {0x000601B0, kFsDriverRequired, kFsDriverRequired, kFsDriverRequired, kFsDriverRequired},
    {0x001401FC, kInvalidParameter, kInvalidParameter, kInvalidParameter, kInvalidParameter},
    {0x000900C0, kSuccess, kFileNotAvailable, kSuccess},
    {0x0009009C, kSuccess, kSuccess, kSuccess},
    {0x00090098, kAccessDenied, kFileNotAvailable, kMediaWriteProtected},
    {0x000900BC, kAccessDenied, kFileNotAvailable, kMediaWriteProtected},
    {0x000900A0, kAccessDenied, kFileNotAvailable, kMediaWriteProtected},
    {0x00140078, kSuccess, kSuccess, kSuccess},
    {0x001440F2, kInvalidParameter, kFileNotAvailable, kMediaWriteProtected},
    {0x001480F2, kInvalidParameter, kFileNotAvailable, kMediaWriteProtected},
    {0x000900C4, kSuccess, kFileNotAvailable, kMediaWriteProtected},
    {0x000980C8, kInvalidParameter, kFileNotAvailable, kMediaWriteProtected},
    {0x000940CF, kInvalidParameter, kInvalidParameter, kInvalidParameter},
    {0x00098208, kInvalidParameter, kFileNotAvailable, kMediaWriteProtected},
    {0x00098344, kInvalidDeviceRequest, kFileNotAvailable, kMediaWriteProtected},
    {0x000983E8, kInvalidDeviceRequest, kFileNotAvailable, kMediaWriteProtected},
    {0x0009003C, kSuccess, kSuccess, kSuccess},
    {0x0009C040, kInvalidParameter, kFileNotAvailable, kMediaWriteProtected},
    {0x000900A8, kNotAReparsePoint, kNotAReparsePoint, kNotAReparsePoint},
    {0x000900A4, kIoReparseDataInvalid, kFileNotAvailable, kMediaWriteProtected},
    {0x001401D4, kInvalidParameter, kFileNotAvailable, kInvalidParameter},
    {0x000900AC, kIoReparseDataInvalid, kFileNotAvailable, kMediaWriteProtected},
    {0x00094264, kBufferTooSmall, kBufferTooSmall, kBufferTooSmall},
    {0x00098268, kBufferTooSmall, kFileNotAvailable, kMediaWriteProtected},
    {0x0009027C, kInvalidDeviceRequest, kInvalidDeviceRequest, kInvalidDeviceRequest},
    {0x0009C280, kInvalidDeviceRequest, kFileNotAvailable, kMediaWriteProtected},
    {0x00090284, kSuccess, kSuccess, kSuccess},
    {0x00090064, kSuccess, kSuccess, kSuccess},
    {0x000900EB, kSuccess, kSuccess, kSuccess},
    {0x00090440, kNotSupported, kNotSupported, kNotSupported},
    {0x00144064, kSuccess, kSuccess, kSuccess},
    // Those that are not known, and those of tests where there are none.
    {0x00090000, kInvalidDeviceRequest, kInvalidDeviceRequest, kInvalidDeviceRequest,
     kFsDriverRequired},
    {0x83840000, kInvalidDeviceRequest, kInvalidDeviceRequest, kInvalidDeviceRequest,
     kFsDriverRequired},
};

struct FsctlRows : testing::Test {
  void SetUp() override {
    share->name = "files";
    share->volume = vfs::make_memory_volume();
    engine.emplace(
        Engine::lenient(), system_clock(), 1,
        std::make_shared<const ShareTable>(std::vector<std::shared_ptr<const Share>>{share}));
    files.emplace(*engine);
    ASSERT_TRUE(files->log_on());
    pipes.emplace(*engine);
    ASSERT_TRUE(pipes->log_on(wire::Dialect::kSmb302, "IPC$"));
  }
  static NtStatus ask(RawClient& who, FileId id, uint32_t code, uint16_t channel_sequence) {
    wire::IoctlRequest body;
    body.ctl_code = static_cast<wire::Fsctl>(code);
    body.file_id = id;
    body.max_output_response = 4096;
    body.flags = wire::IoctlRequest::kFlagIsFsctl;
    return who.status_of(who.request(wire::Command::kIoctl, body, [&](wire::Header& header) {
      header.channel_sequence = channel_sequence;
    }));
  }
  // Of a fresh handle whose ChannelSequence has come to be 5.
  NtStatus ask_file(uint32_t code, uint16_t channel_sequence) {
    const FileId id = files->create("f");
    EXPECT_NE(id, FileId{});
    EXPECT_EQ(ask(*files, id, 0x00140078, 5), kSuccess);
    const NtStatus status = ask(*files, id, code, channel_sequence);
    files->close_file(id);
    return status;
  }

  std::shared_ptr<Share> share = std::make_shared<Share>();
  std::optional<Engine> engine;
  std::optional<RawClient> files, pipes;
};

TEST_F(FsctlRows, AllAreAnsweredAsTheirRowsSay) {
  const FileId pipe = pipes->create("srvsvc");
  ASSERT_NE(pipe, FileId{});
  for (const FsctlExpected& row : kFsctls) {
    SCOPED_TRACE(testing::Message() << "FSCTL " << std::hex << row.code);
    share->read_only = false;
    EXPECT_EQ(ask_file(row.code, 5), row.of_file);
    EXPECT_EQ(ask_file(row.code, 4), row.late);
    const FileId id = files->create("f");
    share->read_only = true;
    EXPECT_EQ(ask(*files, id, row.code, 0), row.on_read_only);
    share->read_only = false;
    files->close_file(id);
    EXPECT_EQ(ask(*pipes, pipe, row.code, 0), row.of_pipe);
  }
}

// [MS-SMB2] 3.3.5.15: each size for itself is at most Connection.MaxTransactSize.
TEST_F(FsctlRows, SizesUpToTheLargestTransferAreAllowed) {
  const auto ask_for_credits = [](wire::Header& header) { header.credits = 8192; };
  ASSERT_EQ(
      files->status_of(files->request(wire::Command::kEcho, wire::EchoRequest{}, ask_for_credits)),
      kSuccess);
  const FileId id = files->create("f");
  const auto ask_with = [&](uint32_t input, uint32_t output, size_t sent) {
    const Bytes data(sent);
    const wire::IoctlRequest body{.ctl_code = wire::Fsctl::kSrvRequestResumeKey,
                                  .file_id = id,
                                  .input = data,
                                  .max_input_response = input,
                                  .max_output_response = output,
                                  .flags = wire::IoctlRequest::kFlagIsFsctl};
    const uint64_t paid = std::max<uint64_t>(uint64_t{input} + output, sent);
    const auto charge = static_cast<uint16_t>((paid + 0xFFFF) >> 16);
    Bytes message = files->request(wire::Command::kIoctl, body, [&](wire::Header& header) {
      header.credit_charge = charge;
      header.credits = charge;
    });
    files->next_message_id += charge - 1u;
    return files->status_of(std::move(message));
  };
  EXPECT_EQ(ask_with(kMaxTransferSize, 64, 0), kSuccess);
  EXPECT_EQ(ask_with(kMaxTransferSize + 1, 64, 0), kInvalidParameter);
  EXPECT_EQ(ask_with(0, kMaxTransferSize, 0), kSuccess);
  EXPECT_EQ(ask_with(0, kMaxTransferSize + 1, 0), kInvalidParameter);
}

}  // namespace
}  // namespace braid::smb2
