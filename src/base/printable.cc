#include "base/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace braid {
namespace {

struct Character {
  char32_t code = 0;
  size_t size = 0;  // bytes; 0: these are no UTF-8
};

// The character at the front: the shortest form only, no surrogates, up to U+10FFFF.
Character first_character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  size_t size = 0;
  char32_t code = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    size = 2;
    code = lead & 0x1F;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    size = 3;
    code = lead & 0x0F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    size = 4;
    code = lead & 0x07;
  }
  if (size == 0 || text.size() < size) return {};
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3F);
  }
  const bool is_longer_than_needed = (size == 3 && code < 0x800) || (size == 4 && code < 0x1'0000);
  const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (is_longer_than_needed || is_surrogate || code > 0x10'FFFF) return {};
  return {code, size};
}

bool is_shown(char32_t c) {
  if (c < 0x20 || (c >= 0x7F && c < 0xA0)) return false;  // C0, DEL, C1
  if (c == 0x2028 || c == 0x2029) return false;           // LINE and PARAGRAPH SEPARATOR
  // Directions of text: ALM, LRM, RLM, embeddings and overrides, isolates.
  if (c == 0x061C || c == 0x200E || c == 0x200F) return false;
  if ((c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069)) return false;
  // Nobody sees them: soft hyphen, spaces without width, tags. Joiners are letters' business.
  if (c == 0xAD || c == 0x180E || c == 0x200B || c == 0xFEFF) return false;
  if ((c >= 0x2060 && c <= 0x206F) || (c >= 0xFFF9 && c <= 0xFFFB)) return false;
  if (c >= 0xE'0000 && c <= 0xE'007F) return false;
  // No characters, and never will be.
  return (c & 0xFFFE) != 0xFFFE && !(c >= 0xFDD0 && c <= 0xFDEF);
}

bool is_plain(char c) { return c >= 0x20 && c < 0x7F; }

}  // namespace

std::string printable(std::string_view text) {
  if (std::ranges::all_of(text, is_plain)) return std::string(text);
  std::string out;
  out.reserve(text.size() + 16);
  while (!text.empty()) {
    const Character next = first_character(text);
    if (next.size == 0) {
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(text[0]));
    } else if (!is_shown(next.code)) {
      out += fmt::format("\\u{{{:x}}}", static_cast<uint32_t>(next.code));
    } else {
      out += text.substr(0, next.size);
    }
    text.remove_prefix(std::max<size_t>(next.size, 1));
  }
  return out;
}

std::string_view cut_text(std::string_view text, size_t size_max) {
  if (text.size() <= size_max) return text;
  size_t end = size_max;
  // Three bytes at most follow the first of a character.
  while (end > 0 && size_max - end < 3 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace braid
