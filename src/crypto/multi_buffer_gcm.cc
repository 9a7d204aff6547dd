// AES-GCM of Intel's Multi-Buffer Crypto library, which has it in the instructions of newer
// processors. Its state is a structure of the caller's, so nothing is lent or locked.
#include "crypto/gcm.h"

#ifdef BRAID_MULTI_BUFFER
#include <intel-ipsec-mb.h>

#include "crypto/evp.h"
#include "crypto/secret.h"
#endif

namespace braid::crypto {

#ifdef BRAID_MULTI_BUFFER
namespace {

// Its table of functions; null where the processor has no instructions for AES. For good.
const IMB_MGR* library() {
  static const IMB_MGR* const found = [] {
    IMB_MGR* manager = alloc_mb_mgr(0);
    if (!manager) return static_cast<IMB_MGR*>(nullptr);
    IMB_ARCH arch = IMB_ARCH_NONE;
    init_mb_mgr_auto(manager, &arch);
    const bool is_ready = imb_get_errno(manager) == 0 && arch >= IMB_ARCH_SSE &&
                          (manager->features & IMB_FEATURE_AESNI) != 0;
    if (is_ready) return manager;
    free_mb_mgr(manager);
    return static_cast<IMB_MGR*>(nullptr);
  }();
  return found;
}

// One size of key.
struct Functions {
  aes_gcm_pre_t precompute;
  aes_gcm_init_t init;
  aes_gcm_enc_dec_update_t encrypt, decrypt;
  aes_gcm_enc_dec_finalize_t finish_encrypting, finish_decrypting;
  aes_gmac_init_t start_mac;
  aes_gmac_update_t mac;
  aes_gmac_finalize_t finish_mac;
};

class MultiBufferGcm final : public Gcm {
 public:
  MultiBufferGcm(const Functions& functions, ByteView key) : functions_(functions) {
    functions_.precompute(key.data(), &key_);
  }
  ~MultiBufferGcm() override { wipe({reinterpret_cast<uint8_t*>(&key_), sizeof key_}); }

  GcmTag seal(const GcmNonce& nonce, ByteView aad,
              std::span<const MutableByteView> parts) override {
    State state;
    functions_.init(&key_, &state.gcm, nonce.data(), aad.data(), aad.size());
    for (const MutableByteView part : parts) {
      if (part.empty()) continue;
      functions_.encrypt(&key_, &state.gcm, part.data(), part.data(), part.size());
    }
    GcmTag tag;
    functions_.finish_encrypting(&key_, &state.gcm, tag.data(), tag.size());
    return tag;
  }

  bool open(const GcmNonce& nonce, ByteView aad, MutableByteView data, ByteView tag) override {
    State state;
    functions_.init(&key_, &state.gcm, nonce.data(), aad.data(), aad.size());
    if (!data.empty()) {
      functions_.decrypt(&key_, &state.gcm, data.data(), data.data(), data.size());
    }
    GcmTag fits;
    functions_.finish_decrypting(&key_, &state.gcm, fits.data(), fits.size());
    return equal_constant_time(fits, tag);
  }

  GcmTag authenticate(const GcmNonce& nonce, std::span<const ByteView> parts) override {
    State state;
    functions_.start_mac(&key_, &state.gcm, nonce.data(), nonce.size());
    for (const ByteView part : parts) {
      if (!part.empty()) functions_.mac(&key_, &state.gcm, part.data(), part.size());
    }
    GcmTag tag;
    functions_.finish_mac(&key_, &state.gcm, tag.data(), tag.size());
    return tag;
  }

 private:
  struct State {
    ~State() { wipe({reinterpret_cast<uint8_t*>(&gcm), sizeof gcm}); }
    gcm_context_data gcm;
  };

  const Functions functions_;
  alignas(64) gcm_key_data key_;
};

}  // namespace
#endif

std::unique_ptr<Gcm> make_multi_buffer_gcm([[maybe_unused]] ByteView key) {
#ifdef BRAID_MULTI_BUFFER
  const IMB_MGR* const found = library();
  if (!found) return nullptr;
  const IMB_MGR& by = *found;
  if (key.size() == 16) {
    return std::make_unique<MultiBufferGcm>(
        Functions{by.gcm128_pre, by.gcm128_init, by.gcm128_enc_update, by.gcm128_dec_update,
                  by.gcm128_enc_finalize, by.gcm128_dec_finalize, by.gmac128_init,
                  by.gmac128_update, by.gmac128_finalize},
        key);
  }
  return std::make_unique<MultiBufferGcm>(
      Functions{by.gcm256_pre, by.gcm256_init, by.gcm256_enc_update, by.gcm256_dec_update,
                by.gcm256_enc_finalize, by.gcm256_dec_finalize, by.gmac256_init, by.gmac256_update,
                by.gmac256_finalize},
      key);
#else
  return nullptr;
#endif
}

}  // namespace braid::crypto
