#include "wire/dtyp/guid.h"

#include <array>
#include <cstddef>

namespace braid::wire {
namespace {

// Where each byte of the text, left to right, sits on the wire: the first three fields are numbers
// and travel little-endian.
constexpr std::array<uint8_t, 16> kWireOrder = {3, 2, 1,  0,  5,  4,  7,  6,
                                                8, 9, 10, 11, 12, 13, 14, 15};
constexpr bool dash_before(size_t byte) {
  return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string to_string(const Guid& guid) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < 16; ++i) {
    if (dash_before(i)) text += '-';
    const uint8_t byte = guid.bytes[kWireOrder[i]];
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Result<Guid> parse_guid(std::string_view text) {
  if (text.size() == 38 && text.front() == '{' && text.back() == '}') {
    text = text.substr(1, 36);
  }
  if (text.size() != 36) return fail(Error::malformed());
  Guid guid;
  size_t at = 0;
  for (size_t i = 0; i < 16; ++i) {
    if (dash_before(i) && text[at++] != '-') return fail(Error::malformed());
    const int high = hex_digit(text[at++]);
    const int low = hex_digit(text[at++]);
    if (high < 0 || low < 0) return fail(Error::malformed());
    guid.bytes[kWireOrder[i]] = static_cast<uint8_t>(high * 16 + low);
  }
  return guid;
}

}  // namespace braid::wire
