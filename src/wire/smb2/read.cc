#include "wire/smb2/read.h"

#include "wire/smb2/variable_part.h"

namespace braid::wire {

Result<ReadRequest> ReadRequest::decode(Reader& r) {
  ReadRequest request;
  r.expect_u16(49);
  request.padding = r.u8();
  request.flags = r.u8();
  request.length = r.u32();
  request.offset = r.u64();
  request.file_id = r.file_id();
  request.minimum_count = r.u32();
  request.channel = r.as<Channel>();
  request.remaining_bytes = r.u32();
  const uint16_t info_offset = r.u16();
  const uint16_t info_length = r.u16();
  if (request.channel != Channel::kNone) {
    request.read_channel_info = variable_part(r, info_offset, info_length);
  }
  return r.finish(request);
}

void ReadRequest::encode(Writer& w) const {
  w.u16(49);
  w.u8(padding);
  w.u8(flags);
  w.u32(length);
  w.u64(offset);
  w.file_id(file_id);
  w.u32(minimum_count);
  w.value(channel);
  w.u32(remaining_bytes);
  w.u16(read_channel_info.empty() ? 0 : narrow_u16(w.position() + 4));
  w.u16(narrow_u16(read_channel_info.size()));
  w.bytes(read_channel_info);
  write_filler_if_empty(w, read_channel_info.empty());
}

Result<ReadResponse> ReadResponse::decode(Reader& r) {
  ReadResponse response;
  r.expect_u16(17);
  const uint8_t data_offset = r.u8();
  r.skip(1);
  const uint32_t data_length = r.u32();
  response.data_remaining = r.u32();
  response.flags = r.u32();
  response.data = variable_part(r, data_offset, data_length);
  return r.finish(response);
}

void ReadResponse::encode(Writer& w) const {
  encode_head(w, narrow_u32(data.size()));
  w.bytes(data);
}

void ReadResponse::encode_head(Writer& w, uint32_t data_length, uint8_t padding) const {
  w.u16(17);
  w.u8(kDataOffset + padding);
  w.u8(0);
  w.u32(data_length);
  w.u32(data_remaining);
  w.u32(flags);
  w.zeros(padding);
}

}  // namespace braid::wire
