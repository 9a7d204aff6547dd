#include "auth/ntlm_acceptor.h"

#include <utility>

#include "auth/ntlm_keys.h"
#include "auth/ntlm_security.h"
#include "base/log.h"
#include "base/printable.h"

namespace braid::auth {
namespace {

namespace ntlm = wire::ntlm;
namespace flags = wire::ntlm::flags;

// Given back when the client asks for them.
constexpr uint32_t kSupported = flags::kUnicode | flags::kKeyExchange | flags::k128 | flags::k56 |
                                flags::kExtendedSessionSecurity | flags::kVersion;
// Set whatever the client asked: [MS-NLMP] 3.2.5.1.1, and SIGN and SEAL because clients that want
// them only later refuse a server that does not offer them.
constexpr uint32_t kAlways = flags::kRequestTarget | flags::kNtlm | flags::kAlwaysSign |
                             flags::kTargetInfo | flags::kTargetTypeServer | flags::kSign |
                             flags::kSeal;

bool is_anonymous(const ntlm::AuthenticateMessage& message) {
  // The LM response of an anonymous client is empty or one zero byte.
  return message.user_name.empty() && message.nt_response.empty() &&
         (message.lm_response.empty() ||
          (message.lm_response.size() == 1 && message.lm_response[0] == 0));
}

}  // namespace

Result<MechStep> NtlmAcceptor::step(ByteView token) {
  Result<MechStep> result = fail(NtStatus::kInvalidParameter);
  if (state_ == State::kWaitNegotiate) {
    result = on_negotiate(token);
  } else if (state_ == State::kWaitAuthenticate) {
    result = on_authenticate(token);
  }
  if (!result) state_ = State::kFailed;
  return result;
}

Result<MechStep> NtlmAcceptor::on_negotiate(ByteView token) {
  const auto negotiate = ntlm::NegotiateMessage::decode(token);
  if (!negotiate) return fail(NtStatus::kInvalidParameter);
  const uint32_t asked = negotiate->negotiate_flags;
  if ((asked & (flags::kUnicode | flags::kOem)) == 0) return fail(NtStatus::kInvalidParameter);

  offered_flags_ = kAlways | (asked & kSupported);
  if ((asked & flags::kUnicode) == 0) offered_flags_ |= flags::kOem;
  crypto::random_bytes(server_challenge_);

  ntlm::ChallengeMessage challenge;
  challenge.target_name = policy_.computer_name;
  challenge.negotiate_flags = offered_flags_;
  challenge.server_challenge = server_challenge_;
  challenge.target_info.add_text(ntlm::AvId::kNbDomainName, policy_.domain_name);
  challenge.target_info.add_text(ntlm::AvId::kNbComputerName, policy_.computer_name);
  challenge.target_info.add_text(ntlm::AvId::kDnsDomainName, policy_.domain_name);
  challenge.target_info.add_text(ntlm::AvId::kDnsComputerName, policy_.dns_name);
  // The time stamp is what makes clients send a MIC.
  challenge.target_info.add_time(clock_.now());
  if (offered_flags_ & flags::kVersion) challenge.version.emplace();

  negotiate_message_.assign(token.begin(), token.end());
  challenge_message_ = challenge.encode();
  state_ = State::kWaitAuthenticate;
  return MechStep{.done = false, .token = challenge_message_};
}

// The SessionBaseKey of the account named, if the response proves its password.
Result<crypto::Secret> NtlmAcceptor::check_user(const ntlm::AuthenticateMessage& message) {
  const auto response = ntlm::Ntlmv2Response::decode(message.nt_response);
  if (!response) {
    // unsupported: NTLMv1, or an LM response alone.
    if (response.error() == Error::unsupported()) {
      log::info("'{}' is refused: the client answers with NTLMv1; have it send NTLMv2",
                message.user_name);
    }
    return fail(response.error() == Error::unsupported() ? NtStatus::kLogonFailure
                                                         : NtStatus::kInvalidParameter);
  }
  auto user = identities_.users().find(message.user_name);
  if (!user && user.error() != Error(NtStatus::kNoSuchUser)) return fail(NtStatus::kLogonFailure);
  // The same work for an unknown user, so that the time taken does not tell who exists.
  const crypto::Secret nt_hash = user ? user->nt_hash : crypto::Secret::random(16);
  // Some clients leave the domain out of the computation though they send one:
  // [MS-NLMP] 3.2.5.1.2 retries with NIL.
  crypto::Secret key;
  bool is_right = false;
  for (const std::string_view domain :
       {std::string_view(message.domain_name), std::string_view()}) {
    const crypto::Secret response_key = ntowf_v2(nt_hash, message.user_name, domain);
    const auto expected =
        nt_proof(response_key, server_challenge_, response->client_challenge_bytes);
    if (crypto::equal_constant_time(expected, response->nt_proof_str)) {
      key = session_base_key(response_key, response->nt_proof_str);
      is_right = true;
    }
  }
  if (!user) return fail(NtStatus::kNoSuchUser);
  if (!is_right) {
    log::info("'{}' is refused: the password is wrong", message.user_name);
    return fail(NtStatus::kLogonFailure);
  }
  if (user->is_disabled) {
    log::info("'{}' is refused: the account is disabled; braidctl user enable lets it in",
              message.user_name);
  }
  BRAID_TRY(identity_, identities_.of_user(*user));
  // Only a MIC that the client said it computed counts; the flag itself is under NTProofStr.
  if (response->av_pairs.flags() & ntlm::kAvFlagMicPresent && !message.mic) {
    return fail(NtStatus::kLogonFailure);
  }
  return key;
}

Result<void> NtlmAcceptor::set_exported_key(const crypto::Secret& key_exchange_key,
                                            const ntlm::AuthenticateMessage& message) {
  if ((flags_ & flags::kKeyExchange) == 0) {
    exported_session_key_ = key_exchange_key;
    return {};
  }
  const Bytes& encrypted = message.encrypted_random_session_key;
  if (encrypted.size() != kSessionKeySize) return fail(NtStatus::kInvalidParameter);
  Bytes exported = exchange_key(key_exchange_key, encrypted);
  exported_session_key_ = crypto::Secret(exported);
  crypto::wipe(exported);
  return {};
}

Result<MechStep> NtlmAcceptor::on_authenticate(ByteView token) {
  const auto message = ntlm::AuthenticateMessage::decode(token);
  if (!message) return fail(NtStatus::kInvalidParameter);
  user_name_ = message->user_name;
  machine_ = cut_text(message->workstation, kMachineNameMax);
  // What the client chose of what was offered; it cannot add.
  flags_ = message->negotiate_flags & offered_flags_;

  if (is_anonymous(*message)) {
    if (!policy_.allow_anonymous) return fail(NtStatus::kLogonFailure);
    identity_ = identities_.anonymous();
    BRAID_CHECK(set_exported_key(crypto::Secret::padded({}, kSessionKeySize), *message));
    state_ = State::kDone;
    return MechStep{.done = true, .token = {}};
  }

  const auto key = check_user(*message);
  if (!key && key.error() == Error(NtStatus::kNoSuchUser)) {
    if (!policy_.map_unknown_to_guest) {
      log::info("'{}' is refused: there is no account of that name", user_name_);
      return fail(NtStatus::kLogonFailure);
    }
    // The client's keys come from a password nobody here knows.
    BRAID_TRY(identity_, identities_.guest());
    exported_session_key_ = crypto::Secret::padded({}, kSessionKeySize);
    state_ = State::kDone;
    return MechStep{.done = true, .token = {}};
  }
  if (!key) return fail(key.error());
  BRAID_CHECK(set_exported_key(*key, *message));

  const auto response = ntlm::Ntlmv2Response::decode(message->nt_response);
  if (response && response->av_pairs.flags() & ntlm::kAvFlagMicPresent) {
    const auto expected =
        ntlm_mic(exported_session_key_, negotiate_message_, challenge_message_, token);
    if (!crypto::equal_constant_time(expected, *message->mic)) {
      log::warn("NTLM messages of '{}' were changed on the way", user_name_);
      return fail(NtStatus::kLogonFailure);
    }
  }
  state_ = State::kDone;
  return MechStep{.done = true, .token = {}};
}

void NtlmAcceptor::take_outcome(AuthStep& out) {
  out.identity = identity_;
  out.method = "NTLM";
  out.machine = machine_;
  out.session_key = exported_session_key_;
  out.full_session_key = exported_session_key_;
}

bool NtlmAcceptor::has_integrity() const {
  return state_ == State::kDone && !identity_->is_guest && can_sign(flags_);
}

Result<Bytes> NtlmAcceptor::make_mic(ByteView message) {
  return ntlm_signature(exported_session_key_, flags_, NtlmSide::kServer, sent_++, message);
}

bool NtlmAcceptor::verify_mic(ByteView message, ByteView mic) {
  return crypto::equal_constant_time(
      ntlm_signature(exported_session_key_, flags_, NtlmSide::kClient, received_++, message), mic);
}

std::unique_ptr<MessageSecurity> NtlmAcceptor::take_message_security() {
  if (!has_integrity() || identity_->is_anonymous) return nullptr;
  return std::make_unique<NtlmSecurity>(exported_session_key_, flags_, received_, sent_);
}

}  // namespace braid::auth
