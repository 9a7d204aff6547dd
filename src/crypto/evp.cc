#include "crypto/evp.h"

#include <map>
#include <string>

#include "base/guarded.h"

namespace braid::crypto {
namespace {

// Fetched once: a look-up by name in OpenSSL 3 takes longer than sealing a small message. Never
// freed, since keys may live until the process ends.
const EVP_CIPHER* fetched(const std::string& name) {
  static auto* const ciphers = new Guarded<std::map<std::string, EVP_CIPHER*>>();
  auto held = ciphers->lock();
  EVP_CIPHER*& cipher = (*held)[name];
  if (cipher == nullptr) cipher = EVP_CIPHER_fetch(nullptr, name.c_str(), nullptr);
  return cipher;
}

}  // namespace

CipherCtx make_cipher_context(const char* name, ByteView key) {
  CipherCtx ctx(EVP_CIPHER_CTX_new());
  const EVP_CIPHER* cipher = fetched(name);
  check(ctx != nullptr && cipher != nullptr &&
        static_cast<size_t>(EVP_CIPHER_get_key_length(cipher)) == key.size());
  check(EVP_EncryptInit_ex(ctx.get(), cipher, nullptr, key.data(), nullptr) == 1);
  check(EVP_CIPHER_CTX_set_padding(ctx.get(), 0) == 1);
  return ctx;
}

}  // namespace braid::crypto
