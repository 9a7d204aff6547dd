// The numbers the protocol gives to signing algorithms and ciphers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace braid::crypto {

// [MS-SMB2] 2.2.3.1.7 "SMB2_SIGNING_CAPABILITIES".
enum class SigningAlgorithm : uint16_t {
  kHmacSha256 = 0x0000,  // dialects 2.0.2 and 2.1
  kAesCmac = 0x0001,     // 3.0 and 3.0.2, and 3.1.1 without a signing context
  kAesGmac = 0x0002,     // 3.1.1 by negotiation
};

// [MS-SMB2] 2.2.3.1.2 "SMB2_ENCRYPTION_CAPABILITIES".
enum class Cipher : uint16_t {
  kNone = 0x0000,
  kAes128Ccm = 0x0001,
  kAes128Gcm = 0x0002,
  kAes256Ccm = 0x0003,
  kAes256Gcm = 0x0004,
};

constexpr bool is_ccm(Cipher cipher) {
  return cipher == Cipher::kAes128Ccm || cipher == Cipher::kAes256Ccm;
}
// In bytes.
constexpr size_t key_size(Cipher cipher) {
  return cipher == Cipher::kAes256Ccm || cipher == Cipher::kAes256Gcm ? 32 : 16;
}
constexpr size_t nonce_size(Cipher cipher) { return is_ccm(cipher) ? 11 : 12; }

inline constexpr size_t kSignatureSize = 16;  // also the size of an AEAD tag

}  // namespace braid::crypto
