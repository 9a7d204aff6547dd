// What the messages do alike with their offset and length pairs. Private to wire/smb2.
#pragma once

#include <cassert>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "wire/reader.h"
#include "wire/utf16.h"
#include "wire/writer.h"

namespace braid::wire {

// The variable part at `offset`. REQUIRES that the Reader has just left the fixed part: a variable
// part inside the fixed part or the header is malformed.
inline ByteView variable_part(Reader& r, uint64_t offset, uint64_t length) {
  if (length != 0) r.expect(offset >= r.position());
  return r.at(offset, length);
}

inline std::string variable_utf16(Reader& r, uint64_t offset, uint64_t length) {
  auto text = utf8_from_utf16le(variable_part(r, offset, length));
  if (text) return *std::move(text);
  r.fail(text.error());
  return {};
}

// Sizes and offsets that the wire keeps in two bytes or four. What is too long for its field is our
// own mistake, never a peer's.
inline uint16_t narrow_u16(size_t value) {
  assert(value <= UINT16_MAX);
  return static_cast<uint16_t>(value);
}
inline uint32_t narrow_u32(size_t value) {
  assert(value <= UINT32_MAX);
  return static_cast<uint32_t>(value);
}

// Requests whose StructureSize counts a byte of a variable part that is empty send that byte.
inline void write_filler_if_empty(Writer& w, bool empty) {
  if (empty) w.u8(0);
}

}  // namespace braid::wire
