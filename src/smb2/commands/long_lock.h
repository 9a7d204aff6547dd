// LOCKs and UNLOCKs of so many ranges that others get their turn in between.
#pragma once

#include <optional>
#include <vector>

#include "filestate/types.h"
#include "runtime/task.h"
#include "smb2/connections/request.h"

namespace braid::smb2 {

// [MS-SMB2] 3.3.5.14.2 takes range after range and gives them back at the first that cannot be had,
// so nobody is promised not to see some of them before. One list of a file at a time: two that go
// step by step would fail each other, and a repetition its first sending.
// REQUIRES: on the connection's reactor; no range may wait for a lock.
Task<Result<void>> lock_in_turns(Request& request, std::vector<filestate::LockRange> ranges,
                                 std::optional<filestate::LockSequence> sequence);
// 3.3.5.14.1.
Task<Result<void>> unlock_in_turns(Request& request, std::vector<filestate::LockRange> ranges,
                                   std::optional<filestate::LockSequence> sequence);

}  // namespace braid::smb2
