#include "wire/smb2/session_setup.h"

#include <gtest/gtest.h>

#include "smb2/raw_client_testing.h"
#include "wire/fscc/set_information.h"
#include "wire/smb2/cancel.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/logoff.h"
#include "wire/smb2/set_info.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::Header;

// [MS-SMB2] 3.3.5.5 "Receiving an SMB2 SESSION_SETUP Request".
struct SessionSetupTest : testing::Test {
  // The next leg of the exchange of `id`.
  NtStatus leg(SessionId id, std::string_view token, uint8_t flags = 0) {
    return client.status_of(client.setup_request(token, flags, of(id)));
  }
  static std::function<void(Header&)> of(SessionId id) {
    return [id](Header& header) { header.session_id = id; };
  }
  // One leg of a new exchange.
  SessionId begin() {
    const auto answer = client.exchange(client.setup_request("more", 0, of({})));
    return answer ? answer->header.session_id : SessionId{};
  }
  NtStatus create_status(std::string_view name) {
    return client.status_of(client.request(Command::kCreate, RawClient::create_body(name)));
  }
  NtStatus write(FileId id, std::string_view data) {
    wire::WriteRequest body;
    body.file_id = id;
    body.data = as_bytes(data);
    return client.status_of(client.request(Command::kWrite, body));
  }
  NtStatus rename(FileId id, std::string_view name) {
    Bytes info;
    wire::Writer writer(info);
    wire::FileRenameInformation{.file_name = std::string(name)}.encode(writer);
    wire::SetInfoRequest body;
    body.info_type = wire::InfoType::kFile;
    body.file_info_class = 10;  // FileRenameInformation
    body.file_id = id;
    body.buffer = info;
    return client.status_of(client.request(Command::kSetInfo, body));
  }
  static constexpr auto kMore = NtStatus::kMoreProcessingRequired;
  static constexpr auto kNoSession = NtStatus::kUserSessionDeleted;

  Engine engine;
  RawClient client{engine};
};

TEST_F(SessionSetupTest, ExchangesAreKeptApartBySessionId) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  const SessionId first = begin();
  const SessionId second = begin();
  ASSERT_NE(first, second);
  EXPECT_EQ(leg(second, "wrong"), NtStatus::kLogonFailure);
  EXPECT_EQ(leg(first, "more"), kMore);
  EXPECT_EQ(leg(first, "user"), NtStatus::kSuccess);
  EXPECT_EQ(leg(second, "user"), kNoSession);
  EXPECT_EQ(engine.server().logons.session_table.size(), 1u);
}

TEST_F(SessionSetupTest, ExchangeOfAnotherConnectionIsUserSessionDeleted) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  const SessionId id = begin();
  RawClient other(engine);
  ASSERT_EQ(other.negotiate(), NtStatus::kSuccess);
  EXPECT_EQ(other.status_of(other.setup_request("user", 0, of(id))), kNoSession);
  EXPECT_EQ(leg(id, "user"), NtStatus::kSuccess);
}

TEST_F(SessionSetupTest, ReauthenticationOfNoSessionIsUserSessionDeleted) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  EXPECT_EQ(leg({0x1234}, "user"), kNoSession);
  EXPECT_EQ(leg({~uint64_t{0}}, "user"), kNoSession);
  EXPECT_EQ(engine.server().logons.session_table.size(), 0u);
}

TEST_F(SessionSetupTest, ReauthenticationKeepsTheSessionAndItsOpens) {
  ASSERT_TRUE(client.log_on());
  const FileId id = client.create("file");
  EXPECT_EQ(leg(client.session_id, "user"), NtStatus::kSuccess);
  EXPECT_EQ(client.close_file(id), NtStatus::kSuccess);
}

TEST_F(SessionSetupTest, FailedReauthenticationEndsTheSession) {
  ASSERT_TRUE(client.log_on());
  EXPECT_EQ(leg(client.session_id, "wrong"), NtStatus::kLogonFailure);
  EXPECT_EQ(client.status_of(client.tree_request()), kNoSession);
  EXPECT_EQ(engine.server().logons.session_table.size(), 0u);
}

TEST_F(SessionSetupTest, ReauthenticationAsAnotherUserIsRefusedAndTakesNothing) {
  ASSERT_TRUE(client.log_on());
  const FileId id = client.create("file");
  EXPECT_EQ(leg(client.session_id, "other"), NtStatus::kAccessDenied);
  EXPECT_EQ(leg(client.session_id, "admin"), NtStatus::kAccessDenied);
  EXPECT_EQ(client.close_file(id), NtStatus::kSuccess);
  EXPECT_EQ(leg(client.session_id, "anonymous"), NtStatus::kSuccess);
  EXPECT_EQ(leg(client.session_id, "other"), NtStatus::kAccessDenied);
}

// What is open keeps its access; nothing else of the share is reached, until the user is back.
TEST_F(SessionSetupTest, AnonymousReauthenticationLeavesOnlyWhatIsOpen) {
  ASSERT_TRUE(client.log_on());
  const FileId id = client.create("file");
  ASSERT_EQ(client.close_file(client.create("other")), NtStatus::kSuccess);
  ASSERT_EQ(leg(client.session_id, "anonymous"), NtStatus::kSuccess);
  EXPECT_EQ(create_status("other"), NtStatus::kAccessDenied);
  EXPECT_EQ(create_status("new"), NtStatus::kAccessDenied);
  EXPECT_EQ(client.status_of(client.tree_request("files")), NtStatus::kAccessDenied);
  EXPECT_EQ(rename(id, "renamed"), NtStatus::kAccessDenied);
  EXPECT_EQ(write(id, "data"), NtStatus::kSuccess);
  EXPECT_EQ(client.status_of(client.tree_request("IPC$")), NtStatus::kSuccess);
  ASSERT_EQ(leg(client.session_id, "user"), NtStatus::kSuccess);
  EXPECT_EQ(rename(id, "renamed"), NtStatus::kSuccess);
  EXPECT_EQ(create_status("other"), NtStatus::kSuccess);
}

TEST_F(SessionSetupTest, PreviousSessionWithoutANameEndsForItsUserOnly) {
  ASSERT_TRUE(client.log_on());
  ASSERT_EQ(leg(client.session_id, "anonymous"), NtStatus::kSuccess);
  RawClient other(engine);
  ASSERT_EQ(other.negotiate(), NtStatus::kSuccess);
  wire::SessionSetupRequest body;
  body.previous_session_id = client.session_id;
  for (const auto& [token, left] :
       {std::pair("anonymous", NtStatus::kSuccess), std::pair("other", NtStatus::kSuccess),
        std::pair("user", kNoSession)}) {
    body.security_buffer = as_bytes(token);
    EXPECT_EQ(other.status_of(other.request(Command::kSessionSetup, body)), NtStatus::kSuccess);
    EXPECT_EQ(client.status_of(client.tree_request("IPC$")), left) << token;
  }
}

TEST_F(SessionSetupTest, AnonymousReauthenticationTakesTheRightsOnPipes) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  ASSERT_EQ(client.session_setup("admin"), NtStatus::kSuccess);
  ASSERT_EQ(client.tree_connect("IPC$"), NtStatus::kSuccess);
  const FileId samr = client.create("samr");
  ASSERT_NE(samr, FileId{});
  ASSERT_EQ(leg(client.session_id, "anonymous"), NtStatus::kSuccess);
  EXPECT_EQ(write(samr, "bind"), NtStatus::kAccessDenied);
}

TEST_F(SessionSetupTest, AnonymousReauthenticationDoesNotProlongASession) {
  VirtualClock clock;
  Engine timed(Engine::lenient(), clock);
  RawClient raw(timed);
  ASSERT_TRUE(raw.log_on());
  const auto session = timed.server().logons.session_table.find(raw.session_id);
  const auto end = FileTime{clock.now().ticks + kTicksPerSecond};
  ASSERT_TRUE(session->reauthenticate(session->principal(), end, clock.now()));
  EXPECT_EQ(raw.status_of(raw.setup_request("anonymous", 0, of(raw.session_id))),
            NtStatus::kSuccess);
  clock.advance(std::chrono::seconds(2));
  EXPECT_EQ(raw.status_of(raw.tree_request("IPC$")), NtStatus::kNetworkSessionExpired);
  EXPECT_EQ(raw.status_of(raw.setup_request("anonymous", 0, of(raw.session_id))),
            NtStatus::kLogonFailure);
  EXPECT_EQ(raw.status_of(raw.setup_request("user", 0, of(raw.session_id))), NtStatus::kSuccess);
  EXPECT_EQ(raw.status_of(raw.tree_request("IPC$")), NtStatus::kSuccess);
}

TEST_F(SessionSetupTest, ReauthenticationAfterLogoffIsUserSessionDeleted) {
  ASSERT_TRUE(client.log_on());
  ASSERT_EQ(leg(client.session_id, "more"), kMore);
  ASSERT_EQ(client.status_of(client.request(Command::kLogoff, wire::LogoffRequest{})),
            NtStatus::kSuccess);
  EXPECT_EQ(leg(client.session_id, "user"), kNoSession);
}

TEST_F(SessionSetupTest, FailedLogonLeavesNoSession) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  EXPECT_EQ(client.session_setup("wrong"), NtStatus::kLogonFailure);
  EXPECT_EQ(engine.server().logons.session_table.size(), 0u);
}

TEST_F(SessionSetupTest, UnfinishedExchangesOfAConnectionAreBounded) {
  ASSERT_TRUE(client.log_on());  // before, there may be fewer
  for (size_t i = 0; i < kSessionSetupsInProgressMax; ++i) ASSERT_NE(begin(), SessionId{});
  EXPECT_EQ(client.status_of(client.setup_request("more")), NtStatus::kInsufficientResources);
  client.close();
  engine.stop();
  EXPECT_EQ(engine.server().logons.session_table.size(), 0u);
}

// The answer of the first leg goes out after the second has ended the exchange it belongs to.
TEST_F(SessionSetupTest, ExchangeThatEndsInTheSameCompoundStaysForItsAnswers) {
  ASSERT_TRUE(client.log_on(wire::Dialect::kSmb311));  // for the credits
  const SessionId id = begin();
  client.send(RawClient::compound(
      {client.setup_request("more", 0, of(id)), client.setup_request("user", 0, of(id))}, false));
  EXPECT_EQ(client.receive()->status(), kMore);
  EXPECT_EQ(client.receive()->status(), NtStatus::kSuccess);
}

TEST_F(SessionSetupTest, PreviousSessionOfTheSameUserEnds) {
  ASSERT_TRUE(client.log_on());
  RawClient other(engine);
  ASSERT_EQ(other.negotiate(), NtStatus::kSuccess);
  wire::SessionSetupRequest body;
  body.previous_session_id = client.session_id;
  body.security_buffer = as_bytes("other");
  EXPECT_EQ(other.status_of(other.request(Command::kSessionSetup, body)), NtStatus::kSuccess);
  EXPECT_EQ(client.tree_connect(), NtStatus::kSuccess);  // another user's: not touched
  body.security_buffer = as_bytes("user");
  EXPECT_EQ(other.status_of(other.request(Command::kSessionSetup, body)), NtStatus::kSuccess);
  EXPECT_EQ(client.tree_connect(), kNoSession);
}

TEST_F(SessionSetupTest, AnonymousReachesNoFiles) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  ASSERT_EQ(client.session_setup("anonymous"), NtStatus::kSuccess);
  EXPECT_EQ(client.tree_connect("files"), NtStatus::kAccessDenied);
  EXPECT_EQ(client.tree_connect("IPC$"), NtStatus::kSuccess);
}

// All of them at once, on one connection: the allowance is judged, and then one after the other.
TEST_F(SessionSetupTest, PasswordsAreCountedBeforeTheyAreJudged) {
  VirtualClock clock;
  Engine timed(Engine::lenient(), clock);
  RawClient raw(timed);
  ASSERT_TRUE(raw.log_on());  // for the credits
  const size_t before = timed.judged();
  constexpr size_t kGuesses = 30;
  for (size_t i = 0; i < kGuesses; ++i) raw.send(raw.setup_request("wrong:alice", 0, of({})));
  constexpr size_t kWaiting = auth::LogonPenalties::kPartyWaitingMax;
  size_t failed = 0;
  size_t refused = 0;
  while (failed + refused < kGuesses - kWaiting) {
    const auto answer = raw.receive();
    ASSERT_TRUE(answer);
    if (answer->status() == NtStatus::kLogonFailure) ++failed;
    if (answer->status() == NtStatus::kInsufficientResources) ++refused;
  }
  EXPECT_EQ(failed, auth::LogonPenalties::kFreeFailures);
  EXPECT_EQ(timed.judged() - before, failed);
  // Nobody else is held up, at the same address neither.
  EXPECT_EQ(raw.status_of(raw.setup_request("user:bob", 0, of({}))), NtStatus::kSuccess);
  // Who was let in or waits has a session, and nobody else.
  EXPECT_EQ(timed.server().logons.session_table.size(), 2 + kWaiting);
  raw.close();
}

TEST_F(SessionSetupTest, CancelDoesNotShortenTheWaitForALogonsTurn) {
  VirtualClock clock;
  Engine timed(Engine::lenient(), clock);
  RawClient raw(timed);
  ASSERT_TRUE(raw.log_on());  // for the credits
  for (uint32_t i = 0; i < auth::LogonPenalties::kFreeFailures; ++i) {
    ASSERT_EQ(raw.status_of(raw.setup_request("wrong:x", 0, of({}))), NtStatus::kLogonFailure);
  }
  const size_t before = timed.judged();
  const uint64_t id = raw.next_message_id;
  raw.send(raw.setup_request("wrong:x", 0, of({})));
  raw.send(raw.request(Command::kCancel, wire::CancelRequest{},
                       [id](Header& header) { header.message_id = {id}; }));
  EXPECT_EQ(raw.status_of(raw.request(Command::kEcho, wire::EchoRequest{})), NtStatus::kSuccess);
  timed.settle();
  EXPECT_EQ(timed.judged(), before);
  clock.advance(auth::LogonPenalties::kFirstPause);
  const auto answer = raw.answer_to(id);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kLogonFailure);
  EXPECT_EQ(timed.judged(), before + 1);
}

// What waits for its turn counts as unfinished.
TEST_F(SessionSetupTest, ExchangesThatWaitAreBounded) {
  VirtualClock clock;
  Engine timed(Engine::lenient(), clock);
  RawClient raw(timed);
  ASSERT_TRUE(raw.log_on());  // for the credits
  for (uint32_t i = 0; i < auth::LogonPenalties::kFreeFailures; ++i) {
    ASSERT_EQ(raw.status_of(raw.setup_request("wrong:x", 0, of({}))), NtStatus::kLogonFailure);
  }
  raw.send(raw.setup_request("wrong:x", 0, of({})));
  for (size_t i = 1; i < kSessionSetupsInProgressMax; ++i) {
    ASSERT_EQ(raw.status_of(raw.setup_request("more", 0, of({}))), kMore);
  }
  EXPECT_EQ(raw.status_of(raw.setup_request("more", 0, of({}))), NtStatus::kInsufficientResources);
}

}  // namespace
}  // namespace braid::smb2
