// Where the handle logs of a share lie: docs/records.md, "The folder and the names".
#pragma once

#include <memory>

#include "base/result.h"
#include "smb2/shares/share.h"
#include "store/log_folder.h"
#include "store/log_format.h"

namespace braid::smb2 {

// What tells a log that was copied to where another share is.
store::ShareId share_id(const Share& share);

// Made if it is not there, and on the disk then. EOPNOTSUPP: the file system does not keep when a
// file was made, without which one cannot be told from a later one with its inode. ESTALE: another
// folder is at the share's path by now. ENOTDIR, ELOOP: something else has the name. EPERM: a
// folder that is not the server's, or that others may write to. Thread: one that may wait for the
// disk.
Result<std::unique_ptr<store::LogFolder>> open_handles_folder(const Share& share);

// Before a share without persistent handles is served: what was promised of its folder when it had
// them is not kept from now on, so the logs go, whoever's they are, lest they be believed when it
// has them again. A line in the log of the server says how much that was. Nothing, if this process
// has had open_handles_folder() for the folder: then the log is being written, and stays true until
// the process ends. An error: another server keeps its promises of this folder, which therefore is
// not to be served. Thread: one that may wait for the disk.
Result<void> void_promises(const Share& share);

}  // namespace braid::smb2
