// The shares, as an administrator sees them.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace braid::smb2 {
class Server;
}

namespace braid::admin {

// An array with one object for each share of the configuration:
//   share, path
//   state    present or absent
//   why      what is wrong with its folder; absent only
//   in_use   whether this worker has the folder open for some client
//   size_bytes, free_bytes   of its file system; present only
// Looks at the folders, and waits kAskTime at most for those that do not answer. Thread: any that
// may block.
nlohmann::json shares_of(const smb2::Server& server);

}  // namespace braid::admin
