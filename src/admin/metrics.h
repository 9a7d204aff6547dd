// Numbers for monitoring.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace braid::smb2 {
class Server;
}

namespace braid::admin {

// An array of {name, type (counter or gauge), help, value}, named by the rules of Prometheus.
// Counters start at 0 with the worker. Thread: any.
nlohmann::json metrics_of(const smb2::Server& server);

}  // namespace braid::admin
