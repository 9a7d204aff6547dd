// The matcher against a plain recursive one on short ASCII input; on any input it must just end.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "wire/fold.h"
#include "wire/fscc/name_expression.h"
#include "wire/fscc/path_name.h"

using namespace braid;
using namespace braid::wire;

namespace {

// [MS-FSA] 2.1.4.4 said again, without any care for time.
bool naive(std::string_view p, std::string_view name, size_t i, size_t last_dot) {
  if (p.empty()) return i == name.size();
  const std::string_view rest = p.substr(1);
  const bool at_end = i == name.size();
  const bool at_dot = !at_end && name[i] == '.';
  switch (p[0]) {
    case '*':
      return naive(rest, name, i, last_dot) || (!at_end && naive(p, name, i + 1, last_dot));
    case '<':
      if (naive(rest, name, i, last_dot)) return true;
      if (at_end) return false;
      return naive(i == last_dot ? rest : p, name, i + 1, last_dot);
    case '>':
      return naive(rest, name, at_end || at_dot ? i : i + 1, last_dot);
    case '"':
      return at_end ? naive(rest, name, i, last_dot) : at_dot && naive(rest, name, i + 1, last_dot);
    case '?':
      return !at_end && naive(rest, name, i + 1, last_dot);
    default:
      return !at_end && name[i] == p[0] && naive(rest, name, i + 1, last_dot);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = as_text({data, size});
  const size_t half = size / 2;
  const std::string_view expression = text.substr(0, half);
  const std::string_view name = text.substr(half);
  const bool matches = name_in_expression(expression, name);
  (void)parse_path(text);
  (void)split_stream(text);

  // Small alphabets make collisions likely and keep the recursion in bounds.
  constexpr std::string_view kPatternAlphabet = "ab.*?<>\"";
  constexpr std::string_view kNameAlphabet = "ab.";
  std::string p, n;
  for (char c : expression.substr(0, 10)) {
    p += kPatternAlphabet[static_cast<uint8_t>(c) % kPatternAlphabet.size()];
  }
  for (char c : name.substr(0, 10)) {
    n += kNameAlphabet[static_cast<uint8_t>(c) % kNameAlphabet.size()];
  }
  const bool expected = n.empty() ? p.empty() : p == "*.*" || naive(p, n, 0, n.rfind('.'));
  if (name_in_expression(p, n) != expected) std::abort();
  if (matches && expression.empty() && !name.empty()) std::abort();
  return 0;
}
