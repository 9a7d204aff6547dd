#include "base/sip_hash.h"

#include <sys/random.h>

#include <cstdlib>

#include <bit>
#include <cstddef>

namespace braid {
namespace {

uint64_t little_endian(const uint8_t* bytes, size_t size = 8) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value |= uint64_t{bytes[i]} << (8 * i);
  return value;
}

struct State {
  uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }
  void take(uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

}  // namespace

uint64_t sip_hash(const SipKey& key, ByteView data) {
  const uint64_t k0 = little_endian(key.data()), k1 = little_endian(key.data() + 8);
  // "somepseudorandomlygeneratedbytes", eight letters each, the first in the highest byte.
  State state{k0 ^ 0x736f'6d65'7073'6575, k1 ^ 0x646f'7261'6e64'6f6d, k0 ^ 0x6c79'6765'6e65'7261,
              k1 ^ 0x7465'6462'7974'6573};
  size_t at = 0;
  for (; data.size() - at >= 8; at += 8) state.take(little_endian(data.data() + at));
  const size_t left = data.size() - at;
  state.take(little_endian(data.data() + at, left) | uint64_t{data.size()} << 56);
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

SipKey random_sip_key() {
  SipKey key;
  if (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) std::abort();
  return key;
}

}  // namespace braid
