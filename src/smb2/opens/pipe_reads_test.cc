#include "smb2/opens/pipe_reads.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "rpc/captured_testing.h"
#include "smb2/pending_testing.h"
#include "wire/smb2/cancel.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/logoff.h"
#include "wire/smb2/read.h"
#include "wire/smb2/tree_disconnect.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::Header;

// [MS-SMB2] 3.3.5.12 "Receiving an SMB2 READ Request", of a pipe that has nothing to read.
struct PipeReadsTest : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(client.log_on(wire::Dialect::kSmb302, "IPC$"));
    pipe = client.create("srvsvc");
    ASSERT_NE(pipe, FileId{});
  }

  Bytes read(uint32_t length = 4280) {
    return client.request(Command::kRead, wire::ReadRequest{.length = length, .file_id = pipe});
  }
  Bytes write(ByteView data) {
    return client.request(Command::kWrite, wire::WriteRequest{.file_id = pipe, .data = data});
  }
  Bytes transceive(ByteView data) {
    return client.request(Command::kIoctl,
                          wire::IoctlRequest{.ctl_code = wire::Fsctl::kPipeTransceive,
                                             .file_id = pipe,
                                             .input = data,
                                             .max_output_response = 4280,
                                             .flags = wire::IoctlRequest::kFlagIsFsctl});
  }
  uint64_t pending(Bytes message) { return send_pending(client, std::move(message)); }
  // Sends it, and expects the end of what waits with `status` besides its own.
  void ends_with(Bytes message, uint64_t waiting, NtStatus status) {
    const uint64_t own = client.next_message_id - 1;
    client.send(std::move(message));
    for (int i = 0; i < 2; ++i) {
      const auto answer = client.receive();
      ASSERT_TRUE(answer);
      const uint64_t id = answer->header.message_id.value;
      EXPECT_TRUE(id == own || id == waiting) << id;
      EXPECT_EQ(answer->status(), id == own ? NtStatus::kSuccess : status);
    }
  }

  Engine engine;
  RawClient client{engine};
  FileId pipe;
  const Bytes bind = unhex(rpc::captured::kSrvsvcBind);
};

TEST_F(PipeReadsTest, AWriteAnswersTheFirstThatWaits) {
  const uint64_t first = pending(read(10));
  const uint64_t second = pending(read());
  client.send(write(bind));
  auto answer = client.answer_to(first);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kBufferOverflow);  // the message goes on
  answer = client.answer_to(second);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
}

TEST_F(PipeReadsTest, HalfARequestWaitsForTheRest) {
  const ByteView whole(bind);
  const uint64_t half = pending(transceive(whole.first(20)));
  client.send(write(whole.subspan(20)));
  const auto answer = client.answer_to(half);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
}

TEST_F(PipeReadsTest, AProtocolFaultEndsAllThatWait) {
  const uint64_t first = pending(read());
  const uint64_t second = pending(read());
  const Bytes garbage(64, 0xFF);
  client.send(write(garbage));
  for (const uint64_t id : {first, second}) {
    const auto answer = client.answer_to(id);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), NtStatus::kPipeDisconnected);
  }
}

TEST_F(PipeReadsTest, CancelEndsIt) {
  const uint64_t waiting = pending(read());
  client.send(client.request(Command::kCancel, wire::CancelRequest{},
                             [&](Header& header) { header.message_id = {waiting}; }));
  EXPECT_EQ(client.answer_to(waiting)->status(), NtStatus::kCancelled);
  // What was cancelled takes no answer away.
  ASSERT_EQ(client.status_of(write(bind)), NtStatus::kSuccess);
  EXPECT_EQ(client.status_of(read()), NtStatus::kSuccess);
}

TEST_F(PipeReadsTest, CloseEndsIt) {
  const uint64_t waiting = pending(read());
  ends_with(client.request(Command::kClose, wire::CloseRequest{.file_id = pipe}), waiting,
            NtStatus::kPipeBroken);
}

TEST_F(PipeReadsTest, TreeDisconnectEndsIt) {
  const uint64_t waiting = pending(read());
  ends_with(client.request(Command::kTreeDisconnect, wire::TreeDisconnectRequest{}), waiting,
            NtStatus::kPipeBroken);
}

TEST_F(PipeReadsTest, LogoffEndsIt) {
  const uint64_t waiting = pending(transceive(ByteView(bind).first(20)));
  ends_with(client.request(Command::kLogoff, wire::LogoffRequest{}), waiting,
            NtStatus::kPipeBroken);
  EXPECT_EQ(engine.server().logons.session_table.size(), 0u);
}

TEST_F(PipeReadsTest, EndOfTheConnectionEndsIt) {
  pending(read());
  pending(transceive(ByteView(bind).first(20)));
  client.close();
  engine.stop();
  EXPECT_EQ(engine.server().logons.session_table.size(), 0u);
}

// [MS-SMB2] 3.3.5.2.7: what may wait for ever is the last of its compound.
TEST_F(PipeReadsTest, OneWithOthersBehindItDoesNotWait) {
  const uint64_t id = client.next_message_id;
  Bytes first = read();
  Bytes second = client.request(Command::kEcho, wire::EchoRequest{});
  client.send(RawClient::compound({std::move(first), std::move(second)}, false));
  const auto answer = client.answer_to(id);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kInternalError);
}

}  // namespace
}  // namespace braid::smb2
