// The list that CREATE contexts travel in. Private to wire/smb2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "wire/reader.h"
#include "wire/smb2/variable_part.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-SMB2] 2.2.13.2 "SMB2_CREATE_CONTEXT Request Values": Next, NameOffset, NameLength, Reserved,
// DataOffset, DataLength.
inline constexpr size_t kCreateContextHeadSize = 16;
inline constexpr uint16_t kCreateContextNameLengthMin = 4;

// Reads one link; returns its size, or 0 for the last one and after an error.
template <class Visit>
size_t decode_create_context(Reader& link, Visit& visit) {
  const uint32_t next = link.u32();
  const uint16_t name_offset = link.u16();
  const uint16_t name_length = link.u16();
  link.skip(2);
  const uint16_t data_offset = link.u16();
  const uint32_t data_length = link.u32();
  link.expect(next % 8 == 0 && (next == 0 || next >= kCreateContextHeadSize));
  link.expect(name_length >= kCreateContextNameLengthMin && name_offset >= kCreateContextHeadSize);
  link.expect(data_length == 0 || data_offset >= size_t{name_offset} + name_length);
  // Nothing of this link may reach into the next one.
  Reader within(link.at(0, next == 0 ? link.whole().size() : next));
  const std::string_view name = as_text(within.at(name_offset, name_length));
  Reader data(within.at(data_offset, data_length));
  if (!within.ok()) link.fail(within.error());
  if (!link.ok()) return 0;
  visit(name, data);
  if (!data.ok()) link.fail(data.error());
  return next;
}

// Calls visit(name, data) for each context of the list that the Reader holds. Any fault of the list
// is malformed: its length is known, so nothing in it can be truncated.
template <class Visit>
void decode_create_context_chain(Reader& r, size_t count_max, Visit visit) {
  ByteView list = r.rest();
  for (size_t count = 0; !list.empty() && r.ok(); ++count) {
    Reader link(list);
    const size_t next = decode_create_context(link, visit);
    r.expect(link.ok() && count < count_max && next < list.size());
    if (next == 0 || !r.ok()) return;
    list = list.subspan(next);
  }
}

// Writes the list, link by link. REQUIRES that the Writer stands at a multiple of 8.
class CreateContextChain {
 public:
  explicit CreateContextChain(Writer& w) : w_(w) {}

  // Appends one context; put_data() writes its data to the same Writer.
  template <class PutData>
  void add(std::string_view name, PutData put_data) {
    if (has_link_) {
      w_.align(8);
      w_.patch_u32(link_at_, narrow_u32(w_.position() - link_at_));
    }
    has_link_ = true;
    link_at_ = w_.position();
    w_.u32(0);
    w_.u16(kCreateContextHeadSize);
    w_.u16(narrow_u16(name.size()));
    w_.u16(0);
    w_.u16(0);
    w_.u32(0);
    w_.bytes(as_bytes(name));
    w_.align(8);
    const size_t data_at = w_.position();
    put_data();
    const size_t length = w_.position() - data_at;
    if (length == 0) return;
    w_.patch_u16(link_at_ + 10, narrow_u16(data_at - link_at_));
    w_.patch_u32(link_at_ + 12, narrow_u32(length));
  }

 private:
  Writer& w_;
  bool has_link_ = false;
  size_t link_at_ = 0;
};

}  // namespace braid::wire
