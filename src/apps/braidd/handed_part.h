// What an old worker sends to a new one, over a link of their own.
#pragma once

#include <vector>

#include "apps/braidd/link.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "smb2/files/opens_handover.h"

namespace braid::braidd {

// A sealed memory file with the state, then the descriptors one by one: waits for who reads. EPIPE
// when the other side is gone, which each of the two may be.
Result<void> send_part(int link, const smb2::OpensHandover::Part& part,
                       MessageKind kind = MessageKind::kState);

struct ReceivedPart {
  Bytes state;
  std::vector<UniqueFd> descriptors;  // one that there was no room for is none
};
Result<ReceivedPart> receive_part(int link, MessageKind kind = MessageKind::kState);

}  // namespace braid::braidd
