#include "wire/smb2/lock.h"

#include "wire/smb2/empty_body.h"
#include "wire/smb2/variable_part.h"

namespace braid::wire {

Result<LockRequest> LockRequest::decode(Reader& r) {
  constexpr size_t kElementSize = 24;
  LockRequest request;
  r.expect_u16(48);
  const uint16_t lock_count = r.u16();
  const uint32_t sequence = r.u32();
  request.lock_sequence_number = sequence & 0xF;
  request.lock_sequence_index = sequence >> 4;
  request.file_id = r.file_id();
  Reader elements(r.bytes(lock_count * kElementSize));
  while (elements.remaining() > 0) {
    LockElement element;
    element.offset = elements.u64();
    element.length = elements.u64();
    element.flags = elements.u32();
    elements.skip(4);
    request.locks.push_back(element);
  }
  return r.finish(std::move(request));
}

void LockRequest::encode(Writer& w) const {
  w.u16(48);
  w.u16(narrow_u16(locks.size()));
  w.u32(lock_sequence_index << 4 | (lock_sequence_number & 0xF));
  w.file_id(file_id);
  for (const LockElement& element : locks) {
    w.u64(element.offset);
    w.u64(element.length);
    w.u32(element.flags);
    w.u32(0);
  }
}

Result<LockResponse> LockResponse::decode(Reader& r) { return decode_empty_body<LockResponse>(r); }
void LockResponse::encode(Writer& w) const { encode_empty_body(w); }

}  // namespace braid::wire
