// The old functions NTLM is made of. Broken as cryptography; use them for NTLM only.
#pragma once

#include <nettle/arcfour.h>

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace braid::crypto {

using Digest16 = std::array<uint8_t, 16>;

Digest16 md4(ByteView data);
Digest16 md5(std::span<const ByteView> parts);
Digest16 hmac_md5(ByteView key, std::span<const ByteView> parts);

// An RC4 key stream; encrypting and decrypting are the same. Thread: one at a time.
class Rc4 {
 public:
  // REQUIRES 1 to 256 bytes of key.
  explicit Rc4(ByteView key);
  ~Rc4();
  Rc4(const Rc4&) = default;
  Rc4& operator=(const Rc4&) = default;
  void apply(MutableByteView data);

 private:
  arcfour_ctx ctx_;
};

}  // namespace braid::crypto
