// Open files and pipes, as an administrator sees them.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace braid::smb2 {
class Server;
}

namespace braid::admin {

// An array with one object for each open: session, user, open (its number), share, path (as clients
// write it, with the stream), kind (file, directory, stream, pipe), access (hexadecimal), sharing
// and caching (letters of "rwd" and "RHW"). Thread: any.
nlohmann::json opens_of(const smb2::Server& server);

}  // namespace braid::admin
