#include "wire/smb2/change_notify.h"

#include "wire/smb2/variable_part.h"

namespace braid::wire {

Result<ChangeNotifyRequest> ChangeNotifyRequest::decode(Reader& r) {
  ChangeNotifyRequest request;
  r.expect_u16(32);
  request.flags = r.u16();
  request.output_buffer_length = r.u32();
  request.file_id = r.file_id();
  request.completion_filter = r.u32();
  r.skip(4);
  return r.finish(request);
}

void ChangeNotifyRequest::encode(Writer& w) const {
  w.u16(32);
  w.u16(flags);
  w.u32(output_buffer_length);
  w.file_id(file_id);
  w.u32(completion_filter);
  w.u32(0);
}

Result<ChangeNotifyResponse> ChangeNotifyResponse::decode(Reader& r) {
  ChangeNotifyResponse response;
  r.expect_u16(9);
  const uint16_t offset = r.u16();
  const uint32_t length = r.u32();
  response.output_buffer = variable_part(r, offset, length);
  return r.finish(response);
}

void ChangeNotifyResponse::encode(Writer& w) const {
  w.u16(9);
  w.u16(narrow_u16(w.position() + 6));
  w.u32(narrow_u32(output_buffer.size()));
  w.bytes(output_buffer);
}

}  // namespace braid::wire
