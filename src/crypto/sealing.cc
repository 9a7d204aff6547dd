#include "crypto/sealing.h"

#include <algorithm>
#include <cstring>

#include "crypto/cbc_mac.h"
#include "crypto/evp.h"
#include "crypto/gcm.h"
#include "crypto/work_counters.h"

namespace braid::crypto {
namespace {

// EVP takes sizes as int; messages are at most 8 MiB and a little.
void update_in_place(EVP_CIPHER_CTX* ctx, MutableByteView part) {
  if (part.empty()) return;
  int written = 0;
  check(EVP_CipherUpdate(ctx, part.data(), &written, part.data(), static_cast<int>(part.size())) ==
        1);
}

}  // namespace

class CipherKey::Engine {
 public:
  virtual ~Engine() = default;
  virtual Tag seal(const Nonce& nonce, ByteView aad, std::span<const MutableByteView> parts) = 0;
  virtual bool open(const Nonce& nonce, ByteView aad, MutableByteView data, ByteView tag) = 0;
};

class CipherKey::GcmEngine final : public Engine {
 public:
  explicit GcmEngine(const Secret& key) : gcm_(make_gcm(key.reveal())) {}

  Tag seal(const Nonce& nonce, ByteView aad, std::span<const MutableByteView> parts) override {
    return gcm_->seal(first_of(nonce), aad, parts);
  }
  bool open(const Nonce& nonce, ByteView aad, MutableByteView data, ByteView tag) override {
    return gcm_->open(first_of(nonce), aad, data, tag);
  }

 private:
  static GcmNonce first_of(const Nonce& nonce) {
    GcmNonce first;
    std::copy_n(nonce.begin(), first.size(), first.begin());
    return first;
  }

  const std::unique_ptr<Gcm> gcm_;
};

// [RFC3610] with an 11-byte nonce, so 4 bytes of length. Made of AES-CTR and a CBC chain instead of
// OpenSSL's CCM, which takes the message in one piece only; ours takes parts without copying.
class CipherKey::CcmEngine final : public Engine {
 public:
  CcmEngine(const char* ctr_name, const char* cbc_name, const Secret& key)
      : ctr_name_(ctr_name), cbc_name_(cbc_name), key_(key) {}

  Tag seal(const Nonce& nonce, ByteView aad, std::span<const MutableByteView> parts) override {
    auto context = take();
    size_t size = 0;
    for (MutableByteView part : parts) size += part.size();
    CbcMac mac = start_mac(context->cbc.get(), nonce, aad, size);
    const Block mask = start_counter(context->ctr.get(), nonce);
    for (MutableByteView part : parts) {
      for_each_chunk(part, [&](MutableByteView chunk) {
        mac.update(chunk);
        update_in_place(context->ctr.get(), chunk);
      });
    }
    return masked(mac, mask);
  }

  bool open(const Nonce& nonce, ByteView aad, MutableByteView data, ByteView tag) override {
    auto context = take();
    CbcMac mac = start_mac(context->cbc.get(), nonce, aad, data.size());
    const Block mask = start_counter(context->ctr.get(), nonce);
    for_each_chunk(data, [&](MutableByteView chunk) {
      update_in_place(context->ctr.get(), chunk);
      mac.update(chunk);
    });
    return equal_constant_time(masked(mac, mask), tag);
  }

 private:
  struct Contexts {
    CipherCtx ctr;
    CipherCtx cbc;
  };
  static constexpr size_t kLengthBytes = 4;
  static constexpr size_t kNonceBytes = 15 - kLengthBytes;
  // Both passes over a chunk find it in the first-level cache.
  static constexpr size_t kChunk = 8192;

  template <class F>
  static void for_each_chunk(MutableByteView part, F&& f) {
    while (!part.empty()) {
      const size_t take = std::min(part.size(), kChunk);
      f(part.first(take));
      part = part.subspan(take);
    }
  }

  ContextPool<Contexts>::Lease take() {
    return pool_.take([this] {
      auto contexts = std::make_unique<Contexts>();
      contexts->ctr = make_cipher_context(ctr_name_, key_.reveal());
      contexts->cbc = make_cipher_context(cbc_name_, key_.reveal());
      return contexts;
    });
  }

  static CbcMac start_mac(EVP_CIPHER_CTX* cbc, const Nonce& nonce, ByteView aad, size_t size) {
    CbcMac mac(cbc);
    Block first;
    first[0] = static_cast<uint8_t>((aad.empty() ? 0 : 0x40) | (kSignatureSize - 2) / 2 << 3 |
                                    (kLengthBytes - 1));
    std::memcpy(first.data() + 1, nonce.data(), kNonceBytes);
    const uint32_t length = __builtin_bswap32(static_cast<uint32_t>(size));
    std::memcpy(first.data() + 1 + kNonceBytes, &length, kLengthBytes);
    mac.update(first);
    if (!aad.empty()) {
      // The short form of the size, for less than 0xFF00 bytes; a TRANSFORM_HEADER has 32.
      check(aad.size() < 0xFF00);
      const uint8_t aad_size[] = {static_cast<uint8_t>(aad.size() >> 8),
                                  static_cast<uint8_t>(aad.size())};
      mac.update(aad_size);
      mac.update(aad);
      mac.pad();
    }
    return mac;
  }

  // Returns the first block of the key stream, which covers the tag; the data's follow.
  static Block start_counter(EVP_CIPHER_CTX* ctr, const Nonce& nonce) {
    Block counter{};
    counter[0] = kLengthBytes - 1;
    std::memcpy(counter.data() + 1, nonce.data(), kNonceBytes);
    check(EVP_EncryptInit_ex(ctr, nullptr, nullptr, nullptr, counter.data()) == 1);
    Block mask{};
    update_in_place(ctr, mask);
    return mask;
  }

  static Tag masked(CbcMac& mac, const Block& mask) {
    mac.pad();
    Tag tag = mac.finish();
    for (size_t i = 0; i < tag.size(); ++i) tag[i] ^= mask[i];
    return tag;
  }

  const char* ctr_name_;
  const char* cbc_name_;
  Secret key_;
  ContextPool<Contexts> pool_;
};

CipherKey::CipherKey(Cipher cipher, const Secret& key, WorkCounters* counters, uint64_t first_count)
    : cipher_(cipher), counters_(counters), nonce_counter_(first_count) {
  switch (cipher) {
    case Cipher::kAes128Gcm:
    case Cipher::kAes256Gcm:
      engine_ = std::make_unique<GcmEngine>(key);
      break;
    case Cipher::kAes128Ccm:
      engine_ = std::make_unique<CcmEngine>("AES-128-CTR", "AES-128-CBC", key);
      break;
    case Cipher::kAes256Ccm:
      engine_ = std::make_unique<CcmEngine>("AES-256-CTR", "AES-256-CBC", key);
      break;
    case Cipher::kNone:
      break;
  }
  check(engine_ != nullptr && key.size() == key_size(cipher));
}
CipherKey::~CipherKey() = default;

Nonce CipherKey::next_nonce() const {
  Nonce nonce{};
  const uint64_t count = nonce_counter_.fetch_add(1, std::memory_order_relaxed);
  std::memcpy(nonce.data(), &count, sizeof count);
  return nonce;
}

Tag CipherKey::seal(const Nonce& nonce, ByteView aad,
                    std::span<const MutableByteView> parts) const {
  if (counters_) {
    size_t size = 0;
    for (const MutableByteView part : parts) size += part.size();
    counters_->count(Work::kEncrypt, cipher_, size);
  }
  return engine_->seal(nonce, aad, parts);
}

Result<void> CipherKey::open(const Nonce& nonce, ByteView aad, MutableByteView data,
                             ByteView tag) const {
  if (counters_) counters_->count(Work::kDecrypt, cipher_, data.size());
  if (tag.size() != kSignatureSize || !engine_->open(nonce, aad, data, tag)) {
    if (counters_) counters_->count_refused();
    return fail(NtStatus::kAccessDenied);
  }
  return {};
}

}  // namespace braid::crypto
