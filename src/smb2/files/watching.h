// What an open watches for CHANGE_NOTIFY, from its beginning on. [MS-SMB2] 3.3.5.19 "Receiving an
// SMB2 CHANGE_NOTIFY Request".
#pragma once

#include "smb2/opens/open.h"
#include "wire/smb2/change_notify.h"

namespace braid::smb2 {

class FileServices;

// A directory that will be deleted is not watched.
void end_watch_if_going(FileServices& files, const Open& open);

// Says where the directory of a new watch is: on the pool, as its path may be long. Whoever calls
// it calls end_watch_if_going() next.
void place_watch(FileServices& files, Open& open, const wire::ChangeNotifyRequest& notify);

}  // namespace braid::smb2
