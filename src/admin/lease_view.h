// Leases, as an administrator sees them.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace braid::smb2 {
class Server;
}

namespace braid::admin {

// An array with one object for each lease: client_guid, lease_key (32 hexadecimal digits), version
// (1 or 2), epoch, state (letters of "RHW"), breaking, opens (how many have it), and the share,
// path, kind and user of one of them. Thread: any.
nlohmann::json leases_of(const smb2::Server& server);

}  // namespace braid::admin
