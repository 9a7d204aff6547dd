// Payload of FSCTL_LMR_REQUEST_RESILIENCY.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-SMB2] 2.2.31.3 "NETWORK_RESILIENCY_REQUEST Request".
struct NetworkResiliencyRequest {
  uint32_t timeout_ms = 0;

  static Result<NetworkResiliencyRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
