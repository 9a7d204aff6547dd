// SMB2 ECHO.
#pragma once

#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-SMB2] 2.2.28 "SMB2 ECHO Request": nothing but its size.
struct EchoRequest {
  static Result<EchoRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.29 "SMB2 ECHO Response": nothing but its size.
struct EchoResponse {
  static Result<EchoResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
