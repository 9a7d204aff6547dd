#include "wire/smb2/negotiate.h"

#include <algorithm>

#include "wire/smb2/variable_part.h"

namespace braid::wire {
namespace {

std::optional<NegotiateContexts> decode_contexts(Reader& r, uint32_t offset, uint16_t count) {
  if (count == 0 || !r.ok()) return NegotiateContexts{};
  r.expect(offset >= r.position() && offset % 8 == 0);
  r.seek(offset);
  auto contexts = NegotiateContexts::decode(r, count);
  if (!contexts) return NegotiateContexts{};  // the Reader keeps the error
  return *std::move(contexts);
}

// Pads to the place of the context list and fills in its offset, field by field as both messages
// have them.
void encode_contexts(Writer& w, const NegotiateContexts& contexts, size_t offset_at) {
  w.align(8);
  w.patch_u32(offset_at, narrow_u32(w.position()));
  contexts.encode(w);
}

}  // namespace

std::string_view name_of(Dialect dialect) {
  switch (dialect) {
    case Dialect::kNone:
      return "none";
    case Dialect::kSmb202:
      return "2.0.2";
    case Dialect::kSmb210:
      return "2.1";
    case Dialect::kWildcard:
      return "2.???";
    case Dialect::kSmb300:
      return "3.0";
    case Dialect::kSmb302:
      return "3.0.2";
    case Dialect::kSmb311:
      return "3.1.1";
  }
  return "unknown";
}

bool NegotiateRequest::offers(Dialect dialect) const {
  return std::ranges::find(dialects, dialect) != dialects.end();
}

Result<NegotiateRequest> NegotiateRequest::decode(Reader& r) {
  NegotiateRequest request;
  r.expect_u16(36);
  const uint16_t dialect_count = r.u16();
  request.security_mode = r.u16();
  r.skip(2);
  request.capabilities = r.u32();
  request.client_guid = r.id128<ClientGuid>();
  const uint64_t contexts_or_start_time = r.u64();
  r.expect(dialect_count > 0);
  Reader dialects(r.bytes(uint64_t{dialect_count} * sizeof(Dialect)));
  while (dialects.remaining() > 0) request.dialects.push_back(dialects.as<Dialect>());
  if (request.offers(Dialect::kSmb311)) {
    const auto offset = static_cast<uint32_t>(contexts_or_start_time);
    const auto count = static_cast<uint16_t>(contexts_or_start_time >> 32);
    request.contexts = decode_contexts(r, offset, count);
  } else {
    request.client_start_time = contexts_or_start_time;
  }
  return r.finish(std::move(request));
}

void NegotiateRequest::encode(Writer& w) const {
  w.u16(36);
  w.u16(narrow_u16(dialects.size()));
  w.u16(security_mode);
  w.u16(0);
  w.u32(capabilities);
  w.id128(client_guid);
  const size_t contexts_at = w.position();
  w.u64(contexts ? uint64_t{contexts->count()} << 32 : client_start_time);
  for (Dialect dialect : dialects) w.value(dialect);
  if (contexts && contexts->count() > 0) encode_contexts(w, *contexts, contexts_at);
}

Result<NegotiateResponse> NegotiateResponse::decode(Reader& r) {
  NegotiateResponse response;
  r.expect_u16(65);
  response.security_mode = r.u16();
  response.dialect_revision = r.as<Dialect>();
  const uint16_t context_count = r.u16();
  response.server_guid = r.id128<Guid>();
  response.capabilities = r.u32();
  response.max_transact_size = r.u32();
  response.max_read_size = r.u32();
  response.max_write_size = r.u32();
  response.system_time = r.file_time();
  response.server_start_time = r.file_time();
  const uint16_t buffer_offset = r.u16();
  const uint16_t buffer_length = r.u16();
  const uint32_t context_offset = r.u32();
  response.security_buffer = variable_part(r, buffer_offset, buffer_length);
  if (response.dialect_revision == Dialect::kSmb311) {
    response.contexts = decode_contexts(r, context_offset, context_count);
  }
  return r.finish(std::move(response));
}

void NegotiateResponse::encode(Writer& w) const {
  w.u16(65);
  w.u16(security_mode);
  w.value(dialect_revision);
  w.u16(contexts ? contexts->count() : 0);
  w.id128(server_guid);
  w.u32(capabilities);
  w.u32(max_transact_size);
  w.u32(max_read_size);
  w.u32(max_write_size);
  w.file_time(system_time);
  w.file_time(server_start_time);
  w.u16(narrow_u16(w.position() + 8));
  w.u16(narrow_u16(security_buffer.size()));
  const size_t contexts_at = w.position();
  w.u32(0);
  w.bytes(security_buffer);
  if (contexts && contexts->count() > 0) encode_contexts(w, *contexts, contexts_at);
}

}  // namespace braid::wire
