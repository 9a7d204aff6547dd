// Ending an Open, whoever asks for it.
#pragma once

#include <memory>
#include <optional>

#include "base/result.h"
#include "filestate/types.h"
#include "runtime/task.h"
#include "smb2/opens/open.h"

namespace braid::smb2 {

class FileServices;

// [MS-SMB2] 3.3.4.17 "Server Application Requests Closing an Open", and what CLOSE,
// TREE_DISCONNECT, LOGOFF and the end of a session share: waits for the requests that use the Open,
// gives up its locks, oplock and share mode, and deletes the file if that was pending. False if
// another caller is closing it. Continues on a thread of the worker pool.
Task<bool> close_open(FileServices& files, std::shared_ptr<Open> open);

// The two halves of it. The first takes the Open from its session and waits until no request uses
// it or waits for it any more; false, and at once, if another caller is closing it. It continues on
// a thread of the worker pool.
Task<bool> begin_and_wait(FileServices& files, std::shared_ptr<Open> open);
// Whether closing takes no disk's time as things stand, unless it deletes the file. Thread: any.
bool closes_at_once(const FileServices& files, Open& open);
// The first half for such an Open. False also where a request uses it: nothing was done then.
bool begin_at_once(FileServices& files, Open& open);
// `decision`: filestate has closed it already. The Open is closed whatever is returned: an error
// says that what was to be deleted with it is still there, and no longer to be deleted.
// REQUIRES: the Open is closing and unused. May block.
Result<void> finish_close(FileServices& files, Open& open,
                          std::optional<filestate::CloseDecision> decision = std::nullopt);

}  // namespace braid::smb2
