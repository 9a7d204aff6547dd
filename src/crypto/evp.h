// Owning handles for OpenSSL's contexts, and the pool that lends them. For this folder only.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"

namespace braid::crypto {

struct CipherCtxFree {
  void operator()(EVP_CIPHER_CTX* ctx) const { EVP_CIPHER_CTX_free(ctx); }
};
using CipherCtx = std::unique_ptr<EVP_CIPHER_CTX, CipherCtxFree>;

struct MacCtxFree {
  void operator()(EVP_MAC_CTX* ctx) const { EVP_MAC_CTX_free(ctx); }
};
using MacCtx = std::unique_ptr<EVP_MAC_CTX, MacCtxFree>;

// OpenSSL calls of ours fail for lack of memory or because the library is broken; no input makes
// them. Going on would send data unprotected.
inline void check(bool succeeded) {
  if (!succeeded) [[unlikely]] {
    log::error("the cryptographic library failed");
    std::abort();
  }
}

// A context keyed with `key`; only the IV remains to be given. `name`: "AES-128-GCM".
// REQUIRES key to be as long as the cipher wants.
CipherCtx make_cipher_context(const char* name, ByteView key);

// Contexts of one key. A key schedule is made once per context; a thread takes the one it used
// before if nobody else has it, so the common case is one atomic exchange each way.
template <class Context>
class ContextPool {
 public:
  ContextPool() = default;
  ~ContextPool() {
    for (auto& slot : slots_) delete slot.load(std::memory_order_relaxed);
  }

  class Lease {
   public:
    Lease(ContextPool& pool, std::unique_ptr<Context> context)
        : pool_(pool), context_(std::move(context)) {}
    ~Lease() { pool_.give_back(std::move(context_)); }
    Lease(const Lease&) = delete;
    Context& operator*() { return *context_; }
    Context* operator->() { return context_.get(); }

   private:
    ContextPool& pool_;
    std::unique_ptr<Context> context_;
  };

  // `make` returns a unique_ptr<Context>; it is called when all are lent.
  template <class Make>
  Lease take(Make&& make) {
    const size_t first = home_slot();
    for (size_t i = 0; i < kSlots; ++i) {
      auto& slot = slots_[(first + i) % kSlots];
      if (slot.load(std::memory_order_relaxed) == nullptr) continue;
      if (Context* context = slot.exchange(nullptr, std::memory_order_acquire)) {
        return Lease(*this, std::unique_ptr<Context>(context));
      }
    }
    return Lease(*this, make());
  }

 private:
  // As many threads as can seal for one session at once without making contexts anew.
  static constexpr size_t kSlots = 8;

  static size_t home_slot() {
    static std::atomic<size_t> threads{0};
    thread_local const size_t slot = threads.fetch_add(1, std::memory_order_relaxed) % kSlots;
    return slot;
  }

  void give_back(std::unique_ptr<Context> context) {
    const size_t first = home_slot();
    for (size_t i = 0; i < kSlots; ++i) {
      Context* expected = nullptr;
      if (slots_[(first + i) % kSlots].compare_exchange_strong(
              expected, context.get(), std::memory_order_release, std::memory_order_relaxed)) {
        context.release();
        return;
      }
    }
  }

  std::array<std::atomic<Context*>, kSlots> slots_{};
};

}  // namespace braid::crypto
