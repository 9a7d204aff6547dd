// The removal of names and streams, for whoever asked for it.
#pragma once

#include "base/result.h"
#include "filestate/types.h"
#include "runtime/task.h"
#include "vfs/path.h"

namespace braid::smb2 {

class Open;
class Request;
class FileServices;

// Who asks for the deletion of what is at `path` of the share of the request.
filestate::Deleter deleter_of(const Request& request, const vfs::Path& path);

// What a deletion has done, and whether that is on the disk where it has to be.
struct Deletion {
  Result<void> done;
  Result<void> on_disk;
};

// What the close of `open` leaves to delete: with the rights, and through the share, of who asked
// for it, one after the other until one still may; of the open where nobody said. What has gone
// already is done. May block. REQUIRES: the Open is closing and unused.
Deletion carry_out(FileServices& files, Open& open, const filestate::CloseDecision& decision);

// The same for what a worker that died has left: BreakSink::orphaned.
Task<void> delete_orphaned(FileServices& files, filestate::OrphanedDeletion deletion);

}  // namespace braid::smb2
