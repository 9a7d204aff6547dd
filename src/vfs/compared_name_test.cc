#include "vfs/compared_name.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "vfs/names.h"

namespace braid::vfs {
namespace {

std::string utf8(char32_t unit) {
  if (unit < 0x80) return {static_cast<char>(unit)};
  if (unit < 0x800) {
    return {static_cast<char>(0xC0 | unit >> 6), static_cast<char>(0x80 | (unit & 0x3F))};
  }
  return {static_cast<char>(0xE0 | unit >> 12), static_cast<char>(0x80 | (unit >> 6 & 0x3F)),
          static_cast<char>(0x80 | (unit & 0x3F))};
}

bool are_same(std::string_view a, std::string_view b) {
  return equal_folded(compared_name(a), compared_name(b));
}

TEST(ComparedName, PairsOfWhichOneCaseOnlyHasOneCharacter) {
  const std::pair<std::string, std::string> same[] = {
      {"t\xCC\x88x", "T\xCC\x88x"},     // only the small one is one character
      {"\xE1\xBA\x97x", "T\xCC\x88x"},  // U+1E97
      {"i\xCC\x87", "I\xCC\x87"},       // only the capital one is
      {"i\xCC\x87", "\xC4\xB0"},        // U+0130
      {"\xC7\xB0", "J\xCC\x8C"},        // U+01F0
      {"cafe\xCC\x81", "CAF\xC3\x89"}, {"plain", "PLAIN"}, {"\xFFx", "\xFFX"},
  };
  for (const auto& [a, b] : same) EXPECT_TRUE(are_same(a, b)) << a << ' ' << b;
  EXPECT_FALSE(are_same("cafe", "caf\xC3\xA9"));
  EXPECT_FALSE(are_same("t\xCC\x88", "t"));
  EXPECT_FALSE(are_same("i", "\xC4\xB1"));
  EXPECT_FALSE(are_same("\xFF\xC3\xA9",
                        "\xFF"
                        "e\xCC\x81"))
      << "no UTF-8 is as it is";
}

// What is one name by its case alone is one by both rules.
TEST(ComparedName, EveryUnitIsTheSameAsInItsOtherCase) {
  for (char32_t unit = 1; unit <= 0xFFFF; ++unit) {
    const std::string name = utf8(unit);
    ASSERT_TRUE(are_same(name, fold(name))) << std::hex << static_cast<uint32_t>(unit);
    ASSERT_TRUE(are_same(name, composed(name))) << std::hex << static_cast<uint32_t>(unit);
  }
}

TEST(ComparedName, EveryLetterWithAMarkIsOneNameHoweverItIsWritten) {
  constexpr char32_t kMarks[] = {0x300, 0x301, 0x302, 0x303, 0x304, 0x306, 0x307, 0x308, 0x309,
                                 0x30A, 0x30B, 0x30C, 0x323, 0x327, 0x328, 0x331, 0x345};
  for (char32_t letter = 'A'; letter < 0x530; ++letter) {
    for (const char32_t mark : kMarks) {
      const std::string name = utf8(letter) + utf8(mark);
      const std::string compared = fold(compared_name(name));
      for (const std::string& other :
           {fold(utf8(letter)) + utf8(mark), composed(name), fold(composed(name)),
            composed(fold(name)), fold(composed(fold(name)))}) {
        ASSERT_EQ(fold(compared_name(other)), compared)
            << std::hex << static_cast<uint32_t>(letter) << ' ' << static_cast<uint32_t>(mark);
      }
    }
  }
}

}  // namespace
}  // namespace braid::vfs
