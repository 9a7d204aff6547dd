// Shares with a recycle bin: what is in it for too long goes.
#pragma once

#include <memory>

#include "smb2/shares/share.h"

namespace braid::smb2 {

class FileServices;

// Has what is older than the share says swept out of its bin, unless it was done within the last
// hour. In the background, a piece at a time, and never longer than one sweep looks at
// (vfs::Sweep). Never blocks. Thread: any.
void begin_sweep(FileServices& files, std::shared_ptr<const Share> share);

}  // namespace braid::smb2
