#include "wire/smb2/query_directory.h"

#include "wire/smb2/variable_part.h"

namespace braid::wire {

Result<QueryDirectoryRequest> QueryDirectoryRequest::decode(Reader& r) {
  QueryDirectoryRequest request;
  r.expect_u16(33);
  request.file_information_class = r.u8();
  request.flags = r.u8();
  request.file_index = r.u32();
  request.file_id = r.file_id();
  const uint16_t name_offset = r.u16();
  const uint16_t name_length = r.u16();
  request.output_buffer_length = r.u32();
  request.file_name = variable_utf16(r, name_offset, name_length);
  return r.finish(std::move(request));
}

void QueryDirectoryRequest::encode(Writer& w) const {
  w.u16(33);
  w.u8(file_information_class);
  w.u8(flags);
  w.u32(file_index);
  w.file_id(file_id);
  w.u16(narrow_u16(w.position() + 8));
  w.u16(narrow_u16(utf16le_size(file_name)));
  w.u32(output_buffer_length);
  write_utf16le(w, file_name);
  write_filler_if_empty(w, file_name.empty());
}

Result<QueryDirectoryResponse> QueryDirectoryResponse::decode(Reader& r) {
  QueryDirectoryResponse response;
  r.expect_u16(9);
  const uint16_t offset = r.u16();
  const uint32_t length = r.u32();
  response.output_buffer = variable_part(r, offset, length);
  return r.finish(response);
}

void QueryDirectoryResponse::encode(Writer& w) const {
  w.u16(9);
  w.u16(narrow_u16(w.position() + 6));
  w.u32(narrow_u32(output_buffer.size()));
  w.bytes(output_buffer);
}

}  // namespace braid::wire
