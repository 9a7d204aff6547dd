#include "wire/smb2/duplicate_extents.h"

namespace braid::wire {
namespace {

// The four fields that both structures have.
template <class T>
void decode_ranges(Reader& r, T& extents) {
  extents.source_file_id = r.file_id();
  extents.source_file_offset = static_cast<int64_t>(r.u64());
  extents.target_file_offset = static_cast<int64_t>(r.u64());
  extents.byte_count = static_cast<int64_t>(r.u64());
}

template <class T>
void encode_ranges(Writer& w, const T& extents) {
  w.file_id(extents.source_file_id);
  w.u64(static_cast<uint64_t>(extents.source_file_offset));
  w.u64(static_cast<uint64_t>(extents.target_file_offset));
  w.u64(static_cast<uint64_t>(extents.byte_count));
}

}  // namespace

Result<DuplicateExtentsData> DuplicateExtentsData::decode(Reader& r) {
  DuplicateExtentsData extents;
  decode_ranges(r, extents);
  return r.finish(extents);
}

void DuplicateExtentsData::encode(Writer& w) const { encode_ranges(w, *this); }

Result<DuplicateExtentsDataEx> DuplicateExtentsDataEx::decode(Reader& r) {
  DuplicateExtentsDataEx extents;
  r.expect(r.u64() == kStructureSize);
  decode_ranges(r, extents);
  extents.flags = r.u32();
  r.skip(4);
  return r.finish(extents);
}

void DuplicateExtentsDataEx::encode(Writer& w) const {
  w.u64(kStructureSize);
  encode_ranges(w, *this);
  w.u32(flags);
  w.u32(0);
}

}  // namespace braid::wire
