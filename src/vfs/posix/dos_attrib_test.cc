#include "vfs/posix/dos_attrib.h"

#include <gtest/gtest.h>

#include <string>

namespace braid::vfs {
namespace {

Bytes from_hex(std::string_view hex) {
  Bytes out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

constexpr FileTime kCreated{0x01d9000012345678};

// Written by smbd 4.17.12 with "store dos attributes = yes": a file with R, H and A, and a folder.
TEST(DosAttrib, BytesOfSmbdAreRead) {
  const auto file = DosAttrib::decode(from_hex("000005000500000011000000230000008edafe4c1e7bdd01"));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->attributes, 0x23u);
  EXPECT_EQ(file->creation_time, FileTime{0x01dd7b1e4cfeda8e});
  const auto folder =
      DosAttrib::decode(from_hex("0000050005000000110000001000000095fdfe4c1e7bdd01"));
  ASSERT_TRUE(folder);
  EXPECT_EQ(folder->attributes, 0x10u);
}

// Encoded by Samba's NDR library from known values.
TEST(DosAttrib, OlderVersionsAreRead) {
  for (const char* hex : {
           "30783200030003003f000000220000004433221108070605040302011817161514131211"
           "785634120000d901214365870000d901",
           "3078323200000300030000003f000000220000004433221108070605040302011817161514131211"
           "785634120000d901214365870000d901",
           "00000400040000005100000022000000ddccbbaa0000d801785634120000d901",
           "00000500050000001100000022000000785634120000d901",
           "30783232000002000200000011000000220000000000000000000000000000000000000000000000"
           "785634120000d9010000000000000000000000000000000000",
       }) {
    const auto decoded = DosAttrib::decode(from_hex(hex));
    ASSERT_TRUE(decoded) << hex;
    EXPECT_EQ(decoded->attributes, 0x22u) << hex;
    EXPECT_EQ(decoded->creation_time, kCreated) << hex;
  }
  const auto first = DosAttrib::decode(from_hex(
      "30783232000001000100000022000000000000000000000000000000000000000000000000000000000000000000"
      "000000000000"));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->attributes, 0x22u);
  EXPECT_FALSE(first->creation_time);
}

TEST(DosAttrib, TextAloneIsRead) {
  for (std::string_view text : {std::string_view("0x22"), std::string_view("0x22\0", 5)}) {
    const auto decoded = DosAttrib::decode(as_bytes(text));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->attributes, 0x22u);
  }
}

TEST(DosAttrib, InvalidFlagsHideTheirFields) {
  const auto decoded =
      DosAttrib::decode(from_hex("00000500050000000100000022000000785634120000d901"));
  ASSERT_TRUE(decoded);
  EXPECT_FALSE(decoded->creation_time);
}

TEST(DosAttrib, EncodesAsSmbdDoes) {
  EXPECT_EQ((DosAttrib{0x23, FileTime{0x01dd7b1e4cfeda8e}}.encode()),
            from_hex("000005000500000011000000230000008edafe4c1e7bdd01"));
}

TEST(DosAttrib, KeepsAChosenChangeTime) {
  DosAttrib attrib{0x22, FileTime{0x01dd7b1e4cfeda8e}};
  attrib.change_time = {FileTime{1}, FileTime{0x01dd7b1e4cfeda8f}};
  const auto decoded = DosAttrib::decode(attrib.encode());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->attributes, 0x22u);
  EXPECT_EQ(decoded->creation_time, attrib.creation_time);
  EXPECT_EQ(decoded->change_time, attrib.change_time);
}

TEST(DosAttrib, GarbageIsRefused) {
  for (const char* hex : {"", "00", "0000", "00000600060000001100000022000000785634120000d901",
                          "00000500040000001100000022000000785634120000d901",
                          "000005000500000011000000220000007856", "787878", "30787a7a"}) {
    EXPECT_FALSE(DosAttrib::decode(from_hex(hex))) << hex;
  }
  EXPECT_FALSE(DosAttrib::decode(Bytes(kDosAttribSizeMax + 1)));
}

}  // namespace
}  // namespace braid::vfs
