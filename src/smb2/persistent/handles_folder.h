// Where the handle logs of a share lie: docs/records.md, "The folder and the names".
#pragma once

#include <memory>

#include "base/result.h"
#include "smb2/shares/share.h"
#include "store/log_folder.h"

namespace braid::smb2 {

// What tells a log that was copied to where another share is.
store::ShareId share_id(const Share& share);

// Made if it is not there, and on the disk then. ESTALE: another folder is at the share's path by
// now. ENOTDIR, ELOOP: something else has the name. EPERM: a folder that is not the server's, or
// that others may write to. Thread: one that may wait for the disk.
Result<std::unique_ptr<store::LogFolder>> open_handles_folder(const Share& share);

}  // namespace braid::smb2
