#include "wire/smb2/tree_disconnect.h"

#include "wire/smb2/empty_body.h"

namespace braid::wire {

Result<TreeDisconnectRequest> TreeDisconnectRequest::decode(Reader& r) {
  return decode_empty_body<TreeDisconnectRequest>(r);
}
void TreeDisconnectRequest::encode(Writer& w) const { encode_empty_body(w); }

Result<TreeDisconnectResponse> TreeDisconnectResponse::decode(Reader& r) {
  return decode_empty_body<TreeDisconnectResponse>(r);
}
void TreeDisconnectResponse::encode(Writer& w) const { encode_empty_body(w); }

}  // namespace braid::wire
