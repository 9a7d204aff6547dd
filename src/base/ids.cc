#include "base/ids.h"

#include "base/sip_hash.h"

namespace braid::detail {

size_t keyed_hash(const std::array<uint8_t, 16>& bytes) {
  static const SipKey key = random_sip_key();
  return sip_hash(key, bytes);
}

}  // namespace braid::detail
