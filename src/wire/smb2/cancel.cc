#include "wire/smb2/cancel.h"

#include "wire/smb2/empty_body.h"

namespace braid::wire {

Result<CancelRequest> CancelRequest::decode(Reader& r) {
  return decode_empty_body<CancelRequest>(r);
}
void CancelRequest::encode(Writer& w) const { encode_empty_body(w); }

}  // namespace braid::wire
