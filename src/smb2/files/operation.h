// Asking filestate before an open does something that others may have to hear of first.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "filestate/types.h"
#include "runtime/task.h"
#include "runtime/turns.h"
#include "smb2/connections/request.h"

namespace braid::smb2 {

// All of these wait for others' acknowledgements as waiting.h says, without holding an Open.
// STATUS_CANCELLED, STATUS_FILE_CLOSED (closed meanwhile). They start on any thread and continue on
// the same kind (reactor or pool).

// Ends others' caching as `operation` demands.
Task<Result<void>> prepare_operation(Request& request, filestate::Operation operation);

// The same for what reads or writes `ranges`, which outlive it, and looks for others' locks:
// FILE_LOCK_CONFLICT.
Task<Result<void>> begin_io(Request& request, filestate::Operation operation,
                            std::span<const filestate::IoRange> ranges);

// A turn among those who write the file of the request, in which nothing stands in the way of it:
// what is decided before the turn may be otherwise when it comes, and who has to write back what he
// caches needs a turn for that. Of `ranges` as begin_io() says. Continues on the pool.
using WriterTurn = Turns<FileKey>::Turn;
Task<Result<WriterTurn>> begin_write(Request& request, filestate::Operation operation,
                                     std::span<const filestate::IoRange> ranges);

// The same where the turn is free, nothing stands in the way and nothing has to be written down
// first; nothing otherwise. Continues where it was asked, and the turn ends before anything is
// waited for.
std::optional<WriterTurn> begin_write_at_once(Request& request, const filestate::IoRange& range);

// Before a directory is renamed: ends the handle caching of what is open below `directory`.
Task<Result<void>> break_handles_below(Request& request, std::string directory);

// FileDispositionInformation, which is then done with the rights of the request.
Task<Result<void>> set_delete_pending(Request& request, bool delete_pending,
                                      filestate::DeleteSemantics semantics);

}  // namespace braid::smb2
