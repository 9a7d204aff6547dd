// UTF-16LE, which the protocol speaks, to and from UTF-8, which everything inside speaks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/writer.h"

namespace braid::wire {

// File names may hold surrogates without a partner. They are kept by spelling them as three-byte
// sequences (the "WTF-8" form), so that every name a client can send comes back unchanged. A pair
// of surrogates has one spelling only, the four-byte one: two spellings would be two files with one
// name.
enum class LoneSurrogates : uint8_t { kKeep, kReject };

// Malformed for an odd number of bytes, or for a lone surrogate with kReject. NULs are kept.
// Shape: at most 3 bytes out for 2 bytes in.
Result<std::string> utf8_from_utf16le(ByteView utf16le,
                                      LoneSurrogates lone = LoneSurrogates::kKeep);

// Malformed for bytes that utf8_from_utf16le never produces: overlong forms, code points past
// U+10FFFF, cut sequences, a surrogate pair in two pieces.
Result<Bytes> utf16le_from_utf8(std::string_view utf8);

// Appends `utf8` as UTF-16LE; each byte that utf16le_from_utf8 would refuse becomes U+FFFD. For
// encoders, which have no error to give: check names where they enter.
void write_utf16le(Writer& w, std::string_view utf8);

// Bytes that write_utf16le will append.
size_t utf16le_size(std::string_view utf8);

// True if utf16le_from_utf8 would take it.
bool is_well_formed(std::string_view utf8);

// One code point off the front of `utf8`, for code that walks names.
struct CodePoint {
  char32_t value = 0xFFFD;
  size_t size = 1;     // bytes taken; 1 for a bad byte
  bool valid = false;  // false: the first byte starts nothing well formed
};
// REQUIRES: !utf8.empty().
CodePoint first_code_point(std::string_view utf8);
void append_code_point(std::string& utf8, char32_t value);

}  // namespace braid::wire
