#include "auth/ntlm_keys.h"

#include <algorithm>

#include "wire/fold.h"
#include "wire/utf16.h"
#include "wire/writer.h"

namespace braid::auth {
namespace {

namespace flags = wire::ntlm::flags;

crypto::Secret as_secret(const crypto::Digest16& digest) {
  return crypto::Secret{ByteView(digest)};
}

// SIGNKEY and SEALKEY, [MS-NLMP] 3.4.5.2 and 3.4.5.3: the constant has its NUL.
crypto::Secret direction_key(ByteView key, NtlmSide side, std::string_view what) {
  const std::string_view from =
      side == NtlmSide::kClient ? "client-to-server " : "server-to-client ";
  constexpr uint8_t kNul[] = {0};
  const ByteView parts[] = {key,
                            as_bytes("session key to "),
                            as_bytes(from),
                            as_bytes(what),
                            as_bytes(" key magic constant"),
                            kNul};
  return as_secret(crypto::md5(parts));
}

size_t sealing_key_size(uint32_t negotiate_flags) {
  if (negotiate_flags & flags::k128) return 16;
  if (negotiate_flags & flags::k56) return 7;
  return 5;
}

}  // namespace

crypto::Secret ntowf_v2(const crypto::Secret& nt_hash, std::string_view user,
                        std::string_view domain) {
  Bytes names;
  wire::Writer w(names);
  wire::write_utf16le(w, wire::fold(user));
  wire::write_utf16le(w, domain);
  const ByteView parts[] = {names};
  return as_secret(crypto::hmac_md5(nt_hash.reveal(), parts));
}

crypto::Digest16 nt_proof(const crypto::Secret& response_key,
                          const wire::ntlm::Challenge8& server_challenge,
                          ByteView client_challenge) {
  const ByteView parts[] = {server_challenge, client_challenge};
  return crypto::hmac_md5(response_key.reveal(), parts);
}

crypto::Secret session_base_key(const crypto::Secret& response_key, ByteView proof) {
  const ByteView parts[] = {proof};
  return as_secret(crypto::hmac_md5(response_key.reveal(), parts));
}

Bytes exchange_key(const crypto::Secret& key_exchange_key, ByteView session_key) {
  Bytes exchanged(session_key.begin(), session_key.end());
  crypto::Rc4(key_exchange_key.reveal()).apply(exchanged);
  return exchanged;
}

crypto::Digest16 ntlm_mic(const crypto::Secret& exported_session_key, ByteView negotiate,
                          ByteView challenge, ByteView authenticate) {
  constexpr size_t kOffset = wire::ntlm::AuthenticateMessage::kMicOffset;
  static constexpr crypto::Digest16 kZeros{};
  const ByteView parts[] = {negotiate, challenge, authenticate.first(kOffset), kZeros,
                            authenticate.subspan(kOffset + kZeros.size())};
  return crypto::hmac_md5(exported_session_key.reveal(), parts);
}

bool can_sign(uint32_t negotiate_flags) {
  return (negotiate_flags & flags::kExtendedSessionSecurity) != 0 &&
         (negotiate_flags & (flags::kSign | flags::kSeal)) != 0;
}

Bytes ntlm_signature(const crypto::Secret& exported_session_key, uint32_t negotiate_flags,
                     NtlmSide side, ByteView message) {
  const ByteView exported = exported_session_key.reveal();
  const crypto::Secret signing_key = direction_key(exported, side, "signing");
  constexpr uint8_t kSequence[4] = {};
  const ByteView parts[] = {kSequence, message};
  const crypto::Digest16 digest = crypto::hmac_md5(signing_key.reveal(), parts);
  Bytes checksum(digest.begin(), digest.begin() + 8);
  if (negotiate_flags & flags::kKeyExchange) {
    const size_t size = std::min(exported.size(), sealing_key_size(negotiate_flags));
    const crypto::Secret sealing_key = direction_key(exported.first(size), side, "sealing");
    crypto::Rc4(sealing_key.reveal()).apply(checksum);
  }
  Bytes signature;
  wire::Writer w(signature);
  w.u32(1);
  w.bytes(checksum);
  w.bytes(kSequence);
  return signature;
}

}  // namespace braid::auth
