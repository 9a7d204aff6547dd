#include "crypto/cbc_mac.h"

#include <algorithm>
#include <cstring>

#include "crypto/evp.h"

namespace braid::crypto {
namespace {

constexpr Block kZeroIv{};
// CBC output goes here only to be dropped; small enough to stay in the first-level cache.
constexpr size_t kScratchSize = 4096;

}  // namespace

CbcMac::CbcMac(EVP_CIPHER_CTX* cbc) : cbc_(cbc) {
  check(EVP_EncryptInit_ex(cbc_, nullptr, nullptr, nullptr, kZeroIv.data()) == 1);
}

void CbcMac::chain(const uint8_t* blocks, size_t size) {
  uint8_t scratch[kScratchSize];
  while (size > 0) {
    const size_t take = std::min(size, kScratchSize);
    int written = 0;
    check(EVP_EncryptUpdate(cbc_, scratch, &written, blocks, static_cast<int>(take)) == 1);
    blocks += take;
    size -= take;
    if (size == 0) std::memcpy(last_.data(), scratch + take - last_.size(), last_.size());
  }
}

void CbcMac::update(ByteView bytes) {
  if (bytes.empty()) return;
  if (held_size_ > 0) {
    const size_t take = std::min(bytes.size(), held_.size() - held_size_);
    std::memcpy(held_.data() + held_size_, bytes.data(), take);
    held_size_ += take;
    bytes = bytes.subspan(take);
    if (bytes.empty()) return;
    chain(held_.data(), held_.size());
    held_size_ = 0;
  }
  const size_t whole = (bytes.size() - 1) / held_.size() * held_.size();
  chain(bytes.data(), whole);
  held_size_ = bytes.size() - whole;
  std::memcpy(held_.data(), bytes.data() + whole, held_size_);
}

void CbcMac::pad() {
  if (held_size_ == 0) return;
  std::fill(held_.begin() + static_cast<ptrdiff_t>(held_size_), held_.end(), uint8_t{0});
  held_size_ = held_.size();
}

Block CbcMac::finish() {
  if (held_size_ == held_.size()) chain(held_.data(), held_.size());
  return last_;
}

}  // namespace braid::crypto
