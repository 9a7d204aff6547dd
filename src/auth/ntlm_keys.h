// The computations of NTLMv2. [MS-NLMP] 3.3.2 "NTLM v2 Authentication" and 3.4.
#pragma once

#include <cstdint>
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
// [MS-NLMP] 3.4.4.2: the signature of the first message that `side` sends, which is what SPNEGO's
// mechListMIC is ([MS-SPNG] 3.2.5.1). REQUIRES can_sign(negotiate_flags).
Bytes ntlm_signature(const crypto::Secret& exported_session_key, uint32_t negotiate_flags,
                     NtlmSide side, ByteView message);

}  // namespace braid::auth
