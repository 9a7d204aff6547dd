#include "wire/ndr/ndr_writer.h"

#include "wire/utf16.h"

namespace braid::wire {
namespace {

constexpr size_t kUnicodeSizeMax = 0xfffe;  // Length and MaximumLength are 16 bits

// Texts too long for a counted string are sent empty: they come from us, and none is.
uint32_t counted_size(std::string_view text, size_t spare) {
  const size_t size = utf16le_size(text);
  return size + spare <= kUnicodeSizeMax ? static_cast<uint32_t>(size) : 0;
}

}  // namespace

void NdrWriter::pointer(bool present) {
  u32(present ? next_referent_ : 0);
  if (present) next_referent_ += 4;
}

void NdrWriter::context_handle(const NdrContextHandle& handle) {
  u32(handle.attributes);
  w_.id128(handle.uuid);
}

void NdrWriter::guid(const Guid& guid) {
  w_.align(4);
  w_.id128(guid);
}

void NdrWriter::wide_string(std::string_view text) {
  const auto units = static_cast<uint32_t>(utf16le_size(text) / 2 + 1);
  u32(units);
  u32(0);
  u32(units);
  write_utf16le(w_, text);
  w_.u16(0);
}

void NdrWriter::unique_wide_string(std::string_view text) {
  pointer(true);
  wide_string(text);
}

void NdrWriter::unicode_header(std::string_view text) {
  const uint32_t size = counted_size(text, 0);
  w_.align(4);
  w_.u16(static_cast<uint16_t>(size));
  w_.u16(static_cast<uint16_t>(size));
  pointer(true);
}

void NdrWriter::unicode_body(std::string_view text) {
  const uint32_t size = counted_size(text, 0);
  u32(size / 2);
  u32(0);
  u32(size / 2);
  if (size > 0) write_utf16le(w_, text);
}

void NdrWriter::unicode_header_large(std::string_view text) {
  const uint32_t size = counted_size(text, 2);
  w_.align(4);
  w_.u16(static_cast<uint16_t>(size));
  w_.u16(static_cast<uint16_t>(size + 2));
  pointer(true);
}

void NdrWriter::unicode_body_large(std::string_view text) {
  const uint32_t size = counted_size(text, 2);
  u32(size / 2 + 1);
  u32(0);
  u32(size / 2);
  if (size > 0) write_utf16le(w_, text);
}

void NdrWriter::sid(const Sid& sid) {
  u32(static_cast<uint32_t>(sid.sub_authorities().size()));
  sid.encode(w_);
}

}  // namespace braid::wire
