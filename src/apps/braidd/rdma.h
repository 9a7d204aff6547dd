// The process that has the network cards with RDMA: clients arrive there, and the workers say
// what the cards do.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "config/config.h"

namespace braid::braidd {

// Where it is to listen: --rdma-listen, "127.0.0.1:445,[::1]:445".
std::string rdma_endpoints(const config::Server& server);

// Gives up all rights but those to the cards and their ports, listens, and serves the `workers`
// whose links `control` brings until it is ended. It has no file, no key and no password. With one
// worker it reads nothing of what clients send; with several the first message of each, which says
// whose he is. kNoCards: there is no card, or none with one of the addresses; a line says so, if it
// is not what `said` is the number of: the process before had it in the log. Thread: the only one
// of its process.
int run_rdma(UniqueFd control, std::string_view endpoints, size_t workers, uint64_t said);

// As root: the memory that is pinned for the cards is not limited by what a user may lock.
// Elsewhere a line says when the limit is too low for `server`.
void raise_memory_lock_limit(const config::Server& server);

}  // namespace braid::braidd
