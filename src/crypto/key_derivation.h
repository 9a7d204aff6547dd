// Keys of a session, and the preauthentication hash they depend on in 3.1.1.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "crypto/algorithms.h"
#include "crypto/secret.h"

namespace braid::crypto {

// SP800-108 counter mode with HMAC-SHA256 and 32-bit counters, [MS-SMB2] 3.1.4.2 "Generating
// Cryptographic Keys". `label` and `context` with their terminating NUL where the protocol counts
// it; `size` in bytes, at most Secret::kSizeMax.
Secret derive_key(ByteView key, ByteView label, ByteView context, size_t size);

// [MS-SMB2] 3.1.1.1 and 3.3.5.4: SHA-512 over the previous value and the next message, from 64 zero
// bytes. A value: sessions start from a copy of their connection's.
class PreauthHash {
 public:
  static constexpr size_t kSize = 64;

  PreauthHash() = default;
  // One that value() was taken from.
  explicit PreauthHash(const std::array<uint8_t, kSize>& value) : value_(value) {}

  // Takes in one whole message, from its SMB2 header to its last byte as it is on the wire.
  void extend(ByteView message);
  // The same for a message held in several pieces.
  void extend(std::span<const ByteView> parts);
  ByteView value() const { return value_; }

 private:
  std::array<uint8_t, kSize> value_{};
};

struct SessionKeys {
  Secret signing;           // 16 bytes; in 2.x the session key itself
  Secret server_to_client;  // the server's Session.EncryptionKey; empty in 2.x or without a cipher
  Secret client_to_server;  // the server's Session.DecryptionKey; empty in 2.x or without a cipher
  Secret application;       // 16 bytes; in 2.x the session key itself
};

// All keys of a new session, [MS-SMB2] 3.3.5.5.3 "Handling GSS-API Authentication". `dialect` is
// the number on the wire (0x0311). `session_key` is Session.SessionKey (16 bytes) and
// `full_session_key` Session.FullSessionKey, used for the ciphers of 256 bits only. `preauth_hash`
// counts in 3.1.1 only. For 3.0 and 3.0.2 the cipher is AES-128-CCM; pass it.
SessionKeys derive_session_keys(uint16_t dialect, Cipher cipher, const Secret& session_key,
                                const Secret& full_session_key, ByteView preauth_hash);

// Channel.SigningKey of a bound channel (and Session.SigningKey), same section.
Secret derive_signing_key(uint16_t dialect, const Secret& session_key, ByteView preauth_hash);

}  // namespace braid::crypto
