#include "admin/witness_view.h"

#include <nlohmann/json.hpp>

#include "base/ip_address.h"
#include "base/log.h"
#include "rpc/tcp/server.h"
#include "smb2/server.h"

namespace braid::admin {

using nlohmann::json;
using rpc::witness::IpAddress;
using rpc::witness::Reach;
using rpc::witness::Refusal;

namespace {

const char* name_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::kUnknown:
      return "unknown";
    case Refusal::kUnavailable:
      return "unavailable";
    case Refusal::kUnusable:
      return "unusable";
  }
  return "";
}

}  // namespace

json witness_registrations_of(rpc::tcp::Server* rpc) {
  if (!rpc) return nullptr;
  json all = json::array();
  for (const auto& entry : rpc->witness().entries()) {
    const auto& request = entry.request;
    all.push_back({{"client", request.client_name.value_or("")},
                   {"server", request.net_name.value_or("")},
                   {"share", request.share_name.value_or("")},
                   {"address", request.ip_address.value_or("")},
                   {"version", request.version >> 16 == 2 ? 2 : 1},
                   {"wants_ip_changes", request.wants_ip_changes},
                   {"user", entry.registrant.account},
                   {"client_address", entry.registrant.address},
                   {"connection", entry.association},
                   {"state", entry.is_waiting ? "waiting" : "idle"},
                   {"untold", entry.pending}});
  }
  return all;
}

json move_by_witness(rpc::tcp::Server* rpc, const ControlRequest& request) {
  if (!rpc) return {{"witness", false}, {"refusal", nullptr}, {"registrations", 0}};
  rpc::witness::Service& witness = rpc->witness();
  const Reach reach = request.elsewhere ? Reach::kAnywhere : Reach::kInterfaces;
  rpc::witness::Service::MoveResult moved = std::unexpected(Refusal::kUnknown);
  if (request.command == Command::kWitnessMove) {
    moved = witness.move_clients(request.client, request.address, reach);
  } else if (request.command == Command::kWitnessShareMove) {
    moved = witness.move_share("", request.share, request.address, reach);
  } else if (const auto address = IpAddress::parse(request.address)) {
    moved = witness.move_away(*address);
  }
  if (moved && *moved > 0) {
    log::info("{} registrations with Witness were told to use {} {}", *moved,
              request.command == Command::kAddressMove ? "another address than" : "the address",
              request.address);
  }
  return {{"witness", true},
          {"refusal", moved ? json() : json(name_of(moved.error()))},
          {"registrations", moved.value_or(0)}};
}

json end_rpc_connection(rpc::tcp::Server* rpc, uint64_t number) {
  const bool ended = rpc && rpc->end_connection(number);
  if (ended) log::info("RPC connection {} was ended by the administrator", number);
  return {{"witness", rpc != nullptr}, {"ended", ended}};
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
