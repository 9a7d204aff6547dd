// The answers about Witness and about an address of this machine.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "admin/protocol.h"

namespace braid::rpc::tcp {
class Server;
}
namespace braid::smb2 {
class Server;
}

namespace braid::admin {

// One entry for each registration. Null: this worker has no witness. Thread: any.
nlohmann::json witness_registrations_of(rpc::tcp::Server* rpc);
// {"witness": whether there is one here, "refusal": null, or why the destination is none:
// "unknown", "unavailable" or "unusable", "registrations": how many were told}. Thread: any.
nlohmann::json move_by_witness(rpc::tcp::Server* rpc, const ControlRequest& request);
// {"witness": whether there is one here, "ended": whether it had this connection}. Thread: any.
nlohmann::json end_rpc_connection(rpc::tcp::Server* rpc, uint64_t number);

// The connections of SMB that came to the address, and whether it is one in numbers. They end with
// `close`. Thread: no reactor.
nlohmann::json connections_at(smb2::Server& server, std::string_view address, bool close);

}  // namespace braid::admin
