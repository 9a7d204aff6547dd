// What is removed or exchanged is taken from filestate first, and then removed: to ask whether it
// is open would be to hear what may be otherwise by then.
#pragma once

#include <functional>

#include "filestate/types.h"
#include "runtime/task.h"
#include "smb2/connections/request.h"

namespace braid::smb2 {

// `begin`: one of FileTable::begin_...(), which is asked again as long as somebody else is taking
// something of `file`. With kGo whoever opens the file waits until the last copy of until_replaced
// is gone. Fails only where the request has no turns any more. On a thread of the pool.
Task<Result<filestate::ReplaceDecision>> take(Request& request, FileKey file,
                                              std::function<filestate::ReplaceDecision()> begin);

// Until whoever is at it is done. REQUIRES: taken.taken_by.
Task<Result<void>> wait_for_taker(Request& request, filestate::ReplaceDecision taken);

}  // namespace braid::smb2
