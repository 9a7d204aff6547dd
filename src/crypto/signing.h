// SigningKey: signs and verifies SMB2 messages. [MS-SMB2] 3.1.4.1 "Signing An Outgoing Message".
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "crypto/algorithms.h"
#include "crypto/secret.h"

namespace braid::crypto {

class WorkCounters;

using Signature = std::array<uint8_t, kSignatureSize>;

// What AES-GMAC makes its nonce of; the other algorithms do not look at it.
struct SigningNonce {
  uint64_t message_id = 0;
  bool from_server = false;
  bool is_cancel = false;
  // Of what is signed beside a message: a bit says so that is 0 in every message's nonce, so none
  // is used twice where the number beside it is not. [MS-SMB2] 2.2.43.1
  // "SMB2_RDMA_CRYPTO_TRANSFORM" leaves the choice to the sender.
  bool is_data = false;
};
using GmacNonce = std::array<uint8_t, 12>;
GmacNonce gmac_nonce(SigningNonce nonce);

// A key with its schedule, ready for messages of any size. Owner: a Session or a Channel.
// Thread: any, several at once; contexts are lent from a free list inside.
class SigningKey {
 public:
  // HMAC-SHA256 takes a key of any size, the AES algorithms take 16 bytes: a shorter one is padded
  // with zeros and a longer one is cut, as [MS-SMB2] 3.3.1.8 does with session keys.
  // `counters`: told what is done with it; they outlive it. Null: nobody is.
  SigningKey(SigningAlgorithm algorithm, const Secret& key, WorkCounters* counters = nullptr);
  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

  SigningAlgorithm algorithm() const;
  WorkCounters* counters() const { return counters_; }

  // Signs the concatenation of `parts`, in which the caller has the signature field zeroed.
  Signature sign(std::span<const ByteView> parts, SigningNonce nonce) const;
  // The same for one part that is no message. `nonce`: as gmac_nonce() makes it, or whatever the
  // peer has used.
  Signature sign_data(ByteView data, const GmacNonce& nonce) const;
  bool verify_data(ByteView data, const GmacNonce& nonce, ByteView signature) const;
  // Signs a message whose first part holds the signature field at `signature_offset`, whatever is
  // in it, and writes the signature there. REQUIRES signature_offset + 16 <= first.size().
  void sign_in_place(MutableByteView first, std::span<const ByteView> rest, size_t signature_offset,
                     SigningNonce nonce) const;
  // Verifies a received message in which the signature still stands at `signature_offset`; the
  // bytes are not changed. False when the message is too short to hold one. Constant time.
  bool verify(ByteView message, size_t signature_offset, SigningNonce nonce) const;

 private:
  class Engine;
  class HmacEngine;
  class CmacEngine;
  class GmacEngine;

  bool fits(std::span<const ByteView> parts, const GmacNonce& nonce, ByteView signature) const;

  std::unique_ptr<Engine> engine_;
  WorkCounters* counters_ = nullptr;
};

}  // namespace braid::crypto
