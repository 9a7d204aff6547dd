// The keeper of a cluster's node: the one process that opens ctdb's database.
#pragma once

#include <string>

#include "base/unique_fd.h"

namespace braid::braidd {

// Runs store::cluster::HomeKeeper over the ctdbd at `socket_path`, for the worker at the other end
// of `link`, on the memory `region` that both have, until the supervisor ends it by `control`. It
// reads nothing of a client. Returns the process's exit status, or ends the process: when this node
// has lost the cluster, at once. REQUIRES: enter_keeper_sandbox().
int run_keeper(UniqueFd control, UniqueFd region, UniqueFd link, std::string socket_path);

}  // namespace braid::braidd
