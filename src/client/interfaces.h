// Interfaces: which of a server's addresses a session should use.
#pragma once

#include <cstdint>
#include <vector>

#include "client/session.h"
#include "transport/socket_address.h"
#include "wire/smb2/network_interface_info.h"

namespace braid::client {

// FSCTL_QUERY_NETWORK_INTERFACE_INFO on IPC$. [MS-SMB2] 3.2.4.20.10 "Application Requests Querying
// Server's Network Interfaces". Thread: the session's.
Task<Result<std::vector<wire::NetworkInterfaceInfo>>> query_interfaces(SessionPtr session);

struct PathPolicy {
  size_t count = 4;  // connections in all
  // On one interface. The receive side of one without RSS is one processor's work, however many
  // connections there are.
  size_t per_rss_interface = 4;
  size_t per_interface = 1;
  bool rdma = false;  // whether the client could use RDMA
};

// One address for each connection to make, best first. Only interfaces of the best class are used
// (RDMA if the client can, then RSS, then the highest speed), since a request that waits for the
// slowest of unequal links makes them all as slow. Several addresses of an interface are one; that
// of `current` is preferred, or else one of its family. `current` alone if the list has nothing
// usable. The port is that of `current`.
std::vector<transport::SocketAddress> choose_paths(
    const std::vector<wire::NetworkInterfaceInfo>& interfaces,
    const transport::SocketAddress& current, const PathPolicy& policy);

}  // namespace braid::client
