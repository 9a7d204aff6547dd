#include "auth/ntlm_acceptor.h"

#include <gtest/gtest.h>

#include "auth/ntlm_initiator.h"
#include "auth/ntlm_keys.h"
#include "auth/state_dir_testing.h"
#include "auth/unix_user_testing.h"
#include "base/hex_testing.h"

namespace braid::auth {
namespace {

namespace ntlm = wire::ntlm;
namespace flags = wire::ntlm::flags;

// Changes what a good client would send, to see what the acceptor makes of it.
class NtlmAcceptorTest : public testing::Test {
 protected:
  NtlmAcceptorTest() {
    User user;
    user.name = "alice";
    user.unix_user = test_unix_user().name;
    user.nt_hash = *nt_hash_of("secret");
    EXPECT_TRUE(users_.add(user));
  }

  Bytes authenticate_bytes() {
    const auto challenge = acceptor_.step(client_.step({})->token);
    challenge_ = *ntlm::ChallengeMessage::decode(challenge->token);
    return client_.step(challenge->token)->token;
  }
  ntlm::AuthenticateMessage authenticate() {
    return *ntlm::AuthenticateMessage::decode(authenticate_bytes());
  }
  Error refusal(const ntlm::AuthenticateMessage& message) {
    const auto step = acceptor_.step(message.encode());
    EXPECT_FALSE(step);
    return step ? Error::malformed() : step.error();
  }

  StateDir dir_;
  UserStore users_ = *UserStore::open(dir_.path());
  IdMapper ids_{wire::Sid(5, {21, 1, 2, 3}), "BRAID"};
  IdentityMaker identities_{users_, ids_, "BRAID", "nobody", kMinUid};
  NtlmPolicy policy_{.computer_name = "BRAID", .domain_name = "WG", .dns_name = "braid.test"};
  NtlmAcceptor acceptor_{policy_, identities_, system_clock()};
  NtlmInitiator client_{{.user = "alice", .domain = "D", .password = "secret"}, system_clock()};
  ntlm::ChallengeMessage challenge_;
};

TEST_F(NtlmAcceptorTest, ChallengeOffersSigningSealingAndNames) {
  const Bytes message = authenticate_bytes();
  const uint32_t wanted = flags::kSign | flags::kSeal | flags::k128 | flags::k56 |
                          flags::kKeyExchange | flags::kExtendedSessionSecurity | flags::kUnicode |
                          flags::kTargetInfo;
  EXPECT_EQ(challenge_.negotiate_flags & wanted, wanted);
  EXPECT_EQ(challenge_.target_name, "BRAID");
  EXPECT_EQ(challenge_.target_info.text(ntlm::AvId::kNbDomainName), "WG");
  EXPECT_EQ(challenge_.target_info.text(ntlm::AvId::kDnsComputerName), "braid.test");
  EXPECT_TRUE(challenge_.target_info.timestamp());
  EXPECT_TRUE(acceptor_.step(message));
}

TEST_F(NtlmAcceptorTest, ChangedMicFailsWithLogonFailure) {
  Bytes message = authenticate_bytes();
  message[ntlm::AuthenticateMessage::kMicOffset] ^= 1;
  EXPECT_EQ(acceptor_.step(message).error(), Error(NtStatus::kLogonFailure));
}

TEST_F(NtlmAcceptorTest, ChangedFlagsAreCoveredByTheMic) {
  Bytes message = authenticate_bytes();
  message[60] ^= flags::kSeal;
  EXPECT_EQ(acceptor_.step(message).error(), Error(NtStatus::kLogonFailure));
}

TEST_F(NtlmAcceptorTest, MicAnnouncedButCutOutFailsWithLogonFailure) {
  auto message = authenticate();
  message.mic.reset();
  EXPECT_EQ(refusal(message), Error(NtStatus::kLogonFailure));
}

TEST_F(NtlmAcceptorTest, KeyExchangeWithoutKeyFailsWithInvalidParameter) {
  auto message = authenticate();
  message.encrypted_random_session_key.clear();
  EXPECT_EQ(refusal(message), Error(NtStatus::kInvalidParameter));
}

TEST_F(NtlmAcceptorTest, KeyOfAnotherSizeFailsWithInvalidParameter) {
  auto message = authenticate();
  message.encrypted_random_session_key.push_back(0);
  EXPECT_EQ(refusal(message), Error(NtStatus::kInvalidParameter));
}

TEST_F(NtlmAcceptorTest, Ntlmv1FailsWithLogonFailure) {
  auto message = authenticate();
  message.nt_response.resize(24);
  EXPECT_EQ(refusal(message), Error(NtStatus::kLogonFailure));
}

TEST_F(NtlmAcceptorTest, LmResponseAloneFailsWithLogonFailure) {
  auto message = authenticate();
  message.nt_response.clear();
  message.lm_response = Bytes(24, 1);
  EXPECT_EQ(refusal(message), Error(NtStatus::kLogonFailure));
}

TEST_F(NtlmAcceptorTest, ResponseCutShortFailsWithInvalidParameter) {
  auto message = authenticate();
  message.nt_response.resize(40);
  EXPECT_EQ(refusal(message), Error(NtStatus::kInvalidParameter));
}

// A name without a response is not anonymous.
TEST_F(NtlmAcceptorTest, NameWithoutResponseFailsWithLogonFailure) {
  policy_.allow_anonymous = true;
  auto message = authenticate();
  message.nt_response.clear();
  message.lm_response.clear();
  EXPECT_EQ(refusal(message), Error(NtStatus::kLogonFailure));
}

TEST_F(NtlmAcceptorTest, DomainLeftOutOfTheComputationIsAccepted) {
  NtlmInitiator client({.user = "alice", .domain = "", .password = "secret"}, system_clock());
  const auto challenge = acceptor_.step(client.step({})->token);
  Bytes bytes = client.step(challenge->token)->token;
  // The domain appears in the message only; without a MIC nothing covers it.
  EXPECT_TRUE(acceptor_.step(bytes));
}

TEST_F(NtlmAcceptorTest, NegotiateWithoutCharacterSetFailsWithInvalidParameter) {
  EXPECT_EQ(acceptor_.step(unhex("4e544c4d535350000100000000020000")).error(),
            Error(NtStatus::kInvalidParameter));
}

TEST_F(NtlmAcceptorTest, AuthenticateFirstFailsWithInvalidParameter) {
  ntlm::AuthenticateMessage message;
  message.negotiate_flags = flags::kUnicode;
  EXPECT_EQ(acceptor_.step(message.encode()).error(), Error(NtStatus::kInvalidParameter));
}

// Without key exchange the key is the one of the response: what a client of SMB 2.0.2 may ask for.
TEST_F(NtlmAcceptorTest, WithoutKeyExchangeTheBaseKeyIsTheSessionKey) {
  ntlm::NegotiateMessage negotiate;
  negotiate.negotiate_flags = flags::kUnicode | flags::kNtlm;
  const auto challenge = ntlm::ChallengeMessage::decode(acceptor_.step(negotiate.encode())->token);
  ASSERT_TRUE(challenge);
  ntlm::Ntlmv2Response response;
  const Bytes client_challenge = response.encode_client_challenge();
  const auto key = ntowf_v2(*nt_hash_of("secret"), "alice", "");
  const auto proof = nt_proof(key, challenge->server_challenge, client_challenge);
  ntlm::AuthenticateMessage message;
  message.negotiate_flags = flags::kUnicode;
  message.user_name = "alice";
  message.nt_response.assign(proof.begin(), proof.end());
  message.nt_response.insert(message.nt_response.end(), client_challenge.begin(),
                             client_challenge.end());
  ASSERT_TRUE(acceptor_.step(message.encode()));
  AuthStep outcome;
  acceptor_.take_outcome(outcome);
  EXPECT_EQ(outcome.session_key, session_base_key(key, proof));
  EXPECT_FALSE(acceptor_.has_integrity());
}

}  // namespace
}  // namespace braid::auth
