#include "base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace braid {
namespace {

constexpr auto make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0x82F6'3B78u : 0);
    table[i] = value;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

uint32_t crc_by_table(const uint8_t* at, size_t size, uint32_t crc) {
  for (; size > 0; --size) crc = crc >> 8 ^ kCrcTable[(crc ^ *at++) & 0xFF];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t crc_by_processor(const uint8_t* at, size_t size,
                                                            uint32_t crc) {
  uint64_t wide = crc;
  for (; size >= sizeof(uint64_t); at += sizeof(uint64_t), size -= sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = static_cast<uint32_t>(wide);
  for (; size > 0; --size) crc = _mm_crc32_u8(crc, *at++);
  return crc;
}
#endif

}  // namespace

uint32_t crc32c(ByteView bytes, uint32_t before) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2");
  if (has_instruction) return ~crc_by_processor(bytes.data(), bytes.size(), ~before);
#endif
  return ~crc_by_table(bytes.data(), bytes.size(), ~before);
}

}  // namespace braid
