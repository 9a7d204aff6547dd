// Payloads of FSCTL_VALIDATE_NEGOTIATE_INFO.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/smb2/negotiate.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-SMB2] 2.2.31.4 "VALIDATE_NEGOTIATE_INFO Request": the client's NEGOTIATE once more, under
// signature.
struct ValidateNegotiateInfoRequest {
  uint32_t capabilities = 0;
  ClientGuid guid;
  uint16_t security_mode = 0;
  std::vector<Dialect> dialects;

  static Result<ValidateNegotiateInfoRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.32.6 "VALIDATE_NEGOTIATE_INFO Response".
struct ValidateNegotiateInfoResponse {
  static constexpr size_t kSize = 24;

  uint32_t capabilities = 0;
  Guid guid;
  uint16_t security_mode = 0;
  Dialect dialect = Dialect::kNone;

  static Result<ValidateNegotiateInfoResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
