#include "wire/fold.h"

#include <gtest/gtest.h>

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
