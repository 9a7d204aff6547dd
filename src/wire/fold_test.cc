#include "wire/fold.h"

#include <gtest/gtest.h>

#include "wire/upcase.h"
#include "wire/utf16.h"

namespace braid::wire {
namespace {

TEST(Fold, AsciiLettersBecomeUpperCase) {
  EXPECT_EQ(fold("Report_09.Txt"), "REPORT_09.TXT");
  EXPECT_TRUE(equal_fold("AbC", "aBc"));
  EXPECT_FALSE(equal_fold("abc", "abd"));
  EXPECT_FALSE(equal_fold("abc", "abcd"));
  EXPECT_FALSE(equal_fold("[", "{"));
}

TEST(Fold, LettersOutsideAsciiFold) {
  EXPECT_TRUE(equal_fold("\u00E4\u00F6\u00FC", "\u00C4\u00D6\u00DC"));
  EXPECT_TRUE(equal_fold("x\u03B1", "X\u0391"));
  EXPECT_TRUE(equal_fold("\u0434", "\u0414"));
  EXPECT_FALSE(equal_fold("\u00E4", "a"));
}

TEST(Fold, NothingFoldsIntoAscii) {
  EXPECT_FALSE(equal_fold("\u0131", "i"));  // dotless i
  EXPECT_FALSE(equal_fold("\u017F", "s"));  // long s
  EXPECT_FALSE(equal_fold("\u212A", "k"));  // Kelvin sign
}

TEST(Fold, OneCodePointStaysOne) {
  EXPECT_EQ(fold("\u00DF"), "\u00DF");  // sharp s does not become SS
  EXPECT_FALSE(equal_fold("\u00DF", "ss"));
  EXPECT_EQ(fold("\uFB01"), "\uFB01");  // ligature fi
}

// Letters that are one to a dictionary and two names to Windows: each pair would be one file else,
// and writing the one would replace the other.
TEST(Fold, NamesThatAreTwoOnNtfsStayTwo) {
  const std::pair<const char*, const char*> names[] = {
      {"10 \u00B5m", "10 \u03BCm"},  // micro sign, mu
      {"\u01C5", "\u01C4"},         {"\u2126", "\u03C9"}, {"\u212B", "\u00E5"},
      {"\u1E9B", "\u1E60"},         {"\u0345", "\u03B9"}, {"\u03C2", "\u03C3"},
      {"\u03D0", "\u03B2"},         {"\u03F5", "\u03B5"}, {"\u1FBE", "\u03B9"},
      {"\u1C80", "\u0432"},         {"\uAB53", "\uA7B3"}, {"\u10D0", "\u1C90"},
      {"\U00010428", "\U00010400"}};
  for (const auto& [one, other] : names) EXPECT_FALSE(equal_fold(one, other)) << one;
}

TEST(Fold, NamesThatAreOneOnNtfsAreOne) {
  const std::pair<const char*, const char*> names[] = {
      {"\u00FF", "\u0178"}, {"\u0250", "\u2C6F"}, {"\u2C65", "\u023A"},
      {"\u1D7D", "\u2C63"}, {"\u0280", "\u01A6"}, {"\u2184", "\u2183"},
      {"\u1F80", "\u1F88"}, {"\u1FC3", "\u1FCC"}, {"\uFF41", "\uFF21"}};
  for (const auto& [one, other] : names) EXPECT_TRUE(equal_fold(one, other)) << one;
}

// All of them: the bytes of the table are those of the $UpCase file.
TEST(Fold, EveryUnitIsComparedAsNtfsComparesIt) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (uint32_t unit = 0; unit < 0x10000; ++unit) {
    const char16_t upper = upcase(static_cast<char16_t>(unit));
    for (const int byte : {upper & 0xFF, upper >> 8}) {
      hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
    }
    EXPECT_EQ(upcase(upper), upper) << unit;
    if (unit >= 0x80) EXPECT_GE(upper, 0x80) << unit;
    if (unit >= 0xD800 && unit < 0xE000) {
      EXPECT_EQ(upper, unit);
      continue;
    }
    std::string name;
    std::string folded;
    append_code_point(name, unit);
    append_code_point(folded, upper);
    EXPECT_EQ(fold(name), folded) << unit;
  }
  EXPECT_EQ(hash, 0x48ed4531e9399927u);
}

TEST(Fold, BytesThatAreNotUtf8AreKept) {
  EXPECT_EQ(fold("a\xFF\xC3z"), "A\xFF\xC3Z");
  EXPECT_EQ(fold("\xED\xA0\x80q"), "\xED\xA0\x80Q");  // lone surrogate
  EXPECT_EQ(fold(std::string_view("a\0b", 3)), std::string("A\0B", 3));
}

TEST(Fold, FoldingTwiceChangesNothing) {
  const std::string names[] = {"a\u00E4\u01C5\u0345\u10D0", "\U00010428", "\u1E9E\u0390"};
  for (const std::string& name : names) EXPECT_EQ(fold(fold(name)), fold(name));
}

}  // namespace
}  // namespace braid::wire
