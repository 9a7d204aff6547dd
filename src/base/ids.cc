#include "base/ids.h"

#include <sys/random.h>

#include <cstdlib>

#include "base/sip_hash.h"

namespace braid::detail {
namespace {

SipKey make_key() {
  SipKey key;
  // So little comes whole, or not at all.
  if (getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) std::abort();
  return key;
}

}  // namespace

size_t keyed_hash(const std::array<uint8_t, 16>& bytes) {
  static const SipKey key = make_key();
  return sip_hash(key, bytes);
}

}  // namespace braid::detail
