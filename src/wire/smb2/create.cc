#include "wire/smb2/create.h"

#include "wire/smb2/variable_part.h"

namespace braid::wire {
namespace {

template <class Contexts>
Contexts decode_contexts(Reader& r, uint32_t offset, uint32_t length) {
  Reader list(variable_part(r, offset, length));
  auto contexts = Contexts::decode(list);
  if (contexts) return *std::move(contexts);
  r.fail(contexts.error());
  return {};
}

// Pads, appends the list and fills in the offset and length that stand at `offset_at`.
template <class Contexts>
void encode_contexts(Writer& w, const Contexts& contexts, size_t offset_at) {
  if (contexts.empty()) return;
  w.align(8);
  const size_t at = w.position();
  contexts.encode(w);
  w.patch_u32(offset_at, narrow_u32(at));
  w.patch_u32(offset_at + 4, narrow_u32(w.position() - at));
}

}  // namespace

Result<CreateRequest> CreateRequest::decode(Reader& r) {
  CreateRequest request;
  r.expect_u16(57);
  r.skip(1);  // SecurityFlags
  request.requested_oplock_level = r.as<OplockLevel>();
  request.impersonation_level = r.as<ImpersonationLevel>();
  r.skip(8 + 8);  // SmbCreateFlags, Reserved
  request.desired_access = r.u32();
  request.file_attributes = r.u32();
  request.share_access = r.u32();
  request.create_disposition = r.as<CreateDisposition>();
  request.create_options = r.u32();
  const uint16_t name_offset = r.u16();
  const uint16_t name_length = r.u16();
  const uint32_t contexts_offset = r.u32();
  const uint32_t contexts_length = r.u32();
  request.name = variable_utf16(r, name_offset, name_length);
  request.contexts = decode_contexts<CreateRequestContexts>(r, contexts_offset, contexts_length);
  return r.finish(std::move(request));
}

void CreateRequest::encode(Writer& w) const {
  w.u16(57);
  w.u8(0);
  w.value(requested_oplock_level);
  w.value(impersonation_level);
  w.zeros(8 + 8);
  w.u32(desired_access);
  w.u32(file_attributes);
  w.u32(share_access);
  w.value(create_disposition);
  w.u32(create_options);
  w.u16(narrow_u16(w.position() + 12));
  w.u16(narrow_u16(utf16le_size(name)));
  const size_t contexts_at = w.position();
  w.u64(0);
  write_utf16le(w, name);
  write_filler_if_empty(w, name.empty() && contexts.empty());
  encode_contexts(w, contexts, contexts_at);
}

Result<CreateResponse> CreateResponse::decode(Reader& r) {
  CreateResponse response;
  r.expect_u16(89);
  response.oplock_level = r.as<OplockLevel>();
  response.flags = r.u8();
  response.create_action = r.as<CreateAction>();
  response.creation_time = r.file_time();
  response.last_access_time = r.file_time();
  response.last_write_time = r.file_time();
  response.change_time = r.file_time();
  response.allocation_size = r.u64();
  response.end_of_file = r.u64();
  response.file_attributes = r.u32();
  r.skip(4);
  response.file_id = r.file_id();
  const uint32_t contexts_offset = r.u32();
  const uint32_t contexts_length = r.u32();
  response.contexts = decode_contexts<CreateResponseContexts>(r, contexts_offset, contexts_length);
  return r.finish(std::move(response));
}

void CreateResponse::encode(Writer& w) const {
  w.u16(89);
  w.value(oplock_level);
  w.u8(flags);
  w.value(create_action);
  w.file_time(creation_time);
  w.file_time(last_access_time);
  w.file_time(last_write_time);
  w.file_time(change_time);
  w.u64(allocation_size);
  w.u64(end_of_file);
  w.u32(file_attributes);
  w.u32(0);
  w.file_id(file_id);
  const size_t contexts_at = w.position();
  w.u64(0);
  encode_contexts(w, contexts, contexts_at);
}

}  // namespace braid::wire
