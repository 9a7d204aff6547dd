#include "wire/smb2/close.h"

namespace braid::wire {

Result<CloseRequest> CloseRequest::decode(Reader& r) {
  CloseRequest request;
  r.expect_u16(24);
  request.flags = r.u16();
  r.skip(4);
  request.file_id = r.file_id();
  return r.finish(request);
}

void CloseRequest::encode(Writer& w) const {
  w.u16(24);
  w.u16(flags);
  w.u32(0);
  w.file_id(file_id);
}

Result<CloseResponse> CloseResponse::decode(Reader& r) {
  CloseResponse response;
  r.expect_u16(60);
  response.flags = r.u16();
  r.skip(4);
  response.creation_time = r.file_time();
  response.last_access_time = r.file_time();
  response.last_write_time = r.file_time();
  response.change_time = r.file_time();
  response.allocation_size = r.u64();
  response.end_of_file = r.u64();
  response.file_attributes = r.u32();
  return r.finish(response);
}

void CloseResponse::encode(Writer& w) const {
  w.u16(60);
  w.u16(flags);
  w.u32(0);
  w.file_time(creation_time);
  w.file_time(last_access_time);
  w.file_time(last_write_time);
  w.file_time(change_time);
  w.u64(allocation_size);
  w.u64(end_of_file);
  w.u32(file_attributes);
}

}  // namespace braid::wire
