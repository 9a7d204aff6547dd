// CbcMac: the chain of AES blocks that both CMAC and CCM are made of. For this folder only.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace braid::crypto {

using Block = std::array<uint8_t, 16>;

// Feeds a message of any number of parts through AES-CBC and keeps the last block. The last 1 to 16
// bytes are held back, since CMAC changes them and CCM pads them.
class CbcMac {
 public:
  // `cbc`: a keyed AES-CBC context without padding, used until finish().
  explicit CbcMac(EVP_CIPHER_CTX* cbc);

  void update(ByteView bytes);
  // Zeros to the end of the block, as CCM wants after its header and after its data.
  void pad();

  // For CMAC: what is held back, with its size.
  Block& held() { return held_; }
  size_t held_size() const { return held_size_; }

  // Takes in the held block whole. REQUIRES a full one.
  Block finish();

 private:
  void chain(const uint8_t* blocks, size_t size);

  EVP_CIPHER_CTX* cbc_;
  Block held_{};
  size_t held_size_ = 0;
  Block last_{};
};

}  // namespace braid::crypto
