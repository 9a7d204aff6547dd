// SipHash-2-4: a short name for a long text that nobody without the key can make two texts have.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"

namespace braid {

// "SipHash: a fast short-input PRF", Aumasson and Bernstein, 2012.
using SipKey = std::array<uint8_t, 16>;

uint64_t sip_hash(const SipKey& key, ByteView data);
inline uint64_t sip_hash(const SipKey& key, const FileKey& file) {
  static_assert(sizeof file == 3 * sizeof(uint64_t));
  return sip_hash(key, ByteView(reinterpret_cast<const uint8_t*>(&file), sizeof file));
}
// Of the kernel. Ends the process when there is none.
SipKey random_sip_key();

}  // namespace braid
