#include "wire/smb2/write.h"

#include "wire/smb2/variable_part.h"

namespace braid::wire {
namespace {

// Payload or channel information follows; in 2.x, where a channel means nothing, perhaps both.
void encode_fixed(Writer& w, const WriteRequest& request, uint32_t data_length,
                  uint16_t info_length) {
  w.u16(49);
  const bool has_data = request.has_both || !request.data.empty();
  w.u16(request.channel == Channel::kNone || has_data ? WriteRequest::kDataOffset : 0);
  w.u32(data_length);
  w.u64(request.offset);
  w.file_id(request.file_id);
  w.value(request.channel);
  w.u32(request.remaining_bytes);
  const auto behind_data = static_cast<uint16_t>(WriteRequest::kDataOffset + data_length);
  w.u16(info_length == 0 ? 0 : behind_data);
  w.u16(info_length);
  w.u32(request.flags);
}

}  // namespace

Result<WriteRequest> WriteRequest::decode(Reader& r) {
  WriteRequest request;
  r.expect_u16(49);
  const uint16_t data_offset = r.u16();
  const uint32_t length = r.u32();
  request.offset = r.u64();
  request.file_id = r.file_id();
  request.channel = r.as<Channel>();
  request.remaining_bytes = r.u32();
  const uint16_t info_offset = r.u16();
  const uint16_t info_length = r.u16();
  request.flags = r.u32();
  r.expect(data_offset <= kDataOffsetMax);
  request.data = variable_part(r, data_offset, length);
  if (request.channel != Channel::kNone) {
    request.write_channel_info = variable_part(r, info_offset, info_length);
    request.has_both = !request.data.empty() || data_offset != 0;
  }
  return r.finish(request);
}

void WriteRequest::encode(Writer& w) const {
  encode_fixed(w, *this, narrow_u32(data.size()), narrow_u16(write_channel_info.size()));
  w.bytes(data);
  w.bytes(write_channel_info);
  write_filler_if_empty(w, data.empty() && write_channel_info.empty());
}

void WriteRequest::encode_head(Writer& w, uint32_t length) const {
  encode_fixed(w, *this, length, 0);
}

Result<WriteResponse> WriteResponse::decode(Reader& r) {
  WriteResponse response;
  r.expect_u16(17);
  r.skip(2);
  response.count = r.u32();
  response.remaining = r.u32();
  r.skip(2 + 2);  // WriteChannelInfoOffset, WriteChannelInfoLength
  return r.finish(response);
}

void WriteResponse::encode(Writer& w) const {
  w.u16(17);
  w.u16(0);
  w.u32(count);
  w.u32(remaining);
  w.u16(0);
  w.u16(0);
}

}  // namespace braid::wire
