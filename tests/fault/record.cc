#include "record.h"

#include <array>
#include <cstring>
#include <random>

#include "wire/writer.h"

namespace braid::fault {

namespace {

constexpr std::array<uint32_t, 256> kTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320 : 0);
    table[i] = value;
  }
  return table;
}();

}  // namespace

uint32_t crc32(ByteView bytes) {
  uint32_t value = ~uint32_t{0};
  for (const uint8_t byte : bytes) value = (value >> 8) ^ kTable[(value ^ byte) & 0xFF];
  return ~value;
}

Bytes make_record(const RecordHeader& header, uint64_t seed, size_t size) {
  Bytes payload(size - RecordHeader::kSize);
  std::mt19937_64 random(seed ^ (uint64_t{header.file} << 56) ^ (uint64_t{header.slot} << 40) ^
                         header.generation);
  for (size_t at = 0; at < payload.size(); at += sizeof(uint64_t)) {
    const uint64_t word = random();
    std::memcpy(payload.data() + at, &word, std::min(sizeof word, payload.size() - at));
  }
  Bytes record;
  record.reserve(size);
  wire::Writer writer(record);
  writer.u32(RecordHeader::kMagic);
  writer.u32(header.file);
  writer.u32(header.slot);
  writer.u32(crc32(payload));
  writer.u64(header.generation);
  writer.u64(payload.size());
  record.insert(record.end(), payload.begin(), payload.end());
  return record;
}

}  // namespace braid::fault
