// SMB2 TREE_DISCONNECT.
#pragma once

#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-SMB2] 2.2.11 "SMB2 TREE_DISCONNECT Request": nothing but its size.
struct TreeDisconnectRequest {
  static Result<TreeDisconnectRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.12 "SMB2 TREE_DISCONNECT Response": nothing but its size.
struct TreeDisconnectResponse {
  static Result<TreeDisconnectResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
