// How a worker is, as an administrator sees it.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "admin/protocol.h"

namespace braid::smb2 {
class Server;
}

namespace braid::admin {

// Addresses and accounts under penalty that are told.
inline constexpr size_t kPenaltiesShownMax = 100;

// An object:
//   version, supervisor (its process id), configuration (of which text, as kProcess has it)
//   pid, uptime_seconds, restarts   of this worker
//   connections, sessions, opens, users (the names of accounts with a session)
//   memory_used, memory_limit       in bytes
//   audit                           null, or target, written and lost (lines), failure (why nothing
//                                   can be written now, or empty)
//   shares                          as shares_of()
//   penalties                       address, account, failures, wait_ms
//   runs                            of each key that a restart changes, what runs, as TOML
// Looks at the folders of shares, as shares_of() does. Thread: any that may block.
nlohmann::json status_of(const smb2::Server& server, const WorkerPlace& place);

}  // namespace braid::admin
