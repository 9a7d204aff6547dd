#include "crypto/gcm.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "crypto/evp.h"
#include "crypto/gcm_speed.h"
#include "crypto/secret.h"

namespace braid::crypto {
namespace {

class OpensslGcm final : public Gcm {
 public:
  explicit OpensslGcm(ByteView key)
      : name_(key.size() == 16 ? "AES-128-GCM" : "AES-256-GCM"),
        key_(Secret::padded(key, key.size())) {}

  GcmTag seal(const GcmNonce& nonce, ByteView aad,
              std::span<const MutableByteView> parts) override {
    auto context = take();
    EVP_CIPHER_CTX* gcm = context->get();
    start(gcm, nonce, 1);
    authenticate(gcm, aad);
    for (const MutableByteView part : parts) change(gcm, part);
    return finish(gcm);
  }

  bool open(const GcmNonce& nonce, ByteView aad, MutableByteView data, ByteView tag) override {
    auto context = take();
    EVP_CIPHER_CTX* gcm = context->get();
    start(gcm, nonce, 0);
    authenticate(gcm, aad);
    change(gcm, data);
    check(EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()),
                              const_cast<uint8_t*>(tag.data())) == 1);
    uint8_t nothing[16];
    int written = 0;
    return EVP_DecryptFinal_ex(gcm, nothing, &written) == 1;
  }

  GcmTag authenticate(const GcmNonce& nonce, std::span<const ByteView> parts) override {
    auto context = take();
    EVP_CIPHER_CTX* gcm = context->get();
    start(gcm, nonce, 1);
    for (const ByteView part : parts) authenticate(gcm, part);
    return finish(gcm);
  }

 private:
  ContextPool<CipherCtx>::Lease take() {
    return pool_.take(
        [this] { return std::make_unique<CipherCtx>(make_cipher_context(name_, key_.reveal())); });
  }

  static void start(EVP_CIPHER_CTX* gcm, const GcmNonce& nonce, int encrypt) {
    check(EVP_CipherInit_ex(gcm, nullptr, nullptr, nullptr, nonce.data(), encrypt) == 1);
  }
  // EVP takes sizes as int; messages are at most 8 MiB and a little.
  static void authenticate(EVP_CIPHER_CTX* gcm, ByteView part) {
    if (part.empty()) return;
    int written = 0;
    check(EVP_CipherUpdate(gcm, nullptr, &written, part.data(), static_cast<int>(part.size())) ==
          1);
  }
  static void change(EVP_CIPHER_CTX* gcm, MutableByteView part) {
    if (part.empty()) return;
    int written = 0;
    check(EVP_CipherUpdate(gcm, part.data(), &written, part.data(),
                           static_cast<int>(part.size())) == 1);
  }
  static GcmTag finish(EVP_CIPHER_CTX* gcm) {
    uint8_t nothing[16];
    int written = 0;
    check(EVP_EncryptFinal_ex(gcm, nothing, &written) == 1);
    GcmTag tag;
    check(EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag.size()),
                              tag.data()) == 1);
    return tag;
  }

  const char* name_;
  Secret key_;
  ContextPool<CipherCtx> pool_;
};

constexpr GcmNonce kAnyNonce{1};

// Whether both say the same of a message in parts of odd sizes.
bool agree(Gcm& one, Gcm& other) {
  Bytes first(5000), second;
  for (size_t i = 0; i < first.size(); ++i) first[i] = static_cast<uint8_t>(i * 7);
  second = first;
  const auto seal = [](Gcm& by, Bytes& text) {
    const MutableByteView whole(text);
    const MutableByteView parts[] = {whole.first(3), whole.subspan(3, 1029), whole.subspan(1032)};
    return by.seal(kAnyNonce, ByteView(text).first(0), parts);
  };
  const GcmTag tag = seal(one, first);
  if (seal(other, second) != tag || first != second) return false;
  const ByteView sealed(first);
  const ByteView parts[] = {sealed.first(17), sealed.subspan(17)};
  if (one.authenticate(kAnyNonce, parts) != other.authenticate(kAnyNonce, parts)) return false;
  return one.open(kAnyNonce, {}, second, tag) && other.open(kAnyNonce, {}, first, tag) &&
         first == second;
}

// The shortest of some, as others may have had the processor meanwhile.
std::chrono::nanoseconds time_of(Gcm& gcm) {
  Bytes text(64 * 1024);
  const MutableByteView parts[] = {text};
  auto best = std::chrono::nanoseconds::max();
  for (int round = 0; round < 5; ++round) {
    const auto start = std::chrono::steady_clock::now();
    (void)gcm.seal(kAnyNonce, {}, parts);
    best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - start);
  }
  return best;
}

struct Choice {
  bool is_multi_buffer = false;
  std::chrono::nanoseconds time{};
};

Choice choose() {
  const std::array<uint8_t, 16> key{};
  OpensslGcm usual(key);
  const auto usually = time_of(usual);
  const auto other = make_multi_buffer_gcm(key);
  if (!other) return {false, usually};
  if (!agree(usual, *other)) {
    log::error("libIPSec_MB and OpenSSL do not agree about AES-GCM: OpenSSL is used");
    return {false, usually};
  }
  const auto theirs = time_of(*other);
  const Choice choice{theirs < usually, std::min(theirs, usually)};
  log::debug("AES-GCM by {}: 64 KiB in {} ns, by the other in {} ns",
             choice.is_multi_buffer ? "libIPSec_MB" : "OpenSSL", choice.time.count(),
             std::max(theirs, usually).count());
  return choice;
}

const Choice& choice() {
  static const Choice made = choose();
  return made;
}

}  // namespace

std::unique_ptr<Gcm> make_openssl_gcm(ByteView key) { return std::make_unique<OpensslGcm>(key); }

std::unique_ptr<Gcm> make_gcm(ByteView key) {
  return choice().is_multi_buffer ? make_multi_buffer_gcm(key) : make_openssl_gcm(key);
}

std::chrono::nanoseconds gcm_time_of_64_kib() { return choice().time; }

}  // namespace braid::crypto
