// Search patterns of QUERY_DIRECTORY.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace braid::wire {

// A search pattern made ready for matching many names. [MS-FSA] 2.1.4.4 "Algorithm for Determining
// if a FileName Is in an Expression", without regard to case. Wildcards: * ? and their DOS forms
//   <  DOS_STAR  any characters up to the last dot of the name
//   >  DOS_QM    one character, or none at a dot or the end
//   "  DOS_DOT   a dot, or nothing at the end
// The work for a name is bounded by its length times the pattern's; nothing recurses. Value type;
// matches() may be called from any thread.
class NameExpression {
 public:
  // Names have at most 255 UTF-16 units, so a longer pattern can only repeat wildcards; one of
  // more code points than this, once runs of * are merged, matches nothing.
  static constexpr size_t kLengthMax = 1024;

  // UTF-8.
  explicit NameExpression(std::string_view expression);

  bool matches(std::string_view name) const;
  // True for "*" and its equivalents: no name needs to be looked at.
  bool matches_all() const { return kind_ == Kind::kAll; }
  // True if the pattern has no wildcards, so that one look-up answers.
  bool is_literal() const { return kind_ == Kind::kLiteral; }

 private:
  enum class Kind { kAll, kLiteral, kPattern, kNothing };

  Kind kind_;
  std::u32string pattern_;  // folded
};

// One-off use of the above.
bool name_in_expression(std::string_view expression, std::string_view name);

// True if the text has one of * ? < > ".
bool has_wildcards(std::string_view text);

}  // namespace braid::wire
