#include "base/printable.h"

#include <gtest/gtest.h>

namespace braid {
namespace {

TEST(Printable, NamesStayAsTheyAre) {
  for (const std::string name : {"", "alice", "DOMAIN\\user", "Jürgen", "日本語", "a~!\"'", "😀"}) {
    EXPECT_EQ(printable(name), name);
  }
}

TEST(Printable, ControlCharactersAreEscaped) {
  EXPECT_EQ(printable("a\nb"), "a\\u{a}b");
  EXPECT_EQ(printable(std::string_view("a\0\t\x1b[2Jb\x7f", 9)), "a\\u{0}\\u{9}\\u{1b}[2Jb\\u{7f}");
  EXPECT_EQ(printable("\xC2\x9B"
                      "2J\xC2\x85"),
            "\\u{9b}2J\\u{85}");
}

TEST(Printable, LineSeparatorsAndDirectionsAreEscaped) {
  EXPECT_EQ(printable("a\u2028b\u2029c"), "a\\u{2028}b\\u{2029}c");
  EXPECT_EQ(printable("\u202Egpj.exe\u2066\u2069\u200F\u061C"),
            "\\u{202e}gpj.exe\\u{2066}\\u{2069}\\u{200f}\\u{61c}");
}

TEST(Printable, WhatNobodySeesIsEscaped) {
  EXPECT_EQ(printable("al\u200Bice\uFEFF\u00AD\u2060\uFFF9"),
            "al\\u{200b}ice\\u{feff}\\u{ad}\\u{2060}\\u{fff9}");
  EXPECT_EQ(printable("\uFFFE\uFFFF\uFDD0\U0010FFFF\U000E0041"),
            "\\u{fffe}\\u{ffff}\\u{fdd0}\\u{10ffff}\\u{e0041}");
  EXPECT_EQ(printable("\u0645\u200C\u0646 \uFFFD"), "\u0645\u200C\u0646 \uFFFD");
}

TEST(Printable, BytesThatAreNoUtf8AreEscaped) {
  EXPECT_EQ(printable("a\x9b"
                      "b\xff"),
            "a\\x9bb\\xff");
  EXPECT_EQ(printable("\xC0\x8A"), "\\xc0\\x8a");  // a line feed, too long
  EXPECT_EQ(printable("\xE0\x80\x8A"), "\\xe0\\x80\\x8a");
  EXPECT_EQ(printable("\xED\xA0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(printable("\xF4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  EXPECT_EQ(printable("caf\xC3"), "caf\\xc3");                       // cut off
}

TEST(Printable, CutTextEndsBehindACharacter) {
  EXPECT_EQ(cut_text("abc", 3), "abc");
  EXPECT_EQ(cut_text("abcd", 3), "abc");
  EXPECT_EQ(cut_text("ab\u00e9", 3), "ab");
  EXPECT_EQ(cut_text("😀😀", 7), "😀");
  EXPECT_EQ(cut_text("\x80\x80\x80\x80\x80\x80", 5).size(), 2u);
}

}  // namespace
}  // namespace braid
