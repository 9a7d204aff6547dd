// NtlmInitiator: the client's side of NTLMv2. [MS-NLMP] 3.1.5.1.
#pragma once

#include "auth/initiators.h"
#include "auth/mechanism.h"
#include "base/clock.h"

namespace braid::auth {

// One attempt. Owner: a SpnegoInitiator or RawInitiator. Thread: one at a time.
class NtlmInitiator final : public InitiatorMech {
 public:
  NtlmInitiator(NtlmCredentials credentials, const Clock& clock)
      : credentials_(std::move(credentials)), clock_(clock) {}

  const wire::Oid& oid() const override { return wire::oids::kNtlmssp; }
  Result<MechStep> step(ByteView token) override;
  crypto::Secret full_session_key() const override { return exported_session_key_; }
  bool has_integrity() const override;
  Result<Bytes> make_mic(ByteView message) override;
  bool verify_mic(ByteView message, ByteView mic) override;

 private:
  Bytes negotiate();
  Result<Bytes> authenticate(ByteView challenge);

  NtlmCredentials credentials_;
  const Clock& clock_;
  Bytes negotiate_message_;
  uint32_t flags_ = 0;
  bool done_ = false;
  crypto::Secret exported_session_key_;
};

}  // namespace braid::auth
