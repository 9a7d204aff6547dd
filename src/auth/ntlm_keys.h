// The computations of NTLMv2. [MS-NLMP] 3.3.2 "NTLM v2 Authentication" and 3.4.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "crypto/ntlm_primitives.h"
#include "crypto/secret.h"
#include "wire/ntlm/messages.h"

namespace braid::auth {

// NTOWFv2. `user` is upper-cased here; `domain` goes in as it is.
crypto::Secret ntowf_v2(const crypto::Secret& nt_hash, std::string_view user,
                        std::string_view domain);

// NTProofStr over the server's challenge and the client's ("temp").
crypto::Digest16 nt_proof(const crypto::Secret& response_key,
                          const wire::ntlm::Challenge8& server_challenge,
                          ByteView client_challenge);
// SessionBaseKey, which is also the KeyExchangeKey of NTLMv2.
crypto::Secret session_base_key(const crypto::Secret& response_key, ByteView nt_proof);

// EncryptedRandomSessionKey to ExportedSessionKey and back. REQUIRES 16 bytes of each.
Bytes exchange_key(const crypto::Secret& key_exchange_key, ByteView session_key);

// The MIC over all three messages; the one in `authenticate` counts as zeros.
// REQUIRES authenticate to hold a MIC field.
crypto::Digest16 ntlm_mic(const crypto::Secret& exported_session_key, ByteView negotiate,
                          ByteView challenge, ByteView authenticate);

enum class NtlmSide : uint8_t { kClient, kServer };

// Whether messages can be signed at all with these flags.
bool can_sign(uint32_t negotiate_flags);

// What `side` sends: its SIGNKEY, its SEALKEY with the RC4 state, and its sequence number.
// [MS-NLMP] 3.4.3 "Message Confidentiality", 3.4.4.2 "With Extended Session Security". A sealed
// message is sealed before its signature is made, and unsealed before it is checked. Thread: one at
// a time.
class NtlmDirection {
 public:
  // REQUIRES can_sign(negotiate_flags).
  NtlmDirection(const crypto::Secret& exported_session_key, uint32_t negotiate_flags, NtlmSide side,
                uint32_t sequence);
  static constexpr size_t kSignatureSize = 16;

  // Seals or unseals.
  void apply(MutableByteView data) { sealing_.apply(data); }
  // Of the next message, in the clear.
  Bytes signature(std::span<const ByteView> message);

 private:
  const crypto::Secret signing_key_;
  crypto::Rc4 sealing_;
  const bool seals_checksums_;
  uint32_t sequence_;
};

// What SPNEGO's mechListMIC is, of message number `sequence`: it counts, but leaves the RC4 state
// as it was ([MS-SPNG] 3.2.5.1). REQUIRES can_sign(negotiate_flags).
Bytes ntlm_signature(const crypto::Secret& exported_session_key, uint32_t negotiate_flags,
                     NtlmSide side, uint32_t sequence, ByteView message);

}  // namespace braid::auth
