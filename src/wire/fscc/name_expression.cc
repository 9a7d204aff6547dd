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

// Code points of the text, folded unless case matters.
std::u32string code_points(std::string_view utf8, NameExpression::Case letters) {
  const std::string text =
      letters == NameExpression::Case::kIgnored ? fold(utf8) : std::string(utf8);
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

constexpr size_t kBits = 64;

using Row = std::vector<uint64_t>;

void set_bit(Row& row, size_t i) { row[i / kBits] |= uint64_t{1} << (i % kBits); }

// The word `i` of `row`, moved up by `by` positions.
uint64_t moved_up(const Row& row, size_t i, size_t by) {
  const size_t words = by / kBits, bits = by % kBits;
  if (i < words) return 0;
  const uint64_t high = row[i - words] << bits;
  return bits != 0 && i > words ? high | row[i - words - 1] >> (kBits - bits) : high;
}

uint64_t moved_down(const Row& row, size_t i, size_t by) {
  const size_t words = by / kBits, bits = by % kBits;
  if (i + words >= row.size()) return 0;
  const uint64_t low = row[i + words] >> bits;
  return bits != 0 && i + words + 1 < row.size() ? low | row[i + words + 1] << (kBits - bits) : low;
}

// Adds what is reached without taking a character.
void skip(const std::vector<Row>& skips, Row& row, Row& scratch) {
  size_t by = 1;
  for (const Row& from : skips) {
    for (size_t i = 0; i < row.size(); ++i) scratch[i] = row[i] & from[i];
    for (size_t i = 0; i < row.size(); ++i) row[i] |= moved_up(scratch, i, by);
    by *= 2;
  }
}

}  // namespace

NameExpression::NameExpression(std::string_view expression, Case letters)
    : letters_(letters), pattern_(code_points(expression, letters)) {
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
    star_ = positions_of(kStar);
    question_ = positions_of(kQuestion);
    dos_star_ = positions_of(kDosStar);
    dos_qm_ = positions_of(kDosQm);
    dos_dot_ = positions_of(kDosDot);
    std::u32string characters = pattern_;
    std::ranges::sort(characters);
    const auto [end, last] = std::ranges::unique(characters);
    characters.erase(end, last);
    std::erase_if(characters, is_wildcard);
    for (const char32_t c : characters) literals_.emplace_back(c, positions_of(c));
    skips_ = skips_over(U"*<");
    skips_at_dot_ = skips_over(U"*<>");
    skips_at_end_ = skips_over(U"*<>\"");
  }
}

NameExpression::Positions NameExpression::positions_of(char32_t c) const {
  Positions positions(pattern_.size() / kBits + 1);
  for (size_t i = 0; i < pattern_.size(); ++i) {
    if (pattern_[i] == c) set_bit(positions, i);
  }
  return positions;
}

NameExpression::Skips NameExpression::skips_over(std::u32string_view wildcards) const {
  Skips skips;
  Positions from(pattern_.size() / kBits + 1);
  bool any = false;
  for (size_t i = 0; i < pattern_.size(); ++i) {
    if (wildcards.find(pattern_[i]) == wildcards.npos) continue;
    set_bit(from, i);
    any = true;
  }
  for (size_t by = 1; any; by *= 2) {
    skips.push_back(from);
    any = false;
    for (size_t i = 0; i < from.size(); ++i) {
      from[i] &= moved_down(skips.back(), i, by);
      any |= from[i] != 0;
    }
  }
  return skips;
}

const NameExpression::Positions* NameExpression::find_literal(char32_t c) const {
  const auto found =
      std::ranges::lower_bound(literals_, c, {}, [](const auto& l) { return l.first; });
  return found != literals_.end() && found->first == c ? &found->second : nullptr;
}

bool NameExpression::matches(std::string_view name, size_t* words) const {
  if (name.empty()) return kind_ != Kind::kNothing && pattern_.empty();
  if (kind_ == Kind::kAll) return true;
  if (kind_ == Kind::kNothing) return false;
  const std::u32string text = code_points(name, letters_);
  if (kind_ == Kind::kLiteral) return pattern_ == text;

  // Where one can be in the pattern with the part of the name read so far.
  const size_t last_dot = text.rfind(kDot);
  Row row(star_.size()), taken(star_.size());
  set_bit(row, 0);
  const auto count = [&](const Skips& skips) {
    if (words) *words += row.size() * (1 + skips.size());
  };
  for (size_t at = 0; at < text.size(); ++at) {
    const bool is_dot = text[at] == kDot, is_last_dot = at == last_dot;
    const Skips& skips = is_dot ? skips_at_dot_ : skips_;
    skip(skips, row, taken);
    const Positions* const literal = find_literal(text[at]);
    uint64_t any = 0, carry = 0;
    for (size_t i = 0; i < row.size(); ++i) {
      // DOS_STAR takes the last dot too, and ends with it.
      const uint64_t takes = question_[i] | (is_dot ? dos_dot_[i] : dos_qm_[i]) |
                             (is_last_dot ? dos_star_[i] : 0) | (literal ? (*literal)[i] : 0);
      const uint64_t stays = star_[i] | (is_last_dot ? 0 : dos_star_[i]);
      const uint64_t steps = row[i] & takes;
      row[i] = (row[i] & stays) | steps << 1 | carry;
      carry = steps >> (kBits - 1);
      any |= row[i];
    }
    count(skips);
    if (any == 0) return false;
  }
  skip(skips_at_end_, row, taken);
  count(skips_at_end_);
  return (row[pattern_.size() / kBits] >> (pattern_.size() % kBits) & 1) != 0;
}

bool name_in_expression(std::string_view expression, std::string_view name) {
  return NameExpression(expression).matches(name);
}

bool has_wildcards(std::string_view text) {
  return text.find_first_of("*?<>\"") != std::string_view::npos;
}

}  // namespace braid::wire
