#include "wire/utf16.h"

#include <gtest/gtest.h>

#include <algorithm>

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

// [RFC3629] section 4 "Syntax of UTF-8 Byte Sequences", with the surrogates that Windows has in
// names. 0 for what is none.
size_t length_by_rfc(std::string_view bytes) {
  const auto in = [&](size_t i, int low, int high) {
    return i < bytes.size() && static_cast<uint8_t>(bytes[i]) >= low &&
           static_cast<uint8_t>(bytes[i]) <= high;
  };
  const auto tail = [&](size_t i) { return in(i, 0x80, 0xBF); };
  if (in(0, 0x00, 0x7F)) return 1;
  if (in(0, 0xC2, 0xDF) && tail(1)) return 2;
  if (in(0, 0xE0, 0xE0) && in(1, 0xA0, 0xBF) && tail(2)) return 3;
  if (in(0, 0xE1, 0xEF) && tail(1) && tail(2)) return 3;
  if (in(0, 0xF0, 0xF0) && in(1, 0x90, 0xBF) && tail(2) && tail(3)) return 4;
  if (in(0, 0xF1, 0xF3) && tail(1) && tail(2) && tail(3)) return 4;
  if (in(0, 0xF4, 0xF4) && in(1, 0x80, 0x8F) && tail(2) && tail(3)) return 4;
  return 0;
}

TEST(Utf16, EverySequenceIsOneByTheRfcOrNone) {
  // Both sides of every bound that a byte behind the first may have.
  constexpr std::string_view kBehind("\x7F\x80\x8F\x90\x9F\xA0\xBF\xC0", 8);
  for (int lead = 0; lead < 0x100; ++lead) {
    for (size_t combination = 0; combination < 8 * 8 * 8; ++combination) {
      const char all[] = {static_cast<char>(lead), kBehind[combination % 8],
                          kBehind[combination / 8 % 8], kBehind[combination / 64]};
      for (size_t size = 1; size <= 4; ++size) {
        const std::string_view bytes(all, size);
        const size_t length = length_by_rfc(bytes);
        const CodePoint point = first_code_point(bytes);
        if (point.valid != (length != 0) || point.size != std::max<size_t>(length, 1)) {
          FAIL() << lead << " " << combination << " of " << size;
        }
        if (length == 0) {
          EXPECT_EQ(point.value, 0xFFFDu);
          continue;
        }
        std::string again;
        append_code_point(again, point.value);
        if (again != bytes.substr(0, length)) FAIL() << lead << " " << combination;
      }
    }
  }
}

TEST(Utf16, SurrogatesPairOnlyHighWithLow) {
  const uint16_t all[] = {0xD7FF, 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xE000};
  const auto is_in = [](uint16_t unit, uint16_t low, uint16_t high) {
    return unit >= low && unit <= high;
  };
  for (const uint16_t a : all) {
    for (const uint16_t b : all) {
      const bool is_pair = is_in(a, 0xD800, 0xDBFF) && is_in(b, 0xDC00, 0xDFFF);
      const std::string utf8 = utf8_from_utf16le(units({a, b})).value();
      EXPECT_EQ(utf8.size(), is_pair ? 4u : 6u) << a << " " << b;
      EXPECT_EQ(utf16le_from_utf8(utf8).value(), units({a, b})) << a << " " << b;
      const bool is_clean = is_pair || (!is_in(a, 0xD800, 0xDFFF) && !is_in(b, 0xD800, 0xDFFF));
      EXPECT_EQ(utf8_from_utf16le(units({a, b}), LoneSurrogates::kReject).has_value(), is_clean)
          << a << " " << b;
      // The pair spelled as two is none.
      std::string spelled;
      append_code_point(spelled, a);
      append_code_point(spelled, b);
      EXPECT_EQ(is_well_formed(spelled), !is_pair) << a << " " << b;
    }
  }
  EXPECT_EQ(utf8_from_utf16le(units({0xD800, 0xDC00})).value(), "\xF0\x90\x80\x80");
  EXPECT_EQ(utf8_from_utf16le(units({0xDBFF, 0xDFFF})).value(), "\xF4\x8F\xBF\xBF");
}

}  // namespace
}  // namespace braid::wire
