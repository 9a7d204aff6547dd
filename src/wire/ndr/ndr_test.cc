#include <gtest/gtest.h>

#include "base/hex_testing.h"
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

}  // namespace
}  // namespace braid::wire
