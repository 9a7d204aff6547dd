// SESSION_SETUP, LOGOFF, signing and encryption.
#include "e2e.h"

namespace braid::e2e {
namespace {

using client::SessionOptions;
using wire::Dialect;

BRAID_E2E(Session, EveryDialectLogsOnSigned) {
  for (const Dialect dialect :
       {Dialect::kSmb202, Dialect::kSmb210, Dialect::kSmb300, Dialect::kSmb302, Dialect::kSmb311}) {
    client::ConnectionOptions options;
    options.dialects = {dialect};
    E2E_TRY(const auto tree, co_await env.mount("share", options));
    EXPECT_FALSE(tree->session().is_guest());
    EXPECT_EQ(tree->properties().share_type, wire::ShareType::kDisk);
    EXPECT_EQ(tree->session().connection().bad_messages(), 0u);
  }
}

BRAID_E2E(Session, EverySigningAlgorithmWorks) {
  for (const auto algorithm : {wire::SigningAlgorithm::kAesGmac, wire::SigningAlgorithm::kAesCmac,
                               wire::SigningAlgorithm::kHmacSha256}) {
    client::ConnectionOptions options;
    options.signing_algorithms = {algorithm};
    E2E_TRY(const auto tree, co_await env.mount("share", options));
    E2E_OK(co_await tree->write_file(name_of_test(), pattern(100'000)));
    E2E_TRY(const Bytes back, co_await tree->read_file(name_of_test()));
    EXPECT_EQ(back, pattern(100'000));
  }
}

BRAID_E2E(Session, EveryCipherWorks) {
  SessionOptions encrypted;
  encrypted.security = SessionOptions::Security::kEncrypt;
  for (const auto cipher : {wire::Cipher::kAes128Ccm, wire::Cipher::kAes128Gcm,
                            wire::Cipher::kAes256Ccm, wire::Cipher::kAes256Gcm}) {
    client::ConnectionOptions options;
    options.ciphers = {cipher};
    E2E_TRY(const auto tree, co_await env.mount("share", options, encrypted));
    E2E_OK(co_await tree->write_file(name_of_test(), pattern(100'000)));
    E2E_TRY(const Bytes back, co_await tree->read_file(name_of_test()));
    EXPECT_EQ(back, pattern(100'000));
    EXPECT_EQ(tree->session().connection().bad_messages(), 0u);
  }
  for (const Dialect dialect : {Dialect::kSmb300, Dialect::kSmb302}) {
    client::ConnectionOptions options;
    options.dialects = {dialect};
    E2E_TRY(const auto tree, co_await env.mount("share", options, encrypted));
    E2E_OK(co_await tree->write_file(name_of_test(), pattern(1000)));
  }
}

BRAID_E2E(Session, EncryptedShareIsReachedEncryptedOnly) {
  E2E_TRY(const auto tree, co_await env.mount("encrypted"));
  EXPECT_TRUE(tree->properties().share_flags & wire::ShareFlags::kEncryptData);
  E2E_OK(co_await tree->write_file(name_of_test(), pattern(5000)));

  auto plain = client::make_request(wire::Command::kCreate, wire::CreateRequest{});
  plain.protect = client::Protect::kSign;
  E2E_TRY(const auto response, co_await tree->call(std::move(plain)));
  EXPECT_EQ(response.status(), NtStatus::kAccessDenied);

  client::ConnectionOptions old;
  old.dialects = {Dialect::kSmb210};
  E2E_FAILS(NtStatus::kAccessDenied, co_await env.mount("encrypted", old));
}

BRAID_E2E(Session, WrongPasswordAndUnknownUserFailAlike) {
  E2E_TRY(const auto connection, co_await env.connect());
  E2E_FAILS(NtStatus::kLogonFailure,
            co_await client::Session::setup(connection, ntlm(server().user, "wrong")));
  E2E_FAILS(NtStatus::kLogonFailure,
            co_await client::Session::setup(connection, ntlm("nosuchuser", "wrong")));
  E2E_OK(co_await env.log_on(connection));
}

BRAID_E2E(Session, RawNtlmIsAccepted) {
  E2E_TRY(const auto connection, co_await env.connect());
  auth::NtlmCredentials credentials;
  credentials.user = server().user;
  credentials.password = server().password;
  E2E_TRY(const auto session,
          co_await client::Session::setup(connection, auth::make_raw_ntlm_initiator(credentials)));
  E2E_OK(co_await session->tree_connect("share"));
}

BRAID_E2E(Session, TwoUsersOnOneConnection) {
  E2E_TRY(const auto connection, co_await env.connect());
  E2E_TRY(const auto first, co_await env.log_on(connection));
  E2E_TRY(const auto second,
          co_await client::Session::setup(connection, ntlm(server().user2, server().password2)));
  EXPECT_NE(first->id(), second->id());
  E2E_OK(co_await first->tree_connect("share"));
  E2E_OK(co_await second->tree_connect("share"));
}

BRAID_E2E(Session, ReauthenticationKeepsTheSession) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto file, co_await tree->open(name_of_test(), kReadWriteDelete,
                                               wire::CreateDisposition::kOverwriteIf));
  const SessionId before = tree->session().id();
  E2E_OK(co_await tree->session().reauthenticate(ntlm()));
  EXPECT_EQ(tree->session().id(), before);
  E2E_OK(co_await file->write(0, as_bytes("still open")));
  E2E_OK(co_await file->close());
}

BRAID_E2E(Session, LogoffEndsIt) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_OK(co_await tree->session().logoff());
  E2E_FAILS(NtStatus::kUserSessionDeleted, co_await tree->open("x"));
}

BRAID_E2E(Session, PreviousSessionIdEndsTheOtherSession) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto connection, co_await env.connect());
  SessionOptions options;
  options.previous_session_id = tree->session().id();
  E2E_OK(co_await env.log_on(connection, options));
  EXPECT_FALSE(co_await tree->open("x"));
}

BRAID_E2E(Session, WrongSignatureIsDenied) {
  E2E_TRY(const auto tree, co_await env.mount());
  auto forged = std::make_shared<client::ChannelKeys>();
  forged->session_id = tree->session().id();
  forged->signing.emplace(tree->session().connection().signing_algorithm(),
                          crypto::Secret::random(16));
  auto request = client::make_request(wire::Command::kCreate, wire::CreateRequest{});
  request.header.session_id = tree->session().id();
  request.header.tree_id = tree->id();
  request.protect = client::Protect::kSign;
  E2E_TRY(const auto exchange,
          co_await tree->session().connection().start(std::move(request), forged));
  const auto response = co_await exchange->response();
  // The answer is signed with the true key, which the forger does not have.
  EXPECT_FALSE(response);
  if (!response && server().is_braid) {
    EXPECT_EQ(response.error(), Error(NtStatus::kInvalidSignature));
  }
}

BRAID_E2E(Session, UnknownSessionIdIsDeleted) {
  E2E_TRY(const auto connection, co_await env.connect());
  auto request = client::make_request(wire::Command::kTreeConnect,
                                      wire::TreeConnectRequest{.path = "\\\\s\\share"});
  request.header.session_id = SessionId{0x1234567};
  E2E_TRY(const auto response, co_await connection->call(std::move(request)));
  EXPECT_EQ(response.status(), NtStatus::kUserSessionDeleted);
}

// Linux and Windows both start sessions in parallel.
BRAID_E2E(Session, ManyAtOnce) {
  E2E_TRY(const auto connection, co_await env.connect());
  std::vector<Result<client::SessionPtr>> sessions;
  TaskScope scope;
  struct Body {
    static Task<void> log_on(Env& env, client::ConnectionPtr connection,
                             std::vector<Result<client::SessionPtr>>& sessions) {
      sessions.push_back(co_await env.log_on(connection));
    }
  };
  for (int i = 0; i < 20; ++i) scope.spawn(Body::log_on(env, connection, sessions));
  co_await scope.join();
  for (const auto& session : sessions) E2E_OK(session);
}

}  // namespace
}  // namespace braid::e2e
