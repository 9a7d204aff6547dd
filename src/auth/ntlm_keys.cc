#include "auth/ntlm_keys.h"

#include <algorithm>
#include <vector>

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

crypto::Secret sealing_key(const crypto::Secret& exported_session_key, uint32_t negotiate_flags,
                           NtlmSide side) {
  const ByteView exported = exported_session_key.reveal();
  const size_t size = std::min(exported.size(), sealing_key_size(negotiate_flags));
  return direction_key(exported.first(size), side, "sealing");
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

NtlmDirection::NtlmDirection(const crypto::Secret& exported_session_key, uint32_t negotiate_flags,
                             NtlmSide side, uint32_t sequence)
    : signing_key_(direction_key(exported_session_key.reveal(), side, "signing")),
      sealing_(sealing_key(exported_session_key, negotiate_flags, side).reveal()),
      seals_checksums_((negotiate_flags & flags::kKeyExchange) != 0),
      sequence_(sequence) {}

Bytes NtlmDirection::signature(std::span<const ByteView> message) {
  Bytes sequence;
  wire::Writer(sequence).u32(sequence_++);
  std::vector<ByteView> parts = {sequence};
  parts.insert(parts.end(), message.begin(), message.end());
  const crypto::Digest16 digest = crypto::hmac_md5(signing_key_.reveal(), parts);
  Bytes checksum(digest.begin(), digest.begin() + 8);
  if (seals_checksums_) sealing_.apply(checksum);
  Bytes signature;
  wire::Writer w(signature);
  w.u32(1);
  w.bytes(checksum);
  w.bytes(sequence);
  return signature;
}

Bytes ntlm_signature(const crypto::Secret& exported_session_key, uint32_t negotiate_flags,
                     NtlmSide side, uint32_t sequence, ByteView message) {
  return NtlmDirection(exported_session_key, negotiate_flags, side, sequence)
      .signature({&message, 1});
}

}  // namespace braid::auth
