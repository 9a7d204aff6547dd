#include "wire/smb2/set_info.h"

#include "wire/smb2/variable_part.h"

namespace braid::wire {

Result<SetInfoRequest> SetInfoRequest::decode(Reader& r) {
  SetInfoRequest request;
  r.expect_u16(33);
  request.info_type = r.as<InfoType>();
  request.file_info_class = r.u8();
  const uint32_t length = r.u32();
  const uint16_t offset = r.u16();
  r.skip(2);
  request.additional_information = r.u32();
  request.file_id = r.file_id();
  request.buffer = variable_part(r, offset, length);
  return r.finish(request);
}

void SetInfoRequest::encode(Writer& w) const {
  const size_t body_at = w.position();
  constexpr size_t kFixedSize = 32;
  w.u16(33);
  w.value(info_type);
  w.u8(file_info_class);
  w.u32(narrow_u32(buffer.size()));
  w.u16(narrow_u16(body_at + kFixedSize));
  w.u16(0);
  w.u32(additional_information);
  w.file_id(file_id);
  w.bytes(buffer);
  write_filler_if_empty(w, buffer.empty());
}

Result<SetInfoResponse> SetInfoResponse::decode(Reader& r) {
  r.expect_u16(2);
  return r.finish(SetInfoResponse{});
}
void SetInfoResponse::encode(Writer& w) const { w.u16(2); }

}  // namespace braid::wire
