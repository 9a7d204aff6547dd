// What a logon is told, what it must be capable of, and what an expired or encrypted session may
// do: [MS-SMB2] 3.3.5.5.3, 3.3.5.2.9 "Verifying the Session".
#include <gtest/gtest.h>

#include <variant>

#include "smb2/raw_client_testing.h"
#include "wire/smb2/change_notify.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/flush.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/logoff.h"
#include "wire/smb2/oplock_break.h"
#include "wire/smb2/query_directory.h"
#include "wire/smb2/query_info.h"
#include "wire/smb2/read.h"
#include "wire/smb2/set_info.h"
#include "wire/smb2/tree_disconnect.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::Dialect;
using wire::Header;
using enum NtStatus;

struct SessionSecurityTest : testing::Test {
  using Flags = wire::SessionSetupResponse;

  static config::Server settings(config::Encryption encryption) {
    auto made = Engine::lenient();
    made.encryption = encryption;
    return made;
  }
  // SessionFlags, or the status of a logon that failed.
  static std::variant<uint16_t, NtStatus> log_on(Engine& with, Dialect dialect,
                                                 std::string_view token = "user") {
    RawClient client(with);
    EXPECT_EQ(client.negotiate(dialect), kSuccess);
    const auto answer = client.exchange(client.setup_request(token));
    if (answer->status() != kSuccess) return answer->status();
    return answer->as<wire::SessionSetupResponse>().session_flags;
  }
  static std::variant<uint16_t, NtStatus> flags(uint16_t value) { return value; }
  static std::variant<uint16_t, NtStatus> refused(NtStatus status) { return status; }
};

TEST_F(SessionSecurityTest, FlagsSayWhoItIsAndWhetherToEncrypt) {
  Engine plain(settings(config::Encryption::kOff));
  EXPECT_EQ(log_on(plain, Dialect::kSmb302), flags(0));
  EXPECT_EQ(log_on(plain, Dialect::kSmb302, "guest"), flags(Flags::kFlagIsGuest));
  EXPECT_EQ(log_on(plain, Dialect::kSmb302, "anonymous"), flags(Flags::kFlagIsNull));
  EXPECT_EQ(log_on(plain, Dialect::kSmb302, "wrong"), refused(kLogonFailure));
}

TEST_F(SessionSecurityTest, EncryptionIsForWhoHasACipherAndAKey) {
  Engine desired(settings(config::Encryption::kDesired));
  EXPECT_EQ(log_on(desired, Dialect::kSmb302), flags(Flags::kFlagEncryptData));
  EXPECT_EQ(log_on(desired, Dialect::kSmb210), flags(0));
  EXPECT_EQ(log_on(desired, Dialect::kSmb302, "guest"), flags(Flags::kFlagIsGuest));
  Engine required(settings(config::Encryption::kRequired));
  EXPECT_EQ(log_on(required, Dialect::kSmb302), flags(Flags::kFlagEncryptData));
  EXPECT_EQ(log_on(required, Dialect::kSmb210), refused(kAccessDenied));
  EXPECT_EQ(log_on(required, Dialect::kSmb302, "guest"), refused(kAccessDenied));
  EXPECT_EQ(log_on(required, Dialect::kSmb302, "anonymous"), refused(kAccessDenied));
  required.settle();
  // The one that was let in ended with its connection.
  EXPECT_LE(required.server().logons.session_table.size(), 1u);
}

TEST_F(SessionSecurityTest, EncryptedSessionTakesNothingPlain) {
  Engine required(settings(config::Encryption::kRequired));
  RawClient client(required);
  ASSERT_EQ(client.negotiate(), kSuccess);
  ASSERT_EQ(client.session_setup(), kSuccess);
  EXPECT_EQ(client.status_of(client.tree_request()), kAccessDenied);
  EXPECT_EQ(client.status_of(client.request(Command::kLogoff, wire::LogoffRequest{})),
            kAccessDenied);
  client.send(client.encrypted(client.tree_request()));
  const auto answer = client.decrypted(client.receive()->message);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), kSuccess);
}

// Who asks for it, and the configuration, each by itself.
TEST_F(SessionSecurityTest, SigningIsRequiredByEitherSide) {
  auto strict = Engine::lenient();
  strict.signing = config::Signing::kRequired;
  struct {
    config::Server settings;
    uint16_t of_negotiate;
    uint8_t of_setup;
    NtStatus expected;
  } const cases[] = {
      {Engine::lenient(), 1, 1, kSuccess},
      {Engine::lenient(), 2, 1, kAccessDenied},
      {Engine::lenient(), 1, 2, kAccessDenied},
      {strict, 1, 1, kAccessDenied},
  };
  for (const auto& each : cases) {
    Engine engine(each.settings);
    RawClient client(engine);
    ASSERT_EQ(client.negotiate(Dialect::kSmb302, each.of_negotiate), kSuccess);
    wire::SessionSetupRequest body;
    body.security_mode = each.of_setup;
    body.security_buffer = as_bytes("user");
    const auto answer = client.exchange(client.request(Command::kSessionSetup, body));
    ASSERT_EQ(answer->status(), kSuccess);
    client.session_id = answer->header.session_id;
    EXPECT_EQ(client.status_of(client.tree_request()), each.expected)
        << each.of_negotiate << " " << int{each.of_setup};
  }
}

// A reauthentication is signed like any request of a session that signs.
TEST_F(SessionSecurityTest, ReauthenticationIsSignedLikeOthers) {
  Engine engine;
  RawClient client(engine);
  ASSERT_EQ(client.negotiate(Dialect::kSmb302, wire::SecurityMode::kSigningRequired), kSuccess);
  ASSERT_EQ(client.session_setup(), kSuccess);
  const auto again = [&] {
    return client.setup_request("user", 0, [&](Header& h) { h.session_id = client.session_id; });
  };
  EXPECT_EQ(client.status_of(again()), kAccessDenied);
  Bytes spoiled = again();
  client.sign(spoiled, *client.signing_key);
  spoiled.back() ^= 1;
  EXPECT_EQ(client.status_of(std::move(spoiled)), kAccessDenied);
  Bytes signed_one = again();
  client.sign(signed_one, *client.signing_key);
  EXPECT_EQ(client.status_of(std::move(signed_one)), kSuccess);
  RawClient guest(engine, ClientGuid{{8}});
  ASSERT_EQ(guest.negotiate(), kSuccess);
  ASSERT_EQ(guest.session_setup("guest"), kSuccess);
  Bytes by_guest =
      guest.setup_request("guest", 0, [&](Header& h) { h.session_id = guest.session_id; });
  guest.sign(by_guest, *client.signing_key);
  EXPECT_EQ(guest.status_of(std::move(by_guest)), kNotSupported);
}

// 3.3.5.2.9: LOGOFF, CLOSE, LOCK, and what needs no session.
TEST_F(SessionSecurityTest, ExpiredSessionMayDoAFewThings) {
  VirtualClock clock;
  Engine engine(Engine::lenient(), clock);
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  const FileId id = client.create("f");
  const auto session = engine.server().logons.session_table.find(client.session_id);
  ASSERT_TRUE(session->reauthenticate(session->principal(),
                                      FileTime{clock.now().ticks + kTicksPerSecond}, clock.now()));
  clock.advance(std::chrono::seconds(2));
  const auto ask = [&](Command command, const auto& body) {
    return client.status_of(client.request(command, body));
  };
  const Bytes byte(1);
  EXPECT_EQ(client.status_of(client.tree_request()), kNetworkSessionExpired);
  EXPECT_EQ(ask(Command::kTreeDisconnect, wire::TreeDisconnectRequest{}), kNetworkSessionExpired);
  EXPECT_EQ(ask(Command::kCreate, RawClient::create_body("g")), kNetworkSessionExpired);
  EXPECT_EQ(ask(Command::kFlush, wire::FlushRequest{.file_id = id}), kNetworkSessionExpired);
  EXPECT_EQ(ask(Command::kRead, wire::ReadRequest{.length = 1, .file_id = id}),
            kNetworkSessionExpired);
  EXPECT_EQ(ask(Command::kWrite, wire::WriteRequest{.file_id = id, .data = byte}),
            kNetworkSessionExpired);
  EXPECT_EQ(ask(Command::kIoctl,
                wire::IoctlRequest{
                    .ctl_code = wire::Fsctl::kSrvRequestResumeKey, .file_id = id, .flags = 1}),
            kNetworkSessionExpired);
  EXPECT_EQ(ask(Command::kQueryDirectory, wire::QueryDirectoryRequest{.file_id = id}),
            kNetworkSessionExpired);
  EXPECT_EQ(ask(Command::kChangeNotify, wire::ChangeNotifyRequest{.file_id = id}),
            kNetworkSessionExpired);
  EXPECT_EQ(ask(Command::kQueryInfo, wire::QueryInfoRequest{.file_id = id}),
            kNetworkSessionExpired);
  EXPECT_EQ(ask(Command::kSetInfo, wire::SetInfoRequest{.file_id = id, .buffer = byte}),
            kNetworkSessionExpired);
  wire::OplockBreakAcknowledgment ack;
  ack.file_id = id;
  EXPECT_EQ(ask(Command::kOplockBreak, ack), kNetworkSessionExpired);
  EXPECT_EQ(ask(Command::kEcho, wire::EchoRequest{}), kSuccess);
  const wire::LockRequest unlock{.file_id = id, .locks = {{0, 1, wire::LockFlags::kUnlock}}};
  EXPECT_EQ(ask(Command::kLock, unlock), kRangeNotLocked);
  EXPECT_EQ(client.close_file(id), kSuccess);
  EXPECT_EQ(ask(Command::kLogoff, wire::LogoffRequest{}), kSuccess);
  EXPECT_EQ(ask(Command::kLogoff, wire::LogoffRequest{}), kUserSessionDeleted);
}

}  // namespace
}  // namespace braid::smb2
