// The name by which an Open was opened, as it is now.
#pragma once

#include "base/result.h"
#include "filestate/types.h"
#include "runtime/identity.h"
#include "vfs/path.h"
#include "vfs/volume.h"

namespace braid::smb2 {

class Open;
class FileServices;

// An Open is of a file, and was opened by one of its names: Open.Link of [MS-FSA] 2.1.1.6 "Per
// Open". That name is moved by whoever renames it or a directory above, here, in another worker or
// on the machine, and its home is the kernel, which keeps it with the descriptor. Where that cannot
// say, as after the rename of another machine or in tests, filestate knows of what clients did.
//
// The three of them are all there is: nothing else is to be made of Open::path.

// In the share of the Open; for a stream, of its file. What is gone is told as it was last known.
// Waits for nothing.
vfs::Path current_path(const FileServices& files, const Open& open);

// The same without asking the kernel: cheap, and true as far as clients rename.
vfs::Path known_path(const FileServices& files, const Open& open);

// Where to rename or delete it, with its directory held. ENOENT: it has lost its name, as the file
// itself says. ESTALE, EXDEV: it has it, but not where it can be found in the share. May block.
Result<vfs::Located> locate(const FileServices& files, const Open& open, const Credentials& who);
// For one that filestate has closed: `known` is CloseDecision::path.
Result<vfs::Located> locate_closed(const Open& open, const Credentials& who,
                                   const filestate::SharedPath& known);

}  // namespace braid::smb2
