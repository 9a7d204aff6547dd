#include "store/log_format.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace braid::store {
namespace {

Bytes from_hex(std::string_view text) {
  Bytes bytes;
  unsigned digits = 0, value = 0;
  for (const char c : text) {
    if (c == ' ' || c == '\n') continue;
    value = value * 16 + static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
    if (++digits % 2 != 0) continue;
    bytes.push_back(static_cast<uint8_t>(value));
    value = 0;
  }
  return bytes;
}

LogHeader golden_header() {
  LogHeader header;
  header.owner.worker = 3;
  for (uint8_t i = 0; i < 16; ++i) {
    header.owner.share.bytes[i] = static_cast<uint8_t>(0xA0 + i);
    header.owner.server.bytes[i] = static_cast<uint8_t>(0x50 + i);
  }
  header.owner.epoch = 0x0102'0304'0506'0708;
  header.salt = 0x1122'3344'5566'7788;
  return header;
}

// The layout of docs/records.md, and the checksums as an independent CRC32C gives them.
TEST(LogFormat, HeaderIsAsItIsDocumented) {
  Bytes expected = from_hex(
      "4252414944484c0a 01000000 03000000"
      "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf 505152535455565758595a5b5c5d5e5f"
      "0807060504030201 8877665544332211");
  expected.resize(508);
  for (const uint8_t byte : from_hex("6f4ffe16")) expected.push_back(byte);

  Bytes bytes;
  golden_header().encode(bytes);
  EXPECT_EQ(bytes, expected);
  uint32_t version = 0;
  const auto header = LogHeader::decode(expected, version);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->owner, golden_header().owner);
  EXPECT_EQ(header->salt, golden_header().salt);
  EXPECT_EQ(version, 1u);
}

TEST(LogFormat, RecordsAreAsTheyAreDocumented) {
  Bytes file(512);
  const Bytes put = from_hex(
      "4272484c 1f914be5 0002000000000000 0000000000000000 01 00 0300 05000000 d405c428 00000000"
      "6b6579 76616c7565");
  const Bytes erase = from_hex(
      "4272484c 29cdbc72 3002000000000000 0002000000000000 02 00 0100 00000000 165159af 00000000"
      "6b 00000000000000");
  const uint32_t seed = golden_header().seed();
  LogRecord{.position = 512,
            .synced = 0,
            .operation = LogOperation::kPut,
            .key = as_bytes("key"),
            .value = as_bytes("value")}
      .encode(seed, file);
  EXPECT_EQ(Bytes(file.begin() + 512, file.end()), put);
  LogRecord{.position = 560, .synced = 512, .operation = LogOperation::kErase, .key = as_bytes("k")}
      .encode(seed, file);
  EXPECT_EQ(Bytes(file.begin() + 560, file.end()), erase);

  const auto first = LogRecord::decode(file, 512, seed);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->operation, LogOperation::kPut);
  EXPECT_EQ(as_text(first->key), "key");
  EXPECT_EQ(as_text(first->value), "value");
  EXPECT_TRUE(first->value_is_whole);
  EXPECT_EQ(first->size(), 48u);
  const auto second = LogRecord::decode(file, 560, seed);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->operation, LogOperation::kErase);
  EXPECT_EQ(second->synced, 512u);
  EXPECT_EQ(as_text(second->key), "k");
}

TEST(LogFormat, RecordOfAnotherFileOrPlaceIsNone) {
  Bytes file(512);
  LogRecord{.position = 512, .operation = LogOperation::kPut, .key = as_bytes("k")}.encode(7, file);
  ASSERT_TRUE(LogRecord::decode(file, 512, 7));
  EXPECT_FALSE(LogRecord::decode(file, 512, 8));
  file.insert(file.begin(), 8, 0);
  EXPECT_FALSE(LogRecord::decode(file, 520, 7));
}

TEST(LogFormat, EveryFlippedBitIsFound) {
  Bytes file(512);
  const uint32_t seed = 99;
  LogRecord{.position = 512,
            .synced = 8,
            .operation = LogOperation::kPut,
            .key = as_bytes("key 5"),
            .value = as_bytes("val")}
      .encode(seed, file);
  for (size_t bit = 512 * 8; bit < file.size() * 8; ++bit) {
    file[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    const auto record = LogRecord::decode(file, 512, seed);
    EXPECT_FALSE(record && record->value_is_whole) << bit;
    file[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
  }
  Bytes header;
  golden_header().encode(header);
  for (size_t bit = 0; bit < header.size() * 8; ++bit) {
    header[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    uint32_t version = 0;
    EXPECT_FALSE(LogHeader::decode(header, version)) << bit;
    header[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
  }
}

TEST(LogFormat, NamesTellWhoseLogItIs) {
  LogOwner owner = golden_header().owner;
  owner.share = {};
  const std::string name = log_name(owner);
  EXPECT_EQ(name, "505152535455565758595a5b5c5d5e5f-00000003-0102030405060708.log");
  EXPECT_EQ(parse_log_name(name), owner);
  for (size_t i = 0; i < name.size(); ++i) {
    std::string other = name;
    other[i] = 'X';
    EXPECT_FALSE(parse_log_name(other)) << other;
    EXPECT_FALSE(parse_log_name(name.substr(0, i)));
  }
  EXPECT_FALSE(parse_log_name(name + ".new"));
}

}  // namespace
}  // namespace braid::store
