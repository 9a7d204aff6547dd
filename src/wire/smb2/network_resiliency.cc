#include "wire/smb2/network_resiliency.h"

namespace braid::wire {

Result<NetworkResiliencyRequest> NetworkResiliencyRequest::decode(Reader& r) {
  NetworkResiliencyRequest request;
  request.timeout_ms = r.u32();
  r.skip(4);
  return r.finish(request);
}

void NetworkResiliencyRequest::encode(Writer& w) const {
  w.u32(timeout_ms);
  w.u32(0);
}

}  // namespace braid::wire
