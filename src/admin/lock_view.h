// Byte-range locks, as an administrator sees them.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace braid::smb2 {
class Server;
}

namespace braid::admin {

// An array with one object for each lock that is held or waited for: the names of its open as
// for_each_open() has them, offset and length in bytes, exclusive, and waiting. Thread: any.
nlohmann::json locks_of(const smb2::Server& server);

}  // namespace braid::admin
