// Records: what the fault test writes, so that every byte found later tells where it comes from.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace braid::fault {

// 32 bytes, little-endian, in front of pseudo-random bytes that follow from them.
struct RecordHeader {
  static constexpr size_t kSize = 32;
  static constexpr uint32_t kMagic = 0x44524352;  // "RCRD"

  uint32_t file = 0;
  uint32_t slot = 0;
  uint64_t generation = 0;
};

// CRC-32 as of zlib and Ethernet, so that the other end can check it with any library.
uint32_t crc32(ByteView bytes);

// A whole record of `size` bytes. REQUIRES size >= RecordHeader::kSize.
Bytes make_record(const RecordHeader& header, uint64_t seed, size_t size);

}  // namespace braid::fault
