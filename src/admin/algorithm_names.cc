#include "admin/algorithm_names.h"

namespace braid::admin {

std::string_view name_of(crypto::SigningAlgorithm algorithm) {
  switch (algorithm) {
    case crypto::SigningAlgorithm::kHmacSha256:
      return "HMAC-SHA256";
    case crypto::SigningAlgorithm::kAesCmac:
      return "AES-CMAC";
    case crypto::SigningAlgorithm::kAesGmac:
      return "AES-GMAC";
  }
  return "";
}

std::string_view name_of(crypto::Cipher cipher) {
  switch (cipher) {
    case crypto::Cipher::kNone:
      return "off";
    case crypto::Cipher::kAes128Ccm:
      return "AES-128-CCM";
    case crypto::Cipher::kAes128Gcm:
      return "AES-128-GCM";
    case crypto::Cipher::kAes256Ccm:
      return "AES-256-CCM";
    case crypto::Cipher::kAes256Gcm:
      return "AES-256-GCM";
  }
  return "";
}

}  // namespace braid::admin
