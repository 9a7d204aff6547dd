// Whether what all machines know of a file is here.
#pragma once

#include "base/ids.h"
#include "store/group.h"

namespace braid::filestate {

// True: no event of the file waits for another machine now (FileTable::fetch()), as there is none,
// too. `group`: FileTable's. Thread: any.
bool is_here(store::Group* group, const FileKey& file);

}  // namespace braid::filestate
