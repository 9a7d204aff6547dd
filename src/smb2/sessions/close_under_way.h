// CloseUnderWay: a CLOSE that has begun.
#pragma once

#include <cstdint>
#include <memory>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/one_shot.h"
#include "wire/smb2/close.h"

namespace braid::smb2 {

class TreeConnect;

// For the same one sent again on another channel: it is answered with the first. Owned by the
// Session and by those requests.
struct CloseUnderWay {
  FileId file_id;
  std::shared_ptr<TreeConnect> tree_connect;
  uint64_t connection = 0;  // Connection::number of the first
  OneShot<Result<wire::CloseResponse>> answer;
};

}  // namespace braid::smb2
