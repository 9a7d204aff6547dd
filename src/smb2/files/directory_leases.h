// Leases of directories, which end when what is listed changes.
#pragma once

namespace braid::smb2 {

class Open;
class FileServices;

// The directory of the file of `open` lists it otherwise from now on (size, times, attributes):
// leases of the directory end but for the one that `open` named as its parent's. [MS-FSA] 2.1.4.12
// with PARENT_OBJECT. After the change, so that who looks again sees it. Costs a load while nobody
// has such a lease; else it may block.
void child_changed(FileServices& files, const Open& open);

}  // namespace braid::smb2
