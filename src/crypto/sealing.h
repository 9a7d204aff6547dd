// CipherKey: encrypts and decrypts SMB2 messages. [MS-SMB2] 3.1.4.3 "Encrypting the Message".
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/algorithms.h"
#include "crypto/secret.h"

namespace braid::crypto {

class WorkCounters;

// The Nonce field of the TRANSFORM_HEADER: the cipher's 11 or 12 bytes, then zeros.
using Nonce = std::array<uint8_t, 16>;
using Tag = std::array<uint8_t, kSignatureSize>;

// One direction's key of a session. Owner: the Session; all of its channels share it, so the nonce
// counter is here. Thread: any, several at once.
class CipherKey {
 public:
  // REQUIRES cipher != kNone and key.size() == key_size(cipher).
  // `counters`: told what is done with it; they outlive it. Null: nobody is. `first_count`: what
  // the first nonce is made of, for a key that was used before.
  CipherKey(Cipher cipher, const Secret& key, WorkCounters* counters = nullptr,
            uint64_t first_count = 1);
  ~CipherKey();

  Cipher cipher() const { return cipher_; }

  // Never the same twice for one key.
  Nonce next_nonce() const;
  // Whoever goes on with this key elsewhere begins with this count, or a later one.
  uint64_t next_count() const { return nonce_counter_.load(std::memory_order_relaxed); }
  // Encrypts the concatenation of `parts` in place. `nonce`: as next_nonce() makes them.
  Tag seal(const Nonce& nonce, ByteView aad, std::span<const MutableByteView> parts) const;
  // Decrypts in place. STATUS_ACCESS_DENIED when the tag does not fit; `data` is then garbage.
  Result<void> open(const Nonce& nonce, ByteView aad, MutableByteView data, ByteView tag) const;

 private:
  class Engine;
  class GcmEngine;
  class CcmEngine;

  Cipher cipher_;
  WorkCounters* counters_;
  mutable std::atomic<uint64_t> nonce_counter_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace braid::crypto
