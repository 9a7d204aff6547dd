#include "smb2/logons/session_bind.h"

#include <gtest/gtest.h>

#include "smb2/raw_client_testing.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/logoff.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::Dialect;
using wire::Header;

constexpr uint8_t kBinding = wire::SessionSetupRequest::kFlagBinding;

// [MS-SMB2] 3.3.5.5, SMB2_SESSION_FLAG_BINDING. 3.1.1, where each channel has a key of its own.
struct SessionBind : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(first.log_on(Dialect::kSmb311));
    ASSERT_EQ(second.negotiate(Dialect::kSmb311), NtStatus::kSuccess);
    file = first.create("file");
  }
  // Whatever was tried: the session works as before, and has no other channel.
  void expect_untouched() {
    EXPECT_EQ(first.close_file(file), NtStatus::kSuccess);
    const auto session = engine.server().logons.session_table.find(first.session_id);
    ASSERT_TRUE(session);
    EXPECT_EQ(session->channels().size(), 1u);
  }
  Bytes unsigned_bind(std::string_view token, SessionId id) {
    return second.setup_request(token, kBinding, [id](Header& header) { header.session_id = id; });
  }
  NtStatus echo(RawClient& client) {
    return client.status_of(client.signed_request(Command::kEcho, wire::EchoRequest{}));
  }

  Engine engine;
  RawClient first{engine};
  RawClient second{engine};
  FileId file;
};

TEST_F(SessionBind, BoundConnectionReachesTheOpensOfTheSession) {
  ASSERT_EQ(second.bind(first), NtStatus::kSuccess);
  EXPECT_EQ(
      second.status_of(second.signed_request(Command::kClose, wire::CloseRequest{.file_id = file})),
      NtStatus::kSuccess);
  EXPECT_EQ(first.close_file(file), NtStatus::kFileClosed);
}

TEST_F(SessionBind, ConnectionOfAnotherClientIsRefusedAfterItsSignature) {
  RawClient stranger{engine, ClientGuid{{8}}};
  ASSERT_EQ(stranger.negotiate(Dialect::kSmb311), NtStatus::kSuccess);
  EXPECT_EQ(stranger.bind(first), NtStatus::kUserSessionDeleted);
  Bytes unproven = stranger.setup_request("user", kBinding, [this](Header& header) {
    header.session_id = first.session_id;
    header.flags |= wire::HeaderFlags::kSigned;
  });
  EXPECT_EQ(stranger.status_of(std::move(unproven)), NtStatus::kAccessDenied);
  EXPECT_EQ(echo(first), NtStatus::kSuccess);
}

TEST_F(SessionBind, FinalAnswerIsSignedWithTheChannelsKeyOthersWithTheSessions) {
  crypto::PreauthHash hash = second.preauth_hash();
  Bytes message = second.bind_request(first, "more");
  hash.extend(message);
  const auto more = second.exchange(std::move(message));
  ASSERT_TRUE(more);
  EXPECT_EQ(more->status(), NtStatus::kMoreProcessingRequired);
  EXPECT_TRUE(RawClient::is_signed_with(*more, *first.signing_key));
  hash.extend(more->message);
  message = second.bind_request(first, "user");
  hash.extend(message);
  const auto last = second.exchange(std::move(message));
  ASSERT_TRUE(last);
  EXPECT_EQ(last->status(), NtStatus::kSuccess);
  second.make_channel(first, hash.value());
  EXPECT_TRUE(RawClient::is_signed_with(*last, *second.signing_key));
  EXPECT_EQ(echo(second), NtStatus::kSuccess);
}

TEST_F(SessionBind, EachChannelTakesItsOwnKeyOnly) {
  ASSERT_EQ(second.bind(first), NtStatus::kSuccess);
  Bytes message = second.request(Command::kEcho, wire::EchoRequest{});
  second.sign(message, *first.signing_key);
  EXPECT_EQ(second.status_of(std::move(message)), NtStatus::kAccessDenied);
  message = first.request(Command::kEcho, wire::EchoRequest{});
  first.sign(message, *second.signing_key);
  EXPECT_EQ(first.status_of(std::move(message)), NtStatus::kAccessDenied);
  EXPECT_EQ(echo(first), NtStatus::kSuccess);
}

TEST_F(SessionBind, WithoutASignatureIsAnInvalidParameter) {
  EXPECT_EQ(second.status_of(unsigned_bind("user", first.session_id)), NtStatus::kInvalidParameter);
  expect_untouched();
}

TEST_F(SessionBind, WithAnotherKeyIsAccessDeniedAndNotSigned) {
  const crypto::SigningKey wrong(crypto::SigningAlgorithm::kAesCmac, TokenAuthenticator::key());
  Bytes message = unsigned_bind("user", first.session_id);
  second.sign(message, wrong);
  const auto answer = second.exchange(std::move(message));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kAccessDenied);
  EXPECT_FALSE(answer->header.is_signed());
  expect_untouched();
}

TEST_F(SessionBind, OfNoSession) {
  EXPECT_EQ(second.status_of(unsigned_bind("user", {})), NtStatus::kInvalidParameter);
  EXPECT_EQ(second.status_of(unsigned_bind("user", {0x1234})), NtStatus::kUserSessionDeleted);
}

TEST_F(SessionBind, OfASessionInSetupIsNotAccepted) {
  RawClient third(engine);
  ASSERT_EQ(third.negotiate(Dialect::kSmb311), NtStatus::kSuccess);
  const auto begun = third.exchange(third.setup_request("more"));
  ASSERT_TRUE(begun);
  const SessionId id = begun->header.session_id;
  EXPECT_EQ(second.status_of(unsigned_bind("user", id)), NtStatus::kRequestNotAccepted);
  EXPECT_EQ(third.status_of(
                third.setup_request("user", 0, [id](Header& header) { header.session_id = id; })),
            NtStatus::kSuccess);
}

TEST_F(SessionBind, OfAnExpiredSession) {
  const auto session = engine.server().logons.session_table.find(first.session_id);
  ASSERT_TRUE(session->reauthenticate(session->principal(), FileTime{1}, {}));
  EXPECT_EQ(second.bind(first), NtStatus::kNetworkSessionExpired);
  ASSERT_TRUE(session->reauthenticate(session->principal(), std::nullopt, {}));
  expect_untouched();
}

TEST_F(SessionBind, AsAnotherUserIsAccessDenied) {
  EXPECT_EQ(second.bind(first, "other"), NtStatus::kAccessDenied);
  EXPECT_EQ(second.bind(first, "guest"), NtStatus::kAccessDenied);
  EXPECT_EQ(second.bind(first, "anonymous"), NtStatus::kAccessDenied);
  expect_untouched();
  EXPECT_EQ(second.bind(first), NtStatus::kSuccess);
}

TEST_F(SessionBind, FailedAuthenticationLeavesTheSessionAndTheNextAttemptStartsAnew) {
  EXPECT_EQ(second.bind(first, "more"), NtStatus::kMoreProcessingRequired);
  EXPECT_EQ(second.bind(first, "wrong"), NtStatus::kLogonFailure);
  // The preauthentication hash of the attempt before is not part of this one's.
  ASSERT_EQ(second.bind(first), NtStatus::kSuccess);
  EXPECT_EQ(echo(second), NtStatus::kSuccess);
}

TEST_F(SessionBind, AbandonedHalfwayLeavesTheSession) {
  EXPECT_EQ(second.bind(first, "more"), NtStatus::kMoreProcessingRequired);
  second.close();
  expect_untouched();
}

TEST_F(SessionBind, ThatIsUnfinishedGivesNoAccess) {
  EXPECT_EQ(second.bind(first, "more"), NtStatus::kMoreProcessingRequired);
  second.session_id = first.session_id;
  Bytes message = second.tree_request();
  second.sign(message, *first.signing_key);
  EXPECT_EQ(second.status_of(std::move(message)), NtStatus::kUserSessionDeleted);
}

TEST_F(SessionBind, TwiceIsDeniedWithTheSessionsKeyAndNotAcceptedWithTheChannels) {
  ASSERT_EQ(second.bind(first), NtStatus::kSuccess);
  EXPECT_EQ(second.status_of(second.bind_request(first, "user")), NtStatus::kAccessDenied);
  EXPECT_EQ(second.status_of(second.bind_request(second, "user")), NtStatus::kRequestNotAccepted);
}

TEST_F(SessionBind, FromAnotherDialectIsAnInvalidParameter) {
  RawClient third(engine);
  ASSERT_EQ(third.negotiate(Dialect::kSmb302), NtStatus::kSuccess);
  EXPECT_EQ(third.bind(first), NtStatus::kInvalidParameter);
  RawClient old(engine);
  ASSERT_EQ(old.negotiate(Dialect::kSmb210), NtStatus::kSuccess);
  EXPECT_EQ(old.bind(first), NtStatus::kRequestNotAccepted);
  expect_untouched();
}

TEST_F(SessionBind, SessionOfAGuestIsNotSupported) {
  RawClient guest(engine);
  ASSERT_EQ(guest.negotiate(Dialect::kSmb311), NtStatus::kSuccess);
  const auto answer = guest.exchange(guest.setup_request("guest"));
  ASSERT_TRUE(answer);
  Bytes message = unsigned_bind("user", answer->header.session_id);
  second.sign(message, *first.signing_key);
  EXPECT_EQ(second.status_of(std::move(message)), NtStatus::kNotSupported);
}

TEST_F(SessionBind, ChannelsOfASessionAreBounded) {
  std::vector<std::unique_ptr<RawClient>> more;
  for (size_t i = 1; i < kChannelsPerSessionMax; ++i) {
    more.push_back(std::make_unique<RawClient>(engine));
    ASSERT_EQ(more.back()->negotiate(Dialect::kSmb311), NtStatus::kSuccess);
    ASSERT_EQ(more.back()->bind(first), NtStatus::kSuccess);
  }
  EXPECT_EQ(second.bind(first), NtStatus::kInsufficientResources);
  second.session_id = first.session_id;
  EXPECT_EQ(second.status_of(second.tree_request()), NtStatus::kUserSessionDeleted);
}

TEST_F(SessionBind, ReauthenticationOnOneChannelIsForAll) {
  ASSERT_EQ(second.bind(first), NtStatus::kSuccess);
  const auto session = engine.server().logons.session_table.find(first.session_id);
  ASSERT_TRUE(session->reauthenticate(session->principal(), FileTime{1}, {}));
  EXPECT_EQ(first.tree_connect(), NtStatus::kNetworkSessionExpired);
  Bytes message = second.setup_request("user");
  second.sign(message, *second.signing_key);
  EXPECT_EQ(second.status_of(std::move(message)), NtStatus::kSuccess);
  EXPECT_EQ(first.tree_connect(), NtStatus::kSuccess);
  EXPECT_EQ(echo(second), NtStatus::kSuccess);
}

TEST_F(SessionBind, LogoffOnOneChannelEndsTheSessionOnAll) {
  ASSERT_EQ(second.bind(first), NtStatus::kSuccess);
  const std::weak_ptr<Session> session =
      engine.server().logons.session_table.find(first.session_id);
  EXPECT_EQ(second.status_of(second.signed_request(Command::kLogoff, wire::LogoffRequest{})),
            NtStatus::kSuccess);
  EXPECT_EQ(first.tree_connect(), NtStatus::kUserSessionDeleted);
  // Nobody holds on to it, though both connections are there.
  EXPECT_TRUE(session.expired());
  first.session_id = {};
  EXPECT_EQ(first.session_setup(), NtStatus::kSuccess);
}

}  // namespace
}  // namespace braid::smb2
