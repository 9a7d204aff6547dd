#include "smb2/commands/dispatch.h"

#include <gtest/gtest.h>

#include "smb2/raw_client_testing.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/flush.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/logoff.h"
#include "wire/smb2/query_directory.h"
#include "wire/smb2/read.h"
#include "wire/smb2/tree_disconnect.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::Header;

struct DispatchTest : testing::Test {
  Engine engine;
  RawClient client{engine};

  Bytes flush(FileId id, const std::function<void(Header&)>& change = {}) {
    return client.request(Command::kFlush, wire::FlushRequest{.file_id = id}, change);
  }
  Bytes echo(const std::function<void(Header&)>& change = {}) {
    return client.request(Command::kEcho, wire::EchoRequest{}, change);
  }
};

TEST_F(DispatchTest, UnknownCommandIsAnsweredWithInvalidParameter) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  for (const uint16_t number : {0x13, 0x14, 0xFFFF}) {
    EXPECT_EQ(client.status_of(
                  echo([&](Header& header) { header.command = static_cast<Command>(number); })),
              NtStatus::kInvalidParameter);
    client.next_message_id = number == 0x13 ? 2 : client.next_message_id;
  }
}

TEST_F(DispatchTest, WrongStructureSizeIsAnInvalidParameter) {
  ASSERT_TRUE(client.log_on());
  Bytes message = echo();
  message[Header::kSize] ^= 1;
  EXPECT_EQ(client.status_of(std::move(message)), NtStatus::kInvalidParameter);
}

TEST_F(DispatchTest, HeaderWithoutABodyIsAnInvalidParameterForEveryCommand) {
  ASSERT_TRUE(client.log_on());
  for (uint16_t number = 1; number < wire::kCommandCount; ++number) {
    const auto command = static_cast<Command>(number);
    if (command == Command::kCancel) continue;
    Bytes message;
    wire::Writer writer(message);
    client.header(command).encode(writer);
    EXPECT_TRUE(is_error(client.status_of(std::move(message)))) << name_of(command);
  }
}

TEST_F(DispatchTest, SessionNobodyHasIsUserSessionDeleted) {
  ASSERT_TRUE(client.log_on());
  client.session_id.value ^= 1;
  EXPECT_EQ(client.status_of(client.tree_request()), NtStatus::kUserSessionDeleted);
}

TEST_F(DispatchTest, SessionOfAnotherConnectionIsUserSessionDeleted) {
  ASSERT_TRUE(client.log_on());
  RawClient other(engine);
  ASSERT_TRUE(other.log_on());
  other.session_id = client.session_id;
  EXPECT_EQ(other.status_of(other.tree_request()), NtStatus::kUserSessionDeleted);
}

TEST_F(DispatchTest, UnfinishedSessionCanDoNothing) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  const auto answer = client.exchange(client.setup_request("more"));
  ASSERT_EQ(answer->status(), NtStatus::kMoreProcessingRequired);
  client.session_id = answer->header.session_id;
  EXPECT_EQ(client.status_of(client.tree_request()), NtStatus::kUserSessionDeleted);
  EXPECT_EQ(client.status_of(client.request(Command::kLogoff, wire::LogoffRequest{})),
            NtStatus::kUserSessionDeleted);
}

TEST_F(DispatchTest, TreeNobodyConnectedIsNetworkNameDeleted) {
  ASSERT_TRUE(client.log_on());
  ++client.tree_id.value;
  EXPECT_EQ(client.create("x"), FileId{});
  EXPECT_EQ(
      client.status_of(client.request(Command::kTreeDisconnect, wire::TreeDisconnectRequest{})),
      NtStatus::kNetworkNameDeleted);
}

TEST_F(DispatchTest, EitherHalfOfAFileIdWrongIsFileClosed) {
  ASSERT_TRUE(client.log_on());
  const FileId id = client.create("file");
  ASSERT_NE(id, FileId{});
  EXPECT_EQ(client.status_of(flush({id.persistent + 1, id.volatile_id})), NtStatus::kFileClosed);
  EXPECT_EQ(client.status_of(flush({id.persistent, id.volatile_id + 1})), NtStatus::kFileClosed);
  EXPECT_EQ(client.status_of(flush(FileId::all_ones())), NtStatus::kFileClosed);
  EXPECT_EQ(client.status_of(flush(id)), NtStatus::kSuccess);
}

TEST_F(DispatchTest, FileIdOfAnotherSessionIsFileClosed) {
  ASSERT_TRUE(client.log_on());
  const FileId id = client.create("file");
  RawClient other(engine);
  ASSERT_TRUE(other.log_on());
  EXPECT_EQ(other.status_of(other.request(Command::kFlush, wire::FlushRequest{.file_id = id})),
            NtStatus::kFileClosed);
  EXPECT_EQ(client.close_file(id), NtStatus::kSuccess);
}

TEST_F(DispatchTest, FileIdThroughAnotherTreeIsFileClosed) {
  ASSERT_TRUE(client.log_on());
  const FileId id = client.create("file");
  ASSERT_EQ(client.tree_connect(), NtStatus::kSuccess);
  EXPECT_EQ(client.status_of(flush(id)), NtStatus::kFileClosed);
}

TEST_F(DispatchTest, FileClosedTwiceIsFileClosed) {
  ASSERT_TRUE(client.log_on());
  const FileId id = client.create("file");
  EXPECT_EQ(client.close_file(id), NtStatus::kSuccess);
  EXPECT_EQ(client.close_file(id), NtStatus::kFileClosed);
}

TEST_F(DispatchTest, FileOperationsOnAPipeAreRefused) {
  ASSERT_TRUE(client.log_on(wire::Dialect::kSmb302, "IPC$"));
  const FileId pipe = client.create("srvsvc");
  ASSERT_NE(pipe, FileId{});
  wire::LockRequest lock{.file_id = pipe, .locks = {{0, 1, wire::LockFlags::kSharedLock}}};
  EXPECT_EQ(client.status_of(client.request(Command::kLock, lock)),
            NtStatus::kInvalidDeviceRequest);
  wire::QueryDirectoryRequest list;
  list.file_id = pipe;
  EXPECT_EQ(client.status_of(client.request(Command::kQueryDirectory, list)),
            NtStatus::kInvalidDeviceRequest);
}

// [MS-SMB2] 3.3.5.2.4 "Verifying the Signature".
struct SigningTest : DispatchTest {
  void SetUp() override {
    ASSERT_EQ(client.negotiate(wire::Dialect::kSmb302, wire::SecurityMode::kSigningRequired),
              NtStatus::kSuccess);
    ASSERT_EQ(client.session_setup(), NtStatus::kSuccess);
  }
};

TEST_F(SigningTest, UnsignedRequestOnASigningSessionIsAccessDenied) {
  EXPECT_EQ(client.status_of(client.tree_request()), NtStatus::kAccessDenied);
}

TEST_F(SigningTest, SignedRequestIsAnsweredSigned) {
  Bytes message = client.tree_request();
  client.sign(message, *client.signing_key);
  const auto answer = client.exchange(std::move(message));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_TRUE(answer->header.is_signed());
  EXPECT_TRUE(client.signing_key->verify(
      answer->message, Header::kSignatureOffset,
      {.message_id = answer->header.message_id.value, .from_server = true}));
}

TEST_F(SigningTest, RequestSignedWithAnotherKeyIsAccessDenied) {
  const crypto::SigningKey wrong(crypto::SigningAlgorithm::kAesCmac,
                                 crypto::Secret(Bytes(16, 0x01)));
  Bytes message = client.tree_request();
  client.sign(message, wrong);
  EXPECT_EQ(client.status_of(std::move(message)), NtStatus::kAccessDenied);
}

TEST_F(SigningTest, RequestChangedAfterSigningIsAccessDenied) {
  Bytes message = client.tree_request();
  client.sign(message, *client.signing_key);
  message.back() ^= 1;
  EXPECT_EQ(client.status_of(std::move(message)), NtStatus::kAccessDenied);
}

TEST_F(SigningTest, UnsignedLogoffDoesNotEndTheSession) {
  EXPECT_EQ(client.status_of(client.request(Command::kLogoff, wire::LogoffRequest{})),
            NtStatus::kAccessDenied);
  EXPECT_EQ(engine.server().logons.session_table.size(), 1u);
}

TEST_F(SigningTest, SignedRequestOfNoSessionIsUserSessionDeleted) {
  Bytes message = client.request(Command::kEcho, wire::EchoRequest{},
                                 [](Header& header) { ++header.session_id.value; });
  client.sign(message, *client.signing_key);
  EXPECT_EQ(client.status_of(std::move(message)), NtStatus::kUserSessionDeleted);
}

TEST_F(SigningTest, RequestBehindALogoffIsAnsweredSigned) {
  ASSERT_EQ(client.status_of(client.signed_request(Command::kLogoff, wire::LogoffRequest{})),
            NtStatus::kSuccess);
  const auto answer = client.exchange(client.signed_request(Command::kClose, wire::CloseRequest{}));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kUserSessionDeleted);
  EXPECT_TRUE(RawClient::is_signed_with(*answer, *client.signing_key));
}

TEST_F(DispatchTest, SignedNegotiateIsAnInvalidParameter) {
  Bytes message = client.negotiate_request(wire::Dialect::kSmb302);
  Header::patch_flags(message, wire::HeaderFlags::kSigned);
  EXPECT_EQ(client.status_of(std::move(message)), NtStatus::kInvalidParameter);
}

// [MS-SMB2] 3.3.5.2.5 "Verifying the Credit Charge and the Payload Size".
TEST_F(DispatchTest, ReadOfMoreThanItsCreditChargePaysForIsAnInvalidParameter) {
  ASSERT_TRUE(client.log_on());
  const FileId id = client.create("file");
  wire::ReadRequest read{.length = kBytesPerCredit + 1, .file_id = id};
  EXPECT_EQ(client.status_of(client.request(Command::kRead, read)), NtStatus::kInvalidParameter);
  read.length = kBytesPerCredit;
  EXPECT_EQ(client.status_of(client.request(Command::kRead, read)), NtStatus::kEndOfFile);
}

}  // namespace
}  // namespace braid::smb2
