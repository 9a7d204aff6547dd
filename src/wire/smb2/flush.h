// SMB2 FLUSH.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-SMB2] 2.2.17 "SMB2 FLUSH Request".
struct FlushRequest {
  FileId file_id;

  static Result<FlushRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.18 "SMB2 FLUSH Response": nothing but its size.
struct FlushResponse {
  static Result<FlushResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
