#include "admin/witness_view.h"

#include <nlohmann/json.hpp>

#include "base/ip_address.h"
#include "base/log.h"
#include "rpc/witness/service.h"
#include "smb2/server.h"

namespace braid::admin {

using nlohmann::json;
using rpc::witness::IpAddress;

json witness_registrations_of(const rpc::witness::Service* witness) {
  if (!witness) return nullptr;
  json all = json::array();
  for (const auto& entry : witness->entries()) {
    const auto& request = entry.request;
    all.push_back({{"client", request.client_name.value_or("")},
                   {"server", request.net_name.value_or("")},
                   {"share", request.share_name.value_or("")},
                   {"address", request.ip_address.value_or("")},
                   {"version", request.version >> 16 == 2 ? 2 : 1},
                   {"wants_ip_changes", request.wants_ip_changes},
                   {"connection", entry.association},
                   {"state", entry.is_waiting ? "waiting" : "idle"},
                   {"untold", entry.pending}});
  }
  return all;
}

json move_by_witness(rpc::witness::Service* witness, const ControlRequest& request) {
  if (!witness) return {{"witness", false}, {"known", false}, {"registrations", 0}};
  std::optional<size_t> moved;
  if (request.command == Command::kWitnessMove) {
    moved = witness->move_clients(request.client, request.address);
  } else if (request.command == Command::kWitnessShareMove) {
    moved = witness->move_share("", request.share, request.address);
  } else if (const auto address = IpAddress::parse(request.address)) {
    moved = witness->move_away(*address);
  }
  return {{"witness", true}, {"known", moved.has_value()}, {"registrations", moved.value_or(0)}};
}

json connections_at(smb2::Server& server, std::string_view address, bool close) {
  const auto wanted = braid::IpAddress::parse(address);
  if (!wanted) return {{"known", false}, {"connections", 0}};
  size_t count = 0;
  for (const auto& connection : server.connections()) {
    const auto local = braid::IpAddress::parse(connection->transport().local().host());
    if (!local || !local->same_address(*wanted)) continue;
    ++count;
    if (close) connection->disconnect();
  }
  if (close && count > 0) log::info("{} connections to {} were ended", count, address);
  return {{"known", true}, {"connections", count}};
}

}  // namespace braid::admin
