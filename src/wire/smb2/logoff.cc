#include "wire/smb2/logoff.h"

#include "wire/smb2/empty_body.h"

namespace braid::wire {

Result<LogoffRequest> LogoffRequest::decode(Reader& r) {
  return decode_empty_body<LogoffRequest>(r);
}
void LogoffRequest::encode(Writer& w) const { encode_empty_body(w); }

Result<LogoffResponse> LogoffResponse::decode(Reader& r) {
  return decode_empty_body<LogoffResponse>(r);
}
void LogoffResponse::encode(Writer& w) const { encode_empty_body(w); }

}  // namespace braid::wire
