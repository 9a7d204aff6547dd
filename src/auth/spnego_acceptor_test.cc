#include "auth/spnego_acceptor.h"

#include <gtest/gtest.h>

#include "auth/auth_fixture_testing.h"
#include "auth/ntlm_initiator.h"
#include "auth/ntlm_keys.h"
#include "base/hex_testing.h"

namespace braid::auth {
namespace {

using wire::NegState;
using wire::NegTokenInit;
using wire::NegTokenResp;

NtlmCredentials alice(std::string password = AuthFixture::kPassword) {
  return {.user = "ALICE", .domain = "WORKGROUP", .password = std::move(password)};
}

class Logon : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(fixture_.is_ready()); }
  std::unique_ptr<AuthExchange> begin() { return fixture_.authenticator().begin(); }
  Result<AuthStep> run(AuthInitiator& client) {
    return AuthFixture::run(client, *begin(), fixture_.authenticator().initial_hint());
  }
  AuthFixture fixture_;
};

TEST_F(Logon, NtlmInSpnego) {
  const auto client = make_ntlm_initiator(alice());
  const auto outcome = run(*client);
  ASSERT_TRUE(outcome) << outcome.error().message();
  EXPECT_EQ(outcome->identity->account_name, "Alice");
  EXPECT_EQ(outcome->identity->domain, "BRAID1");
  EXPECT_FALSE(outcome->identity->is_guest);
  EXPECT_EQ(outcome->identity->uid, test_unix_user().uid);
  EXPECT_EQ(outcome->session_key.size(), 16u);
  EXPECT_EQ(outcome->session_key, client->session_key());
  EXPECT_EQ(outcome->full_session_key, client->full_session_key());
  EXPECT_FALSE(outcome->expires_at);
  const auto last = NegTokenResp::decode(outcome->reply_token);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->state, NegState::kAcceptCompleted);
  EXPECT_TRUE(last->mech_list_mic);
}

TEST_F(Logon, RawNtlm) {
  const auto client = make_raw_ntlm_initiator(alice());
  const auto outcome = run(*client);
  ASSERT_TRUE(outcome) << outcome.error().message();
  EXPECT_EQ(outcome->session_key, client->session_key());
  EXPECT_TRUE(outcome->reply_token.empty());
}

TEST_F(Logon, OnlyTheLastMessageOfNtlmIsJudged) {
  for (const bool is_raw : {false, true}) {
    const auto client = is_raw ? make_raw_ntlm_initiator(alice()) : make_ntlm_initiator(alice());
    const auto server = begin();
    EXPECT_FALSE(server->claim_to_judge({}));
    EXPECT_FALSE(server->claim_to_judge(as_bytes("no token")));
    const auto first = client->step(fixture_.authenticator().initial_hint());
    EXPECT_FALSE(server->claim_to_judge(first->token));
    const auto last = client->step(server->step(first->token)->reply_token);
    EXPECT_EQ(server->claim_to_judge(last->token), "ALICE");
    ASSERT_TRUE(server->step(last->token));
    EXPECT_FALSE(server->claim_to_judge(last->token));
  }
}

TEST_F(Logon, WrongPasswordFailsWithLogonFailure) {
  const auto client = make_ntlm_initiator(alice("wrong"));
  const auto server = begin();
  EXPECT_EQ(AuthFixture::run(*client, *server, {}).error(), Error(NtStatus::kLogonFailure));
  EXPECT_EQ(server->claimed_account(), "ALICE");
  // The exchange is over.
  EXPECT_EQ(server->step(Bytes{1}).error(), Error(NtStatus::kInvalidParameter));
}

TEST_F(Logon, UnknownUserFailsWithLogonFailure) {
  const auto client = make_ntlm_initiator({.user = "mallory", .domain = "", .password = ""});
  EXPECT_EQ(run(*client).error(), Error(NtStatus::kLogonFailure));
}

TEST_F(Logon, DisabledAccountTellsOnlyWhoKnowsThePassword) {
  User user = *fixture_.users().find("alice");
  user.is_disabled = true;
  ASSERT_TRUE(fixture_.users().update(user));
  EXPECT_EQ(run(*make_ntlm_initiator(alice())).error(), Error(NtStatus::kAccountDisabled));
  EXPECT_EQ(run(*make_ntlm_initiator(alice("wrong"))).error(), Error(NtStatus::kLogonFailure));
}

TEST_F(Logon, ChangedPasswordCountsAtOnce) {
  User user = *fixture_.users().find("alice");
  user.nt_hash = *nt_hash_of("new");
  ASSERT_TRUE(fixture_.users().update(user));
  EXPECT_FALSE(run(*make_ntlm_initiator(alice())));
  EXPECT_TRUE(run(*make_ntlm_initiator(alice("new"))));
}

TEST_F(Logon, AnonymousIsRefusedUnlessAllowed) {
  EXPECT_EQ(run(*make_ntlm_initiator({.user = "", .domain = "", .password = ""})).error(),
            Error(NtStatus::kLogonFailure));
  AuthFixture open({.server_name = "", .allow_anonymous = true});
  const auto outcome =
      AuthFixture::run(*make_ntlm_initiator({.user = "", .domain = "", .password = ""}),
                       *open.authenticator().begin(), {});
  ASSERT_TRUE(outcome) << outcome.error().message();
  EXPECT_TRUE(outcome->identity->is_anonymous);
  EXPECT_EQ(outcome->identity->user_sid, wire::sids::kAnonymous);
}

TEST_F(Logon, GuestIsForUnknownUsersOnly) {
  AuthFixture open({.server_name = "", .map_unknown_to_guest = true});
  const auto outcome =
      AuthFixture::run(*make_ntlm_initiator({.user = "who", .domain = "", .password = "x"}),
                       *open.authenticator().begin(), {});
  ASSERT_TRUE(outcome) << outcome.error().message();
  EXPECT_TRUE(outcome->identity->is_guest);
  EXPECT_EQ(outcome->session_key, crypto::Secret(Bytes(16)));
  EXPECT_EQ(
      AuthFixture::run(*make_ntlm_initiator(alice("wrong")), *open.authenticator().begin(), {})
          .error(),
      Error(NtStatus::kLogonFailure));
}

TEST_F(Logon, HintOffersNtlmOnlyWithoutKeytab) {
  const auto hint = NegTokenInit::decode(fixture_.authenticator().initial_hint());
  ASSERT_TRUE(hint);
  EXPECT_EQ(hint->mech_types, std::vector<wire::Oid>{wire::oids::kNtlmssp});
  EXPECT_EQ(hint->hint_name, "not_defined_in_RFC4178@please_ignore");
}

// What a client in a domain sends to a server that has no keytab: its favourite is Kerberos.
class Reselect : public Logon {
 protected:
  Reselect() {
    init_.mech_types = {wire::oids::kMsKrb5, wire::oids::kKrb5, wire::oids::kNtlmssp};
    init_.mech_token = unhex("0102");
  }
  // The exchange up to the client's AUTHENTICATE, which is returned in a NegTokenResp.
  NegTokenResp authenticate(AuthExchange& server) {
    const auto reselect = NegTokenResp::decode(server.step(init_.encode())->reply_token);
    EXPECT_EQ(reselect->state, NegState::kRequestMic);
    EXPECT_EQ(reselect->supported_mech, wire::oids::kNtlmssp);
    EXPECT_FALSE(reselect->response_token);
    NegTokenResp negotiate;
    negotiate.response_token = mech_.step({})->token;
    const auto challenge = NegTokenResp::decode(server.step(negotiate.encode())->reply_token);
    EXPECT_EQ(challenge->state, NegState::kAcceptIncomplete);
    EXPECT_FALSE(challenge->supported_mech);
    NegTokenResp reply;
    reply.response_token = mech_.step(*challenge->response_token)->token;
    return reply;
  }
  NegTokenInit init_;
  NtlmInitiator mech_{alice(), system_clock()};
};

TEST_F(Reselect, WithMicsSucceeds) {
  const auto server = begin();
  NegTokenResp last = authenticate(*server);
  last.mech_list_mic = *mech_.make_mic(init_.encode_mech_types());
  const auto outcome = server->step(last.encode());
  ASSERT_TRUE(outcome) << outcome.error().message();
  ASSERT_TRUE(outcome->done);
  const auto reply = NegTokenResp::decode(outcome->reply_token);
  ASSERT_TRUE(reply->mech_list_mic);
  EXPECT_TRUE(mech_.verify_mic(init_.encode_mech_types(), *reply->mech_list_mic));
}

TEST_F(Reselect, WrongMicFailsWithLogonFailure) {
  const auto server = begin();
  NegTokenResp last = authenticate(*server);
  init_.mech_types.pop_back();  // as if somebody had taken the better ones away
  last.mech_list_mic = *mech_.make_mic(init_.encode_mech_types());
  EXPECT_EQ(server->step(last.encode()).error(), Error(NtStatus::kLogonFailure));
}

TEST_F(Reselect, MissingMicIsWaitedForAndThenFatal) {
  const auto server = begin();
  const auto waiting = server->step(authenticate(*server).encode());
  ASSERT_TRUE(waiting);
  EXPECT_FALSE(waiting->done);
  EXPECT_EQ(server->step(NegTokenResp{}.encode()).error(), Error(NtStatus::kLogonFailure));
}

TEST_F(Logon, NoMechanismInCommonFailsWithInvalidParameter) {
  NegTokenInit init;
  init.mech_types = {wire::oids::kKrb5};
  EXPECT_EQ(begin()->step(init.encode()).error(), Error(NtStatus::kInvalidParameter));
}

TEST_F(Logon, NoOptimisticTokenStartsWithIncomplete) {
  NegTokenInit init;
  init.mech_types = {wire::oids::kNtlmssp};
  const auto server = begin();
  const auto step = server->step(init.encode());
  ASSERT_TRUE(step);
  const auto reply = NegTokenResp::decode(step->reply_token);
  EXPECT_EQ(reply->state, NegState::kAcceptIncomplete);
  EXPECT_EQ(reply->supported_mech, wire::oids::kNtlmssp);
}

TEST_F(Logon, BrokenTokensFailWithInvalidParameter) {
  for (const Bytes& token : {Bytes{}, unhex("60"), unhex("a1073005a0030a0101"),
                             unhex("4e544c4d5353500001000000"), Bytes(100, 0xff)}) {
    EXPECT_EQ(begin()->step(token).error(), Error(NtStatus::kInvalidParameter));
  }
  EXPECT_EQ(begin()->step(Bytes(kTokenSizeMax + 1)).error(),
            Error(NtStatus::kInsufficientResources));
}

TEST_F(Logon, RejectFromTheClientEndsTheExchange) {
  const auto client = make_ntlm_initiator(alice());
  const auto server = begin();
  ASSERT_TRUE(server->step(client->step({})->token));
  NegTokenResp reject;
  reject.state = NegState::kReject;
  EXPECT_EQ(server->step(reject.encode()).error(), Error(NtStatus::kLogonFailure));
}

// Clients run several at once on one connection; each has its own challenge.
TEST_F(Logon, ExchangesDoNotShareState) {
  const auto first = make_ntlm_initiator(alice());
  const auto second = make_ntlm_initiator(alice());
  const auto first_server = begin();
  const auto second_server = begin();
  const auto first_challenge = first_server->step(first->step({})->token);
  const auto second_challenge = second_server->step(second->step({})->token);
  ASSERT_TRUE(first_challenge && second_challenge);
  EXPECT_NE(first_challenge->reply_token, second_challenge->reply_token);
  EXPECT_TRUE(second_server->step(second->step(second_challenge->reply_token)->token)->done);
  EXPECT_TRUE(first_server->step(first->step(first_challenge->reply_token)->token)->done);
}

}  // namespace
}  // namespace braid::auth
