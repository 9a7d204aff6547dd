#include "crypto/key_derivation.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "crypto/evp.h"

namespace braid::crypto {
namespace {

using namespace std::string_view_literals;

constexpr uint16_t kDialect300 = 0x0300;
constexpr uint16_t kDialect311 = 0x0311;

// What each key is derived with, NULs included. [MS-SMB2] 3.3.5.5.3.
struct Purpose {
  std::string_view label;    // 3.0 and 3.0.2
  std::string_view context;  // 3.0 and 3.0.2
  std::string_view label_311;
};
constexpr Purpose kSigning{"SMB2AESCMAC\0"sv, "SmbSign\0"sv, "SMBSigningKey\0"sv};
constexpr Purpose kApplication{"SMB2APP\0"sv, "SmbRpc\0"sv, "SMBAppKey\0"sv};
constexpr Purpose kServerToClient{"SMB2AESCCM\0"sv, "ServerOut\0"sv, "SMBS2CCipherKey\0"sv};
constexpr Purpose kClientToServer{"SMB2AESCCM\0"sv, "ServerIn \0"sv, "SMBC2SCipherKey\0"sv};

Secret derive(const Purpose& purpose, uint16_t dialect, const Secret& key, ByteView preauth_hash,
              size_t size) {
  if (dialect == kDialect311) {
    return derive_key(key.reveal(), as_bytes(purpose.label_311), preauth_hash, size);
  }
  return derive_key(key.reveal(), as_bytes(purpose.label), as_bytes(purpose.context), size);
}

struct DigestCtxFree {
  void operator()(EVP_MD_CTX* ctx) const { EVP_MD_CTX_free(ctx); }
};

}  // namespace

Secret derive_key(ByteView key, ByteView label, ByteView context, size_t size) {
  size = std::min(size, Secret::kSizeMax);
  static EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  const MacCtx mac(EVP_MAC_CTX_new(hmac));
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_END};
  check(mac != nullptr && EVP_MAC_init(mac.get(), key.data(), key.size(), params) == 1);

  constexpr size_t kHashSize = 32;
  const uint32_t bits = __builtin_bswap32(static_cast<uint32_t>(size * 8));
  const uint8_t separator = 0;
  std::array<uint8_t, Secret::kSizeMax> out;
  for (size_t done = 0; done < size; done += kHashSize) {
    const uint32_t counter = __builtin_bswap32(static_cast<uint32_t>(done / kHashSize + 1));
    if (done > 0) check(EVP_MAC_init(mac.get(), nullptr, 0, nullptr) == 1);
    check(EVP_MAC_update(mac.get(), reinterpret_cast<const uint8_t*>(&counter), 4) == 1 &&
          EVP_MAC_update(mac.get(), label.data(), label.size()) == 1 &&
          EVP_MAC_update(mac.get(), &separator, 1) == 1 &&
          EVP_MAC_update(mac.get(), context.data(), context.size()) == 1 &&
          EVP_MAC_update(mac.get(), reinterpret_cast<const uint8_t*>(&bits), 4) == 1);
    size_t written = 0;
    check(EVP_MAC_final(mac.get(), out.data() + done, &written, kHashSize) == 1);
  }
  const Secret derived(ByteView(out).first(size));
  wipe(out);
  return derived;
}

void PreauthHash::extend(ByteView message) {
  const ByteView parts[] = {message};
  extend(parts);
}

void PreauthHash::extend(std::span<const ByteView> parts) {
  const std::unique_ptr<EVP_MD_CTX, DigestCtxFree> ctx(EVP_MD_CTX_new());
  static EVP_MD* const sha512 = EVP_MD_fetch(nullptr, "SHA512", nullptr);
  check(ctx != nullptr && EVP_DigestInit_ex(ctx.get(), sha512, nullptr) == 1 &&
        EVP_DigestUpdate(ctx.get(), value_.data(), value_.size()) == 1);
  for (ByteView part : parts) {
    check(EVP_DigestUpdate(ctx.get(), part.data(), part.size()) == 1);
  }
  unsigned int size = 0;
  check(EVP_DigestFinal_ex(ctx.get(), value_.data(), &size) == 1 && size == kSize);
}

Secret derive_signing_key(uint16_t dialect, const Secret& session_key, ByteView preauth_hash) {
  if (dialect < kDialect300) return session_key;
  return derive(kSigning, dialect, session_key, preauth_hash, 16);
}

SessionKeys derive_session_keys(uint16_t dialect, Cipher cipher, const Secret& session_key,
                                const Secret& full_session_key, ByteView preauth_hash) {
  SessionKeys keys;
  keys.signing = derive_signing_key(dialect, session_key, preauth_hash);
  if (dialect < kDialect300) {
    keys.application = session_key;
    return keys;
  }
  keys.application = derive(kApplication, dialect, session_key, preauth_hash, 16);
  if (cipher == Cipher::kNone) return keys;
  const size_t size = key_size(cipher);
  const Secret& from = size == 32 ? full_session_key : session_key;
  keys.server_to_client = derive(kServerToClient, dialect, from, preauth_hash, size);
  keys.client_to_server = derive(kClientToServer, dialect, from, preauth_hash, size);
  return keys;
}

}  // namespace braid::crypto
