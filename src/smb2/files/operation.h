// Asking filestate before an open does something that others may have to hear of first.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/guarded.h"
#include "filestate/types.h"
#include "runtime/task.h"
#include "smb2/connections/request.h"

namespace braid::smb2 {

// The files whose breaks are waited for when it is not that of the open; others in each round.
using WaitPlace = std::shared_ptr<Guarded<std::vector<FileKey>>>;

// Before a request waits for a break, whichever round it is: sends the interim response, and makes
// CANCEL and the end of the connection call `end_wait`, once, which wakes it. STATUS_CANCELLED if
// that has been, in an earlier round or between two. For CREATE, and for the two below. REQUIRES:
// on the connection's reactor.
Result<void> begin_waiting(Request& request, std::move_only_function<void()> end_wait);
// It was woken: that is called no more. STATUS_CANCELLED. REQUIRES: the same.
Result<void> end_waiting(Request& request);

// Asks filestate until it says kGo or kFail, waiting in between as below. `ask` registers a wait
// for the open of the request, with its own file or with those that `place` says by then.
Task<Result<void>> until_decided(Request& request, std::function<filestate::Decision()> ask,
                                 WaitPlace place = {});

// Ends others' caching as `operation` demands, waiting for their acknowledgement with an interim
// response and without holding an Open. STATUS_CANCELLED, STATUS_FILE_CLOSED (closed meanwhile).
// Starts on any thread; continues on the same kind (reactor or pool) it started on.
Task<Result<void>> prepare_operation(Request& request, filestate::Operation operation);

// Before a directory is renamed: the same for the handle caching of what is open below `directory`.
Task<Result<void>> break_handles_below(Request& request, std::string directory);

// The same for FileDispositionInformation, which is then done with the rights of the request.
Task<Result<void>> set_delete_pending(Request& request, bool delete_pending,
                                      filestate::DeleteSemantics semantics);

}  // namespace braid::smb2
