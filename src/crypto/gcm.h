// AES-GCM with one key, by the library that is faster on this processor. For this folder only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "crypto/algorithms.h"

namespace braid::crypto {

using GcmTag = std::array<uint8_t, kSignatureSize>;
using GcmNonce = std::array<uint8_t, 12>;

// Thread: any, several at once.
class Gcm {
 public:
  virtual ~Gcm() = default;

  // Encrypts the concatenation of `parts` in place.
  virtual GcmTag seal(const GcmNonce& nonce, ByteView aad,
                      std::span<const MutableByteView> parts) = 0;
  // Decrypts in place. False when the tag does not fit; `data` is then garbage.
  // REQUIRES a whole tag.
  virtual bool open(const GcmNonce& nonce, ByteView aad, MutableByteView data, ByteView tag) = 0;
  // Of the concatenation of `parts`, with nothing to encrypt: [RFC4543].
  virtual GcmTag authenticate(const GcmNonce& nonce, std::span<const ByteView> parts) = 0;
};

// Whose it is was measured when the first key was made, and is in the log (debug).
// REQUIRES a key of 16 or 32 bytes.
std::unique_ptr<Gcm> make_gcm(ByteView key);

// The two there are. The second is null where it is not built in, or the processor lacks what it
// wants.
std::unique_ptr<Gcm> make_openssl_gcm(ByteView key);
std::unique_ptr<Gcm> make_multi_buffer_gcm(ByteView key);

}  // namespace braid::crypto
