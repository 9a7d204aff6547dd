// The answers about Witness and about an address of this machine.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "admin/protocol.h"

namespace braid::rpc::witness {
class Service;
}
namespace braid::smb2 {
class Server;
}

namespace braid::admin {

// One entry for each registration. Null: this worker has no witness. Thread: any.
nlohmann::json witness_registrations_of(const rpc::witness::Service* witness);
// {"witness": whether there is one here, "known": whether the destination is one, "registrations":
// how many were told}. Thread: any.
nlohmann::json move_by_witness(rpc::witness::Service* witness, const ControlRequest& request);

// The connections of SMB that came to the address, and whether it is one in numbers. They end with
// `close`. Thread: no reactor.
nlohmann::json connections_at(smb2::Server& server, std::string_view address, bool close);

}  // namespace braid::admin
