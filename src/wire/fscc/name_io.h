// Names inside structures: a count of bytes, and UTF-16.
#pragma once

#include <string>
#include <string_view>

#include "wire/reader.h"
#include "wire/utf16.h"
#include "wire/writer.h"

namespace braid::wire {

// The next `length` bytes as UTF-8; the Reader fails if they are not there or odd in number.
inline std::string read_name(Reader& r, uint32_t length) {
  Result<std::string> name = utf8_from_utf16le(r.bytes(length));
  if (!name) {
    r.fail(name.error());
    return {};
  }
  return *std::move(name);
}

inline uint32_t name_length(std::string_view name) {
  return static_cast<uint32_t>(utf16le_size(name));
}

}  // namespace braid::wire
