// NtlmAcceptor: the server's side of NTLMv2. [MS-NLMP] 3.2 "Server Details".
#pragma once

#include <memory>
#include <string>

#include "auth/identity_maker.h"
#include "auth/mechanism.h"
#include "base/clock.h"
#include "wire/ntlm/messages.h"

namespace braid::auth {

// What all NTLM logons of a server share. Immutable.
struct NtlmPolicy {
  std::string computer_name;  // NetBIOS, at most 15 characters, upper case
  std::string domain_name;
  std::string dns_name;
  bool allow_anonymous = false;
  bool map_unknown_to_guest = false;
};

// One attempt: NEGOTIATE in, CHALLENGE out, AUTHENTICATE in. NTLMv1 and LM responses are refused
// whatever the flags say. Owner: an AuthExchange. Thread: one at a time.
class NtlmAcceptor final : public AcceptorMech {
 public:
  // References outlive it.
  NtlmAcceptor(const NtlmPolicy& policy, const IdentityMaker& identities, const Clock& clock)
      : policy_(policy), identities_(identities), clock_(clock) {}

  Result<MechStep> step(ByteView token) override;
  std::string claimed_account() const override { return user_name_; }
  void take_outcome(AuthStep& out) override;
  bool has_integrity() const override;
  Result<Bytes> make_mic(ByteView message) override;
  bool verify_mic(ByteView message, ByteView mic) override;
  std::unique_ptr<MessageSecurity> take_message_security() override;

 private:
  enum class State : uint8_t { kWaitNegotiate, kWaitAuthenticate, kDone, kFailed };

  Result<MechStep> on_negotiate(ByteView token);
  Result<MechStep> on_authenticate(ByteView token);
  Result<crypto::Secret> check_user(const wire::ntlm::AuthenticateMessage& message);
  Result<void> set_exported_key(const crypto::Secret& key_exchange_key,
                                const wire::ntlm::AuthenticateMessage& message);

  const NtlmPolicy& policy_;
  const IdentityMaker& identities_;
  const Clock& clock_;

  State state_ = State::kWaitNegotiate;
  Bytes negotiate_message_;  // as received, for the MIC
  Bytes challenge_message_;  // as sent
  uint32_t offered_flags_ = 0;
  uint32_t flags_ = 0;
  wire::ntlm::Challenge8 server_challenge_{};
  std::string user_name_;
  std::string machine_;  // as the client calls it
  std::shared_ptr<const Identity> identity_;
  crypto::Secret exported_session_key_;
  // Messages signed already: each MIC of the mechanism list is one.
  uint32_t received_ = 0;
  uint32_t sent_ = 0;
};

}  // namespace braid::auth
