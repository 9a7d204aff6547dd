// NtlmSecurity: the messages of a conversation that NTLM protects.
#pragma once

#include "auth/message_security.h"
#include "auth/ntlm_keys.h"

namespace braid::auth {

// The server's side of [MS-NLMP] 3.4.6 to 3.4.9. With extended session security, and there is no
// other here, header and trailer are always signed.
class NtlmSecurity final : public MessageSecurity {
 public:
  // How many messages either side signed before. REQUIRES can_sign(negotiate_flags).
  NtlmSecurity(const crypto::Secret& exported_session_key, uint32_t negotiate_flags,
               uint32_t received, uint32_t sent);

  bool can_seal() const override { return can_seal_; }
  Result<size_t> verifier_size(Protection) override { return NtlmDirection::kSignatureSize; }
  Result<Bytes> protect(Protection protection, const MessageSegments& message) override;
  Result<void> check(Protection protection, const MessageSegments& message,
                     ByteView verifier) override;

 private:
  const bool can_seal_;
  NtlmDirection receiving_;
  NtlmDirection sending_;
};

}  // namespace braid::auth
