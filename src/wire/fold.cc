#include "wire/fold.h"

#include <algorithm>

#include "wire/upcase.h"
#include "wire/utf16.h"

namespace braid::wire {
namespace {

constexpr char fold_ascii(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
constexpr bool is_ascii(char c) { return static_cast<uint8_t>(c) < 0x80; }

// Beyond U+FFFF it is two units, which both stay.
char32_t fold_code_point(char32_t c) { return c > 0xFFFF ? c : upcase(static_cast<char16_t>(c)); }

// Folds the character at the front of `utf8`, appends it to `folded` and drops it.
void fold_front(std::string_view& utf8, std::string& folded) {
  const CodePoint point = first_code_point(utf8);
  if (point.valid) {
    append_code_point(folded, fold_code_point(point.value));
  } else {
    folded.push_back(utf8.front());
  }
  utf8.remove_prefix(point.size);
}

}  // namespace

std::string fold(std::string_view utf8) {
  std::string folded;
  folded.reserve(utf8.size());
  while (!utf8.empty()) {
    if (is_ascii(utf8.front())) {
      folded.push_back(fold_ascii(utf8.front()));
      utf8.remove_prefix(1);
    } else {
      fold_front(utf8, folded);
    }
  }
  return folded;
}

bool equal_fold(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty() && is_ascii(a.front()) && is_ascii(b.front())) {
    if (fold_ascii(a.front()) != fold_ascii(b.front())) return false;
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  // From the first character outside ASCII on, names are rare and short enough to fold whole.
  return a == b || fold(a) == fold(b);
}

}  // namespace braid::wire
