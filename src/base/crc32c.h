// CRC32C (Castagnoli), RFC 3720 appendix B.4: finds bytes that a disk lost or changed.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace braid {

// Of the bytes so far, when `before` is their checksum, and those that follow. Thread: any.
uint32_t crc32c(ByteView bytes, uint32_t before = 0);

}  // namespace braid
