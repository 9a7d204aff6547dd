// SMB2 CANCEL.
#pragma once

#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-SMB2] 2.2.30 "SMB2 CANCEL Request": nothing but its size.
struct CancelRequest {
  static Result<CancelRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
