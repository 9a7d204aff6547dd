#include "wire/smb2/session_setup.h"

#include "wire/smb2/variable_part.h"

namespace braid::wire {

Result<SessionSetupRequest> SessionSetupRequest::decode(Reader& r) {
  SessionSetupRequest request;
  r.expect_u16(25);
  request.flags = r.u8();
  request.security_mode = r.u8();
  request.capabilities = r.u32();
  request.channel = r.u32();
  const uint16_t offset = r.u16();
  const uint16_t length = r.u16();
  request.previous_session_id = {r.u64()};
  request.security_buffer = variable_part(r, offset, length);
  return r.finish(request);
}

void SessionSetupRequest::encode(Writer& w) const {
  w.u16(25);
  w.u8(flags);
  w.u8(security_mode);
  w.u32(capabilities);
  w.u32(channel);
  w.u16(narrow_u16(w.position() + 12));
  w.u16(narrow_u16(security_buffer.size()));
  w.u64(previous_session_id.value);
  w.bytes(security_buffer);
  write_filler_if_empty(w, security_buffer.empty());
}

Result<SessionSetupResponse> SessionSetupResponse::decode(Reader& r) {
  SessionSetupResponse response;
  r.expect_u16(9);
  response.session_flags = r.u16();
  const uint16_t offset = r.u16();
  const uint16_t length = r.u16();
  response.security_buffer = variable_part(r, offset, length);
  return r.finish(response);
}

void SessionSetupResponse::encode(Writer& w) const {
  w.u16(9);
  w.u16(session_flags);
  w.u16(narrow_u16(w.position() + 4));
  w.u16(narrow_u16(security_buffer.size()));
  w.bytes(security_buffer);
}

}  // namespace braid::wire
