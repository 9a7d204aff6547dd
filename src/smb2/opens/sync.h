// Getting onto the disk what was done through an Open.
#pragma once

#include <memory>

#include "base/result.h"
#include "vfs/volume.h"

namespace braid::smb2 {

class Open;

// The only way to File::flush(). Once it has failed because data could not be written it fails for
// this Open until that is closed: the kernel takes the pages for clean then and says so at the next
// try, while what was acknowledged is on no disk. Every descriptor that was open at that time is
// told once, so each Open of the file learns of it, in other workers too; who opens the file
// afterwards begins with what is there. May block.
Result<void> sync(Open& open, vfs::Durability durability);

// What a request that has changed something through the Open owes to FILE_WRITE_THROUGH, be it from
// the CREATE or from FileModeInformation: [MS-FSA] 2.1.1.6 "Per Open", Open.Mode. On a continuously
// available share every Open is one with it. May block.
Result<void> write_through(Open& open, vfs::Durability durability);
bool is_write_through(const Open& open);

// What was done to the names in a directory. As the server: who may change it may not be one who
// may read it. May block.
Result<void> sync_names(vfs::Volume& volume, const std::shared_ptr<vfs::Node>& directory);

}  // namespace braid::smb2
