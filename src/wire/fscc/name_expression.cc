#include "wire/fscc/name_expression.h"

#include <algorithm>
#include <utility>

#include "wire/fold.h"
#include "wire/utf16.h"

namespace braid::wire {
namespace {

constexpr char32_t kStar = U'*';
constexpr char32_t kQuestion = U'?';
constexpr char32_t kDosStar = U'<';
constexpr char32_t kDosQm = U'>';
constexpr char32_t kDosDot = U'"';
constexpr char32_t kDot = U'.';
// Bad bytes become code points of their own past the last real one: different garbage differs.
constexpr char32_t kBadByteBase = 0x110000;

bool is_wildcard(char32_t c) {
  return c == kStar || c == kQuestion || c == kDosStar || c == kDosQm || c == kDosDot;
}

// Code points of the folded text.
std::u32string folded(std::string_view utf8) {
  const std::string text = fold(utf8);
  std::u32string result;
  result.reserve(text.size());
  std::string_view rest = text;
  while (!rest.empty()) {
    const CodePoint c = first_code_point(rest);
    result += c.valid ? c.value : kBadByteBase + static_cast<unsigned char>(rest.front());
    rest.remove_prefix(c.size);
  }
  return result;
}

// "**" means "*": without runs, a long pattern needs characters to match.
void merge_stars(std::u32string& pattern) {
  const auto end = std::unique(pattern.begin(), pattern.end(),
                               [](char32_t a, char32_t b) { return a == kStar && b == kStar; });
  pattern.erase(end, pattern.end());
}

// Which pattern positions can be reached with the part of the name read so far: reached[i] says
// that pattern[0, i) matches it. Two of these rows are all the memory a match takes.
using Row = std::vector<uint8_t>;

// Positions reached from others without taking a character, before `at_dot` (the next character is
// a dot), before the last dot, or at the end of the name.
void take_empty_steps(const std::u32string& pattern, bool at_dot, bool at_end, Row& row) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (!row[i]) continue;
    const char32_t p = pattern[i];
    const bool skips = p == kStar || p == kDosStar || (p == kDosQm && (at_dot || at_end)) ||
                       (p == kDosDot && at_end);
    if (skips) row[i + 1] = 1;
  }
}

// One character of the name. False if no position is left.
bool take_character(const std::u32string& pattern, char32_t c, bool is_last_dot, const Row& row,
                    Row& next) {
  std::fill(next.begin(), next.end(), 0);
  bool any = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (!row[i]) continue;
    const char32_t p = pattern[i];
    if (p == kStar || (p == kDosStar && !is_last_dot)) {
      next[i] = 1;
      any = true;
    }
    // DOS_STAR takes the last dot too, and ends with it.
    const bool takes = p == c || p == kQuestion || (p == kDosQm && c != kDot) ||
                       (p == kDosDot && c == kDot) || (p == kDosStar && is_last_dot);
    if (takes && p != kStar) {
      next[i + 1] = 1;
      any = true;
    }
  }
  return any;
}

}  // namespace

NameExpression::NameExpression(std::string_view expression) : pattern_(folded(expression)) {
  // Only as it is: "*.**" still wants a dot.
  const bool is_star_dot_star = pattern_ == U"*.*";
  merge_stars(pattern_);
  if (pattern_ == U"*" || is_star_dot_star) {
    kind_ = Kind::kAll;
  } else if (pattern_.size() > kLengthMax) {
    kind_ = Kind::kNothing;
  } else if (std::none_of(pattern_.begin(), pattern_.end(), is_wildcard)) {
    kind_ = Kind::kLiteral;
  } else {
    kind_ = Kind::kPattern;
  }
}

bool NameExpression::matches(std::string_view name) const {
  if (name.empty()) return kind_ != Kind::kNothing && pattern_.empty();
  if (kind_ == Kind::kAll) return true;
  if (kind_ == Kind::kNothing) return false;
  const std::u32string text = folded(name);
  if (kind_ == Kind::kLiteral) return pattern_ == text;

  const size_t last_dot = text.rfind(kDot);
  Row row(pattern_.size() + 1);
  Row next(pattern_.size() + 1);
  row[0] = 1;
  for (size_t i = 0; i < text.size(); ++i) {
    take_empty_steps(pattern_, text[i] == kDot, false, row);
    if (!take_character(pattern_, text[i], i == last_dot, row, next)) return false;
    std::swap(row, next);
  }
  take_empty_steps(pattern_, false, true, row);
  return row[pattern_.size()] != 0;
}

bool name_in_expression(std::string_view expression, std::string_view name) {
  return NameExpression(expression).matches(name);
}

bool has_wildcards(std::string_view text) {
  return text.find_first_of("*?<>\"") != std::string_view::npos;
}

}  // namespace braid::wire
