#include "wire/smb2/validate_negotiate_info.h"

#include "wire/smb2/variable_part.h"

namespace braid::wire {

Result<ValidateNegotiateInfoRequest> ValidateNegotiateInfoRequest::decode(Reader& r) {
  ValidateNegotiateInfoRequest request;
  request.capabilities = r.u32();
  request.guid = r.id128<ClientGuid>();
  request.security_mode = r.u16();
  Reader dialects(r.bytes(uint64_t{r.u16()} * sizeof(Dialect)));
  while (dialects.remaining() > 0) request.dialects.push_back(dialects.as<Dialect>());
  return r.finish(std::move(request));
}

void ValidateNegotiateInfoRequest::encode(Writer& w) const {
  w.u32(capabilities);
  w.id128(guid);
  w.u16(security_mode);
  w.u16(narrow_u16(dialects.size()));
  for (Dialect dialect : dialects) w.value(dialect);
}

Result<ValidateNegotiateInfoResponse> ValidateNegotiateInfoResponse::decode(Reader& r) {
  ValidateNegotiateInfoResponse response;
  response.capabilities = r.u32();
  response.guid = r.id128<Guid>();
  response.security_mode = r.u16();
  response.dialect = r.as<Dialect>();
  return r.finish(response);
}

void ValidateNegotiateInfoResponse::encode(Writer& w) const {
  w.u32(capabilities);
  w.id128(guid);
  w.u16(security_mode);
  w.value(dialect);
}

}  // namespace braid::wire
