// SMB2 LOGOFF.
#pragma once

#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-SMB2] 2.2.7 "SMB2 LOGOFF Request": nothing but its size.
struct LogoffRequest {
  static Result<LogoffRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.8 "SMB2 LOGOFF Response": nothing but its size.
struct LogoffResponse {
  static Result<LogoffResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
