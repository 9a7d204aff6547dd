#include "wire/dtyp/sid.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/dtyp/guid.h"

namespace braid::wire {
namespace {

struct Vector {
  const char* text;
  const char* bytes;
};

// Bytes as Samba 4.17 packs them.
constexpr Vector kVectors[] = {
    {"S-1-1-0", "010100000000000100000000"},
    {"S-1-5-21-3623811015-3361044348-30300820-1013",
     "010500000000000515000000c7f7fed77c7755c8945ace01f5030000"},
    {"S-1-5-32-544", "01020000000000052000000020020000"},
    {"S-1-16-12288", "010100000000001000300000"},
    {"S-1-22-1-1000", "010200000000001601000000e8030000"},
};

TEST(Sid, VectorsDecodeToTheirTextAndEncodeBack) {
  for (const Vector& v : kVectors) {
    const Bytes bytes = unhex(v.bytes);
    Reader r(bytes);
    const Result<Sid> sid = Sid::decode(r);
    ASSERT_TRUE(sid) << v.text;
    EXPECT_EQ(sid->to_string(), v.text);
    EXPECT_EQ(Sid::parse(v.text), *sid);
    EXPECT_EQ(sid->encoded_size(), bytes.size());
    Bytes out;
    Writer w(out);
    sid->encode(w);
    EXPECT_EQ(out, bytes);
  }
}

TEST(Sid, LargeAuthorityIsHexadecimalAndKeepsAllSixBytes) {
  const Bytes bytes = unhex("0101123456789abc01000000");
  Reader r(bytes);
  const Result<Sid> sid = Sid::decode(r);
  ASSERT_TRUE(sid);
  EXPECT_EQ(sid->to_string(), "S-1-0x123456789abc-1");
  Bytes out;
  Writer w(out);
  sid->encode(w);
  EXPECT_EQ(out, bytes);
}

TEST(Sid, SixteenSubAuthoritiesAreMalformed) {
  Bytes bytes(8 + 4 * 16);
  bytes[0] = 1;
  bytes[1] = 16;
  Reader r(bytes);
  EXPECT_EQ(Sid::decode(r).error(), Error::malformed());
}

TEST(Sid, MissingSubAuthorityIsTruncated) {
  const Bytes bytes = unhex("010200000000000520000000");
  Reader r(bytes);
  EXPECT_EQ(Sid::decode(r).error(), Error::truncated());
}

TEST(Sid, OtherRevisionIsMalformed) {
  const Bytes bytes = unhex("020100000000000100000000");
  Reader r(bytes);
  EXPECT_EQ(Sid::decode(r).error(), Error::malformed());
}

TEST(Sid, NoSubAuthoritiesAreTaken) {
  const Bytes bytes = unhex("0100000000000005");
  Reader r(bytes);
  const Result<Sid> sid = Sid::decode(r);
  ASSERT_TRUE(sid);
  EXPECT_EQ(sid->to_string(), "S-1-5");
  EXPECT_EQ(Sid::parse("S-1-5"), *sid);
}

TEST(Sid, LargeAuthorityIsHexadecimal) {
  const Result<Sid> sid = Sid::parse("S-1-0x123456789abc-7");
  ASSERT_TRUE(sid);
  EXPECT_EQ(sid->authority(), 0x123456789abcu);
  EXPECT_EQ(sid->to_string(), "S-1-0x123456789abc-7");
}

TEST(Sid, TextThatIsNoSidIsMalformed) {
  for (const char* text :
       {"", "S-1", "S-1-", "S-2-5-1", "S-1-5-", "S-1-5-x", "S-1-5--1", "S-1-5-4294967296",
        "S-1-281474976710656-1", "S-1-5-1 ", "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16"}) {
    EXPECT_FALSE(Sid::parse(text)) << text;
  }
}

TEST(Sid, DomainAndRidTakeApartWhatWithRidPutTogether) {
  const Sid domain{5, {21, 1, 2, 3}};
  const Sid user = domain.with_rid(1000);
  EXPECT_TRUE(user.is_in(domain));
  EXPECT_FALSE(user.with_rid(1).is_in(domain));
  EXPECT_FALSE(domain.is_in(domain));
  EXPECT_EQ(user.domain(), domain);
  EXPECT_EQ(user.rid(), 1000u);
}

TEST(Guid, TextAndWireOrder) {
  // Bytes as Samba 4.17 packs them.
  const Bytes bytes = unhex("98d0ff6b12a11036983346c3f87e345a");
  Reader r(bytes);
  const Guid guid = r.id128<Guid>();
  EXPECT_EQ(to_string(guid), "6bffd098-a112-3610-9833-46c3f87e345a");
  EXPECT_EQ(parse_guid("{6BFFD098-A112-3610-9833-46C3F87E345A}"), guid);
  EXPECT_FALSE(parse_guid("6bffd098-a112-3610-9833-46c3f87e345"));
  EXPECT_FALSE(parse_guid("6bffd098xa112-3610-9833-46c3f87e345a"));
}

TEST(Sid, BoundsOfTheTextAreThoseOfTheFields) {
  EXPECT_EQ(Sid::parse("S-1-281474976710655-1").value(), (Sid{Sid::kAuthorityMax, {1}}));
  EXPECT_EQ(Sid::parse("S-1-0xffffffffffff-1").value(), (Sid{Sid::kAuthorityMax, {1}}));
  EXPECT_EQ(Sid::parse("S-1-0x1000000000000-1").error(), Error::malformed());
  EXPECT_EQ(Sid::parse("s-1-5-4294967295").value(), (Sid{5, {0xFFFFFFFF}}));
  EXPECT_EQ(Sid::parse("S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15").value().rid(), 15u);
  // Hexadecimal from 2^32 on.
  EXPECT_EQ((Sid{0xFFFFFFFF, {1}}).to_string(), "S-1-4294967295-1");
  EXPECT_EQ((Sid{0x100000000, {1}}).to_string(), "S-1-0x000100000000-1");
}

TEST(Sid, FifteenSubAuthoritiesAreTaken) {
  Bytes bytes(8 + 4 * 15, 1);
  bytes[1] = 15;
  Reader r(bytes);
  EXPECT_EQ(Sid::decode(r).value().sub_authorities().size(), 15u);
}

TEST(Guid, DigitsAreHexadecimalAndNothingBesideThem) {
  const std::string good = "6bffd098-a112-3610-9833-46c3f87e345a";
  for (const char digit : {'0', '9', 'a', 'f', 'A', 'F'}) {
    std::string text = good;
    text[0] = text[35] = digit;
    const Guid guid = parse_guid(text).value();
    text[0] = text[35] = static_cast<char>(std::tolower(digit));
    EXPECT_EQ(to_string(guid), text);
  }
  for (const char other : {'/', ':', '@', 'G', '`', 'g', '-'}) {
    for (const size_t at : {0u, 1u, 34u, 35u}) {
      std::string text = good;
      text[at] = other;
      EXPECT_EQ(parse_guid(text).error(), Error::malformed()) << text;
    }
  }
  for (const size_t dash : {8u, 13u, 18u, 23u}) {
    std::string text = good;
    text[dash] = '0';
    EXPECT_EQ(parse_guid(text).error(), Error::malformed()) << text;
  }
  EXPECT_TRUE(parse_guid("{" + good + "}"));
  for (const std::string& text : {"{" + good, good + "}", "{" + good + "0", "0" + good + "}"}) {
    EXPECT_EQ(parse_guid(text).error(), Error::malformed()) << text;
  }
}

}  // namespace
}  // namespace braid::wire
