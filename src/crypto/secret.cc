#include "crypto/secret.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/log.h"

namespace braid::crypto {

Secret::Secret(ByteView bytes) : size_(std::min(bytes.size(), kSizeMax)) {
  std::copy_n(bytes.begin(), size_, bytes_.begin());
}

Secret::Secret(Secret&& other) noexcept : bytes_(other.bytes_), size_(other.size_) { other.wipe(); }

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    bytes_ = other.bytes_;
    size_ = other.size_;
    other.wipe();
  }
  return *this;
}

Secret Secret::padded(ByteView bytes, size_t size) {
  Secret secret(bytes.first(std::min(bytes.size(), size)));
  secret.size_ = std::min(size, kSizeMax);
  return secret;
}

Secret Secret::random(size_t size) {
  Secret secret;
  secret.size_ = std::min(size, kSizeMax);
  random_bytes({secret.bytes_.data(), secret.size_});
  return secret;
}

void Secret::wipe() {
  crypto::wipe(bytes_);
  size_ = 0;
}

bool Secret::same_as(const Secret& other) const {
  return equal_constant_time(reveal(), other.reveal());
}

bool equal_constant_time(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

void wipe(MutableByteView bytes) {
  if (!bytes.empty()) OPENSSL_cleanse(bytes.data(), bytes.size());
}

void random_bytes(MutableByteView out) {
  while (!out.empty()) {
    const size_t take = std::min(out.size(), size_t{1} << 20);
    if (RAND_bytes(out.data(), static_cast<int>(take)) != 1) {
      log::error("no random numbers from the system");
      std::abort();
    }
    out = out.subspan(take);
  }
}

}  // namespace braid::crypto
