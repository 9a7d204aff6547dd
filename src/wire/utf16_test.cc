#include "wire/utf16.h"

#include <gtest/gtest.h>

namespace braid::wire {
namespace {

Bytes units(std::initializer_list<uint16_t> list) {
  Bytes bytes;
  for (uint16_t unit : list) {
    bytes.push_back(static_cast<uint8_t>(unit));
    bytes.push_back(static_cast<uint8_t>(unit >> 8));
  }
  return bytes;
}

TEST(Utf16, EveryLengthOfSequenceGoesBothWays) {
  const Bytes utf16 = units({'a', 0xE4, 0x20AC, 0xD83D, 0xDE00});
  const std::string utf8 = "a\u00E4\u20AC\U0001F600";
  EXPECT_EQ(utf8_from_utf16le(utf16), utf8);
  EXPECT_EQ(utf16le_from_utf8(utf8), utf16);
  EXPECT_EQ(utf16le_size(utf8), utf16.size());
}

TEST(Utf16, NulsAreKept) {
  const Bytes utf16 = units({'a', 0, 'b', 0});
  EXPECT_EQ(utf8_from_utf16le(utf16), std::string("a\0b\0", 4));
  EXPECT_EQ(utf16le_from_utf8(std::string_view("a\0b\0", 4)), utf16);
}

TEST(Utf16, OddLengthIsMalformed) {
  const Bytes utf16 = {'a', 0, 'b'};
  EXPECT_EQ(utf8_from_utf16le(utf16).error(), Error::malformed());
}

TEST(Utf16, LoneSurrogatesSurviveOrAreRejected) {
  const Bytes cases[] = {units({0xD800}), units({0xDFFF}), units({'a', 0xDBFF, 'b'}),
                         units({0xDC00, 0xD800}), units({0xD800, 0xD800, 0xDC00})};
  for (const Bytes& utf16 : cases) {
    const auto utf8 = utf8_from_utf16le(utf16);
    ASSERT_TRUE(utf8);
    EXPECT_TRUE(is_well_formed(*utf8));
    EXPECT_EQ(utf16le_from_utf8(*utf8), utf16);
    EXPECT_EQ(utf8_from_utf16le(utf16, LoneSurrogates::kReject).error(), Error::malformed());
  }
}

TEST(Utf16, EveryUnitSurvives) {
  for (uint32_t unit = 0; unit <= 0xFFFF; ++unit) {
    const Bytes utf16 = units({static_cast<uint16_t>(unit)});
    ASSERT_EQ(utf16le_from_utf8(*utf8_from_utf16le(utf16)), utf16) << unit;
  }
}

TEST(Utf16, BadUtf8IsMalformed) {
  const std::string_view cases[] = {
      "\x80",              // a continuation byte on its own
      "\xC0\xAF",          // overlong '/'
      "\xC1\xBF",          // overlong
      "\xE0\x80\xAF",      // overlong '/' in three bytes
      "\xF0\x80\x80\xAF",  // overlong '/' in four
      "\xF4\x90\x80\x80",  // past U+10FFFF
      "\xF5\x80\x80\x80",
      "\xFF",
      "\xE2\x82",                  // cut
      "\xE2\x28\xA1",              // no continuation
      "\xED\xA0\xBD\xED\xB8\x80",  // a surrogate pair in two pieces
  };
  for (std::string_view utf8 : cases) {
    EXPECT_EQ(utf16le_from_utf8(utf8).error(), Error::malformed());
    EXPECT_FALSE(is_well_formed(utf8));
  }
}

TEST(Utf16, WritingBadUtf8PutsReplacementCharacters) {
  Bytes out;
  Writer w(out);
  write_utf16le(w, "a\xFFz");
  EXPECT_EQ(out, units({'a', 0xFFFD, 'z'}));
  EXPECT_EQ(utf16le_size("a\xFFz"), 6u);
}

}  // namespace
}  // namespace braid::wire
