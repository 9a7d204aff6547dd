#include "wire/smb2/query_info.h"

#include "wire/fscc/quota.h"
#include "wire/smb2/variable_part.h"

namespace braid::wire {

Result<QueryInfoRequest> QueryInfoRequest::decode(Reader& r) {
  QueryInfoRequest request;
  r.expect_u16(41);
  request.info_type = r.as<InfoType>();
  request.file_info_class = r.u8();
  request.output_buffer_length = r.u32();
  const uint16_t input_offset = r.u16();
  r.skip(2);
  const uint32_t input_length = r.u32();
  request.additional_information = r.u32();
  request.flags = r.u32();
  request.file_id = r.file_id();
  request.input_buffer = variable_part(r, input_offset, input_length);
  return r.finish(request);
}

void QueryInfoRequest::encode(Writer& w) const {
  const size_t body_at = w.position();
  constexpr size_t kFixedSize = 40;
  w.u16(41);
  w.value(info_type);
  w.u8(file_info_class);
  w.u32(output_buffer_length);
  w.u16(input_buffer.empty() ? 0 : narrow_u16(body_at + kFixedSize));
  w.u16(0);
  w.u32(narrow_u32(input_buffer.size()));
  w.u32(additional_information);
  w.u32(flags);
  w.file_id(file_id);
  w.bytes(input_buffer);
  write_filler_if_empty(w, input_buffer.empty());
}

Result<QueryInfoResponse> QueryInfoResponse::decode(Reader& r) {
  QueryInfoResponse response;
  r.expect_u16(9);
  const uint16_t offset = r.u16();
  const uint32_t length = r.u32();
  response.output_buffer = variable_part(r, offset, length);
  return r.finish(response);
}

void QueryInfoResponse::encode(Writer& w) const {
  w.u16(9);
  w.u16(narrow_u16(w.position() + 6));
  w.u32(narrow_u32(output_buffer.size()));
  w.bytes(output_buffer);
}

Result<QueryQuotaInfo> QueryQuotaInfo::decode(Reader& r) {
  QueryQuotaInfo info;
  info.return_single = r.u8() != 0;
  info.restart_scan = r.u8() != 0;
  r.skip(2);
  info.sid_list_length = r.u32();
  info.start_sid_length = r.u32();
  info.start_sid_offset = r.u32();
  info.sid_buffer = r.rest();
  return r.finish(info);
}

Result<std::vector<Sid>> QueryQuotaInfo::sid_list() const {
  Reader r(sid_buffer);
  const ByteView list = r.bytes(sid_list_length);
  if (!r.ok()) return fail(r.error());
  // [MS-FSA] 2.1.5.21.
  if (sid_list_length % 4 != 0) return fail(Error::malformed());
  return decode_quota_sids(list);
}

Result<std::optional<Sid>> QueryQuotaInfo::start_sid() const {
  if (start_sid_length == 0) return std::optional<Sid>();
  Reader buffer(sid_buffer);
  Reader r(buffer.at(start_sid_offset, start_sid_length));
  if (!buffer.ok()) return fail(buffer.error());
  BRAID_TRY(const Sid sid, Sid::decode(r));
  if (r.remaining() != 0) return fail(Error::malformed());
  return std::optional(sid);
}

void QueryQuotaInfo::encode(Writer& w) const {
  w.u8(return_single ? 1 : 0);
  w.u8(restart_scan ? 1 : 0);
  w.u16(0);
  w.u32(sid_list_length);
  w.u32(start_sid_length);
  w.u32(start_sid_offset);
  w.bytes(sid_buffer);
}

}  // namespace braid::wire
