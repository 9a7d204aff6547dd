#include "wire/smb2/flush.h"

#include "wire/smb2/empty_body.h"

namespace braid::wire {

Result<FlushRequest> FlushRequest::decode(Reader& r) {
  FlushRequest request;
  r.expect_u16(24);
  r.skip(2 + 4);
  request.file_id = r.file_id();
  return r.finish(request);
}

void FlushRequest::encode(Writer& w) const {
  w.u16(24);
  w.zeros(2 + 4);
  w.file_id(file_id);
}

Result<FlushResponse> FlushResponse::decode(Reader& r) {
  return decode_empty_body<FlushResponse>(r);
}
void FlushResponse::encode(Writer& w) const { encode_empty_body(w); }

}  // namespace braid::wire
