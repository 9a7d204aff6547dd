// Search patterns of QUERY_DIRECTORY.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace braid::wire {

// A search pattern made ready for matching many names. [MS-FSA] 2.1.4.4 "Algorithm for Determining
// if a FileName Is in an Expression", without regard to case. Wildcards: * ? and their DOS forms
//   <  DOS_STAR  any characters up to the last dot of the name
//   >  DOS_QM    one character, or none at a dot or the end
//   "  DOS_DOT   a dot, or nothing at the end
// A name is matched in one pass: for each of its characters the positions of the pattern that can
// be reached, all at once in sets of bits, so that the work grows with the length of the name and
// by a 64th of the pattern's. Nothing recurses and nothing goes back. Value type; matches() may be
// called from any thread.
class NameExpression {
 public:
  // Names have at most 255 UTF-16 units, so a longer pattern can only repeat wildcards; one of
  // more code points than this, once runs of * are merged, matches nothing.
  static constexpr size_t kLengthMax = 1024;

  enum class Case : uint8_t { kIgnored, kMatters };

  // UTF-8.
  explicit NameExpression(std::string_view expression, Case letters = Case::kIgnored);

  // `words` grows by the words of bits that were worked on: what it cost, for tests.
  bool matches(std::string_view name, size_t* words = nullptr) const;
  // What each character of a name costs, in words of bits.
  size_t words_per_character() const { return star_.size() * (1 + skips_.size()); }
  // True for "*" and its equivalents: no name needs to be looked at.
  bool matches_all() const { return kind_ == Kind::kAll; }
  // True if the pattern has no wildcards, so that one look-up answers.
  bool is_literal() const { return kind_ == Kind::kLiteral; }

 private:
  enum class Kind { kAll, kLiteral, kPattern, kNothing };

  // Positions of the pattern: bit i stands before its character i.
  using Positions = std::vector<uint64_t>;
  // Positions from which the next is reached without a character, and then, for as long as there
  // are any, those from which the 2nd, 4th, 8th... is.
  using Skips = std::vector<Positions>;

  Positions positions_of(char32_t c) const;
  Skips skips_over(std::u32string_view wildcards) const;
  const Positions* find_literal(char32_t c) const;

  Kind kind_;
  Case letters_;
  std::u32string pattern_;  // folded, unless case matters
  // Of a kPattern only. Where each wildcard stands, and each other character, in order.
  Positions star_, question_, dos_star_, dos_qm_, dos_dot_;
  std::vector<std::pair<char32_t, Positions>> literals_;
  Skips skips_, skips_at_dot_, skips_at_end_;
};

// One-off use of the above.
bool name_in_expression(std::string_view expression, std::string_view name);

// True if the text has one of * ? < > ".
bool has_wildcards(std::string_view text);

}  // namespace braid::wire
