#include "wire/utf16.h"

namespace braid::wire {
namespace {

constexpr bool is_high_surrogate(char32_t c) { return c >= 0xD800 && c <= 0xDBFF; }
constexpr bool is_low_surrogate(char32_t c) { return c >= 0xDC00 && c <= 0xDFFF; }

uint16_t unit_at(ByteView utf16le, size_t i) {
  return static_cast<uint16_t>(utf16le[i] | utf16le[i + 1] << 8);
}

// True if a low surrogate, spelled in three bytes, starts `rest`: then the high one before it is
// half of a pair that should have been one code point.
bool starts_with_low_surrogate(std::string_view rest) {
  return rest.size() >= 3 && static_cast<uint8_t>(rest[0]) == 0xED &&
         static_cast<uint8_t>(rest[1]) >= 0xB0 && static_cast<uint8_t>(rest[1]) <= 0xBF &&
         (static_cast<uint8_t>(rest[2]) & 0xC0) == 0x80;
}

// Calls put(unit) for each UTF-16 unit of `utf8`, U+FFFD for each bad byte; false if there was one.
template <class Put>
bool for_each_unit(std::string_view utf8, Put put) {
  bool all_valid = true;
  while (!utf8.empty()) {
    const CodePoint point = first_code_point(utf8);
    all_valid &= point.valid;
    if (point.value >= 0x10000) {
      const char32_t over = point.value - 0x10000;
      put(static_cast<uint16_t>(0xD800 + (over >> 10)));
      put(static_cast<uint16_t>(0xDC00 + (over & 0x3FF)));
    } else {
      put(static_cast<uint16_t>(point.value));
    }
    utf8.remove_prefix(point.size);
  }
  return all_valid;
}

}  // namespace

CodePoint first_code_point(std::string_view utf8) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(utf8[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const size_t size = lead >= 0xF0 && lead <= 0xF4   ? 4
                      : lead >= 0xE0 && lead <= 0xEF ? 3
                      : lead >= 0xC2 && lead <= 0xDF ? 2
                                                     : 0;
  if (size == 0 || size > utf8.size()) return {};
  char32_t value = lead & (0x7F >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3F);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[size] || value > 0x10FFFF) return {};
  if (is_high_surrogate(value) && starts_with_low_surrogate(utf8.substr(size))) return {};
  return {value, size, true};
}

void append_code_point(std::string& utf8, char32_t value) {
  const auto put = [&](char32_t byte) { utf8.push_back(static_cast<char>(byte)); };
  if (value < 0x80) {
    put(value);
  } else if (value < 0x800) {
    put(0xC0 | value >> 6);
    put(0x80 | (value & 0x3F));
  } else if (value < 0x10000) {
    put(0xE0 | value >> 12);
    put(0x80 | (value >> 6 & 0x3F));
    put(0x80 | (value & 0x3F));
  } else {
    put(0xF0 | value >> 18);
    put(0x80 | (value >> 12 & 0x3F));
    put(0x80 | (value >> 6 & 0x3F));
    put(0x80 | (value & 0x3F));
  }
}

Result<std::string> utf8_from_utf16le(ByteView utf16le, LoneSurrogates lone) {
  if (utf16le.size() % 2 != 0) return fail(Error::malformed());
  std::string utf8;
  utf8.reserve(utf16le.size() / 2);
  for (size_t i = 0; i < utf16le.size(); i += 2) {
    char32_t value = unit_at(utf16le, i);
    const char32_t next = i + 2 < utf16le.size() ? unit_at(utf16le, i + 2) : 0;
    if (is_high_surrogate(value) && is_low_surrogate(next)) {
      value = 0x10000 + ((value - 0xD800) << 10) + (next - 0xDC00);
      i += 2;
    } else if (lone == LoneSurrogates::kReject &&
               (is_high_surrogate(value) || is_low_surrogate(value))) {
      return fail(Error::malformed());
    }
    append_code_point(utf8, value);
  }
  return utf8;
}

Result<Bytes> utf16le_from_utf8(std::string_view utf8) {
  Bytes utf16le;
  utf16le.reserve(utf8.size() * 2);
  const bool valid = for_each_unit(utf8, [&](uint16_t unit) {
    utf16le.push_back(static_cast<uint8_t>(unit));
    utf16le.push_back(static_cast<uint8_t>(unit >> 8));
  });
  if (!valid) return fail(Error::malformed());
  return utf16le;
}

void write_utf16le(Writer& w, std::string_view utf8) {
  for_each_unit(utf8, [&](uint16_t unit) { w.u16(unit); });
}

size_t utf16le_size(std::string_view utf8) {
  size_t units = 0;
  for_each_unit(utf8, [&](uint16_t) { ++units; });
  return units * 2;
}

bool is_well_formed(std::string_view utf8) {
  return for_each_unit(utf8, [](uint16_t) {});
}

}  // namespace braid::wire
