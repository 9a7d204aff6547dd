#include "auth/ntlm_initiator.h"

#include <algorithm>

#include "auth/ntlm_keys.h"
#include "auth/user_store.h"

namespace braid::auth {
namespace {

namespace ntlm = wire::ntlm;
namespace flags = wire::ntlm::flags;

constexpr uint32_t kAsked = flags::kUnicode | flags::kRequestTarget | flags::kSign | flags::kSeal |
                            flags::kNtlm | flags::kAlwaysSign | flags::kExtendedSessionSecurity |
                            flags::kVersion | flags::k128 | flags::k56 | flags::kKeyExchange;

}  // namespace

Result<MechStep> NtlmInitiator::step(ByteView token) {
  if (done_) return fail(NtStatus::kInvalidParameter);
  if (negotiate_message_.empty()) return MechStep{.done = false, .token = negotiate()};
  BRAID_TRY(Bytes reply, authenticate(token));
  done_ = true;
  return MechStep{.done = true, .token = std::move(reply)};
}

Bytes NtlmInitiator::negotiate() {
  ntlm::NegotiateMessage message;
  message.negotiate_flags = kAsked;
  if (credentials_.user.empty()) message.negotiate_flags |= flags::kAnonymous;
  message.version.emplace();
  negotiate_message_ = message.encode();
  return negotiate_message_;
}

Result<Bytes> NtlmInitiator::authenticate(ByteView token) {
  const auto challenge = ntlm::ChallengeMessage::decode(token);
  if (!challenge) return fail(NtStatus::kInvalidParameter);
  // The response is NTLMv2 and the names are Unicode, or there is no logon.
  if ((challenge->negotiate_flags & flags::kUnicode) == 0) return fail(NtStatus::kNotSupported);
  flags_ = (challenge->negotiate_flags & kAsked) | flags::kTargetInfo;

  ntlm::AuthenticateMessage message;
  message.negotiate_flags = flags_;
  message.domain_name = credentials_.domain;
  message.user_name = credentials_.user;
  message.workstation = credentials_.workstation;
  message.version.emplace();

  crypto::Secret key_exchange_key = crypto::Secret::padded({}, 16);
  const auto timestamp = challenge->target_info.timestamp();
  if (credentials_.user.empty()) {
    message.lm_response = {0};
    message.negotiate_flags |= flags::kAnonymous;
  } else {
    ntlm::Ntlmv2Response response;
    response.time_stamp = timestamp.value_or(clock_.now());
    crypto::random_bytes(response.client_challenge);
    response.av_pairs = challenge->target_info;
    if (timestamp) {
      response.av_pairs.add_u32(ntlm::AvId::kFlags, ntlm::kAvFlagMicPresent);
      message.mic.emplace();
    }
    const Bytes client_challenge = response.encode_client_challenge();
    BRAID_TRY(const crypto::Secret nt_hash, nt_hash_of(credentials_.password));
    const crypto::Secret response_key = ntowf_v2(nt_hash, credentials_.user, credentials_.domain);
    const auto proof = nt_proof(response_key, challenge->server_challenge, client_challenge);
    message.nt_response.assign(proof.begin(), proof.end());
    message.nt_response.insert(message.nt_response.end(), client_challenge.begin(),
                               client_challenge.end());
    message.lm_response = Bytes(24);
    key_exchange_key = session_base_key(response_key, proof);
  }

  exported_session_key_ = key_exchange_key;
  if (flags_ & flags::kKeyExchange) {
    exported_session_key_ = crypto::Secret::random(16);
    message.encrypted_random_session_key =
        exchange_key(key_exchange_key, exported_session_key_.reveal());
  }
  Bytes encoded = message.encode();
  if (message.mic) {
    const auto mic = ntlm_mic(exported_session_key_, negotiate_message_, token, encoded);
    std::ranges::copy(mic, encoded.begin() + ntlm::AuthenticateMessage::kMicOffset);
  }
  return encoded;
}

bool NtlmInitiator::has_integrity() const { return done_ && can_sign(flags_); }

Result<Bytes> NtlmInitiator::make_mic(ByteView message) {
  return ntlm_signature(exported_session_key_, flags_, NtlmSide::kClient, 0, message);
}

bool NtlmInitiator::verify_mic(ByteView message, ByteView mic) {
  return crypto::equal_constant_time(
      ntlm_signature(exported_session_key_, flags_, NtlmSide::kServer, 0, message), mic);
}

}  // namespace braid::auth
