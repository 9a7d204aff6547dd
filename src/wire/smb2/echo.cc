#include "wire/smb2/echo.h"

#include "wire/smb2/empty_body.h"

namespace braid::wire {

Result<EchoRequest> EchoRequest::decode(Reader& r) { return decode_empty_body<EchoRequest>(r); }
void EchoRequest::encode(Writer& w) const { encode_empty_body(w); }

Result<EchoResponse> EchoResponse::decode(Reader& r) { return decode_empty_body<EchoResponse>(r); }
void EchoResponse::encode(Writer& w) const { encode_empty_body(w); }

}  // namespace braid::wire
