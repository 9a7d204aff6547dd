#include "crypto/signing.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "crypto/cbc_mac.h"
#include "crypto/evp.h"
#include "crypto/gcm.h"
#include "crypto/work_counters.h"

namespace braid::crypto {
namespace {

size_t size_of(std::span<const ByteView> parts) {
  size_t size = 0;
  for (const ByteView part : parts) size += part.size();
  return size;
}

}  // namespace

class SigningKey::Engine {
 public:
  virtual ~Engine() = default;
  virtual SigningAlgorithm algorithm() const = 0;
  virtual Signature sign(std::span<const ByteView> parts, const GmacNonce& nonce) = 0;
};

// The first 16 bytes of the 32.
class SigningKey::HmacEngine final : public Engine {
 public:
  explicit HmacEngine(const Secret& key) : key_(key) {}
  SigningAlgorithm algorithm() const override { return SigningAlgorithm::kHmacSha256; }

  Signature sign(std::span<const ByteView> parts, const GmacNonce&) override {
    auto context = pool_.take([this] { return make(); });
    EVP_MAC_CTX* mac = context->get();
    // Without a key: starts over with the one it has.
    check(EVP_MAC_init(mac, nullptr, 0, nullptr) == 1);
    for (ByteView part : parts) check(EVP_MAC_update(mac, part.data(), part.size()) == 1);
    std::array<uint8_t, 32> whole;
    size_t size = 0;
    check(EVP_MAC_final(mac, whole.data(), &size, whole.size()) == 1);
    Signature signature;
    std::copy_n(whole.begin(), signature.size(), signature.begin());
    return signature;
  }

 private:
  std::unique_ptr<MacCtx> make() const {
    static EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    auto context = std::make_unique<MacCtx>(EVP_MAC_CTX_new(hmac));
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_END};
    const ByteView key = key_.reveal();
    check(*context != nullptr && EVP_MAC_init(context->get(), key.data(), key.size(), params) == 1);
    return context;
  }

  Secret key_;
  ContextPool<MacCtx> pool_;
};

// [RFC4493].
class SigningKey::CmacEngine final : public Engine {
 public:
  explicit CmacEngine(const Secret& key) : key_(Secret::padded(key.reveal(), 16)) {
    auto context = make();
    CbcMac zero(context->get());
    zero.update(Block{});
    subkey_whole_ = doubled(zero.finish());
    subkey_short_ = doubled(subkey_whole_);
  }
  ~CmacEngine() override {
    wipe(subkey_whole_);
    wipe(subkey_short_);
  }
  SigningAlgorithm algorithm() const override { return SigningAlgorithm::kAesCmac; }

  Signature sign(std::span<const ByteView> parts, const GmacNonce&) override {
    auto context = pool_.take([this] { return make(); });
    CbcMac mac(context->get());
    for (ByteView part : parts) mac.update(part);
    const bool is_whole = mac.held_size() == Block{}.size();
    if (!is_whole) mac.update(kEnd);
    mac.pad();
    const Block& subkey = is_whole ? subkey_whole_ : subkey_short_;
    for (size_t i = 0; i < subkey.size(); ++i) mac.held()[i] ^= subkey[i];
    return mac.finish();
  }

 private:
  static constexpr std::array<uint8_t, 1> kEnd{0x80};

  // Multiplication by x in GF(2^128).
  static Block doubled(const Block& in) {
    Block out;
    uint8_t carry = 0;
    for (size_t i = in.size(); i-- > 0;) {
      out[i] = static_cast<uint8_t>(in[i] << 1 | carry);
      carry = in[i] >> 7;
    }
    out.back() ^= static_cast<uint8_t>(carry * 0x87);
    return out;
  }

  std::unique_ptr<CipherCtx> make() const {
    return std::make_unique<CipherCtx>(make_cipher_context("AES-128-CBC", key_.reveal()));
  }

  Secret key_;
  Block subkey_whole_;  // K1
  Block subkey_short_;  // K2
  ContextPool<CipherCtx> pool_;
};

class SigningKey::GmacEngine final : public Engine {
 public:
  explicit GmacEngine(const Secret& key)
      : gcm_(make_gcm(Secret::padded(key.reveal(), 16).reveal())) {}
  SigningAlgorithm algorithm() const override { return SigningAlgorithm::kAesGmac; }

  Signature sign(std::span<const ByteView> parts, const GmacNonce& nonce) override {
    return gcm_->authenticate(nonce, parts);
  }

 private:
  const std::unique_ptr<Gcm> gcm_;
};

GmacNonce gmac_nonce(SigningNonce nonce) {
  GmacNonce bytes{};
  std::memcpy(bytes.data(), &nonce.message_id, sizeof nonce.message_id);
  bytes[8] = static_cast<uint8_t>((nonce.from_server ? 1 : 0) | (nonce.is_cancel ? 2 : 0));
  bytes[11] = nonce.is_data ? 0x80 : 0;
  return bytes;
}

SigningKey::SigningKey(SigningAlgorithm algorithm, const Secret& key, WorkCounters* counters)
    : counters_(counters) {
  switch (algorithm) {
    case SigningAlgorithm::kHmacSha256:
      engine_ = std::make_unique<HmacEngine>(key);
      break;
    case SigningAlgorithm::kAesCmac:
      engine_ = std::make_unique<CmacEngine>(key);
      break;
    case SigningAlgorithm::kAesGmac:
      engine_ = std::make_unique<GmacEngine>(key);
      break;
  }
}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

SigningAlgorithm SigningKey::algorithm() const { return engine_->algorithm(); }

Signature SigningKey::sign(std::span<const ByteView> parts, SigningNonce nonce) const {
  if (counters_) counters_->count(Work::kSign, algorithm(), size_of(parts));
  return engine_->sign(parts, gmac_nonce(nonce));
}

Signature SigningKey::sign_data(ByteView data, const GmacNonce& nonce) const {
  if (counters_) counters_->count(Work::kSign, algorithm(), data.size());
  return engine_->sign({&data, 1}, nonce);
}

bool SigningKey::fits(std::span<const ByteView> parts, const GmacNonce& nonce,
                      ByteView signature) const {
  if (counters_) counters_->count(Work::kVerify, algorithm(), size_of(parts));
  const bool is_good = equal_constant_time(engine_->sign(parts, nonce), signature);
  if (counters_ && !is_good) counters_->count_refused();
  return is_good;
}

bool SigningKey::verify_data(ByteView data, const GmacNonce& nonce, ByteView signature) const {
  return fits({&data, 1}, nonce, signature);
}

void SigningKey::sign_in_place(MutableByteView first, std::span<const ByteView> rest,
                               size_t signature_offset, SigningNonce nonce) const {
  const MutableByteView field = first.subspan(signature_offset, kSignatureSize);
  std::fill(field.begin(), field.end(), uint8_t{0});
  Signature signature;
  if (rest.empty()) {
    const ByteView whole[] = {first};
    signature = sign(whole, nonce);
  } else {
    std::vector<ByteView> parts;
    parts.reserve(1 + rest.size());
    parts.emplace_back(first);
    parts.insert(parts.end(), rest.begin(), rest.end());
    signature = sign(parts, nonce);
  }
  std::copy(signature.begin(), signature.end(), field.begin());
}

bool SigningKey::verify(ByteView message, size_t signature_offset, SigningNonce nonce) const {
  if (message.size() < signature_offset || message.size() - signature_offset < kSignatureSize) {
    return false;
  }
  static constexpr Signature kZeros{};
  const ByteView parts[] = {message.first(signature_offset), kZeros,
                            message.subspan(signature_offset + kSignatureSize)};
  return fits(parts, gmac_nonce(nonce), message.subspan(signature_offset, kSignatureSize));
}

}  // namespace braid::crypto
