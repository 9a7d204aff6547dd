// Requests that wait for a disk: [MS-SMB2] 3.3.4.2 and 3.3.5.16.
#include "smb2/connections/slow_requests.h"

#include <gtest/gtest.h>

#include "smb2/raw_client_testing.h"
#include "vfs/fault/fault_volume.h"
#include "wire/fscc/info_class.h"
#include "wire/smb2/cancel.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/file_ranges.h"
#include "wire/smb2/flush.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/query_directory.h"
#include "wire/smb2/read.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using wire::Command;

struct SlowRequestsTest : testing::Test {
  std::shared_ptr<vfs::FaultPlan> plan = vfs::make_fault_plan();
  Engine engine{Engine::lenient(), system_clock(), 1,
                Engine::shares_on(vfs::make_fault_volume(vfs::make_memory_volume(), plan))};
  RawClient client{engine};
  FileId file;

  void SetUp() override {
    ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
    ASSERT_EQ(client.session_setup(), NtStatus::kSuccess);
    ASSERT_EQ(client.tree_connect(), NtStatus::kSuccess);
    auto body = RawClient::create_body("file");
    body.create_disposition = wire::CreateDisposition::kOpenIf;
    const auto created = client.exchange(client.request(Command::kCreate, body));
    ASSERT_TRUE(created);
    ASSERT_EQ(created->status(), NtStatus::kSuccess);
    file = created->as<wire::CreateResponse>().file_id;
    const Bytes data(100, 'x');
    ASSERT_EQ(client.status_of(write(data)), NtStatus::kSuccess);
  }
  void TearDown() override {
    plan->let_go();
    client.close();
  }

  Bytes write(ByteView data) {
    return client.request(Command::kWrite, wire::WriteRequest{.file_id = file, .data = data});
  }
  Bytes flush() { return client.request(Command::kFlush, wire::FlushRequest{.file_id = file}); }
  Bytes read() {
    return client.request(Command::kRead, wire::ReadRequest{.length = 10, .file_id = file});
  }

  // The request has an interim response, and then the answer it would have had anyway.
  void expect_sign_of_life(Bytes request) {
    client.send(std::move(request));
    const auto interim = client.receive();
    ASSERT_TRUE(interim);
    EXPECT_EQ(interim->status(), NtStatus::kPending);
    EXPECT_TRUE(interim->header.is_async());
    EXPECT_GT(interim->header.credits, 0);
    plan->let_go();
    const auto answer = client.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), NtStatus::kSuccess);
    EXPECT_EQ(answer->header.message_id, interim->header.message_id);
    EXPECT_EQ(answer->header.async_id, interim->header.async_id);
    EXPECT_EQ(answer->header.credits, 0);
  }
};

TEST_F(SlowRequestsTest, FlushTellsThatItGoesOn) {
  plan->hold_operation("flush");
  expect_sign_of_life(flush());
}

TEST_F(SlowRequestsTest, ReadTellsThatItGoesOn) {
  plan->hold_operation("read");
  expect_sign_of_life(read());
}

TEST_F(SlowRequestsTest, WriteTellsThatItGoesOn) {
  plan->hold_operation("write");
  const Bytes data(10, 'y');
  expect_sign_of_life(write(data));
}

TEST_F(SlowRequestsTest, ZeroingTellsThatItGoesOn) {
  plan->hold_operation("zero_range");
  Bytes input;
  wire::Writer writer(input);
  wire::FileZeroDataInformation{0, 50}.encode(writer);
  expect_sign_of_life(client.request(
      Command::kIoctl, wire::IoctlRequest{.ctl_code = wire::Fsctl::kSetZeroData,
                                          .file_id = file,
                                          .input = input,
                                          .flags = wire::IoctlRequest::kFlagIsFsctl}));
}

// Whatever works on the pool, as one rule.
TEST_F(SlowRequestsTest, ListingTellsThatItGoesOn) {
  auto body = RawClient::create_body("folder");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  const FileId folder = client.create(body);
  ASSERT_NE(folder, FileId{});
  plan->hold_operation("next");
  wire::QueryDirectoryRequest query;
  query.file_information_class = static_cast<uint8_t>(wire::FileInfoClass::kNames);
  query.file_id = folder;
  query.file_name = "*";
  query.output_buffer_length = 65536;
  expect_sign_of_life(client.request(Command::kQueryDirectory, query));
}

TEST_F(SlowRequestsTest, CreateTellsThatItGoesOn) {
  plan->hold_operation("open");
  expect_sign_of_life(client.request(Command::kCreate, RawClient::create_body("file")));
}

TEST_F(SlowRequestsTest, CloseTellsThatItGoesOn) {
  auto body = RawClient::create_body("gone");
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  const FileId gone = client.create(body);
  ASSERT_NE(gone, FileId{});
  plan->hold_operation("remove");
  expect_sign_of_life(client.request(Command::kClose, wire::CloseRequest{.file_id = gone}));
}

TEST_F(SlowRequestsTest, WhatIsCancelledIsFinishedAndAnswered) {
  plan->hold_operation("read");
  client.send(read());
  const auto interim = client.receive();
  ASSERT_TRUE(interim);
  ASSERT_EQ(interim->status(), NtStatus::kPending);
  client.send(client.request(Command::kCancel, wire::CancelRequest{}, [&](wire::Header& header) {
    header.flags |= wire::HeaderFlags::kAsyncCommand;
    header.async_id = interim->header.async_id;
    header.message_id = interim->header.message_id;
  }));
  engine.settle();
  plan->let_go();
  const auto answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(answer->header.async_id, interim->header.async_id);
}

TEST_F(SlowRequestsTest, QuickOnesAreAnsweredOnce) {
  client.send(flush());
  const auto answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_FALSE(answer->header.is_async());
}

TEST_F(SlowRequestsTest, ConnectionThatGoesMeanwhileIsTornDown) {
  plan->hold_operation("flush");
  client.send(flush());
  ASSERT_TRUE(client.receive());
  client.close();
  plan->let_go();
  engine.stop();
}

// While a request of the share hangs, its other files are not tried on the reactor either.
TEST_F(SlowRequestsTest, ReadBesideAHangingRequestIsForThePool) {
  plan->hold_operation("flush");
  client.send(flush());
  const auto interim = client.receive();
  ASSERT_TRUE(interim);
  ASSERT_EQ(interim->status(), NtStatus::kPending);
  client.send(read());
  client.send(client.request(Command::kEcho, wire::EchoRequest{}));
  const auto first = client.receive();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->header.command, Command::kEcho) << "the pool's one thread hangs";
  plan->let_go();
  auto answer = client.receive();
  ASSERT_TRUE(answer);
  if (answer->header.command == Command::kFlush) answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->header.command, Command::kRead);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
}

// What hangs in one file keeps that one open, and nothing else of the session.
TEST(EndingSession, HangingWriteKeepsItsOwnFileOnly) {
  const auto plan = vfs::make_fault_plan();
  Engine engine(Engine::lenient(), system_clock(), 2,
                Engine::shares_on(vfs::make_fault_volume(vfs::make_memory_volume(), plan)));
  RawClient client(engine), other(engine, ClientGuid{{8}}, 1);
  ASSERT_TRUE(client.log_on());
  ASSERT_TRUE(other.log_on());
  const FileId hanging = client.create("hanging");
  auto alone = RawClient::create_body("alone");
  alone.share_access = 0;
  ASSERT_NE(client.create(alone), FileId{});
  EXPECT_EQ(other.create(alone), FileId{}) << "shared with nobody";
  plan->hold_operation("write");
  const Bytes data(100, 'x');
  client.send(
      client.request(Command::kWrite, wire::WriteRequest{.file_id = hanging, .data = data}));
  client.send(client.request(Command::kEcho, wire::EchoRequest{}));
  ASSERT_TRUE(client.receive());
  client.close();
  // The end of a connection is nothing that a client is told.
  FileId taken;
  for (int tries = 0; tries < 2000 && taken == FileId{}; ++tries) taken = other.create(alone);
  EXPECT_NE(taken, FileId{});
  plan->let_go();
}

}  // namespace
}  // namespace braid::smb2
