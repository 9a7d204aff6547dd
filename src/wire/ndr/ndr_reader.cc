#include "wire/ndr/ndr_reader.h"

#include <algorithm>

#include "wire/utf16.h"

namespace braid::wire {

namespace {

// The bytes of `size`-byte numbers in the other order.
Bytes reversed(ByteView numbers, size_t size) {
  Bytes bytes(numbers.begin(), numbers.end());
  for (size_t i = 0; i + size <= bytes.size(); i += size) {
    std::reverse(bytes.begin() + static_cast<ptrdiff_t>(i),
                 bytes.begin() + static_cast<ptrdiff_t>(i + size));
  }
  return bytes;
}

}  // namespace

Guid guid_in_order(Guid as_bytes, ByteOrder order) {
  if (order == ByteOrder::kLittle) return as_bytes;
  const auto first = as_bytes.bytes.begin();
  std::reverse(first, first + 4);
  std::reverse(first + 4, first + 6);
  std::reverse(first + 6, first + 8);
  return as_bytes;
}

std::string NdrReader::text_of(ByteView units) {
  Result<std::string> text =
      is_big_ ? utf8_from_utf16le(reversed(units, 2)) : utf8_from_utf16le(units);
  if (text) return *std::move(text);
  r_.fail(text.error());
  return {};
}

void NdrReader::align(size_t boundary) { r_.align(boundary); }

NdrContextHandle NdrReader::context_handle() {
  NdrContextHandle handle;
  handle.attributes = u32();
  handle.uuid = guid_in_order(r_.id128<Guid>(), order());
  return handle;
}

Guid NdrReader::guid() {
  align(4);
  return guid_in_order(r_.id128<Guid>(), order());
}

uint32_t NdrReader::conformance(uint32_t max, uint32_t element_size) {
  const uint32_t count = u32();
  r_.expect(count <= max && uint64_t{count} * element_size <= r_.remaining());
  return r_.ok() ? count : 0;
}

std::string NdrReader::wide_string(uint32_t units_max) {
  const uint32_t maximum_count = u32();
  const uint32_t offset = u32();
  const uint32_t count = u32();
  r_.expect(offset == 0 && count <= maximum_count && count <= units_max);
  ByteView units = r_.bytes(r_.ok() ? uint64_t{count} * 2 : 0);
  // What follows a NUL is not part of the string; Windows senders end every string with one.
  for (size_t i = 0; i + 1 < units.size(); i += 2) {
    if (units[i] == 0 && units[i + 1] == 0) {
      units = units.first(i);
      break;
    }
  }
  return text_of(units);
}

std::optional<std::string> NdrReader::unique_wide_string(uint32_t units_max) {
  if (!pointer()) return std::nullopt;
  return wide_string(units_max);
}

NdrUnicodeHeader NdrReader::unicode_header() {
  NdrUnicodeHeader header;
  align(4);
  header.length = u16();
  header.maximum_length = u16();
  header.present = pointer();
  r_.expect(header.length % 2 == 0 && header.length <= header.maximum_length);
  return header;
}

std::string NdrReader::unicode_body(const NdrUnicodeHeader& header) {
  if (!header.present || !r_.ok()) return {};
  const uint32_t maximum_count = u32();
  const uint32_t offset = u32();
  const uint32_t count = u32();
  r_.expect(offset == 0 && count <= maximum_count && count * uint64_t{2} == header.length);
  return text_of(r_.bytes(r_.ok() ? uint64_t{count} * 2 : 0));
}

Sid NdrReader::sid() {
  const uint32_t count = conformance(Sid::kSubAuthoritiesMax, sizeof(uint32_t));
  if (!r_.ok()) return {};
  const ByteView head = r_.bytes(Sid::kHeaderSize);
  const ByteView numbers = r_.bytes(sizeof(uint32_t) * size_t{count});
  Bytes bytes(head.begin(), head.end());
  const Bytes in_order =
      is_big_ ? reversed(numbers, sizeof(uint32_t)) : Bytes(numbers.begin(), numbers.end());
  bytes.insert(bytes.end(), in_order.begin(), in_order.end());
  Reader fixed(bytes);
  Result<Sid> sid = Sid::decode(fixed);
  // Twice the count: before the structure and in it.
  if (!r_.ok() || !sid || sid->sub_authorities().size() != count) {
    r_.fail(Error::malformed());
    return {};
  }
  return *sid;
}

}  // namespace braid::wire
