#include "wire/fscc/name_expression.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

namespace braid::wire {
namespace {

struct Case {
  const char* expression;
  const char* name;
  bool matches;
};

TEST(NameExpression, WildcardsOfTheSection) {
  const Case cases[] = {
      {"*", "a", true},
      {"*.*", "nodot", true},
      {"*.*", "a.b", true},
      {"*.**", "nodot", false},
      {"?", "a", true},
      {"?", "ab", false},
      {"??", "a", false},
      {"a*c", "abbc", true},
      {"a*c", "abbd", false},
      {"*.txt", "file.TXT", true},
      {"*.txt", "file.txt.bak", false},
      {"*b*", "abc", true},
      {"FOO", "foo", true},
      {"ÄRGER*", "ärgerlich", true},
      // DOS_STAR: up to the last dot, which it may take.
      {"<", "abc", true},
      {"<", "abc.", true},
      {"<", "a.b", false},
      {"<.txt", "a.b.txt", true},
      {"<.b", "a.b.c", false},
      {"<txt", "a.txt", true},
      {"<\"*", "abc", true},
      {"<\"*", "abc.def", true},
      // DOS_QM: one character, none at a dot or the end.
      {">>>", "a", true},
      {">>>", "abc", true},
      {">>>", "abcd", false},
      {">>>.txt", "a.txt", true},
      {">>>.txt", "abcd.txt", false},
      {"a>>.b", "a.b", true},
      // DOS_DOT: a dot, or nothing at the end.
      {"a\"", "a", true},
      {"a\"", "a.", true},
      {"a\"b", "ab", false},
      {"a\"b", "a.b", true},
      {"<\"", "abc", true},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(name_in_expression(c.expression, c.name), c.matches)
        << c.expression << " against " << c.name;
  }
}

// The section's rules one by one, going back wherever there is a choice.
bool matches_slowly(std::string_view pattern, std::string_view name, size_t at = 0) {
  if (pattern.empty()) return at == name.size();
  const std::string_view rest = pattern.substr(1);
  const bool is_end = at == name.size(), is_dot = !is_end && name[at] == '.';
  switch (pattern[0]) {
    case '*':
      return matches_slowly(rest, name, at) || (!is_end && matches_slowly(pattern, name, at + 1));
    case '?':
      return !is_end && matches_slowly(rest, name, at + 1);
    case '<':
      if (matches_slowly(rest, name, at)) return true;
      return !is_end && matches_slowly(at == name.rfind('.') ? rest : pattern, name, at + 1);
    case '>':
      return matches_slowly(rest, name, is_end || is_dot ? at : at + 1);
    case '"':
      return (is_end || is_dot) && matches_slowly(rest, name, is_end ? at : at + 1);
    default:
      return !is_end && name[at] == pattern[0] && matches_slowly(rest, name, at + 1);
  }
}

TEST(NameExpression, AgreesWithTheRulesOneByOne) {
  std::minstd_rand random(7);
  const auto text = [&](std::string_view of, size_t size_max) {
    std::string made(1 + random() % size_max, ' ');
    for (char& c : made) c = of[random() % of.size()];
    return made;
  };
  for (int i = 0; i < 20'000; ++i) {
    const std::string pattern = text("ab..*?<>\"", 7);
    if (pattern == "*.*") continue;  // means all
    const std::string name = text("ab.", 7);
    EXPECT_EQ(name_in_expression(pattern, name), matches_slowly(pattern, name))
        << pattern << " against " << name;
  }
}

TEST(NameExpression, EmptyMatchesOnlyEmpty) {
  EXPECT_TRUE(name_in_expression("", ""));
  EXPECT_FALSE(name_in_expression("", "a"));
  EXPECT_FALSE(name_in_expression("*", ""));
}

TEST(NameExpression, QuestionMarkTakesOneCodePoint) {
  EXPECT_TRUE(name_in_expression("?", "\xF0\x9F\x98\x80"));
  EXPECT_TRUE(name_in_expression("a?b", "aßb"));
}

TEST(NameExpression, KindsAreKnown) {
  EXPECT_TRUE(NameExpression("*").matches_all());
  EXPECT_TRUE(NameExpression("**").matches_all());
  EXPECT_TRUE(NameExpression("readme.md").is_literal());
  EXPECT_FALSE(NameExpression("readme.*").is_literal());
  EXPECT_TRUE(has_wildcards("a>b"));
  EXPECT_FALSE(has_wildcards("ab"));
}

TEST(NameExpression, PatternMadeToBacktrackStaysCheap) {
  std::string pattern;
  for (int i = 0; i < 500; ++i) pattern += "*a";
  pattern += "b";
  const NameExpression expression(pattern);
  const std::string name(255, 'a');
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(expression.matches(name));
}

// The words of bits worked on for one name.
size_t cost(const std::string& pattern, const std::string& name) {
  size_t words = 0;
  (void)NameExpression(pattern).matches(name, &words);
  return words;
}

TEST(NameExpression, CostGrowsWithTheLengthOfTheNameAndLittleWithThePattern) {
  for (const std::string unit : {"*?", "<*", ">", "\"", "*a", ">\"<*?"}) {
    std::string pattern;
    while (pattern.size() + unit.size() <= NameExpression::kLengthMax) pattern += unit;
    // Seventeen words for the positions, each looked at for every character and for every power of
    // two that a run of skipped wildcards may have.
    for (const size_t length : {10u, 100u, 255u}) {
      for (const char c : {'a', '.'}) {
        EXPECT_LE(cost(pattern, std::string(length, c)), (length + 1) * 17 * 12) << unit;
      }
    }
    EXPECT_LE(cost(pattern, std::string(200, 'a')),
              2 * cost(pattern, std::string(100, 'a')) + 17 * 12);
  }
  // What users type costs a word or two for each character.
  EXPECT_LE(cost("*.txt", "holiday.jpg"), 2u * 12);
}

TEST(NameExpression, PositionsBeyondOneWordAreReached) {
  for (const size_t length : {62u, 63u, 64u, 65u, 127u, 128u, 200u}) {
    const std::string name(length, 'a');
    EXPECT_TRUE(name_in_expression(std::string(length, '?') + "*", name));
    EXPECT_FALSE(name_in_expression(std::string(length + 1, '?') + "*", name));
    EXPECT_TRUE(name_in_expression(std::string(length + 100, '>'), name));
    EXPECT_TRUE(name_in_expression(name + std::string(100, '"'), name));
    EXPECT_FALSE(name_in_expression(name + "?" + std::string(100, '"'), name));
    EXPECT_TRUE(name_in_expression(name.substr(1) + "<<*>", name));
  }
}

TEST(NameExpression, PatternTooLongMatchesNothing) {
  EXPECT_FALSE(name_in_expression(std::string(2000, '?') + "*", "a"));
  EXPECT_TRUE(name_in_expression(std::string(2000, '*'), "a"));
}

}  // namespace
}  // namespace braid::wire
