// One server for each state_dir.
#pragma once

#include <expected>
#include <string>

#include "base/unique_fd.h"

namespace braid::braidd {

// Makes the folder if it is missing, and holds `folder`/lock as long as the descriptor is open. A
// second server on the folder would put its control sockets in place of the first one's, and write
// attributes and streams of the same files without asking it.
//
// The lock is the supervisor's, or the single process's, from before anything else of the state is
// touched to its end, and closed on exec: no worker inherits it, so one that is started again
// finds nothing in its way, and one that takes long to die does not keep the next server out.
//
// An error is one line for the administrator, with the process that has the lock. `config_file` is
// named in it.
std::expected<UniqueFd, std::string> lock_state_dir(const std::string& folder,
                                                    const std::string& config_file);

}  // namespace braid::braidd
