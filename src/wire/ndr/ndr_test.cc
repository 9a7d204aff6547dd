#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/golden_testing.h"
#include "wire/ndr/ndr_reader.h"
#include "wire/ndr/ndr_writer.h"

namespace braid::wire {
namespace {

// Stub of NetrShareEnum("\\SRV", level 1, no buffer, prefer maximum, resume 0) as Samba 4.17 packs
// it.
constexpr char kShareEnum[] =
    "000002000600000000000000060000005c005c00530052005600000001000000010000000400020000000000"
    "00000000ffffffff0800020000000000";

TEST(Ndr, ShareEnumStubReads) {
  const Bytes stub = unhex(kShareEnum);
  NdrReader r(stub);
  EXPECT_EQ(r.unique_wide_string(), "\\\\SRV");
  EXPECT_EQ(r.u32(), 1u);     // level
  EXPECT_EQ(r.u32(), 1u);     // union discriminant
  EXPECT_TRUE(r.pointer());   // container
  EXPECT_EQ(r.u32(), 0u);     // entries read
  EXPECT_FALSE(r.pointer());  // buffer
  EXPECT_EQ(r.u32(), 0xffffffffu);
  EXPECT_TRUE(r.pointer());
  EXPECT_EQ(r.u32(), 0u);
  EXPECT_EQ(r.remaining(), 0u);
  EXPECT_TRUE(r.ok());
}

TEST(Ndr, ShareEnumStubWrites) {
  Bytes out;
  NdrWriter w(out);
  w.pointer(true);
  w.wide_string("\\\\SRV");
  w.u32(1);
  w.u32(1);
  w.pointer(true);
  w.u32(0);
  w.pointer(false);
  w.u32(0xffffffff);
  w.pointer(true);
  w.u32(0);
  Bytes expected = unhex(kShareEnum);
  EXPECT_EQ(out, expected);
}

TEST(Ndr, ScalarsAlignToTheirSize) {
  Bytes out;
  NdrWriter w(out);
  w.u8(1);
  w.u16(2);
  w.u8(3);
  w.u32(4);
  w.u64(5);
  EXPECT_EQ(out, unhex("01 00 0200 03 000000 04000000 00000000 0500000000000000"));
  NdrReader r(out);
  EXPECT_EQ(r.u8(), 1);
  EXPECT_EQ(r.u16(), 2);
  EXPECT_EQ(r.u8(), 3);
  EXPECT_EQ(r.u32(), 4u);
  EXPECT_EQ(r.u64(), 5u);
}

TEST(Ndr, ConformanceIsHeldAgainstLimitAndBytes) {
  const Bytes bytes = unhex("03000000 000000000000000000000000");
  NdrReader fits(bytes);
  EXPECT_EQ(fits.conformance(10, 4), 3u);
  NdrReader above_limit(bytes);
  EXPECT_EQ(above_limit.conformance(2, 4), 0u);
  EXPECT_FALSE(above_limit.ok());
  NdrReader above_bytes(bytes);
  EXPECT_EQ(above_bytes.conformance(10, 5), 0u);
  EXPECT_FALSE(above_bytes.ok());
}

TEST(Ndr, StringsWithLyingCountsFail) {
  for (const char* vector : {
           "01000000 00000000 02000000 61006200",  // more than the maximum
           "02000000 01000000 01000000 6100",      // offset
           "ffffffff 00000000 ffffffff 6100",      // more than the bytes
           "00100000 00000000",                    // cut
       }) {
    const Bytes bytes = unhex(vector);
    NdrReader r(bytes);
    (void)r.wide_string();
    EXPECT_FALSE(r.ok()) << vector;
  }
}

TEST(Ndr, CountedStringsRoundTrip) {
  Bytes out;
  NdrWriter w(out);
  w.unicode_header("Ünï");
  w.unicode_header_large("BUILTIN");
  w.unicode_body("Ünï");
  w.unicode_body_large("BUILTIN");
  NdrReader r(out);
  const NdrUnicodeHeader a = r.unicode_header();
  const NdrUnicodeHeader b = r.unicode_header();
  EXPECT_EQ(b.maximum_length, b.length + 2);
  EXPECT_EQ(r.unicode_body(a), "Ünï");
  EXPECT_EQ(r.unicode_body(b), "BUILTIN");
  EXPECT_TRUE(r.ok());
}

TEST(Ndr, SidCountMustMatchTheSid) {
  Bytes out;
  NdrWriter w(out);
  w.sid(sids::kAdministrators);
  EXPECT_EQ(out, unhex("02000000 01020000000000052000000020020000"));
  NdrReader r(out);
  EXPECT_EQ(r.sid(), sids::kAdministrators);
  out[5] = 1;
  NdrReader bad(out);
  (void)bad.sid();
  EXPECT_FALSE(bad.ok());
  const Bytes huge = unhex("ffffffff 0102000000000005");
  NdrReader too_many(huge);
  (void)too_many.sid();
  EXPECT_FALSE(too_many.ok());
}

// Length and MaximumLength have 16 bits, and 0xfffe is the largest even number.
TEST(Ndr, CountedStringsEndWhereTheirFieldsDo) {
  const std::string most(0x7fff, 'a');
  const auto written = [](const std::string& text, bool large) {
    Bytes out;
    NdrWriter w(out);
    large ? w.unicode_header_large(text) : w.unicode_header(text);
    large ? w.unicode_body_large(text) : w.unicode_body(text);
    NdrReader r(out);
    const NdrUnicodeHeader header = r.unicode_header();
    std::string read = r.unicode_body(header);
    EXPECT_TRUE(r.ok());
    EXPECT_EQ(r.remaining(), 0u);
    EXPECT_EQ(header.maximum_length - header.length, large ? 2 : 0);
    return read;
  };
  EXPECT_EQ(written(most, false), most);
  EXPECT_EQ(written(most + "a", false), "");
  EXPECT_EQ(written(most, true), "");
  EXPECT_EQ(written(most.substr(1), true), most.substr(1));
}

// Of an even number of units, behind which no padding could stand for the NUL.
TEST(Ndr, WideStringsEndWithANul) {
  Bytes out;
  NdrWriter(out).wide_string("ab");
  EXPECT_EQ(hex_of(out), hex_of(unhex("03000000 00000000 03000000 61006200 0000")));
  NdrReader r(out);
  EXPECT_EQ(r.wide_string(), "ab");
  EXPECT_EQ(r.remaining(), 0u);
}

TEST(Ndr, CountedStringsAreTheseBytes) {
  Bytes out;
  NdrWriter w(out);
  w.unicode_header("ab");
  w.unicode_body("ab");
  w.unicode_header_large("ab");
  w.unicode_body_large("ab");
  w.unique_wide_string("c");
  w.context_handle({0x04030201, id_from<Guid>(0xA0)});
  w.u8(1);
  w.guid(id_from<Guid>(0xB0));
  const Bytes expected = unhex(
      "0400 0400 00000200 02000000 00000000 02000000 61006200"
      "0400 0600 04000200 03000000 00000000 02000000 61006200"
      "08000200 02000000 00000000 02000000 6300 0000"
      "01020304 A0A1A2A3A4A5A6A7A8A9AAABACADAEAF 01 000000 B0B1B2B3B4B5B6B7B8B9BABBBCBDBEBF");
  EXPECT_EQ(hex_of(out), hex_of(expected));
  NdrReader r(out);
  EXPECT_EQ(r.unicode_body(r.unicode_header()), "ab");
  EXPECT_EQ(r.unicode_body(r.unicode_header()), "ab");
  EXPECT_EQ(r.unique_wide_string(), "c");
  const NdrContextHandle handle = r.context_handle();
  EXPECT_EQ(handle.attributes, 0x04030201u);
  EXPECT_EQ(handle.uuid, id_from<Guid>(0xA0));
  EXPECT_EQ(r.u8(), 1);
  EXPECT_EQ(r.guid(), id_from<Guid>(0xB0));
  EXPECT_TRUE(r.ok());
  EXPECT_EQ(r.remaining(), 0u);
}

TEST(Ndr, BoundsAreTakenAndWhatIsBeyondThemRefused) {
  const Bytes four = unhex("04000000 00000000");
  for (const uint32_t max : {3u, 4u}) {
    NdrReader r(four);
    EXPECT_EQ(r.conformance(max, 1), max == 4 ? 4u : 0u);
    EXPECT_EQ(r.ok(), max == 4);
  }
  const Bytes text = unhex("03000000 00000000 03000000 610062006300");
  for (const uint32_t max : {2u, 3u}) {
    NdrReader r(text);
    EXPECT_EQ(r.wide_string(max), max == 3 ? "abc" : "");
    EXPECT_EQ(r.ok(), max == 3);
  }
  const Bytes with_nul = unhex("03000000 00000000 03000000 610000006300");
  NdrReader nul(with_nul);
  EXPECT_EQ(nul.wide_string(3), "a");
  const Bytes half_nul = unhex("02000000 00000000 02000000 00010100");  // U+0100, U+0001
  NdrReader half(half_nul);
  EXPECT_EQ(half.wide_string(3), "\u0100\x01");
  // The header's length: odd, more than its maximum, and not the body's.
  for (const char* bad : {"0300 0400 00000200", "0400 0200 00000200"}) {
    const Bytes bytes = unhex(bad);
    NdrReader r(bytes);
    (void)r.unicode_header();
    EXPECT_FALSE(r.ok()) << bad;
  }
  for (const char* bad : {"0400 0400 00000200 01000000 00000000 01000000 6100",
                          "0400 0400 00000200 02000000 01000000 02000000 61006200",
                          "0400 0400 00000200 01000000 00000000 02000000 61006200"}) {
    const Bytes bytes = unhex(bad);
    NdrReader r(bytes);
    EXPECT_EQ(r.unicode_body(r.unicode_header()), "") << bad;
    EXPECT_FALSE(r.ok()) << bad;
  }
  const Bytes absent = unhex("0000 0000 00000000");
  NdrReader none(absent);
  EXPECT_EQ(none.unicode_body(none.unicode_header()), "");
  EXPECT_TRUE(none.ok());
}

// [C706] A.1: three numbers, whose bytes follow the order of the rest, and eight bytes.
TEST(Ndr, GuidIsInTheOrderOfTheStub) {
  const Bytes stub = unhex("00112233445566778899aabbccddeeff");
  const Guid little = NdrReader(stub).guid();
  EXPECT_EQ(hex_of(little.bytes), hex_of(stub));
  const Guid big = NdrReader(stub, ByteOrder::kBig).guid();
  EXPECT_EQ(hex_of(big.bytes), hex_of(unhex("33221100554477668899aabbccddeeff")));
}

TEST(Ndr, HalfOfASurrogatePairIsKept) {
  // One character and its terminator.
  const Bytes good = unhex("02000000000000000200000041000000");
  NdrReader r(good);
  EXPECT_EQ(r.wide_string(), "A");
  EXPECT_TRUE(r.ok());
  const Bytes half = unhex("020000000000000002000000 00d8 0000");
  NdrReader of_half(half);
  EXPECT_EQ(of_half.wide_string(), "\xED\xA0\x80");
  EXPECT_TRUE(of_half.ok());
}

}  // namespace
}  // namespace braid::wire
